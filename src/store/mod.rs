//! The journal in SQLite: one file, WAL, one transaction for each batch.
//!
//! `open` checks the place and the pragmas, `schema` makes the tables fit the routes, `journal`
//! writes, `cause` turns SQLite's error codes into sentences. Knows nothing of MQTT.

mod cause;
mod history;
mod journal;
mod open;
mod retained;
mod rows;
mod schema;
mod statements;

pub use journal::SqliteJournal;
pub use open::{Opener, Peek, peek};
