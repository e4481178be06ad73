//! Looking into a database, or a spool, that may be in use: read-only, leaving no file behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::os::process::beside;

/// How long a read waits for a program that locks the file.
pub(in crate::sqlite) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that stay prepared.
const CACHED_MAX: usize = 64;

/// An open file.
#[derive(Debug)]
pub struct ReadOnlyDatabase {
    pub(in crate::sqlite) conn: Connection,
    path: PathBuf,
    /// It was opened as a file that no program changes.
    still: bool,
}

impl ReadOnlyDatabase {
    /// Opens it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let (conn, still) = open(path)?;
        Ok(Self { conn, path: path.to_owned(), still })
    }

    /// One view of all of it.
    pub(in crate::sqlite) fn view(&self) -> rusqlite::Result<Transaction<'_>> {
        Transaction::new_unchecked(&self.conn, TransactionBehavior::Deferred)
    }

    /// Opens it again if another program began to use it meanwhile; whether that was so.
    pub(in crate::sqlite) fn follow(&mut self) -> rusqlite::Result<bool> {
        if !self.still || !is_in_use(&self.path) {
            return Ok(false);
        }
        let (conn, still) = open(&self.path)?;
        (self.conn, self.still) = (conn, still);
        Ok(true)
    }
}

fn open(path: &Path) -> rusqlite::Result<(Connection, bool)> {
    let still = !is_in_use(path);
    let conn = open_to_look(path)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(CACHED_MAX);
    Ok((conn, still))
}

fn is_in_use(path: &Path) -> bool {
    beside(path, "-wal").exists()
}

/// Reading a database in WAL mode makes its -wal and -shm files where there are none: then nobody
/// has it open, and it can be read as a file that does not change.
pub(in crate::sqlite) fn open_to_look(path: &Path) -> rusqlite::Result<Connection> {
    if is_in_use(path) {
        return Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    }
    open_unchanging(path)
}

/// Reads a file as one that does not change, and without its -wal.
pub(in crate::sqlite) fn open_unchanging(path: &Path) -> rusqlite::Result<Connection> {
    let escaped =
        path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
}
