//! RowsInOrder themselves: the newest, which are not summed up yet, those that are not summed up from before, and
//! those of a range that is narrow.

use barograph_actors::history::derived::Base;
use barograph_actors::history::rollup::{Sequence, parse_time};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::bound;
use super::sum::BucketSums;
use crate::sqlite::journal::rows::{ends, highest};
use crate::sqlite::rollup::{number, select_of, time};

/// RowsInOrder that are late one after the other, so that a search by time is not led astray.
const LATE_ROWS_MAX: usize = 16;
/// RowsInOrder in front that are read to know what the counters were.
const WARM_UP_ROWS: i64 = 200;
/// Holes among the ids of a range, behind each of which the counters are looked up anew.
const HOLES_MAX: usize = 100;

/// RowsInOrder in the order in which SQLite gave them.
#[derive(Default)]
struct RowsInOrder {
    /// Id and arrival.
    keys: Vec<(i64, i64)>,
    /// Their values, one row after the other.
    values: Vec<Option<f64>>,
}

impl RowsInOrder {
    fn get(&self, place: usize) -> (i64, i64, &[Option<f64>]) {
        let (id, ms) = self.keys[place];
        let width = self.values.len() / self.keys.len();
        (id, ms, &self.values[place * width..][..width])
    }

    /// By their ids.
    fn in_order(&self) -> impl Iterator<Item = (i64, i64, &[Option<f64>])> {
        let mut places: Vec<usize> = (0..self.keys.len()).collect();
        places.sort_by_key(|place| self.keys[*place].0);
        places.into_iter().map(|place| self.get(place))
    }
}

/// Reads rows of a table for some of its series.
pub(super) struct RawReader<'a> {
    conn: &'a Connection,
    table: &'a str,
    bases: &'a [Base],
    columns: Vec<String>,
    select: String,
    has_counters: bool,
    now: i64,
}

impl<'a> RawReader<'a> {
    pub(super) fn new(conn: &'a Connection, table: &'a str, bases: &'a [Base], now: i64) -> Self {
        let (columns, select) = select_of(table, bases);
        let select = select + " WHERE";
        let has_counters = bases.iter().any(Base::is_of_counter);
        Self { conn, table, bases, columns, select, has_counters, now }
    }

    /// Whether there is an index by the time of arrival.
    pub(super) fn has_index(&self) -> rusqlite::Result<bool> {
        let sql = "SELECT count(*) FROM pragma_index_list(?1) AS list, pragma_index_info(list.name) AS \
             info WHERE info.seqno = 0 AND info.name = 'created_at' COLLATE NOCASE AND NOT \
             list.partial";
        self.conn
            .prepare_cached(sql)?
            .query_row([self.table], |row| row.get::<_, i64>(0))
            .map(|n| n > 0)
    }

    /// RowsInOrder in a range of time, at most so many and one, by the index.
    pub(super) fn count(&self, from: i64, to: i64, max: i64) -> rusqlite::Result<i64> {
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM \"{}\" WHERE created_at >= ?1 AND created_at < ?2 \
             LIMIT ?3)",
            self.table
        );
        let parameters = params![bound(from), bound(to), max + 1];
        self.conn.prepare_cached(&sql)?.query_row(parameters, |row| row.get(0))
    }

    /// The highest id.
    pub(super) fn highest(&self) -> rusqlite::Result<Option<i64>> {
        highest(self.conn, self.table)
    }

    /// Lowest and highest id.
    pub(super) fn bounds(&self) -> rusqlite::Result<Option<(i64, i64)>> {
        ends(self.conn, self.table)
    }

    /// The first id whose row arrived at this time or later, one beyond the last for none: found by halves,
    /// as ids grow with time. Of a few rows together the newest counts, because a late one is older than
    /// those in front of it.
    pub(super) fn id_at(&self, ms: i64, bounds: (i64, i64)) -> rusqlite::Result<i64> {
        let sql = format!(
            "SELECT created_at FROM \"{}\" WHERE rowid <= ?1 ORDER BY rowid DESC LIMIT {LATE_ROWS_MAX}",
            self.table
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut newest = |id: i64| -> rusqlite::Result<Option<i64>> {
            let mut times = statement.query_map([id], |row| Ok(time(row.get_ref(0)?)))?;
            times.try_fold(None, |newest, at| Ok(newest.max(at?)))
        };
        let (mut low, mut high) = (bounds.0, bounds.1.saturating_add(1));
        while low < high {
            let middle = low.midpoint(high);
            if newest(middle)?.is_some_and(|at| at >= ms) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        Ok(low)
    }

    /// RowsInOrder of a range of time whose ids lie in a range: by the index, or by their ids.
    pub(super) fn in_time(
        &self,
        ids: (i64, i64),
        sums: &mut BucketSums,
        by_index: bool,
        rows_max: i64,
    ) -> rusqlite::Result<bool> {
        let rows = if by_index {
            let sql = format!(
                "{} created_at >= ?1 AND created_at < ?2 AND +rowid BETWEEN ?3 AND ?4 LIMIT ?5",
                self.select
            );
            let (from, to) = (bound(sums.begin_ms()), bound(sums.end_ms()));
            self.rows(&sql, params![from, to, ids.0, ids.1, rows_max + 1])?
        } else {
            let sql = format!("{} rowid BETWEEN ?1 AND ?2 ORDER BY rowid LIMIT ?3", self.select);
            self.rows(&sql, params![ids.0, ids.1, rows_max + 1])?
        };
        self.add_up(&rows, sums)?;
        Ok(i64::try_from(rows.keys.len()).is_ok_and(|rows| rows <= rows_max))
    }

    /// RowsInOrder behind an id. `lead`: the last row up to there that was not late.
    pub(super) fn behind(&self, id: i64, lead: i64, sums: &mut BucketSums) -> rusqlite::Result<()> {
        let mut sequence = self.warmed_up(lead.min(id))?;
        let sql = format!("{} rowid > ?1 ORDER BY rowid", self.select);
        for (_, ms, values) in self.rows(&sql, [id])?.in_order() {
            sequence.row(ms, values, self.now, |series, value| sums.add(series, ms, value));
        }
        Ok(())
    }

    /// RowsInOrder in the order of their ids. Between two of them there may be others: then the counters are
    /// compared with those.
    fn add_up(&self, rows: &RowsInOrder, sums: &mut BucketSums) -> rusqlite::Result<()> {
        let mut sequence = Sequence::new(self.bases, &self.columns);
        let (mut expected, mut holes) = (None, 0);
        for (id, ms, values) in rows.in_order() {
            if self.has_counters && expected != Some(id) && holes < HOLES_MAX {
                sequence = self.warmed_up(id.saturating_sub(1))?;
                holes += 1;
            }
            expected = id.checked_add(1);
            sequence.row(ms, values, self.now, |series, value| sums.add(series, ms, value));
        }
        Ok(())
    }

    fn warmed_up(&self, through: i64) -> rusqlite::Result<Sequence> {
        let mut sequence = Sequence::new(self.bases, &self.columns);
        if self.has_counters {
            let sql =
                format!("{} rowid <= ?1 ORDER BY rowid DESC LIMIT {WARM_UP_ROWS}", self.select);
            for (_, ms, values) in self.rows(&sql, [through])?.in_order() {
                sequence.row(ms, values, self.now, |_, _| {});
            }
        }
        Ok(sequence)
    }

    /// Nothing of a row whose time cannot be understood.
    fn rows(&self, sql: &str, parameters: impl Params) -> rusqlite::Result<RowsInOrder> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut found = statement.query(parameters)?;
        let mut rows = RowsInOrder::default();
        while let Some(row) = found.next()? {
            let Some(ms) = time(row.get_ref(1)?) else { continue };
            rows.keys.push((row.get(0)?, ms));
            for at in 2..self.columns.len() + 2 {
                rows.values.push(number(row.get_ref(at)?));
            }
        }
        Ok(rows)
    }
}

/// When the oldest row of a table arrived, in milliseconds since 1970.
///
/// # Errors
/// The table cannot be read.
pub(super) fn first_at(conn: &Connection, table: &str) -> rusqlite::Result<Option<i64>> {
    let sql = format!("SELECT created_at FROM \"{table}\" ORDER BY rowid LIMIT 1");
    let text = conn.prepare_cached(&sql)?.query_row([], |row| row.get::<_, Option<String>>(0));
    Ok(text.optional()?.flatten().and_then(|text| parse_time(text.as_bytes())))
}
