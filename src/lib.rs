//! Barograph: a failsafe recorder for MQTT telemetry. What the recorder does is in
//! `barograph-actors`, what the operator may say in `barograph-config`; this crate is what it does
//! it with: MQTT, SQLite, locks, signals, systemd, the command line.

pub mod cli;
pub mod client_id;
pub mod commands;
pub(crate) mod counted;
pub mod demo;
pub mod exit;
pub mod http;
pub mod ipc;
pub mod metrics;
pub mod mqtt;
pub mod notify;
pub mod os;
pub mod probe;
pub mod reload;
pub mod run;
pub mod sqlite;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod wire;

#[cfg(not(panic = "unwind"))]
compile_error!("supervision needs panics that unwind: no profile may set panic = \"abort\"");
