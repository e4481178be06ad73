//! The journal and the spool in SQLite.
//!
//! `open` checks the place and the pragmas, `schema` makes the tables fit the routes, `journal` holds
//! the transactions, `write` and `row_writer` are what a batch's transaction does, `digests` what makes
//! changed content visible, `spool` the second place, `salvage` what comes out of a damaged file,
//! `upkeep` what can wait, `rollup`
//! history summed up, `cause` turns SQLite's error codes into sentences. For people: `look` opens
//! without leaving a trace, `books`, `event_log`, `verify` (with `narrow`) and `quarantine` read, `editor` replays and
//! drops. Knows nothing of MQTT.

mod books;
mod catalog;
mod cause;
mod digests;
mod editor;
mod event_file;
mod event_log;
mod file;
mod gap_log;
mod history;
mod journal;
mod left;
mod look;
mod narrow;
mod notes;
mod open;
mod quarantine;
mod rebuild;
mod retained;
pub mod rollup;
mod row_writer;
mod rows;
mod salvage;
mod schema;
mod sight;
mod spool;
mod spool_rows;
#[cfg(test)]
mod spool_tests;
mod statements;
mod strays;
mod upkeep;
mod verify;
mod write;

pub use books::{Books, Count, Held, SpoolBooks, taken_over};
pub use catalog::{Catalog, DatabaseEntry, Databases};
pub(crate) use cause::cause_of_io;
pub use editor::{Changed, Editor};
pub use event_file::{EventFile, event_file_path, kept_events};
pub use event_log::{LoggedEvent, events_after, newest_events, spooled_beyond, spooled_events};
pub use file::Wrecks;
pub use gap_log::{Gap, gaps_since, with_gaps_beyond};
pub use journal::SqliteJournal;

pub use look::Look;
pub use narrow::Flip;
pub use open::{Opener, Peek, peek};
pub use quarantine::{Filter, Kept, count_kept, each_kept, newest_kept};
pub(crate) use rows::{ends, highest};
pub use sight::{Sighted, sight};
pub use spool::{Spools, spool_path};
pub use verify::{Finding, Interrupt, Verified, Wrong, verify};
