//! The subcommands, a file each.

pub mod account;
pub mod alert;
pub mod args;
pub mod check;
pub mod check_topic;
pub mod completions;
pub mod control;
pub mod database;
pub mod events;
pub mod gaps;
mod grid;
mod holder;
pub mod import_calibration;
mod paint;
pub mod quarantine;
pub mod read_args;
pub mod recorder;
pub(crate) mod replay;
pub mod status;
pub mod stop;
pub mod tail;
pub mod token;
pub mod verify;
