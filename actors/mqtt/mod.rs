//! Owns the broker session: connection, window, routing, acknowledgements, what we publish.

pub mod actor;
mod ask_writer;
mod barriers;
pub mod broker_drops;
mod broker_news;
pub mod connection;
mod copies;
pub mod decode;
mod intake_watch;
pub mod publish;
pub mod receiver;
mod stall;
pub mod subscriptions;
pub mod window;
