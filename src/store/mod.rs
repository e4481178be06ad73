//! The journal and the spool in SQLite.
//!
//! `open` checks the place and the pragmas, `schema` makes the tables fit the routes, `journal` holds
//! the transactions, `write` and `row_writer` are what a batch's transaction does, `digests` what makes
//! changed content visible, `spool` the second place, `salvage` what comes out of a damaged file,
//! `upkeep` what can wait, `cause` turns SQLite's error codes into sentences. Knows nothing of MQTT.

mod cause;
mod digests;
mod file;
mod history;
mod journal;
mod notes;
mod open;
mod rebuild;
mod retained;
mod row_writer;
mod rows;
mod salvage;
mod schema;
mod spool;
mod spool_rows;
mod statements;
mod upkeep;
mod write;

pub use file::Wrecks;
pub use journal::SqliteJournal;
pub use open::{Opener, Peek, peek};
pub use spool::{Spools, count_spooled, spool_path};
