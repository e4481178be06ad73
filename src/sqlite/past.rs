//! A database that another program might have left, for the demo.

use std::path::Path;

use barograph_actors::message::batch::Value;
use rusqlite::{Connection, params_from_iter};

use super::journal::row_writer::BoundValue;

/// Writes a database that is not there yet, in one transaction: the tables, then each row by the statement of its
/// number in `inserts`.
///
/// # Errors
/// It could not be made.
pub fn write_past(
    path: &Path,
    tables: &str,
    inserts: &[&str],
    rows: impl Iterator<Item = (usize, Vec<Value>)>,
) -> rusqlite::Result<()> {
    let mut conn = Connection::open(path)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    let transaction = conn.transaction()?;
    transaction.execute_batch(tables)?;
    for (insert, values) in rows {
        let mut statement = transaction.prepare_cached(inserts[insert])?;
        statement.execute(params_from_iter(values.iter().map(BoundValue)))?;
    }
    transaction.commit()
}
