//! What is summed up: for each table of a route the numbers among its columns, and the bases of its derived
//! values; and how far that is, as the database has it.

use std::time::Instant;

use barograph_actors::history::derived::{Base, readings};
use barograph_actors::history::rollup::{Level, Sequence};
use barograph_actors::message::account::RouteId;
use barograph_actors::message::route::Router;
use barograph_actors::ports::Progress;
use rusqlite::{Connection, OptionalExtension, params};
use tracing::warn;

use super::table_of;
use crate::sqlite::journal::rows;
use crate::sqlite::journal::schema::exists;

/// Of a series: nothing below is left to be summed up.
pub(super) const DONE: i64 = i64::MIN;

/// `through`: rows up to this id are in the buckets, `lead`: the last of them that was not late. `below`: of this
/// series only rows from this id on.
const POSITIONS: &str = "
CREATE TABLE IF NOT EXISTS barograph_rollup_tables (
    tbl TEXT PRIMARY KEY, through INTEGER NOT NULL, lead INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS barograph_rollup_series (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT NOT NULL, name TEXT NOT NULL, below INTEGER NOT NULL,
    UNIQUE (tbl, name)
) STRICT;";

/// The minutes of a quarter of an hour from `at` on: see `pack`. Times `at` in seconds since 1970.
const MINUTES: &str = "
CREATE TABLE IF NOT EXISTS barograph_rollup_minute (
    series INTEGER NOT NULL, at INTEGER NOT NULL, minutes BLOB NOT NULL, PRIMARY KEY (series, at)
) STRICT, WITHOUT ROWID;";

/// `at` in seconds since 1970; `first_at` and `last_at` in milliseconds after that.
fn buckets(level: Level) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (series INTEGER NOT NULL, at INTEGER NOT NULL, count INTEGER \
         NOT NULL, sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL, first REAL NOT NULL, \
         first_at INTEGER NOT NULL, last REAL NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY \
         (series, at)) STRICT, WITHOUT ROWID;",
        table_of(level)
    )
}

fn create_all(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(POSITIONS)?;
    conn.execute_batch(MINUTES)?;
    let wider = Level::ALL.into_iter().filter(|level| *level != Level::Minute);
    wider.into_iter().try_for_each(|level| conn.execute_batch(&buckets(level)))
}

pub(super) fn all() -> impl Iterator<Item = &'static str> {
    let positions = ["barograph_rollup_tables", "barograph_rollup_series"];
    positions.into_iter().chain(Level::ALL.map(table_of))
}

/// Nothing is summed up any more.
pub(super) fn drop_all(conn: &Connection) -> rusqlite::Result<()> {
    all().try_for_each(|table| conn.execute_batch(&format!("DROP TABLE IF EXISTS {table}")))
}

/// A damaged table cannot be dropped: it gets another name, and is not read any more.
pub(super) fn put_aside(conn: &Connection, now: i64) -> rusqlite::Result<()> {
    for table in all().filter(|table| exists(conn, table).unwrap_or(false)) {
        conn.execute_batch(&format!("ALTER TABLE {table} RENAME TO {table}_damaged_{now}"))?;
    }
    Ok(())
}

/// A series as the database has it.
#[derive(Debug)]
pub(super) struct StoredSeries {
    pub(super) id: i64,
    pub(super) base: Base,
    /// Rows from this id on are in its buckets.
    pub(super) below: i64,
}

/// A table, and how far it is summed up.
#[derive(Debug)]
pub(super) struct RollupTable {
    pub(super) name: String,
    pub(super) routes: Vec<RouteId>,
    pub(super) series: Vec<StoredSeries>,
    /// Rows up to this id are in the buckets.
    pub(super) through: i64,
    /// The last of them that was not late.
    pub(super) lead: i64,
    /// The lowest id when the plan was made.
    lowest: i64,
    /// The series at `through`; `None`: to be warmed up.
    pub(super) sequence: Option<Sequence>,
    /// When all new rows were last taken in.
    pub(super) taken_in: Option<Instant>,
    /// There are more new rows than the last step took.
    pub(super) is_behind: bool,
    /// Its rows cannot be read.
    pub(super) left_alone: bool,
}

impl RollupTable {
    /// Where the series that are least far stand.
    pub(super) fn top(&self) -> i64 {
        self.series.iter().map(|series| series.below).max().unwrap_or(DONE)
    }

    pub(super) fn series_ids(&self) -> Vec<i64> {
        self.series.iter().map(|series| series.id).collect()
    }

    /// Those whose `below` is this.
    pub(super) fn ids_at(&self, below: i64) -> Vec<i64> {
        self.series.iter().filter(|series| series.below == below).map(|s| s.id).collect()
    }

    pub(super) fn leave_alone(&mut self, why: &rusqlite::Error) {
        warn!("the rows of {} cannot be summed up: {why}", self.name);
        self.left_alone = true;
    }

    /// In rows, as far as ids count them; `None`: all is done.
    pub(super) fn progress(&self) -> Option<Progress> {
        if self.left_alone || self.top() == DONE {
            return None;
        }
        let above = |id: i64| self.through.saturating_sub(id.max(self.lowest)).saturating_add(1);
        let rows = |id: i64| u64::try_from(above(id)).unwrap_or(0);
        let done: u64 = self.series.iter().map(|series| rows(series.below)).sum();
        let of = rows(self.lowest).saturating_mul(self.series.len() as u64);
        Some(Progress { done, of })
    }
}

/// Makes the tables where they are missing, and the series fit the routes: new ones begin, and what
/// nobody wants any more goes.
pub(super) fn make(conn: &Connection, router: &Router) -> rusqlite::Result<Vec<RollupTable>> {
    // One without the others says nothing.
    let there = all().filter(|table| exists(conn, table).unwrap_or(false)).count();
    if (1..all().count()).contains(&there) {
        drop_all(conn)?;
    }
    create_all(conn)?;
    let mut tables: Vec<(String, Vec<RouteId>, Vec<Base>)> = Vec::new();
    for (id, route) in router.recording() {
        let wanted: Vec<Base> = readings(route).into_iter().map(|reading| reading.base).collect();
        match tables.iter_mut().find(|(name, ..)| name.eq_ignore_ascii_case(&route.table)) {
            Some((_, routes, bases)) => {
                routes.push(id);
                bases.extend(wanted);
            }
            None => tables.push((route.table.clone(), vec![id], wanted)),
        }
    }
    let mut made = Vec::new();
    for (name, routes, mut bases) in tables {
        let mut seen = std::collections::HashSet::new();
        bases.retain(|base| seen.insert(base.name()));
        if has_row_ids(conn, &name)? {
            made.push(table(conn, name, routes, bases)?);
        }
    }
    Ok(made)
}

/// No view, and not WITHOUT ROWID.
fn has_row_ids(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM pragma_table_list WHERE name = ?1 COLLATE NOCASE AND schema = \
         'main' AND type = 'table' AND wr = 0";
    conn.query_row(sql, [table], |row| row.get::<_, i64>(0)).map(|count| count == 1)
}

fn table(
    conn: &Connection,
    name: String,
    routes: Vec<RouteId>,
    bases: Vec<Base>,
) -> rusqlite::Result<RollupTable> {
    let select = "SELECT through, lead FROM barograph_rollup_tables WHERE tbl = ?1";
    let stored =
        conn.query_row(select, [&name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (through, lead) = match stored {
        Some(known) => known,
        None => {
            forget(conn, &name)?;
            let through = rows::highest(conn, &name)?.unwrap_or(0);
            let insert = "INSERT INTO barograph_rollup_tables VALUES (?1, ?2, ?2)";
            conn.execute(insert, params![name, through])?;
            (through, through)
        }
    };
    let lowest = rows::lowest(conn, &name)?;
    let series = series(conn, &name, bases, through, lowest)?;
    let lowest = lowest.unwrap_or(through);
    let (sequence, taken_in) = (None, None);
    let (is_behind, left_alone) = (false, false);
    Ok(RollupTable {
        name,
        routes,
        series,
        through,
        lead,
        lowest,
        sequence,
        taken_in,
        is_behind,
        left_alone,
    })
}

fn series(
    conn: &Connection,
    table: &str,
    bases: Vec<Base>,
    through: i64,
    lowest: Option<i64>,
) -> rusqlite::Result<Vec<StoredSeries>> {
    let mut statement =
        conn.prepare("SELECT id, name, below FROM barograph_rollup_series WHERE tbl = ?1")?;
    let stored = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let stored: Vec<(i64, String, i64)> = stored.collect::<rusqlite::Result<_>>()?;
    for (id, name, _) in &stored {
        if !bases.iter().any(|base| base.name() == *name) {
            conn.execute("DELETE FROM barograph_rollup_series WHERE id = ?1", [id])?;
        }
    }
    let empty = lowest.is_none_or(|lowest| lowest > through);
    let begin = if empty { DONE } else { through.saturating_add(1) };
    let insert = "INSERT INTO barograph_rollup_series (tbl, name, below) VALUES (?1, ?2, ?3)";
    let mut all = Vec::new();
    for base in bases {
        let name = base.name();
        let (id, below) = match stored.iter().find(|(_, known, _)| *known == name) {
            Some((id, _, below)) => (*id, *below),
            None => {
                conn.execute(insert, params![table, name, begin])?;
                (conn.last_insert_rowid(), begin)
            }
        };
        all.push(StoredSeries { id, base, below });
    }
    Ok(all)
}

/// The series of a table begin anew.
pub(super) fn forget(conn: &Connection, table: &str) -> rusqlite::Result<()> {
    create_all(conn)?;
    let (positions, series) = ("barograph_rollup_tables", "barograph_rollup_series");
    for from in [positions, series] {
        conn.execute(&format!("DELETE FROM {from} WHERE tbl = ?1 COLLATE NOCASE"), [table])?;
    }
    Ok(())
}

/// Series that have buckets and are no more. Looks at one bucket of each.
pub(super) fn remains(conn: &Connection) -> rusqlite::Result<Vec<i64>> {
    let known = "SELECT count(*) FROM barograph_rollup_series WHERE id = ?1";
    let mut known = conn.prepare_cached(known)?;
    let mut gone = Vec::new();
    for level in Level::ALL {
        let next = format!("SELECT min(series) FROM {} WHERE series > ?1", table_of(level));
        let mut next = conn.prepare(&next)?;
        let mut after = i64::MIN;
        while let Some(series) = next.query_row([after], |row| row.get::<_, Option<i64>>(0))? {
            if known.query_row([series], |row| row.get::<_, i64>(0))? == 0
                && !gone.contains(&series)
            {
                gone.push(series);
            }
            after = series;
        }
    }
    Ok(gone)
}
