//! The journal and the spool in SQLite.
//!
//! `open` checks the place and the pragmas, `schema` makes the tables fit the routes, `journal` holds
//! the transactions, `write` and `row_writer` are what a batch's transaction does, `digests` what makes
//! changed content visible, `spool` the second place, `salvage` what comes out of a damaged file,
//! `upkeep` what can wait, `rollup`
//! history summed up, `cause` turns SQLite's error codes into sentences. For people: `look` opens
//! without leaving a trace, `books`, `event_log`, `verify` (with `narrow`) and `quarantine` read, `editor` replays and
//! drops. Knows nothing of MQTT.

mod cause;
mod editor;
mod journal;
pub mod read;
pub mod rollup;
mod salvage;
mod sight;
mod spool;
mod verify;

pub use crate::sqlite::journal::catalog::{Catalog, DatabaseEntry, Databases};
pub use crate::sqlite::journal::event_file::{EventFile, event_file_path, kept_events};
pub use crate::sqlite::journal::file::DamagedHandles;
pub use crate::sqlite::read::books::{AccountingReport, Count, Held, SpoolReport, taken_over};
pub use crate::sqlite::read::event_log::{
    LoggedEvent, events_after, newest_events, spooled_beyond, spooled_events,
};
pub use crate::sqlite::read::gap_log::{Gap, gaps_since, with_gaps_beyond};
pub use editor::{Changed, Editor};
pub use journal::SqliteJournal;

pub use crate::sqlite::journal::open::{Opener, Peek, peek};
pub(crate) use crate::sqlite::journal::rows::{ends, highest};
pub use crate::sqlite::read::look::ReadOnlyDatabase;
pub use crate::sqlite::read::quarantine::{Filter, Kept, count_kept, each_kept, newest_kept};
pub use crate::sqlite::verify::narrow::Flip;
pub use sight::{Sighted, sight};
pub use spool::{Spools, spool_path};
pub use verify::{Finding, Interrupt, Verified, Wrong, verify};
