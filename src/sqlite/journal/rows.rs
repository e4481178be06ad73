//! Reading back what the journal wrote.

use std::collections::{HashMap, HashSet};

use barograph_actors::db_writer::ledger::LedgerRow;
use barograph_actors::db_writer::plan::LedgerState;
use barograph_actors::message::account::{FURTHER_ROWS, Outcome, RouteId, Tally};
use barograph_actors::message::batch::BatchId;
use barograph_actors::message::delivery::{ConnectionId, UnixMillis};
use barograph_actors::message::session_name::parts_of;
use barograph_config::Route;
use rusqlite::{Connection, OptionalExtension, params};

/// Key of `barograph_meta`: filters whose retained messages were recorded, as a JSON list.
pub(in crate::sqlite) const SUBSCRIBED: &str = "subscribed";
/// Key of `barograph_meta`: broker and client id that the ledger belongs to.
pub(in crate::sqlite) const SESSION: &str = "session";
/// Key of `barograph_meta`: our client id at the broker, which is made once.
pub(in crate::sqlite) const CLIENT_ID: &str = "client_id";

/// The ledger's rows in order. A row whose bytes are no entries is taken as one without: a
/// redelivery is then stored twice rather than the start refused.
pub(in crate::sqlite) fn ledger(conn: &Connection) -> rusqlite::Result<Vec<LedgerRow>> {
    let sql = "SELECT number, run, batch, connection, at, confirmed, ids_taken, entries FROM \
        barograph_ledger ORDER BY number";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let entries: Vec<u8> = row.get(7)?;
        Ok(LedgerRow {
            number: row.get(0)?,
            batch: BatchId { run: row.get(1)?, number: row.get(2)? },
            connection: ConnectionId(row.get(3)?),
            at: UnixMillis(row.get(4)?),
            confirmed: row.get(5)?,
            ids_taken: row.get::<_, i64>(6)?.cast_unsigned(),
            entries: LedgerRow::entries_from(&entries).unwrap_or_default(),
        })
    })?;
    rows.collect()
}

/// All that is stored for the rules of exactly-once.
pub(in crate::sqlite) fn ledger_state(conn: &Connection) -> rusqlite::Result<LedgerState> {
    Ok(LedgerState {
        rows: ledger(conn)?,
        session: meta(conn, SESSION)?,
        settled_filters: known_filters(conn)?,
        retained: retained(conn)?,
    })
}

/// A value of `barograph_meta`.
pub(in crate::sqlite) fn meta(conn: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    conn.query_row("SELECT value FROM barograph_meta WHERE key = ?1", params![key], |row| {
        row.get(0)
    })
    .optional()
}

/// Sets a value of `barograph_meta`.
pub(in crate::sqlite) fn set_meta(
    conn: &Connection,
    key: &str,
    value: &str,
) -> rusqlite::Result<()> {
    let set = "INSERT INTO barograph_meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE \
         SET value = excluded.value";
    conn.prepare_cached(set)?.execute(params![key, value]).map(|_| ())
}

/// Keeps the client id where none is kept; of a database from before it was kept, the one of its session.
pub(in crate::sqlite) fn keep_client_id(
    conn: &Connection,
    client_id: &str,
) -> rusqlite::Result<()> {
    let kept = client_id_of(conn)?;
    let kept = kept.as_deref().unwrap_or(client_id);
    let keep = "INSERT OR IGNORE INTO barograph_meta (key, value) VALUES (?1, ?2)";
    if !kept.is_empty() {
        conn.execute(keep, params![CLIENT_ID, kept])?;
    }
    Ok(())
}

/// The client id that a database keeps, or that its session has.
pub(in crate::sqlite) fn client_id_of(conn: &Connection) -> rusqlite::Result<Option<String>> {
    if let Some(kept) = meta(conn, CLIENT_ID)? {
        return Ok(Some(kept));
    }
    let session = meta(conn, SESSION)?;
    Ok(session.and_then(|session| Some(parts_of(&session)?.1.to_owned())))
}

/// Keeps the session that the ledger belongs to, and its client id.
pub(in crate::sqlite) fn set_session(conn: &Connection, session: &str) -> rusqlite::Result<()> {
    set_meta(conn, SESSION, session)?;
    match parts_of(session) {
        Some((_, client_id)) => set_meta(conn, CLIENT_ID, client_id),
        None => Ok(()),
    }
}

/// When the last batch was written, by the ledger.
pub(in crate::sqlite) fn last_batch_at(conn: &Connection) -> rusqlite::Result<Option<UnixMillis>> {
    let at: Option<i64> =
        conn.query_row("SELECT max(at) FROM barograph_ledger", [], |row| row.get(0))?;
    Ok(at.map(UnixMillis))
}

/// The lowest and the highest row id of a table. Asked for both in one question, SQLite reads the whole table.
pub(in crate::sqlite) fn ends(
    conn: &Connection,
    table: &str,
) -> rusqlite::Result<Option<(i64, i64)>> {
    Ok(lowest(conn, table)?.zip(highest(conn, table)?))
}

/// The lowest row id of a table.
pub(in crate::sqlite) fn lowest(conn: &Connection, table: &str) -> rusqlite::Result<Option<i64>> {
    let select = format!("SELECT min(rowid) FROM \"{table}\"");
    conn.prepare_cached(&select)?.query_row([], |row| row.get(0))
}

/// The highest row id of a table.
pub(in crate::sqlite) fn highest(conn: &Connection, table: &str) -> rusqlite::Result<Option<i64>> {
    let select = format!("SELECT max(rowid) FROM \"{table}\"");
    conn.prepare_cached(&select)?.query_row([], |row| row.get(0))
}

/// Places of a table that are read to see whether it is sound.
const SAMPLES: i64 = 8;

/// Reads rows at some places of a table, all their columns.
pub(in crate::sqlite) fn sample(conn: &Connection, table: &str) -> rusqlite::Result<()> {
    let Some((first, last)) = ends(conn, table)? else { return Ok(()) };
    let mut statement = conn
        .prepare(&format!("SELECT * FROM \"{table}\" WHERE rowid >= ?1 ORDER BY rowid LIMIT 1"))?;
    let columns = statement.column_count();
    for place in 0..=SAMPLES {
        let from = first + (last.saturating_sub(first)) / SAMPLES * place;
        let mut rows = statement.query([from])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                row.get_ref(column)?;
            }
        }
    }
    Ok(())
}

/// A count as SQLite takes it.
pub(in crate::sqlite) fn as_i64(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Filters whose retained messages were recorded.
fn known_filters(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let text = meta(conn, SUBSCRIBED)?;
    Ok(text
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .map(strings)
        .unwrap_or_default())
}

/// Digests of the retained messages that were recorded while their filter was new. (SQLite's integers
/// are signed: the bits are the same.)
fn retained(conn: &Connection) -> rusqlite::Result<HashSet<u64>> {
    let mut statement = conn.prepare("SELECT digest FROM barograph_retained")?;
    let digests = statement.query_map([], |row| row.get::<_, i64>(0))?;
    digests.map(|digest| digest.map(i64::cast_unsigned)).collect()
}

pub(in crate::sqlite) fn strings(list: serde_json::Value) -> Vec<String> {
    let items = list.as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Rows that the database holds, by its own account.
pub(in crate::sqlite) fn stored(conn: &Connection) -> rusqlite::Result<u64> {
    let select = "SELECT coalesce(sum(count), 0) FROM barograph_accounting WHERE outcome IN ('stored', 'rows')";
    let rows: i64 = conn.prepare_cached(select)?.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// The account of all time. Routes that the settings no longer have are left out.
pub(in crate::sqlite) fn account(conn: &Connection, routes: &[Route]) -> rusqlite::Result<Tally> {
    let mut statement =
        conn.prepare("SELECT route, outcome, reason, count FROM barograph_accounting")?;
    let mut rows = statement.query([])?;
    let mut tally = Tally::default();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (index, route) in routes.iter().enumerate() {
        by_name.entry(route.name()).or_insert(index);
    }
    while let Some(row) = rows.next()? {
        let (name, outcome, reason): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let index = by_name.get(name.as_str());
        let id = RouteId(index.and_then(|index| u16::try_from(*index).ok()));
        if id.0.is_none() && !name.is_empty() {
            continue;
        }
        let count = u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
        if (outcome.as_str(), reason.as_str()) == FURTHER_ROWS {
            tally.add_further_rows(id, count);
        } else if let Some(outcome) = Outcome::from_words(&outcome, &reason) {
            tally.add(id, outcome, count);
        }
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Steps of SQLite's machine: a count of what a question costs.
    fn steps(conn: &mut Connection, ask: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> u64 {
        let steps = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&steps);
        let count = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            false
        };
        conn.progress_handler(1, Some(count)).unwrap();
        ask(conn).unwrap();
        conn.progress_handler(0, None::<fn() -> bool>).unwrap();
        steps.load(Ordering::Relaxed)
    }

    /// These are asked again and again while it records, about tables that grow for years.
    #[test]
    fn a_look_at_a_table_costs_the_same_however_long_it_is() {
        let mut conn = Connection::open_in_memory().unwrap();
        let fill = "CREATE TABLE barograph_quarantine (id INTEGER PRIMARY KEY, a); WITH RECURSIVE n(i) AS \
                    (SELECT 5 UNION ALL SELECT i + 1 FROM n WHERE i < 50004) INSERT INTO \
                    barograph_quarantine SELECT i, i FROM n";
        conn.execute_batch(fill).unwrap();
        let table = "barograph_quarantine";
        assert_eq!(ends(&conn, table).unwrap(), Some((5, 50_004)));
        let looks = [
            steps(&mut conn, |conn| ends(conn, table).map(drop)),
            steps(&mut conn, |conn| sample(conn, table)),
        ];
        assert!(looks.iter().all(|&steps| (1..500).contains(&steps)), "{looks:?}");
    }

    #[test]
    fn an_empty_table_has_no_ends() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t (a)").unwrap();
        assert_eq!(ends(&conn, "t").unwrap(), None);
        sample(&conn, "t").unwrap();
    }
}
