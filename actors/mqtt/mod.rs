//! Owns the broker session: connection, window, routing, acknowledgements, what we publish.

pub mod actor;
pub mod arrivals;
mod ask_writer;
mod barriers;
pub mod broker_drops;
mod broker_news;
pub mod connection;
pub mod decode;
pub mod publish;
pub mod readings;
pub mod receiver;
pub mod routing;
mod stall;
pub mod subscriptions;
pub mod window;
