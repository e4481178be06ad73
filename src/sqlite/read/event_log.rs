//! Events, read back: those of the database, and those that still wait in the spool.

use barograph_actors::message::note::{Event, Note};
use rusqlite::{Connection, params};
use serde_json::Value as Json;

use super::read_only::ReadOnlyDatabase;
use crate::sqlite::journal::stored_position;
use crate::sqlite::spool::rows;

/// An event, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// When, UTC.
    pub at: String,
    /// Its name.
    pub event: String,
    /// A sentence.
    pub detail: String,
}

impl From<Event> for LoggedEvent {
    fn from(Event { name, at, detail }: Event) -> Self {
        Self { at: at.to_string(), event: name.to_owned(), detail }
    }
}

/// The newest events, oldest first, and the highest id of all events.
///
/// # Errors
/// The database cannot be read.
pub fn newest_events(
    look: &ReadOnlyDatabase,
    since: Option<&str>,
    limit: usize,
    wanted: impl Fn(&LoggedEvent) -> bool,
) -> rusqlite::Result<(Vec<LoggedEvent>, i64)> {
    let view = look.view()?;
    let select = "SELECT at, event, detail FROM barograph_events WHERE ?1 IS NULL OR at >= ?1 ORDER BY \
         id DESC";
    let mut statement = view.prepare(select)?;
    let mut rows = statement.query(params![since])?;
    let mut events = Vec::new();
    while events.len() < limit
        && let Some(row) = rows.next()?
    {
        let event = LoggedEvent { at: row.get(0)?, event: row.get(1)?, detail: row.get(2)? };
        if wanted(&event) {
            events.push(event);
        }
    }
    events.reverse();
    Ok((events, last_id(&view)?))
}

/// Events after an id, oldest first, and the highest id of all events. Where that is lower, this is another
/// database than before: all of its events are given.
///
/// # Errors
/// The database cannot be read.
pub fn events_after(look: &ReadOnlyDatabase, id: i64) -> rusqlite::Result<(Vec<LoggedEvent>, i64)> {
    let view = look.view()?;
    let last = last_id(&view)?;
    let after = if last < id { 0 } else { id };
    let select = "SELECT at, event, detail FROM barograph_events WHERE id > ?1 ORDER BY id";
    let mut statement = view.prepare(select)?;
    let events = statement.query_map(params![after], |row| {
        Ok(LoggedEvent { at: row.get(0)?, event: row.get(1)?, detail: row.get(2)? })
    })?;
    Ok((events.collect::<rusqlite::Result<_>>()?, last))
}

fn last_id(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("SELECT coalesce(max(id), 0) FROM barograph_events", [], |row| row.get(0))
}

/// Events in the spool that the database has not taken over yet, oldest first.
///
/// # Errors
/// One of them cannot be read.
pub fn spooled_events(
    database: &ReadOnlyDatabase,
    spool: &ReadOnlyDatabase,
) -> rusqlite::Result<Vec<LoggedEvent>> {
    spooled_beyond(&database.conn, spool)
}

/// The same, of a database that is open already.
///
/// # Errors
/// One of them cannot be read.
pub(in crate::sqlite) fn spooled_beyond(
    database: &Connection,
    spool: &ReadOnlyDatabase,
) -> rusqlite::Result<Vec<LoggedEvent>> {
    let event = |note| match note {
        Note::Event(event) => Some(LoggedEvent::from(event)),
        Note::RunBegins(_) | Note::Gap(_) | Note::Stats(_) => None,
    };
    Ok(spooled_notes(database, spool)?.into_iter().filter_map(event).collect())
}

/// Notes in the spool that the database has not taken over yet, oldest first. Those that another version
/// wrote and this one does not know are left out.
pub(in crate::sqlite) fn spooled_notes(
    database: &Connection,
    spool: &ReadOnlyDatabase,
) -> rusqlite::Result<Vec<Note>> {
    let (taken_from, position) = stored_position(database)?;
    let view = spool.view()?;
    let done = if rows::id(&view)? == taken_from { position } else { 0 };
    let select = "SELECT notes FROM spool_entries WHERE position > ?1 ORDER BY position";
    let mut statement = view.prepare(select)?;
    let mut rows = statement.query(params![done])?;
    let mut noted = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        let notes: Json = serde_json::from_str(&text).unwrap_or_default();
        noted.extend(notes.as_array().into_iter().flatten().filter_map(rows::note_from));
    }
    Ok(noted)
}
