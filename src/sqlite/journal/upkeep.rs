//! What can wait: copying over what a damaged database held, the bounds of the quarantine and of the
//! counts, the compaction of digests, history summed up. One bounded step at a time; new batches go between two steps.

use std::collections::HashMap;

use barograph_actors::message::account::{Drop as Dropped, Outcome, Reason, RouteId, Tally};
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::event;
use barograph_actors::message::note::Event;
use barograph_actors::ports::{TidiedUp, WriteError};
use barograph_config::Quarantine;
use rusqlite::{Connection, OptionalExtension, params};
use tracing::{info, warn};

use super::SqliteJournal;
use super::digests::{Compacted, HOUR_MS, Shape, compact};
use super::notes;
use super::row_writer::name_of;
use super::rows;
use super::statements::ACCOUNT_ADD;
use crate::sqlite::rollup::Rollups;
use crate::sqlite::salvage::{Copied, Salvage, SalvageReport, SalvageStep};

/// Rows that one step drops from quarantine.
const ROWS_PER_STEP: usize = 500;

/// Rows that one step copies: some 20 ms.
const COPIED_PER_STEP: usize = 1_000;

/// What is left to do.
#[derive(Debug)]
pub(in crate::sqlite) struct Upkeep {
    pub(in crate::sqlite) salvages: Vec<Salvage>,
    quarantine: Quarantine,
    /// By route: when it was last said that its quarantine is full.
    full_since: HashMap<String, UnixMillis>,
    /// By shape: how far its digests are compacted.
    compacted: HashMap<i64, i64>,
    pub(in crate::sqlite) rollups: Rollups,
}

impl Upkeep {
    pub(in crate::sqlite) fn new(salvages: Vec<Salvage>, quarantine: Quarantine) -> Self {
        let (full_since, compacted) = (HashMap::new(), HashMap::new());
        Self { salvages, quarantine, full_since, compacted, rollups: Rollups::default() }
    }
}

impl SqliteJournal {
    pub(in crate::sqlite) fn upkeep_step(&mut self) -> Result<TidiedUp, WriteError> {
        if !self.upkeep.salvages.is_empty() {
            return self.salvage_step();
        }
        if self.trim_quarantine()? > 0 {
            return Ok(TidiedUp::More);
        }
        if self.trim_stats()? {
            return Ok(TidiedUp::More);
        }
        // A salvage comes before: rows that it copies have ids below what is summed up.
        let more = self.compact_digests()? || self.rollup_step()?;
        Ok(if more { TidiedUp::More } else { TidiedUp::Done })
    }

    fn salvage_step(&mut self) -> Result<TidiedUp, WriteError> {
        let Some(mut salvage) = self.upkeep.salvages.pop() else { return Ok(TidiedUp::Done) };
        let mut came_over = None;
        let stepped = self.in_transaction(|journal| {
            let step = salvage.step(&journal.conn, COPIED_PER_STEP)?;
            let tally = match &step {
                SalvageStep::Copied(copied) => journal.take_in(copied)?,
                SalvageStep::Finished(report) => {
                    journal.say_salvaged(report)?;
                    came_over = Some((report.rows_of_operators(), report.lost.is_empty()));
                    Tally::default()
                }
            };
            Ok((matches!(step, SalvageStep::Finished(_)), tally))
        });
        match stepped {
            Ok((finished, tally)) => {
                if !finished {
                    self.upkeep.salvages.push(salvage);
                } else if let Some((rows, is_all)) = came_over {
                    self.identity.catalog.came_over(salvage.name(), rows);
                    if is_all {
                        salvage.clear_up();
                    }
                }
                Ok(TidiedUp::Recovered(tally))
            }
            Err(error) => {
                self.upkeep.salvages.push(salvage);
                Err(error)
            }
        }
    }

    /// Rows that were copied over belong to the account, and have digests.
    fn take_in(&mut self, copied: &[Copied]) -> rusqlite::Result<Tally> {
        let now = (self.world.now)().0;
        let mut tally = Tally::default();
        for Copied { table, first, last, rows } in copied {
            let index =
                self.router.routes().iter().position(|r| r.table.eq_ignore_ascii_case(table));
            if let Some(index) = index {
                let route = RouteId(u16::try_from(index).ok());
                tally.add(route, Outcome::Salvaged, *rows);
                self.forget_rollups_of(table)?;
                if let Some(shape) = &self.shapes.routes[index] {
                    shape.cover(&self.conn, *first, *last, now)?;
                }
            } else if *table == self.shapes.quarantine.table {
                self.shapes.quarantine.cover(&self.conn, *first, *last, now)?;
                self.count_quarantined(*first, *last, &mut tally)?;
            }
        }
        self.write_account(&tally)?;
        Ok(tally)
    }

    /// By the words of the rows themselves: a route or a reason that is no longer known keeps its
    /// name, or the account would not say what the table holds.
    fn count_quarantined(&self, first: i64, last: i64, tally: &mut Tally) -> rusqlite::Result<()> {
        let select = "SELECT coalesce(route, ''), reason, count(*) FROM barograph_quarantine WHERE \
             id BETWEEN ?1 AND ?2 GROUP BY 1, 2";
        let mut statement = self.conn.prepare_cached(select)?;
        let mut add = self.conn.prepare_cached(ACCOUNT_ADD)?;
        let mut rows = statement.query(params![first, last])?;
        while let Some(row) = rows.next()? {
            let (name, word): (String, String) = (row.get(0)?, row.get(1)?);
            let count: i64 = row.get(2)?;
            let route = self.router.id_of(&name);
            match Reason::from_word(&word) {
                Some(reason) if route.0.is_some() || name.is_empty() => {
                    tally.add(route, Outcome::Quarantined(reason), count.cast_unsigned());
                }
                Some(_) | None => {
                    add.execute(params![name, "quarantined", word, count])?;
                    add.execute(params![name, "received", "", count])?;
                }
            }
        }
        Ok(())
    }

    pub(in crate::sqlite) fn say_salvaged(&self, report: &SalvageReport) -> rusqlite::Result<()> {
        let detail = report.to_string();
        if report.lost.is_empty() {
            info!(event = event::DATABASE_SALVAGED, "{detail}");
        } else {
            warn!(event = event::DATABASE_SALVAGED, "{detail}");
        }
        let at = (self.world.now)();
        notes::write_event(&self.conn, &Event { name: event::DATABASE_SALVAGED, at, detail })
    }

    /// Drops what is too much or too old, the oldest first, a step's worth; gives how many.
    fn trim_quarantine(&mut self) -> Result<u64, WriteError> {
        let due = self.due_for_trimming();
        let due = due
            .map_err(|error| crate::sqlite::cause::write_error(&error, self.file.path(), false))?;
        if due.is_none() {
            return Ok(0);
        }
        self.in_transaction(|journal| {
            // Again, now that no other connection can write: a person may have replayed or dropped some.
            let Some(due) = journal.due_for_trimming()? else { return Ok(0) };
            let ids = match &due {
                DueForTrimming::Full { route, over } => oldest_of(&journal.conn, route, *over)?,
                DueForTrimming::Old { n } => {
                    let oldest = "SELECT id FROM barograph_quarantine ORDER BY id LIMIT ?1";
                    let mut statement = journal.conn.prepare_cached(oldest)?;
                    let ids = statement.query_map([n.cast_signed()], |row| row.get(0))?;
                    ids.collect::<rusqlite::Result<_>>()?
                }
            };
            let dropped = due.reason();
            drop_quarantined(&journal.conn, &journal.shapes.quarantine, &ids, dropped)?;
            let n = ids.len() as u64;
            journal.note_trimmed(format!(
                "{n} of the oldest messages in quarantine were dropped ({}); see max_rows and max_age of \
                 [quarantine]",
                dropped.word()
            ))?;
            Ok(n)
        })
    }

    fn note_trimmed(&self, detail: String) -> rusqlite::Result<()> {
        let at = (self.world.now)();
        let event = Event { name: event::QUARANTINE_TRIMMED, at, detail };
        notes::write_event(&self.conn, &event)
    }

    /// Holds the bound of each route into whose quarantine this transaction has put messages: the oldest of the same
    /// route make room. The rest of what a lower bound leaves over is for the steps of the upkeep.
    pub(in crate::sqlite) fn bound_quarantine(&mut self, written: &Tally) -> rusqlite::Result<()> {
        let mut routes: Vec<RouteId> = Vec::new();
        for (route, outcome, _) in written.iter() {
            if matches!(outcome, Outcome::Quarantined(_)) && !routes.contains(&route) {
                routes.push(route);
            }
        }
        for route in routes {
            let new = written.sums_of(route).quarantined;
            let name = name_of(route, self.router.routes()).to_owned();
            let over =
                quarantined(&self.conn, &name)?.saturating_sub(self.upkeep.quarantine.max_rows);
            let ids = oldest_of(&self.conn, &name, over.min(new + ROWS_PER_STEP as u64))?;
            if ids.is_empty() {
                continue;
            }
            let dropped = Dropped::QuarantineFull;
            drop_quarantined(&self.conn, &self.shapes.quarantine, &ids, dropped)?;
            self.note_full(&name)?;
        }
        Ok(())
    }

    /// An event for each route at most once an hour, however much noise comes.
    fn note_full(&mut self, route: &str) -> rusqlite::Result<()> {
        let now = (self.world.now)();
        let said = self.upkeep.full_since.get(route);
        if said.is_some_and(|said| now.0.saturating_sub(said.0) < HOUR_MS) {
            return Ok(());
        }
        self.upkeep.full_since.insert(route.to_owned(), now);
        let max = self.upkeep.quarantine.max_rows;
        let shown = if route.is_empty() { "no route" } else { route };
        self.note_trimmed(format!(
            "the quarantine of {shown} is full ({max} messages, max_rows of [quarantine]): for each new one the \
             oldest is dropped and counted (quarantine_full)"
        ))
    }

    /// Deletes counts that are too old, a step's worth; whether there were any.
    fn trim_stats(&mut self) -> Result<bool, WriteError> {
        let now = (self.world.now)();
        let due = notes::has_old_stats(&self.conn, now)
            .map_err(|error| crate::sqlite::cause::write_error(&error, self.file.path(), false))?;
        if due {
            self.in_transaction(|journal| notes::trim_stats(&journal.conn, now, ROWS_PER_STEP))?;
        }
        Ok(due)
    }

    /// What is to be dropped in one step.
    fn due_for_trimming(&self) -> rusqlite::Result<Option<DueForTrimming>> {
        let max_age = i64::try_from(self.upkeep.quarantine.max_age.as_millis()).unwrap_or(i64::MAX);
        let cutoff = UnixMillis((self.world.now)().0.saturating_sub(max_age)).to_string();
        if let Some((route, over)) = too_many(&self.conn, self.upkeep.quarantine.max_rows)? {
            return Ok(Some(DueForTrimming::Full { route, over: over.min(ROWS_PER_STEP as u64) }));
        }
        let n = too_old(&self.conn, &cutoff)?.min(ROWS_PER_STEP as u64);
        Ok((n > 0).then_some(DueForTrimming::Old { n }))
    }

    fn compact_digests(&mut self) -> Result<bool, WriteError> {
        let now = (self.world.now)().0;
        let shapes: Vec<i64> = self
            .shapes
            .routes
            .iter()
            .flatten()
            .chain([&self.shapes.quarantine])
            .map(|shape| shape.id)
            .collect();
        for id in shapes {
            let done = self.upkeep.compacted.get(&id).copied().unwrap_or(0);
            let due = due_for_compaction(&self.conn, id, done, now).map_err(|error| {
                crate::sqlite::cause::write_error(&error, self.file.path(), false)
            })?;
            if !due {
                continue;
            }
            let Compacted { done, more } =
                self.in_transaction(|journal| compact(&journal.conn, id, done, now))?;
            self.upkeep.compacted.insert(id, done);
            if more {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether there is a digest of an hour that is over.
fn due_for_compaction(
    conn: &Connection,
    shape: i64,
    done: i64,
    now: i64,
) -> rusqlite::Result<bool> {
    let select = "SELECT EXISTS (SELECT 1 FROM barograph_digests WHERE id > ?2 AND shape = ?1 AND at \
         < ?3)";
    let over = super::digests::over_before(now);
    conn.prepare_cached(select)?.query_row(params![shape, done, over], |row| row.get(0))
}

/// What one step drops from quarantine.
enum DueForTrimming {
    /// So many of the oldest of a route, which has more than its bound.
    Full { route: String, over: u64 },
    /// So many of the oldest, which are too old.
    Old { n: u64 },
}

impl DueForTrimming {
    fn reason(&self) -> Dropped {
        match self {
            Self::Full { .. } => Dropped::QuarantineFull,
            Self::Old { .. } => Dropped::QuarantineAge,
        }
    }
}

/// A route with more messages in quarantine than `max_rows`, and how many more. By the account, which is as short as
/// there are routes and reasons.
pub(in crate::sqlite) fn too_many(
    conn: &Connection,
    max_rows: u64,
) -> rusqlite::Result<Option<(String, u64)>> {
    let select = "SELECT route, sum(count) FROM barograph_accounting WHERE outcome = 'quarantined' GROUP BY \
         route HAVING sum(count) > ?1 LIMIT 1";
    let found = conn.prepare_cached(select)?.query_row([rows::as_i64(max_rows)], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned().saturating_sub(max_rows)))
    });
    found.optional()
}

/// Messages of a route in quarantine, by the account.
fn quarantined(conn: &Connection, route: &str) -> rusqlite::Result<u64> {
    let select = "SELECT coalesce(sum(count), 0) FROM barograph_accounting WHERE route = ?1 AND outcome = \
         'quarantined'";
    let count: i64 = conn.prepare_cached(select)?.query_row([route], |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Ids of the oldest messages of a route in quarantine.
fn oldest_of(conn: &Connection, route: &str, n: u64) -> rusqlite::Result<Vec<i64>> {
    let select =
        "SELECT id FROM barograph_quarantine WHERE coalesce(route, '') = ?1 ORDER BY id LIMIT ?2";
    let mut statement = conn.prepare_cached(select)?;
    let ids = statement.query_map(params![route, rows::as_i64(n)], |row| row.get(0))?;
    ids.collect()
}

/// How many of the oldest rows are older than `cutoff`, a step's worth at most.
fn too_old(conn: &Connection, cutoff: &str) -> rusqlite::Result<u64> {
    let old = "SELECT count(*) FROM (SELECT received_at FROM barograph_quarantine ORDER BY id LIMIT \
         ?2) WHERE received_at < ?1";
    let limit = ROWS_PER_STEP.cast_signed() as i64;
    let old: i64 = conn.prepare_cached(old)?.query_row(params![cutoff, limit], |row| row.get(0))?;
    Ok(old.cast_unsigned())
}

/// Drops rows of the quarantine within the caller's transaction: rows, digest and account.
pub(in crate::sqlite) fn drop_quarantined(
    conn: &Connection,
    shape: &Shape,
    ids: &[i64],
    dropped: Dropped,
) -> rusqlite::Result<()> {
    let select = "SELECT coalesce(route, ''), reason FROM barograph_quarantine WHERE id = ?1";
    for id in ids {
        let (route, reason): (String, String) =
            conn.prepare_cached(select)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        shape.forget(conn, *id)?;
        conn.prepare_cached("DELETE FROM barograph_quarantine WHERE id = ?1")?.execute([id])?;
        move_in_account(conn, &route, &reason, Outcome::Dropped(dropped))?;
    }
    Ok(())
}

/// A quarantined delivery comes to another end; it was received once.
pub(in crate::sqlite) fn move_in_account(
    conn: &Connection,
    route: &str,
    reason: &str,
    to: Outcome,
) -> rusqlite::Result<()> {
    let mut add = conn.prepare_cached(ACCOUNT_ADD)?;
    add.execute(params![route, "quarantined", reason, -1])?;
    let (word, reason) = to.words();
    add.execute(params![route, word, reason, 1])?;
    Ok(())
}
