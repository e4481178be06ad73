//! The journal: one transaction holds a batch's rows, its ledger entry, its counts, the digests of
//! what it wrote, and the notes that waited.

pub(super) mod catalog;
pub(super) mod digests;
pub(super) mod event_file;
pub(super) mod file;
pub(super) mod left;
pub(super) mod notes;
pub(super) mod open;
mod ours;
#[cfg(test)]
mod plan_tests;
pub(super) mod row_writer;
pub(super) mod rows;
pub(super) mod schema;
pub(super) mod statements;
pub(super) mod strays;
pub(super) mod upkeep;
pub(super) mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use barograph_actors::db_writer::plan::Known;
use barograph_actors::message::account::{RouteId, Tally};
use barograph_actors::message::batch::{Batch, Receipt};
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::note::Note;
use barograph_actors::message::route::Router;
use barograph_actors::message::write::{Checkpointed, WriteCause, WriteOutcome};
use barograph_actors::ports::{
    Environment, Journal, Maintenance, Progress, Spooled, TidiedUp, WriteError,
};
use rusqlite::{Connection, OpenFlags};

use super::cause::{full, sentence, write_error};
use super::journal::catalog::Catalog;
use super::journal::file::{DamagedHandles, OpenFile, Sight, Wreck};
use super::journal::left::Left;
use super::journal::row_writer::Shapes;
use super::journal::statements::Statements;
use super::journal::upkeep::Upkeep;
use super::salvage::Salvage;

/// Key of `barograph_meta`: the spool that was last taken over, and how far: `<id>:<position>`.
const TAKEN_OVER: &str = "taken_over";

/// The journal in one open SQLite file.
pub struct SqliteJournal {
    pub(super) conn: Connection,
    /// The file that `conn` holds; the path may come to lead elsewhere.
    pub(super) file: OpenFile,
    pub(super) router: Arc<Router>,
    pub(super) statements: Statements,
    pub(super) shapes: Shapes,
    pub(super) world: Environment,
    /// `PRAGMA synchronous` by its number: 2 is FULL.
    pub(super) synchronous: i64,
    pub(super) known: Known,
    pub(super) upkeep: Upkeep,
    /// Id and position of the spool that was last taken over.
    pub(super) taken_over: (i64, i64),
    /// Where the handle goes when the file was damaged or taken away under it.
    pub(super) wrecks: DamagedHandles,
    pub(super) wrecked: bool,
    /// Its WAL was written into the file before the handle was given up.
    pub(super) is_whole: bool,
    pub(super) identity: Identity,
}

/// Which database it is, and what is known of it outside.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) catalog: Catalog,
}

impl fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteJournal").field("path", &self.file.path()).finish_non_exhaustive()
    }
}

impl Journal for SqliteJournal {
    fn append(&mut self, batch: &Batch, notes: &[Note]) -> Result<Receipt, WriteError> {
        if self.known.has(batch.id) {
            return Ok(Receipt::repeated());
        }
        match self.in_transaction(|journal| journal.write(batch, notes)) {
            Ok((plan, outcomes)) => Ok(self.known.adopt(plan, outcomes)),
            Err(error) => Err(self.say_what_is_needed(error, [batch])),
        }
    }

    fn take_over(&mut self, spool: i64, front: &[Spooled]) -> Result<Vec<Receipt>, WriteError> {
        let done = self.taken_over(spool);
        let Some(last) = front.last().map(|spooled| spooled.position).filter(|last| *last > done)
        else {
            return Ok(Vec::new());
        };
        let before = self.known.clone();
        let taken = self.in_transaction(|journal| {
            let mut receipts = Vec::new();
            for spooled in front.iter().filter(|spooled| spooled.position > done) {
                receipts.extend(journal.take_over_one(spooled)?);
            }
            rows::set_meta(&journal.conn, TAKEN_OVER, &format!("{spool}:{last}"))?;
            Ok(receipts)
        });
        match taken {
            Ok(receipts) => {
                self.taken_over = (spool, last);
                Ok(receipts)
            }
            Err(error) => {
                self.known = before;
                let batches = front.iter().filter_map(|spooled| spooled.batch.as_ref());
                Err(self.say_what_is_needed(error, batches))
            }
        }
    }

    fn record(&mut self, notes: &[Note]) -> Result<(), WriteError> {
        self.in_transaction(|journal| {
            notes::seen(&journal.conn, (journal.world.now)())?;
            notes::write(&journal.conn, notes)
        })
    }

    fn begin_run(&mut self, started: UnixMillis) -> Result<(), WriteError> {
        self.in_transaction(|journal| {
            // What an earlier process had not copied out of a file without a name is gone with it.
            for report in Salvage::give_up_handles(&journal.conn)? {
                journal.say_salvaged(&report)?;
            }
            let elsewhere = journal.identity.catalog.read().last_seen_before(started);
            notes::keep_last_seen(&journal.conn, started, elsewhere)
        })
    }

    /// In WAL mode a commit at NORMAL is not pressed onto the disk; the next one at FULL takes it
    /// along.
    fn heartbeat(&mut self) -> Result<(), WriteError> {
        self.set_synchronous(1)?;
        let now = (self.world.now)();
        let beat = self.in_transaction(|journal| notes::seen(&journal.conn, now));
        self.set_synchronous(self.synchronous)?;
        beat?;
        self.note_in_catalog(false);
        Ok(())
    }

    fn taken_over(&self, spool: i64) -> i64 {
        let (of, position) = self.taken_over;
        if of == spool { position } else { 0 }
    }

    fn account(&self) -> Tally {
        rows::account(&self.conn, self.router.routes()).unwrap_or_default()
    }

    /// Without waiting for readers: what they hold back of the WAL is checkpointed later.
    fn close(mut self: Box<Self>, orderly: bool) {
        if orderly {
            let now = (self.world.now)();
            let said = self.in_transaction(|journal| notes::seen(&journal.conn, now));
            if let Err(error) = said {
                tracing::debug!("the last sign of life is not left: {error}");
            }
        }
        self.note_in_catalog(true);
        let quiet = self.conn.busy_timeout(Duration::ZERO);
        let checkpoint = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = quiet.and(checkpoint) {
            tracing::debug!("the WAL is left for the next start: {error}");
        }
    }
}

impl Maintenance for SqliteJournal {
    fn remember(&self) {
        self.note_in_catalog(false);
    }

    fn tidy_up(&mut self) -> Result<TidiedUp, WriteError> {
        self.upkeep_step()
    }

    fn summing_up(&self) -> BTreeMap<RouteId, Progress> {
        self.rollup_progress()
    }

    fn checkpoint(&mut self) -> Result<Checkpointed, WriteError> {
        self.check_file()?;
        let folded = self.fold_wal_in();
        folded.map_err(|error| self.understand(&error, false))
    }
}

impl SqliteJournal {
    /// Notes outside of it what the database holds.
    fn note_in_catalog(&self, durably: bool) {
        let Identity { id, catalog } = &self.identity;
        let Ok(rows) = rows::stored(&self.conn) else { return };
        let (file, wal, now) = (self.file.id(), self.file.wal_id(), (self.world.now)());
        catalog.note(durably, |databases| databases.seen(id, file, wal, rows, now));
    }

    fn take_over_one(&mut self, spooled: &Spooled) -> rusqlite::Result<Option<Receipt>> {
        let Some(batch) = &spooled.batch else {
            notes::write(&self.conn, &spooled.notes)?;
            return Ok(None);
        };
        // It went to the spool because it was unknown whether its commit had become durable.
        if self.known.has(batch.id) {
            notes::write(&self.conn, &spooled.notes)?;
            return Ok(Some(Receipt::repeated()));
        }
        let (plan, outcomes) = self.write(batch, &spooled.notes)?;
        Ok(Some(self.known.adopt(plan, outcomes)))
    }

    pub(super) fn set_synchronous(&mut self, number: i64) -> Result<(), WriteError> {
        let path = self.file.path();
        let set = self.conn.execute_batch(&format!("PRAGMA synchronous = {number}"));
        let answer = set
            .and_then(|()| {
                self.conn.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0))
            })
            .map_err(|error| write_error(&error, path, false))?;
        if answer == number {
            return Ok(());
        }
        let detail = format!("PRAGMA synchronous = {number} was answered with {answer}");
        let message = sentence(WriteCause::Other, path, &detail);
        let (cause, outcome) = (WriteCause::Other, WriteOutcome::Refused);
        Err(WriteError { cause, message, outcome, reopen: true })
    }

    /// A full disk: how much is free, and how much these batches need.
    fn say_what_is_needed<'a>(
        &self,
        error: WriteError,
        batches: impl IntoIterator<Item = &'a Batch>,
    ) -> WriteError {
        if error.cause != WriteCause::Full {
            return error;
        }
        let cost = |batch: &Batch| batch.records.iter().map(|r| u64::from(r.cost)).sum::<u64>();
        let needed = batches.into_iter().map(cost).sum();
        WriteError { message: full(self.file.path(), needed), ..error }
    }

    /// A deleted or replaced database keeps accepting writes for ever, and one that is overwritten
    /// often does, too: the path must still lead to the file we hold, and what somebody wrote into
    /// it must be sound.
    fn check_file(&mut self) -> Result<(), WriteError> {
        match self.file.look() {
            Sight::Same => Ok(()),
            Sight::Written => match self.look_inside() {
                None => Ok(()),
                Some(error) => Err(self.wreck(WriteCause::Corrupt, &error.to_string())),
            },
            Sight::Emptied => Err(self.wreck(WriteCause::Corrupt, "it was emptied")),
            Sight::Gone(detail) => {
                self.is_whole = self.run_checkpoint("PASSIVE");
                Err(self.wreck(WriteCause::Replaced, &detail))
            }
            Sight::WalGone(detail) if self.run_checkpoint("TRUNCATE") => {
                let cause = WriteCause::Replaced;
                let message = sentence(cause, self.file.path(), &detail);
                Err(WriteError { cause, message, outcome: WriteOutcome::Refused, reopen: true })
            }
            Sight::WalGone(detail) => Err(self.wreck(WriteCause::Corrupt, &detail)),
        }
    }

    fn wreck(&mut self, cause: WriteCause, detail: &str) -> WriteError {
        self.wrecked = true;
        let message = sentence(cause, self.file.path(), detail);
        WriteError { cause, message, outcome: WriteOutcome::Refused, reopen: true }
    }

    /// What is only in the WAL so far goes into the file, wherever that is now. Whether all of it
    /// did.
    fn run_checkpoint(&self, kind: &str) -> bool {
        let pragma = format!("PRAGMA wal_checkpoint({kind})");
        let done = self.conn.query_row(&pragma, [], |row| {
            let (busy, log, done): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(busy == 0 && log == done)
        });
        done.unwrap_or_else(|error| {
            tracing::warn!("the last rows are still only in the WAL: {error}");
            false
        })
    }

    /// A checkpoint that does not wait for readers. (TRUNCATE gives no numbers when it succeeds.)
    fn fold_wal_in(&self) -> rusqlite::Result<Checkpointed> {
        let patience: i64 = self.conn.query_row("PRAGMA busy_timeout", [], |row| row.get(0))?;
        self.conn.busy_timeout(Duration::ZERO)?;
        let checkpoint = |kind: &str| {
            self.conn.query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], |row| {
                let (busy, pages, done): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let count = |n: i64| u64::try_from(n).unwrap_or(0);
                Ok(Checkpointed {
                    blocks: count(pages),
                    merged: count(done),
                    is_complete: busy == 0,
                })
            })
        };
        let folded = checkpoint("PASSIVE").and_then(|passive| {
            let is_complete = checkpoint("TRUNCATE")?.is_complete;
            Ok(Checkpointed { is_complete, ..passive })
        });
        self.conn.busy_timeout(Duration::from_millis(patience.unsigned_abs()))?;
        folded
    }

    /// Reads samples through a connection of its own, past our page cache. Whatever is not damage is
    /// no reason for concern.
    fn look_inside(&self) -> Option<rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let tables = self.router.recording().map(|(_, route)| route.table.as_str());
        let tables = tables.chain(["barograph_ledger", "barograph_digests"]);
        // A few pages are read, each once.
        let opened = Connection::open_with_flags(self.file.path(), flags)
            .and_then(|conn| conn.execute_batch("PRAGMA cache_size = 16").map(|()| conn));
        match opened {
            Ok(conn) => tables.filter_map(|table| rows::sample(&conn, table).err()).find(is_damage),
            Err(error) => Some(error).filter(is_damage),
        }
    }

    /// `BEGIN IMMEDIATE`, always: a deferred transaction that upgrades after another's commit fails
    /// at once, busy timeout or not.
    pub(super) fn in_transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> Result<T, WriteError> {
        match self.in_borne_transaction(work, |_| false)? {
            Ok(done) => Ok(done),
            Err(error) => Err(self.understand(&error, false)),
        }
    }

    /// As [`Self::in_transaction`], where some errors are no reason to give the file up: then all is undone, and
    /// the error is a value.
    pub(super) fn in_borne_transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
        is_borne: impl FnOnce(&rusqlite::Error) -> bool,
    ) -> Result<rusqlite::Result<T>, WriteError> {
        self.check_file()?;
        let begun = self.run("BEGIN IMMEDIATE");
        begun.map_err(|error| self.understand(&error, false))?;
        match work(self) {
            Err(error) if is_borne(&error) => match self.run("ROLLBACK") {
                Err(worse) if !self.conn.is_autocommit() => Err(self.roll_back(&worse, false)),
                Ok(()) | Err(_) => Ok(Err(error)),
            },
            Err(error) => Err(self.roll_back(&error, false)),
            Ok(done) => match self.run("COMMIT") {
                Ok(()) => Ok(Ok(done)),
                Err(error) => Err(self.roll_back(&error, true)),
            },
        }
    }

    fn run(&self, statement: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(statement)?.execute([]).map(|_| ())
    }

    fn understand(&mut self, error: &rusqlite::Error, committing: bool) -> WriteError {
        if is_damage(error) {
            self.wrecked = true;
        }
        let told = write_error(error, self.file.path(), committing);
        if told.cause == WriteCause::Io {
            self.wrecks.doubt();
        }
        told
    }

    fn roll_back(&mut self, error: &rusqlite::Error, committing: bool) -> WriteError {
        let mut told = self.understand(error, committing);
        // SQLite may have rolled back by itself. A handle that stays within a transaction is of no
        // more use.
        let rolled_back = self.conn.is_autocommit() || self.run("ROLLBACK").is_ok();
        told.reopen |= !rolled_back;
        told
    }
}

/// A handle that may still see rows that no other connection sees is left for the next opening.
impl Drop for SqliteJournal {
    fn drop(&mut self) {
        self.wrecks.let_go();
        // A file can be opened again.
        let handles = self.upkeep.salvages.drain(..).filter(Salvage::is_of_handle);
        self.wrecks.keep(handles.map(Left::begun));
        if self.wrecked {
            self.note_in_catalog(true);
        }
        if self.wrecked
            && let Ok(nothing) = Connection::open_in_memory()
        {
            let conn = std::mem::replace(&mut self.conn, nothing);
            let is_whole = self.is_whole;
            self.wrecks.leave(Wreck { conn, file: self.file.clone(), is_whole });
        }
    }
}

/// The file's content is not what SQLite wrote.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// The position in the spool that was last taken over, as `barograph_meta` remembers it.
pub(super) fn stored_position(conn: &Connection) -> rusqlite::Result<(i64, i64)> {
    let text = rows::meta(conn, TAKEN_OVER)?.unwrap_or_default();
    let parsed =
        text.split_once(':').and_then(|(id, at)| Some((id.parse().ok()?, at.parse().ok()?)));
    Ok(parsed.unwrap_or((0, 0)))
}
