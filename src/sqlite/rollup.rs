//! History summed up: buckets of a minute, a quarter of an hour, an hour and a day for each number of each route,
//! so that a chart of ten years reads as little as one of ten minutes. Kept by the upkeep of the journal,
//! in small steps between batches; see `plan` for what is kept, `block` for how rows become buckets.
//!
//! It follows the row ids upwards, so that a row that was recorded late finds its own bucket; when nothing
//! newer is left it goes downwards through what was there before. Where it is stands in the transaction
//! that holds the buckets. Those transactions are not pressed onto the disk: a power cut takes a step back
//! as a whole, and the raw rows are there to be summed up again. For the same reason nothing here is part
//! of digests or account, and what is damaged here is made anew instead of being a reason to stop.
//!
//! Steps are few while rows are few: each rewrites the last page of every series, and a flash card wears.

mod block;
mod pack;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use barograph_actors::history::rollup::Level;
use barograph_actors::message::account::RouteId;
use barograph_actors::ports::{Progress, WriteError};
use rusqlite::{Connection, ErrorCode, params};
use tracing::warn;

use super::journal::{SqliteJournal, is_damage, rows};
use block::{BlockReader, Direction};
pub use block::{number, select_of, time};
pub use pack::unpack;
use plan::{DONE, RollupTable};

/// Rows that are worth a step at once; a reader of history reads so many raw ones at the newest end.
const ROWS_WAITING_MAX: i64 = 2_000;
/// Fewer rows are taken in this often.
const TAKE_IN_EVERY: Duration = Duration::from_secs(300);
/// Rows of one step, least and most: with fewer than that its pages cost more than its rows.
const ROWS_PER_STEP: std::ops::RangeInclusive<i64> = 1_000..=2_000;
/// New batches wait no longer for a step than about this.
const STEP_MAX: Duration = Duration::from_millis(20);
/// Buckets of a series that is no more, deleted in one step.
const SWEPT_PER_STEP: i64 = 2_000;
/// How often all is made anew before it is left alone until the next opening.
const RENEWALS_MAX: u32 = 3;

/// The table of a level's buckets.
pub fn table_of(level: Level) -> &'static str {
    match level {
        Level::Minute => "barograph_rollup_minute",
        Level::Quarter => "barograph_rollup_quarter",
        Level::Hour => "barograph_rollup_hour",
        Level::Day => "barograph_rollup_day",
    }
}

/// How far it is.
#[derive(Debug)]
pub(super) struct Rollups {
    /// `None`: to be read from the database.
    tables: Option<Vec<RollupTable>>,
    /// Series that are no more and may have buckets.
    swept: Vec<i64>,
    rows_per_step: i64,
    renewals: u32,
}

impl Default for Rollups {
    fn default() -> Self {
        let rows_per_step = *ROWS_PER_STEP.end();
        Self { tables: None, swept: Vec::new(), rows_per_step, renewals: 0 }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// The plan is read, and made to fit the routes.
    Plan,
    /// New rows of a table, up to this id.
    Up(usize, i64),
    /// Rows of a table from before.
    Down(usize),
    /// A table was made anew: its series begin again.
    Forget(usize),
    Sweep,
}

impl SqliteJournal {
    /// One step; whether there is more to do.
    pub(super) fn rollup_step(&mut self) -> Result<bool, WriteError> {
        let mut rollups = std::mem::take(&mut self.upkeep.rollups);
        let stepped = self.step_rollups(&mut rollups);
        if stepped.is_err() {
            rollups.tables = None;
        }
        self.upkeep.rollups = rollups;
        stepped
    }

    fn step_rollups(&mut self, rollups: &mut Rollups) -> Result<bool, WriteError> {
        if rollups.renewals > RENEWALS_MAX {
            return Ok(false);
        }
        let work = match rollups.next(&self.conn) {
            Ok(None) => return Ok(false),
            Ok(Some(work)) => work,
            Err(error) if is_ours(&error) => return self.renew_rollups(rollups, &error),
            Err(error) => {
                return Err(super::cause::write_error(&error, self.file.path(), false));
            }
        };
        let began = Instant::now();
        match self.unpressed(|journal| rollups.work(journal, work))? {
            Ok(()) => {
                rollups.pace(work, began.elapsed());
                Ok(true)
            }
            Err(error) => self.renew_rollups(rollups, &error),
        }
    }

    /// In WAL mode a commit at NORMAL is not pressed onto the disk; the next one at FULL takes it along.
    /// What is wrong with the tables of the rollups is given as a value, and undone.
    fn unpressed(
        &mut self,
        work: impl FnOnce(&Self) -> rusqlite::Result<()>,
    ) -> Result<rusqlite::Result<()>, WriteError> {
        self.set_synchronous(1)?;
        let done = self.in_borne_transaction(|journal| work(journal), is_ours);
        self.set_synchronous(self.synchronous)?;
        done
    }

    /// Something is wrong with the tables: dropped, changed, damaged. They are made anew.
    fn renew_rollups(
        &mut self,
        rollups: &mut Rollups,
        why: &rusqlite::Error,
    ) -> Result<bool, WriteError> {
        warn!("the rollups cannot be used and are rebuilt: {why}");
        rollups.renewals += 1;
        (rollups.tables, rollups.swept) = (None, Vec::new());
        let mut renewed = self.unpressed(|journal| plan::drop_all(&journal.conn))?;
        if renewed.is_err() {
            let now = (self.world.now)().0;
            renewed = self.unpressed(|journal| plan::put_aside(&journal.conn, now))?;
        }
        if let Err(error) = renewed {
            rollups.renewals = RENEWALS_MAX + 1;
            warn!(
                "the rollups cannot be rebuilt ({error}): charts of long ranges stay empty, and \
                recording goes on; barograph verify names what is damaged"
            );
        }
        Ok(rollups.renewals <= RENEWALS_MAX)
    }

    /// Rows of a table came from elsewhere, with ids below what was summed up.
    pub(super) fn forget_rollups_of(&mut self, table: &str) -> rusqlite::Result<()> {
        self.upkeep.rollups.tables = None;
        match plan::forget(&self.conn, table) {
            // They are found unusable, and made anew, by the next step.
            Err(error) if is_ours(&error) => Ok(()),
            forgotten => forgotten,
        }
    }

    /// How far the history of each route is summed up, where that is not done.
    pub(super) fn rollup_progress(&self) -> BTreeMap<RouteId, Progress> {
        let tables = self.upkeep.rollups.tables.iter().flatten();
        let unfinished = tables.filter_map(|table| Some((table, table.progress()?)));
        unfinished
            .flat_map(|(table, progress)| table.routes.iter().map(move |id| (*id, progress)))
            .collect()
    }
}

impl Rollups {
    /// New rows first.
    fn next(&mut self, conn: &Connection) -> rusqlite::Result<Option<Work>> {
        let Some(tables) = &mut self.tables else { return Ok(Some(Work::Plan)) };
        for (at, table) in tables.iter_mut().enumerate().filter(|(_, table)| !table.left_alone) {
            let highest = match rows::highest(conn, &table.name) {
                Ok(highest) => highest.unwrap_or(0),
                Err(error) if is_ours(&error) => {
                    table.leave_alone(&error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let waiting = highest.saturating_sub(table.through);
            if waiting < 0 {
                return Ok(Some(Work::Forget(at)));
            }
            let is_time = table.taken_in.is_none_or(|at| at.elapsed() >= TAKE_IN_EVERY);
            if waiting >= ROWS_WAITING_MAX || waiting > 0 && (is_time || table.is_behind) {
                return Ok(Some(Work::Up(at, highest)));
            }
        }
        let unfinished = |table: &RollupTable| !table.left_alone && table.top() > DONE;
        if let Some(at) = tables.iter().position(unfinished) {
            return Ok(Some(Work::Down(at)));
        }
        Ok((!self.swept.is_empty()).then_some(Work::Sweep))
    }

    fn work(&mut self, journal: &SqliteJournal, work: Work) -> rusqlite::Result<()> {
        let (conn, now) = (&journal.conn, (journal.world.now)().0);
        let rows = self.rows_per_step;
        let Some(tables) = &mut self.tables else {
            self.tables = Some(plan::make(conn, &journal.router)?);
            self.swept = plan::remains(conn)?;
            return Ok(());
        };
        match work {
            Work::Plan => {}
            Work::Up(at, highest) => up(conn, &mut tables[at], highest, rows, now)?,
            Work::Down(at) => down(conn, &mut tables[at], rows, now)?,
            Work::Forget(at) => {
                plan::forget(conn, &tables[at].name)?;
                self.tables = None;
            }
            Work::Sweep => sweep(conn, &mut self.swept)?,
        }
        Ok(())
    }

    /// A slow disk, or a table of many columns, gets smaller steps.
    fn pace(&mut self, work: Work, took: Duration) {
        let rows = match work {
            Work::Up(..) | Work::Down(_) if took > STEP_MAX => self.rows_per_step / 2,
            Work::Up(..) | Work::Down(_) if took < STEP_MAX / 2 => self.rows_per_step * 5 / 4,
            Work::Up(..) | Work::Down(_) | Work::Plan | Work::Forget(_) | Work::Sweep => {
                self.rows_per_step
            }
        };
        self.rows_per_step = rows.clamp(*ROWS_PER_STEP.start(), *ROWS_PER_STEP.end());
    }
}

/// Takes in the next rows above, at most so many.
fn up(
    conn: &Connection,
    table: &mut RollupTable,
    highest: i64,
    rows: i64,
    now: i64,
) -> rusqlite::Result<()> {
    let reader = BlockReader::of(table);
    let Some(first) = reader.first_after(conn, table.through)? else { return Ok(()) };
    let last = first.saturating_add(rows - 1).min(highest);
    let mut sequence = match table.sequence.take() {
        Some(sequence) => sequence,
        None => reader.warmed_up(conn, table.lead.min(table.through), now)?,
    };
    let block = reader.read(conn, &mut sequence, first, last, now)?;
    if let Some(why) = block.refused {
        table.leave_alone(&why);
        return Ok(());
    }
    block.buckets.write(conn, &table.series_ids(), Direction::Up)?;
    table.lead = block.lead.unwrap_or(table.lead);
    table.through = last;
    let update = "UPDATE barograph_rollup_tables SET through = ?2, lead = ?3 WHERE tbl = ?1";
    conn.prepare_cached(update)?.execute(params![table.name, table.through, table.lead])?;
    table.sequence = Some(sequence);
    table.is_behind = last < highest;
    if !table.is_behind {
        table.taken_in = Some(Instant::now());
    }
    Ok(())
}

/// Takes in the next rows below, at most so many, for those series that are least far.
fn down(conn: &Connection, table: &mut RollupTable, rows: i64, now: i64) -> rusqlite::Result<()> {
    let top = table.top();
    // Where others are, too: from there on all go together.
    let floor = table.series.iter().map(|series| series.below).filter(|below| *below < top).max();
    let floor = floor.unwrap_or(DONE);
    let reader = BlockReader::of_those_at(table, top);
    let below = match reader.last_before(conn, top)? {
        Some(last) if last >= floor => {
            let first = last.saturating_sub(rows - 1).max(floor);
            let mut sequence = reader.warmed_up(conn, first.saturating_sub(1), now)?;
            let block = reader.read(conn, &mut sequence, first, last, now)?;
            if let Some(why) = block.refused {
                table.leave_alone(&why);
                return Ok(());
            }
            block.buckets.write(conn, &table.ids_at(top), Direction::Down)?;
            first
        }
        Some(_) | None => floor,
    };
    let update = "UPDATE barograph_rollup_series SET below = ?2 WHERE id = ?1";
    let mut update = conn.prepare_cached(update)?;
    for series in table.series.iter_mut().filter(|series| series.below == top) {
        series.below = below;
        update.execute(params![series.id, below])?;
    }
    Ok(())
}

/// Deletes some of what is left of series that are no more.
fn sweep(conn: &Connection, remains: &mut Vec<i64>) -> rusqlite::Result<()> {
    let Some(series) = remains.last() else { return Ok(()) };
    for level in Level::ALL {
        let table = table_of(level);
        let delete = format!(
            "DELETE FROM {table} WHERE series = ?1 AND at IN (SELECT at FROM {table} WHERE series = \
             ?1 LIMIT {SWEPT_PER_STEP})"
        );
        if conn.prepare_cached(&delete)?.execute([series])? > 0 {
            return Ok(());
        }
    }
    remains.pop();
    Ok(())
}

/// An error that says something about tables, and not about the disk or about a program that holds the file.
fn is_ours(error: &rusqlite::Error) -> bool {
    is_damage(error)
        || matches!(
            error.sqlite_error_code(),
            None | Some(
                ErrorCode::Unknown
                    | ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
                    | ErrorCode::SchemaChanged
                    | ErrorCode::ParameterOutOfRange
            )
        )
}
