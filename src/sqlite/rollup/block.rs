//! A block of rows becomes buckets.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use barograph_actors::history::derived::Base;
use barograph_actors::history::rollup::{Bucket, Level, Sequence, parse_time, start_of};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use tracing::warn;

use super::pack::{pack, unpack};
use super::plan::RollupTable;
use super::{is_ours, table_of};
use crate::sqlite::journal::is_damage;

/// Rows in front of a block that are read to know what the counters were.
const WARM_UP_ROWS: usize = 200;

/// What a number column holds; `None` for what is no number.
#[expect(clippy::cast_precision_loss, reason = "a counter beyond 2^53 is read to some digits")]
pub fn number(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Real(number) => Some(number).filter(|number| number.is_finite()),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    }
}

/// What `created_at` holds, in milliseconds since 1970; `None` for what is no time.
pub fn time(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Text(text) => parse_time(text),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    }
}

/// Id, arrival and values.
type BlockRow = (i64, i64, Vec<Option<f64>>);

/// Reads rows of a table for some of its series.
pub(super) struct BlockReader {
    table: String,
    bases: Vec<Base>,
    columns: Vec<String>,
    select: String,
}

/// What a block came to.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) buckets: MinuteBuckets,
    /// The last row that was not late.
    pub(super) lead: Option<i64>,
    /// The table does not have what was asked for.
    pub(super) refused: Option<rusqlite::Error>,
}

/// The columns that these follow from, and what selects them behind row id and time of arrival.
pub fn select_of(table: &str, bases: &[Base]) -> (Vec<String>, String) {
    let mut columns: Vec<String> = Vec::new();
    for name in bases.iter().flat_map(Base::columns) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let names: String = columns.iter().map(|name| format!(", \"{name}\"")).collect();
    (columns, format!("SELECT rowid, created_at{names} FROM \"{table}\""))
}

impl BlockReader {
    /// For all series.
    pub(super) fn of(table: &RollupTable) -> Self {
        Self::new(&table.name, table.series.iter().map(|series| series.base.clone()).collect())
    }

    /// For the series that stand here.
    pub(super) fn of_those_at(table: &RollupTable, below: i64) -> Self {
        let there = table.series.iter().filter(|series| series.below == below);
        Self::new(&table.name, there.map(|series| series.base.clone()).collect())
    }

    fn new(table: &str, bases: Vec<Base>) -> Self {
        let (columns, select) = select_of(table, &bases);
        Self { table: table.to_owned(), bases, columns, select }
    }

    pub(super) fn first_after(&self, conn: &Connection, id: i64) -> rusqlite::Result<Option<i64>> {
        let select =
            format!("SELECT rowid FROM \"{}\" WHERE rowid > ?1 ORDER BY rowid LIMIT 1", self.table);
        conn.prepare_cached(&select)?.query_row([id], |row| row.get(0)).optional()
    }

    pub(super) fn last_before(&self, conn: &Connection, id: i64) -> rusqlite::Result<Option<i64>> {
        let select = format!(
            "SELECT rowid FROM \"{}\" WHERE rowid < ?1 ORDER BY rowid DESC LIMIT 1",
            self.table
        );
        conn.prepare_cached(&select)?.query_row([id], |row| row.get(0)).optional()
    }

    /// A sequence that knows the rows up to this id, as far as they matter.
    pub(super) fn warmed_up(
        &self,
        conn: &Connection,
        through: i64,
        now: i64,
    ) -> rusqlite::Result<Sequence> {
        let mut sequence = Sequence::new(&self.bases, &self.columns);
        if !sequence.has_counters() {
            return Ok(sequence);
        }
        let select =
            format!("{} WHERE rowid <= ?1 ORDER BY rowid DESC LIMIT {WARM_UP_ROWS}", self.select);
        let mut statement = conn.prepare_cached(&select)?;
        let mut rows = statement.query([through])?;
        let mut known = Vec::new();
        loop {
            match rows.next() {
                Ok(Some(row)) => known.extend(self.row(row)?),
                Ok(None) => break,
                Err(error) if is_ours(&error) => break,
                Err(error) => return Err(error),
            }
        }
        for (_, ms, values) in known.iter().rev() {
            sequence.row(*ms, values, now, |_, _| {});
        }
        Ok(sequence)
    }

    /// Rows from one id to another. Where the table is damaged, what could be read before.
    pub(super) fn read(
        &self,
        conn: &Connection,
        sequence: &mut Sequence,
        first: i64,
        last: i64,
        now: i64,
    ) -> rusqlite::Result<Block> {
        let mut block = Block::default();
        match self.read_into(conn, &mut block, sequence, first, last, now) {
            Ok(()) => {}
            Err(error) if is_damage(&error) => {
                warn!(
                    "rows {first} to {last} of {} cannot all be summed up: {error}; barograph \
                    verify names what is damaged",
                    self.table
                );
            }
            Err(error) if is_ours(&error) => block.refused = Some(error),
            Err(error) => return Err(error),
        }
        block.buckets.close();
        Ok(block)
    }

    fn read_into(
        &self,
        conn: &Connection,
        block: &mut Block,
        sequence: &mut Sequence,
        first: i64,
        last: i64,
        now: i64,
    ) -> rusqlite::Result<()> {
        let select = format!("{} WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid", self.select);
        let mut statement = conn.prepare_cached(&select)?;
        let mut rows = statement.query(params![first, last])?;
        block.buckets.open = vec![None; self.bases.len()];
        while let Some(row) = rows.next()? {
            let Some((id, ms, values)) = self.row(row)? else { continue };
            let buckets = &mut block.buckets;
            if sequence.row(ms, &values, now, |series, value| buckets.add(series, ms, value)) {
                block.lead = Some(id);
            }
        }
        Ok(())
    }

    /// Nothing of a row whose time cannot be understood.
    fn row(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<BlockRow>> {
        let Some(ms) = time(row.get_ref(1)?) else { return Ok(None) };
        let values = (2..self.columns.len() + 2).map(|at| row.get_ref(at).map(number));
        Ok(Some((row.get(0)?, ms, values.collect::<rusqlite::Result<_>>()?)))
    }
}

/// Whether a block lies behind or in front of what is summed up already.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Buckets of a minute by series and start, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct MinuteBuckets {
    /// The last bucket of each series: most rows are of the same minute as the row before.
    open: Vec<Option<(i64, Bucket)>>,
    minutes: BTreeMap<(usize, i64), Bucket>,
}

impl MinuteBuckets {
    fn add(&mut self, series: usize, ms: i64, value: f64) {
        let (start, one) = (start_of(ms, Level::Minute.ms()), Bucket::of(ms, value));
        match &mut self.open[series] {
            Some((at, bucket)) if *at == start => bucket.merge(&one, true),
            slot => {
                if let Some((at, bucket)) = slot.replace((start, one)) {
                    merge(&mut self.minutes, (series, at), &bucket);
                }
            }
        }
    }

    fn close(&mut self) {
        for (series, slot) in self.open.iter_mut().enumerate() {
            if let Some((at, bucket)) = slot.take() {
                merge(&mut self.minutes, (series, at), &bucket);
            }
        }
    }

    /// Writes them and the wider ones that they are part of. `ids`: of the series, in their order.
    pub(super) fn write(
        self,
        conn: &Connection,
        ids: &[i64],
        direction: Direction,
    ) -> rusqlite::Result<()> {
        write_minutes(conn, &self.minutes, ids, direction)?;
        let mut buckets = self.minutes;
        for level in Level::ALL.into_iter().filter(|level| *level != Level::Minute) {
            let mut wider = BTreeMap::new();
            for ((series, at), bucket) in buckets {
                merge(&mut wider, (series, start_of(at, level.ms())), &bucket);
            }
            let mut upsert = conn.prepare_cached(&upsert(level, direction))?;
            for ((series, at), b) in &wider {
                let (first_at, last_at) = (b.first_ms - at, b.last_ms - at);
                upsert.execute(params![
                    ids[*series],
                    at / 1_000,
                    b.count,
                    b.sum,
                    b.min,
                    b.max,
                    b.first,
                    first_at,
                    b.last,
                    last_at
                ])?;
            }
            buckets = wider;
        }
        Ok(())
    }
}

/// The minutes of each quarter together with those that are there.
fn write_minutes(
    conn: &Connection,
    minutes: &BTreeMap<(usize, i64), Bucket>,
    ids: &[i64],
    direction: Direction,
) -> rusqlite::Result<()> {
    let select = "SELECT minutes FROM barograph_rollup_minute WHERE series = ?1 AND at = ?2";
    let mut select = conn.prepare_cached(select)?;
    let write = "INSERT OR REPLACE INTO barograph_rollup_minute (series, at, minutes) VALUES (?1, ?2, \
         ?3)";
    let mut write = conn.prepare_cached(write)?;
    let mut quarters = BTreeMap::<(usize, i64), BTreeMap<i64, Bucket>>::new();
    for ((series, start), bucket) in minutes {
        let quarter = start_of(*start, Level::Quarter.ms());
        quarters.entry((*series, quarter)).or_default().insert(*start, *bucket);
    }
    for ((series, at), mut minutes) in quarters {
        let key = (ids[series], at / 1_000);
        let known: Option<Vec<u8>> = select.query_row(key, |row| row.get(0)).optional()?;
        let add = |start, known: Bucket| match minutes.entry(start) {
            Entry::Vacant(place) => drop(place.insert(known)),
            Entry::Occupied(mut place) => {
                let mut both = known;
                both.merge(place.get(), matches!(direction, Direction::Up));
                place.insert(both);
            }
        };
        if known.is_some_and(|known| !unpack(at, &known, add)) {
            return Err(rusqlite::Error::InvalidQuery);
        }
        write.execute(params![key.0, key.1, pack(at, &minutes)])?;
    }
    Ok(())
}

fn merge(buckets: &mut BTreeMap<(usize, i64), Bucket>, key: (usize, i64), bucket: &Bucket) {
    buckets.entry(key).and_modify(|known| known.merge(bucket, true)).or_insert(*bucket);
}

/// As [`Bucket::merge`].
fn upsert(level: Level, direction: Direction) -> String {
    let (earlier, later) = match direction {
        Direction::Up => ("<", ">="),
        Direction::Down => ("<=", ">"),
    };
    format!(
        "INSERT INTO {} (series, at, count, sum, min, max, first, first_at, last, last_at) VALUES \
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (series, at) DO UPDATE SET count = \
         count + excluded.count, sum = sum + excluded.sum, min = min(min, excluded.min), max = \
         max(max, excluded.max), first = iif(excluded.first_at {earlier} first_at, excluded.first, \
         first), first_at = min(first_at, excluded.first_at), last = iif(excluded.last_at {later} \
         last_at, excluded.last, last), last_at = max(last_at, excluded.last_at)",
        table_of(level)
    )
}
