//! The account as the database has it, beside what its tables hold: for those who check one against the
//! other.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::Value as Json;

use super::read_only::ReadOnlyDatabase;
use crate::sqlite::journal::digests::Shape;
use crate::sqlite::journal::row_writer::is_plain;
use crate::sqlite::journal::rows;
use crate::sqlite::journal::schema::{STORED_BEFORE_DIGESTS, exists};
use crate::sqlite::journal::stored_position;
use crate::sqlite::quoted;
use crate::sqlite::spool::rows as spool_rows;

/// A count of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The route's table; empty for none.
    pub route: String,
    /// `received`, `stored`, …
    pub outcome: String,
    /// Why, where there is more than one reason.
    pub reason: String,
    /// Deliveries.
    pub count: i64,
}

/// What a table of a route holds, by its digests and by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Rows that were stored before there were digests, rows that the digests cover, rows that are there
    /// in the covered ranges.
    Digested {
        /// Stored before there were digests.
        before: i64,
        /// By the digests.
        covered: i64,
        /// By the table.
        there: i64,
    },
    /// It has no digests: no rowids, a view, or triggers that may change its rows.
    Undigested,
    /// The database is older than digests; the recorder begins them at its next start.
    Older,
    /// There is no such table.
    Absent,
}

/// What one view of the database shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountingReport {
    /// The account.
    pub counts: Vec<Count>,
    /// Rows in quarantine, by route.
    pub quarantined: BTreeMap<String, i64>,
    /// By table.
    pub held: BTreeMap<String, Held>,
    /// The spool that was last taken over, and how far.
    pub taken_over: (i64, i64),
}

impl AccountingReport {
    /// Reads it all in one view.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(look: &ReadOnlyDatabase) -> rusqlite::Result<Self> {
        let conn = look.view()?;
        let counts = counts(&conn)?;
        let before = stored_before(&conn)?;
        let has_digests = exists(&conn, "barograph_shapes")?;
        let shapes = if has_digests { Shape::all(&conn)? } else { Vec::new() };
        let mut held = BTreeMap::new();
        for count in counts.iter().filter(|count| count.outcome == "stored") {
            let table = &count.route;
            if !held.contains_key(table) {
                let before = before.get(table).copied().unwrap_or(0);
                let by_table = match has_digests {
                    true => held_by(&conn, table, &shapes, before)?,
                    false => Held::Older,
                };
                held.insert(table.clone(), by_table);
            }
        }
        let quarantined =
            "SELECT coalesce(route, ''), count(*) FROM barograph_quarantine GROUP BY 1";
        let mut statement = conn.prepare(quarantined)?;
        let quarantined = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let quarantined = quarantined.collect::<rusqlite::Result<_>>()?;
        Ok(Self { counts, quarantined, held, taken_over: stored_position(&conn)? })
    }
}

/// The spool that was last taken over, and how far.
///
/// # Errors
/// It cannot be read.
pub fn taken_over(look: &ReadOnlyDatabase) -> rusqlite::Result<(i64, i64)> {
    stored_position(&look.conn)
}

fn counts(conn: &Connection) -> rusqlite::Result<Vec<Count>> {
    let select = "SELECT route, outcome, reason, count FROM barograph_accounting WHERE count <> 0 ORDER \
         BY route, outcome, reason";
    let mut statement = conn.prepare(select)?;
    let counts = statement.query_map([], |row| {
        Ok(Count {
            route: row.get(0)?,
            outcome: row.get(1)?,
            reason: row.get(2)?,
            count: row.get(3)?,
        })
    })?;
    counts.collect()
}

fn stored_before(conn: &Connection) -> rusqlite::Result<BTreeMap<String, i64>> {
    let text = rows::meta(conn, STORED_BEFORE_DIGESTS)?.unwrap_or_default();
    let json: Json = serde_json::from_str(&text).unwrap_or_default();
    let tables = json.as_object().into_iter().flatten();
    Ok(tables.filter_map(|(table, rows)| Some((table.clone(), rows.as_i64()?))).collect())
}

fn held_by(
    conn: &Connection,
    table: &str,
    shapes: &[Shape],
    before: i64,
) -> rusqlite::Result<Held> {
    if !exists(conn, table)? {
        return Ok(Held::Absent);
    }
    if !is_plain(conn, table)? {
        return Ok(Held::Undigested);
    }
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    let mut covered = 0;
    let select = "SELECT first, last, rows FROM barograph_digests WHERE shape = ?1 ORDER BY first";
    let mut statement = conn.prepare(select)?;
    for shape in shapes.iter().filter(|shape| shape.table == table) {
        let mut digests = statement.query(params![shape.id])?;
        while let Some(row) = digests.next()? {
            let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
            covered += row.get::<_, i64>(2)?;
            merge(&mut ranges, first, last);
        }
    }
    ranges.sort_unstable();
    let mut merged = Vec::new();
    ranges.into_iter().for_each(|(first, last)| merge(&mut merged, first, last));
    let count = format!("SELECT count(*) FROM {} WHERE rowid BETWEEN ?1 AND ?2", quoted(table));
    let mut statement = conn.prepare(&count)?;
    let mut there = 0;
    for (first, last) in merged {
        there += statement.query_row(params![first, last], |row| row.get::<_, i64>(0))?;
    }
    Ok(Held::Digested { before, covered, there })
}

/// Adds a range to ranges that are sorted by where they begin; neighbours become one.
fn merge(ranges: &mut Vec<(i64, i64)>, first: i64, last: i64) {
    match ranges.last_mut() {
        Some(open) if open.1.saturating_add(1) >= first => open.1 = open.1.max(last),
        Some(_) | None => ranges.push((first, last)),
    }
}

/// What waits in a spool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpoolReport {
    /// Drawn when the spool was made.
    pub id: i64,
    /// Position and route of each record.
    pub records: Vec<(i64, String)>,
    /// Position, route, reason and number of deliveries that were dropped and are counted when the
    /// entry is taken over.
    pub dropped: Vec<(i64, String, String, i64)>,
    /// Records that belong to no batch: they would never be taken over.
    pub orphans: i64,
}

impl SpoolReport {
    /// Reads a spool, every record to its last byte.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> rusqlite::Result<Self> {
        let look = ReadOnlyDatabase::open(path)?;
        let conn = look.view()?;
        let mut books = Self { id: spool_rows::id(&conn)?, ..Self::default() };
        let select = "SELECT position, dropped FROM spool_entries WHERE dropped IS NOT NULL";
        let mut statement = conn.prepare(select)?;
        let mut entries = statement.query([])?;
        while let Some(row) = entries.next()? {
            let (position, text): (i64, String) = (row.get(0)?, row.get(1)?);
            let json: Json = serde_json::from_str(&text).unwrap_or_default();
            for dropped in json.as_array().into_iter().flatten() {
                let word = |index: usize| dropped[index].as_str().unwrap_or_default().to_owned();
                let count = dropped[2].as_i64().unwrap_or(0);
                books.dropped.push((position, word(0), word(1), count));
            }
        }
        let mut statement =
            conn.prepare("SELECT position, route, topic, payload FROM spool_records")?;
        let mut records = statement.query([])?;
        while let Some(row) = records.next()? {
            row.get_ref(2)?;
            row.get_ref(3)?;
            books.records.push((row.get(0)?, row.get(1)?));
        }
        let orphans = "SELECT count(*) FROM spool_records WHERE position NOT IN (SELECT position FROM \
             spool_entries WHERE run IS NOT NULL)";
        books.orphans = conn.query_row(orphans, [], |row| row.get(0))?;
        Ok(books)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_range_and_holes_stay() {
        let mut ranges = Vec::new();
        for (first, last) in [(1, 5), (6, 9), (8, 8), (11, 12), (13, i64::MAX), (14, 15)] {
            merge(&mut ranges, first, last);
        }
        assert_eq!(ranges, [(1, 9), (11, i64::MAX)]);
    }
}
