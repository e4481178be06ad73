//! Reading back what the journal wrote.

use std::collections::HashSet;

use barograph_actors::account::{Outcome, RouteId, Tally};
use barograph_actors::batch::BatchId;
use barograph_actors::delivery::{ConnectionId, UnixMillis};
use barograph_actors::ledger::Row;
use barograph_config::Route;
use rusqlite::{Connection, OptionalExtension, params};

/// Key of `barograph_meta`: filters whose retained messages were recorded, as a JSON list.
pub(super) const SUBSCRIBED: &str = "subscribed";
/// Key of `barograph_meta`: broker and client id that the ledger belongs to.
pub(super) const SESSION: &str = "session";

/// The ledger's rows in order. A row whose bytes are no entries is taken as one without: a
/// redelivery is then stored twice rather than the start refused.
pub(super) fn ledger(conn: &Connection) -> rusqlite::Result<Vec<Row>> {
    let sql = "SELECT number, run, batch, connection, at, confirmed, fresh_seen, entries FROM \
        barograph_ledger ORDER BY number";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let entries: Vec<u8> = row.get(7)?;
        Ok(Row {
            number: row.get(0)?,
            batch: BatchId { run: row.get(1)?, number: row.get(2)? },
            connection: ConnectionId(row.get(3)?),
            at: UnixMillis(row.get(4)?),
            confirmed: row.get(5)?,
            fresh_seen: row.get(6)?,
            entries: Row::entries_from(&entries).unwrap_or_default(),
        })
    })?;
    rows.collect()
}

/// A value of `barograph_meta`.
pub(super) fn meta(conn: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    conn.query_row("SELECT value FROM barograph_meta WHERE key = ?1", params![key], |row| {
        row.get(0)
    })
    .optional()
}

/// Sets a value of `barograph_meta`.
pub(super) fn set_meta(conn: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    let set = "INSERT INTO barograph_meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE \
         SET value = excluded.value";
    conn.prepare_cached(set)?.execute(params![key, value]).map(|_| ())
}

/// When the last batch was written, by the ledger.
pub(super) fn last_batch_at(conn: &Connection) -> rusqlite::Result<Option<UnixMillis>> {
    let at: Option<i64> =
        conn.query_row("SELECT max(at) FROM barograph_ledger", [], |row| row.get(0))?;
    Ok(at.map(UnixMillis))
}

/// A count as SQLite takes it.
pub(super) fn as_i64(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Filters whose retained messages were recorded.
pub(super) fn known_filters(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let text = meta(conn, SUBSCRIBED)?;
    Ok(text
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .map(strings)
        .unwrap_or_default())
}

/// Digests of the retained messages that were recorded while their filter was new. (SQLite's integers
/// are signed: the bits are the same.)
pub(super) fn retained(conn: &Connection) -> rusqlite::Result<HashSet<u64>> {
    let mut statement = conn.prepare("SELECT digest FROM barograph_retained")?;
    let digests = statement.query_map([], |row| row.get::<_, i64>(0))?;
    digests.map(|digest| digest.map(i64::cast_unsigned)).collect()
}

pub(super) fn strings(list: serde_json::Value) -> Vec<String> {
    let items = list.as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// The account of all time. Routes that the settings no longer have are left out.
pub(super) fn account(conn: &Connection, routes: &[Route]) -> rusqlite::Result<Tally> {
    let mut statement =
        conn.prepare("SELECT route, outcome, reason, count FROM barograph_accounting")?;
    let mut rows = statement.query([])?;
    let mut tally = Tally::default();
    while let Some(row) = rows.next()? {
        let (name, outcome, reason): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let index = routes.iter().position(|route| route.table == name);
        let id = RouteId(index.and_then(|index| u16::try_from(index).ok()));
        if let Some(outcome) = Outcome::from_words(&outcome, &reason)
            && (id.0.is_some() || name.is_empty())
        {
            tally.add(id, outcome, u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0));
        }
    }
    Ok(tally)
}
