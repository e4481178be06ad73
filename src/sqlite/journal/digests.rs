//! Digests over what the rows of a table hold, so that a value that changed on the disk is found.
//! SQLite's own `integrity_check` calls most of them fine: it looks at the structure, not at the
//! content (measured: 230 of 300 single-bit flips).
//!
//! The digest of a range of rows is the wrapping sum of the digests of its rows, and so is
//! independent of their order, can be added up over ranges that adjoin (compaction), and can have a
//! row taken out of it again (quarantine). A row's digest covers its rowid and its values, in the
//! order of the *shape*: the columns that were written at the time. Not a defence against an enemy.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use xxhash_rust::xxh3::xxh3_64;

use super::rows;
use crate::sqlite::quoted;

/// What one transaction wrote into one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) struct Range {
    pub(in crate::sqlite) first: i64,
    pub(in crate::sqlite) last: i64,
    pub(in crate::sqlite) rows: u64,
    pub(in crate::sqlite) digest: u64,
}

impl Range {
    fn of_row(rowid: i64, digest: u64) -> Self {
        Self { first: rowid, last: rowid, rows: 1, digest }
    }

    /// Of a row of `barograph_digests`: first, last, rows and digest from the second column on.
    pub(in crate::sqlite) fn stored(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            first: row.get(1)?,
            last: row.get(2)?,
            rows: row.get::<_, i64>(3)?.cast_unsigned(),
            digest: row.get::<_, i64>(4)?.cast_unsigned(),
        })
    }

    /// Takes a further row in.
    fn add(&mut self, rowid: i64, digest: u64) {
        self.first = self.first.min(rowid);
        self.last = self.last.max(rowid);
        self.rows += 1;
        self.digest = self.digest.wrapping_add(digest);
    }
}

/// Adds up the rows of one table, one after the other.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Adder {
    range: Option<Range>,
    bytes: Vec<u8>,
}

impl Adder {
    /// Begins a row.
    pub(in crate::sqlite) fn begin(&mut self, rowid: i64) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&rowid.to_le_bytes());
    }

    /// The next value of the row, as SQLite gives it back. A REAL that is a whole number is taken as
    /// the INTEGER that some columns make of it.
    pub(in crate::sqlite) fn value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.bytes.push(0),
            ValueRef::Integer(number) => self.integer(number),
            ValueRef::Real(number) => match whole(number) {
                Some(number) => self.integer(number),
                None => {
                    self.bytes.push(2);
                    self.bytes.extend_from_slice(&number.to_bits().to_le_bytes());
                }
            },
            ValueRef::Text(text) => self.counted(3, text),
            ValueRef::Blob(blob) => self.counted(4, blob),
        }
    }

    fn integer(&mut self, number: i64) {
        self.bytes.push(1);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn counted(&mut self, tag: u8, bytes: &[u8]) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the row.
    pub(in crate::sqlite) fn end(&mut self, rowid: i64) {
        let digest = xxh3_64(&self.bytes);
        match &mut self.range {
            Some(range) => range.add(rowid, digest),
            None => self.range = Some(Range::of_row(rowid, digest)),
        }
    }

    /// What was added up, and begins anew.
    pub(in crate::sqlite) fn take(&mut self) -> Option<Range> {
        self.range.take()
    }
}

/// The whole number that a REAL is, if it is one that an INTEGER holds.
fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within the limits")]
    (number.fract() == 0.0 && number.abs() < LIMIT).then_some(number as i64)
}

/// A table and the columns that its rows are digested over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sqlite) struct Shape {
    /// Its number in `barograph_shapes`.
    pub(in crate::sqlite) id: i64,
    pub(in crate::sqlite) table: String,
    pub(in crate::sqlite) columns: Vec<String>,
}

impl Shape {
    /// The shape of a table's columns; it is made where it is new.
    pub(in crate::sqlite) fn of(
        conn: &Connection,
        table: &str,
        columns: Vec<String>,
    ) -> rusqlite::Result<Self> {
        let text = serde_json::Value::from(columns.clone()).to_string();
        let insert = "INSERT OR IGNORE INTO barograph_shapes (tbl, columns) VALUES (?1, ?2)";
        conn.execute(insert, params![table, text])?;
        let select = "SELECT id FROM barograph_shapes WHERE tbl = ?1 AND columns = ?2";
        let id = conn.query_row(select, params![table, text], |row| row.get(0))?;
        Ok(Self { id, table: table.to_owned(), columns })
    }

    /// All shapes there are. Not by the index, which has all of it too: who asks wants to know about the
    /// table.
    pub(in crate::sqlite) fn all(conn: &Connection) -> rusqlite::Result<Vec<Self>> {
        let select = "SELECT id, tbl, columns FROM barograph_shapes NOT INDEXED";
        let mut statement = conn.prepare(select)?;
        let shapes = statement.query_map([], |row| {
            let text: String = row.get(2)?;
            let columns = serde_json::from_str(&text).map(rows::strings).unwrap_or_default();
            Ok(Self { id: row.get(0)?, table: row.get(1)?, columns })
        })?;
        shapes.collect()
    }

    /// Selects the rows of a range: rowid, then the columns.
    pub(in crate::sqlite) fn select(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
        let (columns, table) = (columns.join(", "), quoted(&self.table));
        format!("SELECT rowid, {columns} FROM {table} WHERE rowid BETWEEN ?1 AND ?2")
    }

    /// Selects the rowids of a range, in order.
    pub(in crate::sqlite) fn select_ids(&self) -> String {
        let table = quoted(&self.table);
        format!("SELECT rowid FROM {table} WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid")
    }

    /// Adds up what the table holds in a range of rowids.
    pub(in crate::sqlite) fn read(
        &self,
        conn: &Connection,
        first: i64,
        last: i64,
    ) -> rusqlite::Result<Option<Range>> {
        let mut statement = conn.prepare_cached(&self.select())?;
        self.add_up(statement.query(params![first, last])?)
    }

    /// As [`Shape::read`], the first `rows_max` rows only.
    pub(in crate::sqlite) fn read_some(
        &self,
        conn: &Connection,
        first: i64,
        last: i64,
        rows_max: i64,
    ) -> rusqlite::Result<Option<Range>> {
        let select = format!("{} ORDER BY rowid LIMIT ?3", self.select());
        let mut statement = conn.prepare_cached(&select)?;
        self.add_up(statement.query(params![first, last, rows_max])?)
    }

    fn add_up(&self, mut rows: rusqlite::Rows<'_>) -> rusqlite::Result<Option<Range>> {
        let mut adder = Adder::default();
        while let Some(row) = rows.next()? {
            let rowid: i64 = row.get(0)?;
            adder.begin(rowid);
            for index in 1..=self.columns.len() {
                adder.value(row.get_ref(index)?);
            }
            adder.end(rowid);
        }
        Ok(adder.take())
    }

    /// Records what a range of rows holds now.
    pub(in crate::sqlite) fn cover(
        &self,
        conn: &Connection,
        first: i64,
        last: i64,
        at: i64,
    ) -> rusqlite::Result<()> {
        match self.read(conn, first, last)? {
            Some(range) => self.record(conn, &range, at),
            None => Ok(()),
        }
    }

    /// Records what was written. `at`: milliseconds since 1970.
    pub(in crate::sqlite) fn record(
        &self,
        conn: &Connection,
        range: &Range,
        at: i64,
    ) -> rusqlite::Result<()> {
        conn.prepare_cached(INSERT)?.execute(params![
            self.id,
            range.first,
            range.last,
            rows::as_i64(range.rows),
            range.digest.cast_signed(),
            at
        ])?;
        Ok(())
    }

    /// Id, rows and digest of what covers a row.
    fn covering(&self, conn: &Connection, rowid: i64) -> rusqlite::Result<Option<(i64, i64, u64)>> {
        let find = "SELECT id, rows, digest FROM barograph_digests WHERE shape = ?1 AND first <= ?2 \
             AND last >= ?2 LIMIT 1";
        let mut statement = conn.prepare_cached(find)?;
        let covering = statement.query_row(params![self.id, rowid], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned()))
        });
        covering.optional()
    }

    /// Changes a row for a good reason: the digest that covers it follows. (A digest of its own would
    /// overlap with that one.)
    pub(in crate::sqlite) fn amend(
        &self,
        conn: &Connection,
        rowid: i64,
        change: impl FnOnce() -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let before = self.read(conn, rowid, rowid)?;
        change()?;
        let (Some(before), Some(after)) = (before, self.read(conn, rowid, rowid)?) else {
            return Ok(());
        };
        if let Some((id, _, digest)) = self.covering(conn, rowid)? {
            let digest = digest.wrapping_sub(before.digest).wrapping_add(after.digest);
            let update = "UPDATE barograph_digests SET digest = ?2 WHERE id = ?1";
            conn.prepare_cached(update)?.execute(params![id, digest.cast_signed()])?;
        }
        Ok(())
    }

    /// A row is about to be deleted for a good reason: it is taken out of the digest that covers it.
    pub(in crate::sqlite) fn forget(&self, conn: &Connection, rowid: i64) -> rusqlite::Result<()> {
        let Some(row) = self.read(conn, rowid, rowid)? else { return Ok(()) };
        let Some((id, rows, digest)) = self.covering(conn, rowid)? else { return Ok(()) };
        let digest = digest.wrapping_sub(row.digest).cast_signed();
        if rows <= 1 {
            conn.prepare_cached("DELETE FROM barograph_digests WHERE id = ?1")?.execute([id])?;
        } else {
            let update = "UPDATE barograph_digests SET rows = rows - 1, digest = ?2 WHERE id = ?1";
            conn.prepare_cached(update)?.execute(params![id, digest])?;
        }
        Ok(())
    }
}

const INSERT: &str = "INSERT INTO barograph_digests (shape, first, last, rows, digest, at) VALUES \
     (?1, ?2, ?3, ?4, ?5, ?6)";

/// A digest of each commit is kept for so long; then one an hour will do.
const COMPACT_AFTER_MS: i64 = HOUR_MS;
pub(super) const HOUR_MS: i64 = 3_600_000;

/// Digests that one step of compaction reads.
const COMPACT_ROWS: i64 = 2_000;

/// One stored digest.
struct DigestRow {
    id: i64,
    range: Range,
    hour: i64,
}

/// How far the compaction of one shape's digests has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::sqlite) struct Compacted {
    /// Up to this id it is done.
    pub(in crate::sqlite) done: i64,
    /// There is more to do now.
    pub(in crate::sqlite) more: bool,
}

/// Digests from before this moment are of hours that are over.
pub(in crate::sqlite) fn over_before(now: i64) -> i64 {
    (now - COMPACT_AFTER_MS) / HOUR_MS * HOUR_MS
}

/// One step of compaction, in the caller's transaction: digests of one shape and one hour whose
/// ranges adjoin become one. Only hours that are over.
pub(in crate::sqlite) fn compact(
    conn: &Connection,
    shape: i64,
    done: i64,
    now: i64,
) -> rusqlite::Result<Compacted> {
    let select = "SELECT id, first, last, rows, digest, at FROM barograph_digests WHERE shape = ?1 \
         AND id > ?2 AND at < ?3 ORDER BY id LIMIT ?4";
    let mut statement = conn.prepare_cached(select)?;
    let over = over_before(now);
    let stored = statement.query_map(params![shape, done, over, COMPACT_ROWS], |row| {
        let hour = row.get::<_, i64>(5)? / HOUR_MS;
        Ok(DigestRow { id: row.get(0)?, range: Range::stored(row)?, hour })
    })?;
    let (mut read, mut reached) = (0, done);
    let mut open: Option<(DigestRow, bool)> = None;
    for next in stored {
        let next = next?;
        (read, reached) = (read + 1, next.id);
        match &mut open {
            Some((kept, grown)) if adjoin(kept, &next) => {
                kept.range.last = next.range.last;
                kept.range.rows += next.range.rows;
                kept.range.digest = kept.range.digest.wrapping_add(next.range.digest);
                *grown = true;
                let delete = "DELETE FROM barograph_digests WHERE id = ?1";
                conn.prepare_cached(delete)?.execute([next.id])?;
            }
            Some(_) | None => {
                if let Some((kept, grown)) = open.replace((next, false)) {
                    write_back(conn, &kept, grown)?;
                }
            }
        }
    }
    let Some((kept, grown)) = open else { return Ok(Compacted { done, more: false }) };
    write_back(conn, &kept, grown)?;
    // The last range may grow in the next step.
    let more = read == COMPACT_ROWS;
    Ok(Compacted { done: if more { kept.id - 1 } else { reached }, more })
}

fn adjoin(kept: &DigestRow, next: &DigestRow) -> bool {
    kept.hour == next.hour && kept.range.last.checked_add(1) == Some(next.range.first)
}

fn write_back(conn: &Connection, kept: &DigestRow, grown: bool) -> rusqlite::Result<()> {
    if grown {
        let update = "UPDATE barograph_digests SET last = ?2, rows = ?3, digest = ?4 WHERE id = ?1";
        conn.prepare_cached(update)?.execute(params![
            kept.id,
            kept.range.last,
            rows::as_i64(kept.range.rows),
            kept.range.digest.cast_signed()
        ])?;
    }
    Ok(())
}

/// Asserts that each digest is that of its rows; gives how many rows of these tables the digests cover.
#[cfg(test)]
pub(in crate::sqlite) fn assert_that_digests_hold(conn: &Connection, tables: &[&str]) -> usize {
    let select = "SELECT first, last, rows, digest FROM barograph_digests WHERE shape = ?1";
    let mut statement = conn.prepare(select).unwrap();
    let mut covered = 0;
    let shapes = Shape::all(conn).unwrap().into_iter();
    for shape in shapes.filter(|shape| tables.contains(&shape.table.as_str())) {
        let stored = statement.query_map([shape.id], |row| {
            let (rows, digest): (i64, i64) = (row.get(2)?, row.get(3)?);
            let (first, last) = (row.get(0)?, row.get(1)?);
            Ok(Range { first, last, rows: rows.cast_unsigned(), digest: digest.cast_unsigned() })
        });
        for range in stored.unwrap().map(Result::unwrap) {
            let found = shape.read(conn, range.first, range.last).unwrap().unwrap();
            assert_eq!((found.rows, found.digest), (range.rows, range.digest), "{range:?}");
            covered += usize::try_from(range.rows).unwrap();
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::journal::schema::OWN_TABLES;

    fn database() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(OWN_TABLES).unwrap();
        conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, a REAL, b TEXT, c NUMERIC)")
            .unwrap();
        conn
    }

    fn shape(conn: &Connection) -> Shape {
        Shape::of(conn, "t", ["a", "b", "c"].map(str::to_owned).to_vec()).unwrap()
    }

    fn fill(conn: &Connection, first: i64, last: i64) {
        for id in first..=last {
            let c = if id % 2 == 0 { 3.0 } else { 0.5 };
            conn.execute("INSERT INTO t VALUES (?1, ?2, 'x', ?3)", params![id, id * 2, c]).unwrap();
        }
    }

    fn wrong(conn: &Connection, shape: &Shape) -> Vec<(i64, i64)> {
        let mut statement =
            conn.prepare("SELECT first, last, digest FROM barograph_digests").unwrap();
        let stored = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?)))
            .unwrap();
        let stored: Vec<(i64, i64, i64)> = stored.map(Result::unwrap).collect();
        let differs = |(first, last, digest): &(i64, i64, i64)| {
            let found = shape.read(conn, *first, *last).unwrap();
            found.map(|range| range.digest.cast_signed()) != Some(*digest)
        };
        stored.into_iter().filter(differs).map(|(first, last, _)| (first, last)).collect()
    }

    #[test]
    fn what_is_bound_and_what_is_read_back_have_one_digest() {
        let conn = database();
        let shape = shape(&conn);
        conn.execute("INSERT INTO t VALUES (7, 5, 'x', 4.0)", []).unwrap();
        let mut adder = Adder::default();
        adder.begin(7);
        for value in [ValueRef::Integer(5), ValueRef::Text(b"x"), ValueRef::Real(4.0)] {
            adder.value(value);
        }
        adder.end(7);
        assert_eq!(adder.take(), shape.read(&conn, 7, 7).unwrap());
        assert_eq!(whole(-0.0), Some(0));
        assert_eq!((whole(0.5), whole(1e300), whole(f64::NAN)), (None, None, None));
    }

    #[test]
    fn compaction_leaves_one_an_hour_that_still_tells_a_changed_row() {
        let conn = database();
        let shape = shape(&conn);
        for batch in 0..100_i64 {
            fill(&conn, batch * 10 + 1, batch * 10 + 10);
            let at = HOUR_MS * 10 + batch * HOUR_MS / 50;
            shape.cover(&conn, batch * 10 + 1, batch * 10 + 10, at).unwrap();
        }
        while compact(&conn, shape.id, 0, HOUR_MS * 100).unwrap().more {}
        let count = || -> i64 {
            conn.query_row("SELECT count(*) FROM barograph_digests", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count(), 2, "a hundred batches of two hours");
        assert_eq!(wrong(&conn, &shape), []);
        conn.execute("UPDATE t SET a = 1.5 WHERE id = 600", []).unwrap();
        assert_eq!(wrong(&conn, &shape), [(501, 1000)]);
    }

    #[test]
    fn rows_of_somebody_else_between_two_batches_keep_them_apart() {
        let conn = database();
        let shape = shape(&conn);
        fill(&conn, 1, 30);
        shape.cover(&conn, 1, 10, 0).unwrap();
        shape.cover(&conn, 21, 30, 0).unwrap();
        compact(&conn, shape.id, 0, HOUR_MS * 2).unwrap();
        assert_eq!(wrong(&conn, &shape), []);
    }

    #[test]
    fn a_row_that_is_deleted_for_a_good_reason_is_taken_out() {
        let conn = database();
        let shape = shape(&conn);
        fill(&conn, 1, 10);
        shape.cover(&conn, 1, 10, 0).unwrap();
        for id in [1, 10, 5] {
            shape.forget(&conn, id).unwrap();
            conn.execute("DELETE FROM t WHERE id = ?1", [id]).unwrap();
        }
        assert_eq!(wrong(&conn, &shape), []);
        let change = || conn.execute("UPDATE t SET b = 'y' WHERE id = 3", []).map(|_| ());
        shape.amend(&conn, 3, change).unwrap();
        assert_eq!(wrong(&conn, &shape), [], "a row that is changed for a good reason");
        conn.execute("DELETE FROM t WHERE id = 2", []).unwrap();
        assert_eq!(wrong(&conn, &shape), [(1, 10)]);
    }
}
