//! What the recorder does: the supervision tree, the path of one message, and the ports it needs.
//!
//! This crate does no I/O. Broker, database, service manager, clock and chance come in as ports
//! ([`ports`]) and arguments, so that its tests run with fakes and paused time. The manifest holds
//! that: no I/O crate in it.
//!
//! The path of one message: [`ports::BrokerSession`] → [`mqtt::decode`] → [`mqtt::window::Window`] →
//! [`message::batch::Batch`] → [`db_writer::actor::DbWriterActor`] → [`ports::Journal`] →
//! [`message::batch::Receipt`] → acknowledgement at the broker.

pub mod db_writer;
pub mod exit_code;
pub mod health;
pub mod history;
pub mod message;
pub mod mistake;
pub mod mqtt;
pub mod ports;
#[cfg(test)]
mod scenarios;
pub mod stats;
pub mod status;
pub mod supervisor;
#[cfg(test)]
pub(crate) mod testing;
pub mod tree;
pub mod watchtower;
