//! A number of a route over a range of time, in buckets. What is summed up already is read from the rollups,
//! at the widest level that fits, so that the cost follows the buckets of the answer and not the rows; what
//! is newer, and what the background has not come to yet, from the rows.

use std::sync::Arc;

use barograph_actors::history::derived::{Base, Reading, readings};
use barograph_actors::history::rollup::{Bucket, Level, start_of};
use barograph_config::Route;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Serialize, Serializer};

use super::raw::RawReader;
use super::sum::BucketSums;
use super::width::{for_points, touched};
use crate::sqlite::rollup::{table_of, unpack};

/// Rows that are read where there is another way: some 20 ms.
const RAW_ROWS_MAX: i64 = 20_000;
/// Rows that are read where buckets narrower than a minute are asked for.
const NARROW_ROWS_MAX: i64 = 200_000;
/// Buckets of one answer.
const BUCKETS_MAX: i64 = 100_000;
/// A range ends within these, so that no sum of times overflows: the years 0 and 9999.
const TIMES: std::ops::RangeInclusive<i64> = super::EARLIEST_MS..=super::LATEST_MS;

/// How wide buckets are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// As narrow as may be for at most so many of them.
    Points(i64),
    /// So many milliseconds.
    Width(i64),
}

/// A statistic of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stat {
    /// How many values.
    Count,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The one that arrived first.
    First,
    /// The one that arrived last.
    Last,
}

impl Stat {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Count, Self::Min, Self::Max, Self::Mean, Self::Sum, Self::First, Self::Last];

    /// Its name in the interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    /// By its name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stat| stat.word() == word)
    }
}

/// A question that makes sense.
#[derive(Debug, Clone)]
pub struct Question {
    table: String,
    readings: Vec<Reading>,
    bases: Vec<Base>,
    from_ms: i64,
    to_ms: i64,
    buckets: Buckets,
    stats: Vec<Stat>,
    now_ms: i64,
}

/// Why a question makes none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Senseless {
    /// No such name, or no number.
    #[error("route {route} has no number of the name {name}")]
    NoSuchNumber {
        /// Which route.
        route: String,
        /// The name.
        name: String,
    },
    /// It ends before it begins, or is none of this calendar.
    #[error("the range must begin before it ends, between the years 0 and 9999")]
    NoRange,
    /// None, or too many.
    #[error("an answer has at least one bucket and at most {BUCKETS_MAX}; ask for wider ones")]
    Buckets,
}

impl Question {
    /// Columns and derived values of a route from one moment to another (not included), in milliseconds
    /// since 1970. Without `stats`: all of them.
    ///
    /// # Errors
    /// It makes no sense.
    pub fn new(
        route: &Route,
        names: &[String],
        (from_ms, to_ms): (i64, i64),
        buckets: Buckets,
        stats: &[Stat],
        now_ms: i64,
    ) -> Result<Self, Senseless> {
        let known = readings(route);
        let find = |name: &String| {
            let found = known.iter().find(|reading| reading.name == *name).cloned();
            let (route, name) = (route.table.clone(), name.clone());
            found.ok_or(Senseless::NoSuchNumber { route, name })
        };
        let readings: Vec<Reading> = names.iter().map(find).collect::<Result<_, _>>()?;
        if from_ms >= to_ms || !TIMES.contains(&from_ms) || !TIMES.contains(&to_ms) {
            return Err(Senseless::NoRange);
        }
        let is_fine = match buckets {
            Buckets::Points(points) => (1..=BUCKETS_MAX).contains(&points),
            Buckets::Width(ms) => ms > 0 && touched(from_ms, to_ms, ms) <= BUCKETS_MAX,
        };
        if !is_fine {
            return Err(Senseless::Buckets);
        }
        let mut bases: Vec<Base> = Vec::new();
        for reading in &readings {
            if !bases.contains(&reading.base) {
                bases.push(reading.base.clone());
            }
        }
        let stats = if stats.is_empty() { Stat::ALL.to_vec() } else { stats.to_vec() };
        let table = route.table.clone();
        Ok(Self { table, readings, bases, from_ms, to_ms, buckets, stats, now_ms })
    }

    /// Asks it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn ask(&self, conn: &Connection) -> rusqlite::Result<Series> {
        // One view of rows, buckets and positions.
        let view = conn.unchecked_transaction()?;
        let raw = RawReader::new(&view, &self.table, &self.bases, self.now_ms);
        let width = self.width(&raw)?;
        let from = start_of(self.from_ms, width);
        let to = start_of(self.to_ms - 1, width) + width;
        let mut sums = BucketSums::new(from, to, width, self.bases.len());
        let built = match Level::for_width(width) {
            Some(level) => self.read_buckets(&view, &raw, level, &mut sums)?,
            None => narrow(&raw, &mut sums)?,
        };
        let (t, found) = sums.table();
        let found: Vec<_> = found.into_iter().map(Arc::new).collect();
        let place = |reading: &Reading| self.bases.iter().position(|base| *base == reading.base);
        let columns = self.readings.iter().map(|reading| SeriesColumn {
            buckets: place(reading).map(|at| Arc::clone(&found[at])).unwrap_or_default(),
            reading: reading.clone(),
            stats: self.stats.clone(),
        });
        Ok(Series {
            route: self.table.clone(),
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            bucket_ms: width,
            t,
            columns: columns.collect(),
            unfinished: (built < 1.0).then_some(Unfinished { complete: false, built }),
        })
    }

    /// Buckets narrower than a minute are made of rows: not where those are too many.
    fn width(&self, raw: &RawReader<'_>) -> rusqlite::Result<i64> {
        let minute = Level::Minute.ms();
        match self.buckets {
            Buckets::Width(ms) => Ok(ms),
            Buckets::Points(points) => {
                let width = for_points(self.from_ms, self.to_ms, points);
                let is_narrow = width < minute;
                let too_many = is_narrow && rows_in(raw, self.from_ms, self.to_ms)? > RAW_ROWS_MAX;
                Ok(if too_many { minute } else { width })
            }
        }
    }

    /// How much of the range is summed up, 0 to 1: the rest is not in the answer.
    fn read_buckets(
        &self,
        conn: &Connection,
        raw: &RawReader<'_>,
        level: Level,
        sums: &mut BucketSums,
    ) -> rusqlite::Result<f64> {
        match self.read_summed_up(conn, raw, level, sums) {
            Ok(Some(built)) => return Ok(built),
            Ok(None) => {}
            // Until the writer has made them anew, the rows answer.
            Err(error) if error.to_string().contains("no such table: barograph_rollup_") => {
                *sums = BucketSums::like(sums);
            }
            Err(error) => return Err(error),
        }
        self.read_older(conn, raw, &vec![i64::MAX; self.bases.len()], sums)
    }

    /// The same; `None` where nothing of the table is summed up.
    fn read_summed_up(
        &self,
        conn: &Connection,
        raw: &RawReader<'_>,
        level: Level,
        sums: &mut BucketSums,
    ) -> rusqlite::Result<Option<f64>> {
        let Some((through, lead)) = position(conn, &self.table)? else { return Ok(None) };
        let mut below = Vec::new();
        for (series, base) in self.bases.iter().enumerate() {
            match stored(conn, &self.table, base)? {
                Some((id, from)) => {
                    read(conn, level, id, series, sums)?;
                    below.push(from);
                }
                None => below.push(through.saturating_add(1)),
            }
        }
        let built = self.read_older(conn, raw, &below, sums)?;
        let highest = raw.highest()?.unwrap_or(through);
        let mut newest = BucketSums::like(sums);
        let from = through.max(highest.saturating_sub(NARROW_ROWS_MAX));
        raw.behind(from, if from > through { from } else { lead }, &mut newest)?;
        sums.take(&newest, true);
        Ok(Some(if from > through { built.min(0.99) } else { built }))
    }

    /// Rows that the background has not come to yet, if they are few.
    fn read_older(
        &self,
        conn: &Connection,
        raw: &RawReader<'_>,
        below: &[i64],
        sums: &mut BucketSums,
    ) -> rusqlite::Result<f64> {
        let top = below.iter().copied().max().unwrap_or(i64::MIN);
        if top == i64::MIN {
            return Ok(1.0);
        }
        let Some(bounds) = raw.bounds()?.filter(|(lowest, _)| *lowest < top) else {
            return Ok(1.0);
        };
        let first = raw.id_at(sums.begin_ms(), bounds)?;
        let last = raw.id_at(sums.end_ms(), bounds)?;
        if top.min(last).saturating_sub(first) > RAW_ROWS_MAX {
            return Ok(share(first, last, top));
        }
        let by_index = raw.has_index()?;
        for (series, base) in self.bases.iter().enumerate() {
            let end = below[series].saturating_sub(1);
            if end < first {
                continue;
            }
            let one = std::slice::from_ref(base);
            let raw = RawReader::new(conn, &self.table, one, self.now_ms);
            let mut older = BucketSums::new(sums.begin_ms(), sums.end_ms(), sums.width_ms(), 1);
            let ids = if by_index { (i64::MIN, end) } else { (first, end.min(last)) };
            raw.in_time(ids, &mut older, by_index, NARROW_ROWS_MAX)?;
            sums.take_one(series, &older, false);
        }
        Ok(1.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share, for people")]
fn share(first: i64, last: i64, below: i64) -> f64 {
    let rows = last.saturating_sub(first).max(1) as f64;
    (last.saturating_sub(below).max(0) as f64 / rows).min(0.99)
}

/// Rows of a range, as far as it matters.
fn rows_in(raw: &RawReader<'_>, from_ms: i64, to_ms: i64) -> rusqlite::Result<i64> {
    if raw.has_index()? {
        return raw.count(from_ms, to_ms, RAW_ROWS_MAX);
    }
    let Some(bounds) = raw.bounds()? else { return Ok(0) };
    Ok(raw.id_at(to_ms, bounds)?.saturating_sub(raw.id_at(from_ms, bounds)?))
}

/// Buckets narrower than a minute.
fn narrow(raw: &RawReader<'_>, sums: &mut BucketSums) -> rusqlite::Result<f64> {
    let by_index = raw.has_index()?;
    let ids = match raw.bounds()? {
        Some(_) if by_index => (i64::MIN, i64::MAX),
        Some(bounds) => {
            let last = raw.id_at(sums.end_ms(), bounds)?;
            (raw.id_at(sums.begin_ms(), bounds)?, last)
        }
        None => return Ok(1.0),
    };
    let wholly = raw.in_time(ids, sums, by_index, NARROW_ROWS_MAX)?;
    Ok(if wholly { 1.0 } else { 0.99 })
}

/// Up to which id a table is summed up, and the last row there that was not late.
fn position(conn: &Connection, table: &str) -> rusqlite::Result<Option<(i64, i64)>> {
    let select = "SELECT through, lead FROM barograph_rollup_tables WHERE tbl = ?1 COLLATE NOCASE";
    let mut select = conn.prepare_cached(select)?;
    select.query_row([table], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// The id of a series, and from which row id on it is summed up.
fn stored(conn: &Connection, table: &str, base: &Base) -> rusqlite::Result<Option<(i64, i64)>> {
    let select = "SELECT id, below FROM barograph_rollup_series WHERE tbl = ?1 COLLATE NOCASE AND name \
         = ?2";
    let mut select = conn.prepare_cached(select)?;
    select.query_row(params![table, base.name()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn read(
    conn: &Connection,
    level: Level,
    id: i64,
    series: usize,
    sums: &mut BucketSums,
) -> rusqlite::Result<()> {
    if level == Level::Minute {
        return read_minutes(conn, id, series, sums);
    }
    let select = format!(
        "SELECT at, count, sum, min, max, first, first_at, last, last_at FROM {} WHERE series = ?1 AND \
         at >= ?2 AND at < ?3 ORDER BY at",
        table_of(level)
    );
    let mut statement = conn.prepare_cached(&select)?;
    let mut rows = statement.query([id, sums.begin_ms() / 1_000, sums.end_ms() / 1_000])?;
    while let Some(row) = rows.next()? {
        let at = row.get::<_, i64>(0)? * 1_000;
        let bucket = Bucket {
            count: row.get(1)?,
            sum: row.get(2)?,
            min: row.get(3)?,
            max: row.get(4)?,
            first: row.get(5)?,
            first_ms: at + row.get::<_, i64>(6)?,
            last: row.get(7)?,
            last_ms: at + row.get::<_, i64>(8)?,
        };
        sums.merge(series, at, &bucket, true);
    }
    Ok(())
}

fn read_minutes(
    conn: &Connection,
    id: i64,
    series: usize,
    sums: &mut BucketSums,
) -> rusqlite::Result<()> {
    let select = "SELECT at, minutes FROM barograph_rollup_minute WHERE series = ?1 AND at >= ?2 AND at \
         < ?3 ORDER BY at";
    let mut statement = conn.prepare_cached(select)?;
    let (from, to) = (sums.begin_ms(), sums.end_ms());
    let first = start_of(from, Level::Quarter.ms());
    let mut rows = statement.query([id, first / 1_000, to / 1_000])?;
    while let Some(row) = rows.next()? {
        let at = row.get::<_, i64>(0)? * 1_000;
        let minutes = row.get_ref(1)?.as_blob()?;
        // One that makes no sense has no more minutes: the writer finds it out.
        unpack(at, minutes, |start, bucket| {
            if (from..to).contains(&start) {
                sums.merge(series, start, &bucket, true);
            }
        });
    }
    Ok(())
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesColumn {
    reading: Reading,
    /// Readings that differ by a factor share them.
    buckets: Arc<Vec<Option<Bucket>>>,
    /// The statistics of each bucket.
    stats: Vec<Stat>,
}

impl SeriesColumn {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.reading.name
    }

    /// One number for each bucket; `None` where it has no value.
    #[expect(clippy::cast_precision_loss, reason = "2^53 rows are a lot")]
    pub fn values(&self, stat: Stat) -> impl Iterator<Item = Option<f64>> {
        let linear = self.reading.linear;
        let turns_round = linear.factor < 0.0;
        self.buckets.iter().map(move |bucket| {
            let Some(bucket) = bucket else { return (stat == Stat::Count).then_some(0.0) };
            let count = bucket.count as f64;
            Some(match stat {
                Stat::Count => count,
                Stat::Min if turns_round => linear.apply(bucket.max),
                Stat::Max if turns_round => linear.apply(bucket.min),
                Stat::Min => linear.apply(bucket.min),
                Stat::Max => linear.apply(bucket.max),
                Stat::Mean => linear.apply(bucket.sum / count),
                Stat::Sum => bucket.sum * linear.factor + linear.offset * count,
                Stat::First => linear.apply(bucket.first),
                Stat::Last => linear.apply(bucket.last),
            })
        })
    }
}

/// The answer, as `API.md` says it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The route's table.
    pub route: String,
    /// As asked.
    pub from_ms: i64,
    /// As asked.
    pub to_ms: i64,
    /// How wide the buckets are.
    pub bucket_ms: i64,
    /// Where those begin that have rows, multiples of their width since 1970.
    pub t: Vec<i64>,
    /// Each column that was asked for.
    #[serde(serialize_with = "by_name")]
    pub columns: Vec<SeriesColumn>,
    /// `None`: the whole range is in it.
    #[serde(flatten)]
    pub unfinished: Option<Unfinished>,
}

/// A range of which not everything is summed up yet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Unfinished {
    /// It is not.
    complete: bool,
    /// How much of the range is summed up, 0 to 1.
    built: f64,
}

fn by_name<S: Serializer>(columns: &[SeriesColumn], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(columns.iter().map(|column| (column.name(), column)))
}

impl Serialize for SeriesColumn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stats = self.stats.iter();
        serializer.collect_map(stats.map(|stat| (stat.word(), StatValues(self, *stat))))
    }
}

/// The numbers of one statistic, written one by one: an answer may have a million.
struct StatValues<'c>(&'c SeriesColumn, Stat);

impl Serialize for StatValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.values(self.1).map(|value| value.map(JsonNumber::from)))
    }
}

/// A whole number is written without a fraction; what is not finite is null.
#[derive(Serialize)]
#[serde(untagged)]
enum JsonNumber {
    Whole(i64),
    Real(f64),
}

impl From<f64> for JsonNumber {
    #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
    fn from(value: f64) -> Self {
        match value.fract() == 0.0 && value.abs() < 1e15 {
            true => Self::Whole(value as i64),
            false => Self::Real(value),
        }
    }
}
