//! Gaps, read back: those of the database, and what is in the spool and changes them.

use barograph_actors::message::note::Note;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::event_log::spooled_notes;
use super::read_only::ReadOnlyDatabase;
use crate::sqlite::journal::notes;
use crate::sqlite::journal::schema::OWN_TABLES;
use crate::time::UtcText;

/// A stretch in which something may be missing, as the table has it. Times are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gap {
    /// The last moment at which all was well.
    #[schema(value_type = UtcText)]
    pub from: String,
    /// From here on all was well again; `None`: it is still open.
    #[schema(value_type = Option<UtcText>)]
    pub to: Option<String>,
    /// As a word.
    pub cause: String,
    /// Of which route; `None`: of all.
    pub route: Option<String>,
    /// As a sentence.
    pub detail: String,
}

impl Gap {
    /// Of a row with these columns, in this order.
    pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            from: row.get(0)?,
            to: row.get(1)?,
            cause: row.get(2)?,
            route: row.get(3)?,
            detail: row.get(4)?,
        })
    }
}

/// The gaps that lasted into `since` (UTC, as text), of a cause; with what the spool has of them, if there is one.
///
/// # Errors
/// The database cannot be read.
pub fn gaps_since(
    look: &ReadOnlyDatabase,
    spool: Option<&ReadOnlyDatabase>,
    since: Option<&str>,
    cause: Option<&str>,
) -> rusqlite::Result<Vec<Gap>> {
    with_gaps_beyond(&look.conn, spool, &[], |conn| read(conn, since, cause))
}

fn read(conn: &Connection, since: Option<&str>, cause: Option<&str>) -> rusqlite::Result<Vec<Gap>> {
    let select = "SELECT from_at, to_at, cause, route, detail FROM barograph_gaps WHERE (?1 IS NULL OR \
         to_at IS NULL OR to_at >= ?1) AND (?2 IS NULL OR cause = ?2) ORDER BY from_at, id";
    let mut statement = conn.prepare(select)?;
    statement.query_map(params![since, cause], Gap::of_row)?.collect()
}

/// Asks the database's list of gaps as it will be when it has taken over the spool and then these notes. A spool
/// that cannot be read hides nothing else.
///
/// # Errors
/// The database cannot be read.
pub(in crate::sqlite) fn with_gaps_beyond<T>(
    database: &Connection,
    spool: Option<&ReadOnlyDatabase>,
    waiting: &[Note],
    ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let spooled = spool.and_then(|spool| spooled_notes(database, spool).ok()).unwrap_or_default();
    let changes = spooled.iter().chain(waiting).filter(|note| match note {
        Note::RunBegins(_) | Note::Gap(_) => true,
        Note::Event(_) | Note::Stats(_) => false,
    });
    let changes: Vec<Note> = changes.cloned().collect();
    if changes.is_empty() {
        return ask(database);
    }
    let copy = copy_of_gaps(database)?;
    notes::write(&copy, &changes)?;
    ask(&copy)
}

/// The list in memory, where it can be changed.
fn copy_of_gaps(database: &Connection) -> rusqlite::Result<Connection> {
    let copy = Connection::open_in_memory()?;
    copy.execute_batch(OWN_TABLES)?;
    notes::copy_signs_of_life(database, &copy)?;
    let mut select = database
        .prepare_cached("SELECT id, from_at, to_at, cause, route, detail FROM barograph_gaps")?;
    let mut insert = copy.prepare("INSERT INTO barograph_gaps VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let column = |index| row.get::<_, rusqlite::types::Value>(index);
        insert.execute([column(0)?, column(1)?, column(2)?, column(3)?, column(4)?, column(5)?])?;
    }
    drop(insert);
    Ok(copy)
}
