//! The spool: a queue of batches in an SQLite file of its own, WAL, `synchronous=FULL`. It holds the
//! deliveries as they came (topic, payload, packet id, …), not rows: they are decoded, judged by the
//! ledger and counted when the database takes them over, as if they had come then, but with their own
//! time of arrival.
//!
//! Removing what was taken over need not be durable: the database remembers the position.

pub(super) mod rebuild;
pub(super) mod rows;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barograph_actors::message::batch::{Batch, BatchId};
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::note::Note;
use barograph_actors::message::routing::Routing;
use barograph_actors::message::write::{WriteCause, WriteOutcome};
use barograph_actors::ports::{Environment, OpenSpool, Spool, Spooled, WriteError};
use rusqlite::{Connection, OpenFlags};

use super::cause::{Understood, free_bytes, spelled, understand};
use super::journal::file::{DamagedHandles, OpenFile, Sight, Wreck};
use super::journal::notes;
use super::spool::rows::{self as sql, Decoding};
use crate::os::io::cause_of_io;
use crate::os::paths::folder_of;
use crate::os::process::beside;

/// Another process has no business in the spool; one that looks is not waited for long.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// Pages, indexes and the WAL's copy, for each byte that a record costs in memory.
const BYTES_PER_COST: u64 = 2;

/// A file without anything in it takes this much.
const EMPTY_BYTES: u64 = 64 << 10;

/// Opens the spool; kept for as long as the process lives.
#[derive(Debug, Clone)]
pub struct Spools {
    /// `[spool]`
    pub settings: barograph_config::SpoolSettings,
    /// The database's file, without links: the spool is named after it.
    pub database: PathBuf,
    /// The routes: those in force when it is read are those by which deliveries are decoded again.
    pub routing: Routing,
    /// `mqtt.max_packet_size`
    pub packet_max: u64,
    /// Time and chance.
    pub world: Environment,
    /// Where a handle waits whose file was damaged or deleted under it.
    pub wrecks: DamagedHandles,
}

impl Spools {
    /// The spool's file: named after the database, in the spool's folder.
    pub fn path(&self) -> PathBuf {
        spool_path(&self.settings.dir, &self.database)
    }

    fn open_sqlite(&self) -> Result<(SqliteSpool, Vec<Note>), WriteError> {
        let path = self.path();
        let folder = folder_of(&path);
        std::fs::create_dir_all(&folder).map_err(|error| {
            refused(cause_of_io(&error), &path, &format!("its folder cannot be made: {error}"))
        })?;
        rebuild::finish_interrupted(&path)
            .map_err(|e| refused(WriteCause::Io, &path, &e.to_string()))?;
        if let Some(wreck) = self.wrecks.take() {
            return self.rebuild(&path, Some(wreck));
        }
        match self.open_at(&path) {
            Err(error) if is_damage(error.cause) => self.rebuild(&path, None),
            opened => opened.map(|spool| (spool, Vec::new())),
        }
    }

    fn rebuild(
        &self,
        path: &Path,
        wreck: Option<Wreck>,
    ) -> Result<(SqliteSpool, Vec<Note>), WriteError> {
        let now = (self.world.now)();
        let rebuilt = rebuild::rebuild(path, wreck.map(|wreck| wreck.conn), now);
        let rebuilt = rebuilt.map_err(|error| {
            let detail = format!("it is damaged, and cannot be set aside: {error}");
            refused(WriteCause::Corrupt, path, &detail)
        })?;
        let notes = vec![rebuilt.say(now)];
        self.open_at(path).map(|spool| (spool, notes))
    }

    fn open_at(&self, path: &Path) -> Result<SqliteSpool, WriteError> {
        let failed = |error: rusqlite::Error| explain(&error, path, false);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(path, flags).map_err(failed)?;
        conn.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        sql::set_up(&mut conn, (self.world.random)(), &self.database).map_err(
            |error| match error {
                sql::SetUp::Sqlite(error) => failed(error),
                sql::SetUp::Foreign(detail) => refused(WriteCause::Other, path, &detail),
            },
        )?;
        self.wrecks.settle(&conn).map_err(failed)?;
        let id = sql::id(&conn).map_err(failed)?;
        let queue = sql::queue(&conn).map_err(failed)?;
        let position = sql::last_position(&conn).map_err(failed)?;
        let seen = sql::last_seen(&conn).map_err(failed)?;
        crate::os::replace::sync_folder(path);
        let file =
            OpenFile::of(path).map_err(|e| refused(WriteCause::Missing, path, &e.to_string()))?;
        Ok(SqliteSpool {
            last: sql::last_batch(&conn).map_err(failed)?,
            conn,
            file,
            path: path.to_owned(),
            settings: self.settings.clone(),
            routing: self.routing.clone(),
            packet_max: self.packet_max,
            world: self.world,
            id,
            position,
            queue,
            forgotten: 0,
            seen,
            wrecks: self.wrecks.clone(),
            wrecked: false,
        })
    }
}

/// The spool of a database.
pub fn spool_path(folder: &Path, database: &Path) -> PathBuf {
    let name = database.file_name().map_or_else(|| "database".into(), std::ffi::OsStr::to_owned);
    folder.join(beside(Path::new(&name), ".spool"))
}

impl OpenSpool for Spools {
    fn is_there(&self) -> bool {
        let path = self.path();
        path.exists() || rebuild::is_interrupted(&path)
    }

    fn open(&mut self) -> Result<(Box<dyn Spool>, Vec<Note>), WriteError> {
        let (spool, notes) = self.open_sqlite()?;
        Ok((Box::new(spool), notes))
    }
}

/// The open spool.
struct SqliteSpool {
    conn: Connection,
    file: OpenFile,
    path: PathBuf,
    settings: barograph_config::SpoolSettings,
    routing: Routing,
    packet_max: u64,
    world: Environment,
    id: i64,
    /// The position of the last entry there ever was.
    position: i64,
    /// Position and records of each entry.
    queue: VecDeque<(i64, u64)>,
    last: Option<BatchId>,
    /// Entries up to here are no longer needed, whether or not they are deleted yet.
    forgotten: i64,
    seen: Option<UnixMillis>,
    /// Where the handle goes when the file was damaged or deleted under it: it may still see what
    /// nobody else does.
    wrecks: DamagedHandles,
    wrecked: bool,
}

impl SqliteSpool {
    fn in_transaction<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, WriteError> {
        let begun = self.conn.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(|error| self.explain(&error, false))?;
        let worked = work(&self.conn);
        let ended = match &worked {
            Ok(_) => self.conn.execute_batch("COMMIT").map_err(|error| (error, true)),
            Err(_) => Ok(()),
        };
        match (worked, ended) {
            (Ok(done), Ok(())) => Ok(done),
            (Err(error), _) => Err(self.roll_back(&error, false)),
            (Ok(_), Err((error, committing))) => Err(self.roll_back(&error, committing)),
        }
    }

    fn roll_back(&mut self, error: &rusqlite::Error, committing: bool) -> WriteError {
        let mut told = self.explain(error, committing);
        let rolled_back = self.conn.is_autocommit() || self.conn.execute_batch("ROLLBACK").is_ok();
        told.reopen |= !rolled_back;
        told
    }

    /// Refuses what would make the spool too large, or leave too little of its disk.
    fn check_room(&self, needed: u64) -> Result<(), WriteError> {
        let size =
            sql::used_bytes(&self.conn).unwrap_or(0) + file_size(&beside(&self.path, "-wal"));
        if size + needed > self.settings.max_size {
            let detail = format!(
                "it holds {}, the limit of spool.max_size is {}",
                spelled(size),
                spelled(self.settings.max_size)
            );
            return Err(refused(WriteCause::Full, &self.path, &detail));
        }
        let free = free_bytes(&folder_of(&self.path)).unwrap_or(u64::MAX);
        if free < self.settings.min_free.saturating_add(needed) {
            let detail = format!(
                "{} are free there, {} are needed, and spool.min_free leaves {} to others",
                spelled(free),
                spelled(needed),
                spelled(self.settings.min_free)
            );
            return Err(refused(WriteCause::Full, &self.path, &detail));
        }
        Ok(())
    }

    /// A deleted or replaced file keeps accepting writes for ever.
    fn check_file(&mut self) -> Result<(), WriteError> {
        match self.file.look() {
            Sight::Same | Sight::Written => Ok(()),
            Sight::Emptied => Err(self.lost("it was emptied")),
            Sight::Gone(detail) | Sight::WalGone(detail) => Err(self.lost(&detail)),
        }
    }

    fn lost(&mut self, detail: &str) -> WriteError {
        self.wrecked = true;
        let error = refused(WriteCause::Replaced, &self.path, detail);
        WriteError { reopen: true, ..error }
    }

    fn explain(&mut self, error: &rusqlite::Error, committing: bool) -> WriteError {
        let told = explain(error, &self.path, committing);
        if is_damage(told.cause) {
            self.wrecked = true;
        }
        if told.cause == WriteCause::Io {
            self.wrecks.doubt();
        }
        told
    }

    fn push(&mut self, batch: Option<&Batch>, notes: &[Note]) -> Result<(), WriteError> {
        self.check_file()?;
        let cost = |batch: &Batch| batch.records.iter().map(|r| u64::from(r.cost)).sum::<u64>();
        let needed = batch.map_or(0, cost) * BYTES_PER_COST;
        let first = if self.queue.is_empty() { EMPTY_BYTES } else { 0 };
        self.check_room(needed + first)?;
        let position = self.position + 1;
        let now = (self.world.now)();
        let router = self.routing.now();
        self.in_transaction(|conn| sql::insert(conn, &router, position, now, batch, notes))?;
        self.position = position;
        self.seen = Some(now);
        self.queue.push_back((position, batch.map_or(0, |batch| batch.records.len() as u64)));
        if let Some(batch) = batch {
            self.last = Some(batch.id);
        }
        Ok(())
    }
}

impl Spool for SqliteSpool {
    fn id(&self) -> i64 {
        self.id
    }

    fn append(&mut self, batch: &Batch, notes: &[Note]) -> Result<(), WriteError> {
        self.push(Some(batch), notes)
    }

    fn record(&mut self, notes: &[Note]) -> Result<(), WriteError> {
        self.push(None, notes)
    }

    fn last(&self) -> Option<BatchId> {
        self.last
    }

    fn last_seen(&self) -> Option<UnixMillis> {
        self.seen
    }

    fn front(&mut self, records_max: usize) -> Result<Vec<Spooled>, WriteError> {
        let mut records = 0;
        let mut last = None;
        for (position, count) in &self.queue {
            if last.is_some() && records + count > records_max as u64 {
                break;
            }
            records += count;
            last = Some(*position);
        }
        let (Some((first, _)), Some(last)) = (self.queue.front(), last) else {
            return Ok(Vec::new());
        };
        let decoding = Decoding { router: self.routing.now(), packet_max: self.packet_max };
        let read = sql::read(&self.conn, &decoding, *first, last);
        read.map_err(|error| self.explain(&error, false))
    }

    fn forget_through(&mut self, position: i64) -> Result<(), WriteError> {
        self.forgotten = self.forgotten.max(position);
        while self.queue.front().is_some_and(|(first, _)| *first <= self.forgotten) {
            self.queue.pop_front();
        }
        // An empty one goes as a whole.
        if self.queue.is_empty() {
            return Ok(());
        }
        let forgotten = self.forgotten;
        self.in_transaction(|conn| sql::delete_through(conn, forgotten))
    }

    fn len(&self) -> u64 {
        self.queue.iter().map(|(_, records)| records).sum()
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn heartbeat(&mut self) -> Result<(), WriteError> {
        self.check_file()?;
        let now = (self.world.now)();
        let normal = self.conn.execute_batch("PRAGMA synchronous = NORMAL");
        normal.map_err(|error| self.explain(&error, false))?;
        let beat = self.in_transaction(|conn| notes::seen(conn, now));
        let full = self.conn.execute_batch("PRAGMA synchronous = FULL");
        full.map_err(|error| self.explain(&error, false))?;
        self.seen = Some(now);
        beat
    }

    /// What is empty leaves no file behind: the database has all of it, and remembers so.
    fn close(mut self: Box<Self>) {
        let (empty, path) = (self.queue.is_empty(), self.path.clone());
        if !empty {
            let quiet = self.conn.busy_timeout(Duration::ZERO);
            let checkpoint = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            if let Err(error) = quiet.and(checkpoint) {
                tracing::debug!("the spool's WAL is left for the next start: {error}");
            }
            return;
        }
        if let Ok(nothing) = Connection::open_in_memory() {
            drop(std::mem::replace(&mut self.conn, nothing));
        }
        // The file first: a -wal without its file means nothing.
        for path in [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")] {
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!("the empty spool {} cannot be removed: {error}", path.display());
            }
        }
    }
}

impl Drop for SqliteSpool {
    fn drop(&mut self) {
        if self.wrecked
            && let Ok(nothing) = Connection::open_in_memory()
        {
            let conn = std::mem::replace(&mut self.conn, nothing);
            self.wrecks.leave(Wreck { conn, file: self.file.clone(), is_whole: false });
        }
    }
}

fn is_damage(cause: WriteCause) -> bool {
    matches!(cause, WriteCause::Corrupt | WriteCause::NotADatabase)
}

fn file_size(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

fn refused(cause: WriteCause, path: &Path, detail: &str) -> WriteError {
    let message = format!("the spool {} takes nothing: {detail}", path.display());
    WriteError { cause, message, outcome: WriteOutcome::Refused, reopen: false }
}

/// An error of SQLite. After one that leaves the handle in doubt the file is opened anew: then it
/// shows what is there.
fn explain(error: &rusqlite::Error, path: &Path, committing: bool) -> WriteError {
    let Understood { cause, .. } = understand(error, path);
    let mut told = refused(cause, path, &format!("{error} ({})", cause.word()));
    let is_certain = matches!(cause, WriteCause::Locked | WriteCause::Busy | WriteCause::Full);
    if committing && !is_certain {
        told.outcome = WriteOutcome::Unknown;
    }
    told.reopen = !is_certain;
    told
}
