//! The journal and the spool in SQLite. Knows nothing of MQTT.
//!
//! - `journal`: `open` checks the place and the pragmas, `schema` makes the tables fit the routes, `write` and
//!   `row_writer` are what a batch's transaction does, `digests` make changed content visible, `upkeep` is what can
//!   wait; `catalog`, `left` and `strays` keep what an earlier database leaves.
//! - `spool`: the second place.
//! - `read`: for commands and the page, which ask questions and see no connection. `read_only` opens without leaving
//!   a trace; `unusable` says what an error means for a person.
//! - `verify`, `editor` (replays and drops what is in quarantine), `rollup` (history summed up), `salvage` (what comes
//!   out of a damaged file), `cause` (SQLite's error codes as sentences).

mod cause;
mod editor;
mod journal;
mod past;
pub mod read;
pub mod rollup;
mod salvage;
mod sight;
mod spool;
mod unusable;
mod verify;

pub use crate::sqlite::journal::catalog::{Catalog, DatabaseEntry, Databases};
pub use crate::sqlite::journal::event_file::{EventFile, event_file_path, kept_events};
pub use crate::sqlite::journal::file::DamagedHandles;
pub use crate::sqlite::read::accounting::{AccountingReport, Count, Held, SpoolReport, taken_over};
pub use crate::sqlite::read::client_id::kept_client_id;
pub use crate::sqlite::read::event_log::{
    LoggedEvent, events_after, newest_events, spooled_events,
};
pub use crate::sqlite::read::gap_log::{Gap, gaps_since};
pub use editor::{Changed, Editor};
pub use journal::SqliteJournal;
pub use past::write_past;
/// Why something could not be read or written.
pub use rusqlite::Error as DatabaseError;

pub use crate::sqlite::journal::open::{Opener, Peek, peek};
pub use crate::sqlite::read::quarantine::{
    QuarantineFilter, QuarantinedMessage, count_kept, each_kept, newest_kept,
};
pub use crate::sqlite::read::read_only::ReadOnlyDatabase;
pub use sight::{Sighted, sight};
pub use spool::{Spools, spool_path};
pub use unusable::Unusable;
pub use verify::{DamagedRange, Interrupt, Verified, Wrong, verify};

/// A name as SQL takes it, whatever it contains.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
