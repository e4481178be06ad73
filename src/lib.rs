//! Barograph: a failsafe recorder for MQTT telemetry. What the recorder does is in
//! `barograph-actors`, what the operator may say in `barograph-config`; this crate is what it does
//! it with: MQTT, SQLite, locks, signals, systemd, the command line.

pub mod alerts;
pub mod calibration;
pub mod check;
pub mod cli;
pub mod control;
mod counted;
pub mod demo;
pub mod fault_socket;
pub mod history;
pub mod inspect;
mod listener;
pub mod lock;
pub mod logging;
pub mod metrics;
pub mod mqtt;
pub mod operator;
pub mod paths;
pub mod process;
pub mod reload;
pub mod run;
pub mod signals;
pub mod simulate;
pub mod store;
pub mod survey;
pub mod systemd;
pub mod token;
pub mod watchtower;
pub mod world;

#[cfg(not(panic = "unwind"))]
compile_error!("supervision needs panics that unwind: no profile may set panic = \"abort\"");
