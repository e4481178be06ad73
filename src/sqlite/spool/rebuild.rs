//! A damaged spool is set aside, and what can be read of it goes into a new one under the old name,
//! with its old positions: what was taken over before is not taken over again.

use std::io;
use std::path::{Path, PathBuf};

use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::event;
use barograph_actors::message::note::{Event, Note};
use rusqlite::{Connection, OptionalExtension, params};
use tracing::error;

use super::rows::TABLES;
use crate::os::process::beside;
use crate::os::replace::sync_folder;
use crate::sqlite::journal::file::{remove_shm, rename_if_there, set_aside};
use crate::sqlite::journal::schema::OWN_TABLES;
use crate::sqlite::salvage::{self, Salvage, SalvageReport, SalvageStep};

/// Rows copied at a time.
const ROWS_PER_STEP: usize = 2_000;

/// Tables of the main database that a salvage writes into; the spool does not keep them.
const NOT_OF_THE_SPOOL: [&str; 10] = [
    "barograph_ledger",
    "barograph_retained",
    "barograph_quarantine",
    "barograph_events",
    "barograph_gaps",
    "barograph_stats",
    "barograph_accounting",
    "barograph_shapes",
    "barograph_digests",
    "barograph_salvage",
];

/// What came of it.
#[derive(Debug)]
pub(in crate::sqlite) struct Rebuilt {
    /// Where the damaged one is kept; `None`: its file had been deleted.
    aside: Option<PathBuf>,
    report: SalvageReport,
}

impl Rebuilt {
    /// Says it loudly, once; the note is for the database.
    pub(in crate::sqlite) fn say(&self, now: UnixMillis) -> Note {
        let kept = match &self.aside {
            Some(aside) => format!("the spool was damaged: it is kept as {}", aside.display()),
            None => "the spool's file was deleted while it was open".to_owned(),
        };
        let detail = format!("{kept}, and a new one is used; {}", self.report);
        error!(event = event::SPOOL_SET_ASIDE, "{detail}");
        Note::Event(Event { name: event::SPOOL_SET_ASIDE, at: now, detail })
    }
}

/// Where the new one is made.
fn work_path(path: &Path) -> PathBuf {
    beside(path, ".rebuilding")
}

/// Where it waits for its name, whole.
fn ready_path(path: &Path) -> PathBuf {
    beside(path, ".rebuilt")
}

/// A rebuilding was interrupted between its two renames.
pub(in crate::sqlite) fn is_interrupted(path: &Path) -> bool {
    !path.exists() && ready_path(path).exists()
}

/// Ends what was interrupted.
pub(in crate::sqlite) fn finish_interrupted(path: &Path) -> io::Result<()> {
    if is_interrupted(path) {
        std::fs::rename(ready_path(path), path)?;
        sync_folder(path);
    }
    Ok(())
}

/// Rebuilds the damaged spool at `path`. `handle`: an open connection that still sees it.
pub(in crate::sqlite) fn rebuild(
    path: &Path,
    handle: Option<Connection>,
    now: UnixMillis,
) -> io::Result<Rebuilt> {
    let mut salvage = match handle {
        Some(conn) => Salvage::of_handle(conn, path.display().to_string()),
        None => Salvage::of_file(path),
    };
    let work = work_path(path);
    for leftover in [work.clone(), beside(&work, "-journal"), ready_path(path)] {
        remove_if_there(&leftover)?;
    }
    let report = copy(&mut salvage, &work).map_err(io::Error::other)?;
    std::fs::rename(&work, ready_path(path))?;
    let aside = if path.exists() {
        Some(set_aside(path, now)?)
    } else {
        // A new file must not find the WAL of one that is gone.
        let wal = beside(path, &format!(".deleted-{}-wal", now.0));
        rename_if_there(&beside(path, "-wal"), &wal)?;
        remove_shm(path)?;
        None
    };
    std::fs::rename(ready_path(path), path)?;
    sync_folder(path);
    Ok(Rebuilt { aside, report })
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// One transaction, in a file with a plain rollback journal: it is whole, or not there.
fn copy(salvage: &mut Salvage, work: &Path) -> rusqlite::Result<SalvageReport> {
    let mut new = Connection::open(work)?;
    new.execute_batch("PRAGMA synchronous = FULL")?;
    let tx = new.transaction()?;
    tx.execute_batch(OWN_TABLES)?;
    tx.execute_batch(salvage::TABLE)?;
    tx.execute_batch(TABLES)?;
    salvage.begin(&tx)?;
    let report = loop {
        match salvage.step(&tx, ROWS_PER_STEP)? {
            SalvageStep::Copied(_) => {}
            SalvageStep::Finished(report) => break report,
        }
    };
    for table in NOT_OF_THE_SPOOL {
        tx.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
    }
    adopt_orphans(&tx)?;
    tx.commit()?;
    Ok(report)
}

/// Records whose entry could not be read: what it said of the batch is unknown, and so each position
/// becomes a batch of its own, of the connection of its neighbour.
fn adopt_orphans(conn: &Connection) -> rusqlite::Result<()> {
    let select = "SELECT DISTINCT position FROM spool_records WHERE position NOT IN (SELECT position \
         FROM spool_entries)";
    let orphans: Vec<i64> = {
        let mut statement = conn.prepare(select)?;
        let found = statement.query_map([], |row| row.get(0))?;
        found.collect::<rusqlite::Result<_>>()?
    };
    let insert = "INSERT INTO spool_entries (position, at, run, batch, connection, settled, dropped, \
         notes) VALUES (?1, coalesce((SELECT max(received_at) FROM spool_records WHERE position = ?1), \
         0), ?1, ?1, ?2, '[]', '[]', '[]')";
    let neighbour = "SELECT connection FROM spool_entries WHERE run IS NOT NULL AND position < ?1 ORDER \
         BY position DESC LIMIT 1";
    for position in orphans {
        let connection: Option<i64> =
            conn.query_row(neighbour, [position], |row| row.get(0)).optional()?;
        conn.execute(insert, params![position, connection.unwrap_or(0)])?;
    }
    Ok(())
}
