//! What the recorder does: the supervision tree, the path of one message, and the ports it needs.
//!
//! This crate does no I/O. Broker, database, service manager, clock and chance come in as ports
//! ([`ports`]) and arguments, so that its tests run with fakes and paused time. The manifest holds
//! that: no I/O crate in it.
//!
//! The path of one message: [`ports::Session`] → [`decode`] → [`window::Window`] → [`batch::Batch`]
//! → [`db_writer::DbWriterActor`] → [`ports::Journal`] → [`batch::Receipt`] → acknowledgement at
//! the broker.

pub mod account;
pub mod alerts;
pub mod arrivals;
mod barriers;
pub mod batch;
pub mod broker_drops;
mod broker_news;
pub mod db_writer;
pub mod decode;
pub mod delivery;
pub mod derived;
pub mod echo;
pub mod event;
pub mod exit_code;
#[cfg(test)]
pub(crate) mod fake;
pub mod feed;
mod freeze;
pub mod health;
pub mod histogram;
pub mod in_force;
pub mod issue;
pub mod issues;
pub mod ledger;
pub mod line;
pub mod measures;
pub mod mistake;
pub mod mode;
pub mod mqtt;
pub mod note;
pub mod orders;
pub mod origin;
pub mod ports;
mod probe;
#[cfg(test)]
mod promises;
mod publications;
pub mod published;
mod question;
pub mod readings;
pub mod recording;
pub mod rollup;
pub mod route;
pub mod routing;
mod stall;
pub mod stats;
pub mod subscriptions;
pub mod supervise;
pub mod survey;
mod teller;
pub mod tree;
mod voice;
pub mod watch;
pub mod watchtower;
pub mod window;
pub mod writing;
