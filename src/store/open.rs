//! Opening the database: the place, the pragmas, the tables. Never VACUUM, never clearing, never a
//! full integrity check: a start must not depend on the size of the file.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use barograph_actors::event;
use barograph_actors::ledger::Ledger;
use barograph_actors::ports::{Journal, OpenError, OpenJournal, World, WriteCause};
use barograph_config::{Database, Route, Synchronous};
use nix::unistd::{AccessFlags, access};
use rusqlite::{Connection, OpenFlags};
use tracing::info;

use crate::paths::folder_of;

use super::cause::{open_error, permanence, sentence};
use super::history::History;
use super::journal::SqliteJournal;
use super::retained::Retained;
use super::statements::{CACHED_MAX, Statements};
use super::{rows, schema};

/// Opens the journal; kept for as long as the process lives, so that it can be opened anew.
#[derive(Debug, Clone)]
pub struct Opener {
    /// `[database]`
    pub database: Database,
    /// The routes, whose tables must be there.
    pub routes: Vec<Route>,
    /// Time and chance.
    pub world: World,
}

impl OpenJournal for Opener {
    fn open(&mut self) -> Result<Box<dyn Journal>, OpenError> {
        Ok(Box::new(self.open_sqlite()?))
    }
}

/// Which file it is, whatever its path leads to later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        Ok(Self { device: meta.dev(), inode: meta.ino() })
    }
}

impl Opener {
    /// Opens the database and makes it fit the routes.
    ///
    /// # Errors
    /// See [`OpenError`]: the message says what to do, and whether waiting can help.
    pub fn open_sqlite(&self) -> Result<SqliteJournal, OpenError> {
        let path = &self.database.path;
        check_place(path)?;
        let failed = |error: rusqlite::Error| open_error(&error, path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(path, flags).map_err(failed)?;
        conn.set_prepared_statement_cache_capacity(CACHED_MAX);
        conn.busy_timeout(self.database.busy_timeout).map_err(failed)?;
        // Before anything is changed: a database that does not fit is left as it was.
        schema::refuse_clashes(&conn, &self.routes, path)?;
        self.set_pragmas(&conn)?;
        let extended = schema::extend_all(&mut conn, &self.routes, path)?;
        for what in &extended {
            info!(event = event::SCHEMA_EXTENDED, "{what}");
        }
        let file = FileId::of(path).map_err(|error| OpenError {
            cause: WriteCause::Replaced,
            message: sentence(WriteCause::Replaced, path, &error.to_string()),
            permanent: None,
        })?;
        let ledger_rows = rows::ledger(&conn).map_err(failed)?;
        let last = ledger_rows.last().map(|row| (row.batch, row.number));
        let retained = Retained::load(&conn).map_err(failed)?;
        info!(event = event::DATABASE_OPENED, database = %path.display(), "database {} opened", path.display());
        Ok(SqliteJournal {
            statements: Statements::new(&self.routes),
            conn,
            path: path.clone(),
            file,
            routes: self.routes.clone(),
            world: self.world,
            ledger: Ledger::load(&ledger_rows),
            history: History::of(&ledger_rows),
            last,
            retained,
        })
    }

    /// Each answer is read back: an I/O error while switching to WAL leaves the file silently in
    /// another mode.
    fn set_pragmas(&self, conn: &Connection) -> Result<(), OpenError> {
        let path = &self.database.path;
        let failed = |error: rusqlite::Error| open_error(&error, path);
        let mode: String =
            conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
        if mode != "wal" {
            return Err(unheard(path, "journal_mode", "wal", &mode));
        }
        let (word, number) = match self.database.synchronous {
            Synchronous::Full => ("FULL", 2_i64),
            Synchronous::Normal => ("NORMAL", 1),
        };
        conn.execute_batch(&format!("PRAGMA synchronous = {word}; PRAGMA foreign_keys = ON;"))
            .map_err(failed)?;
        for (pragma, wanted) in [("synchronous", number), ("foreign_keys", 1)] {
            let answer: i64 = conn
                .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
                .map_err(failed)?;
            if answer != wanted {
                return Err(unheard(path, pragma, &wanted.to_string(), &answer.to_string()));
            }
        }
        Ok(())
    }
}

/// SQLite kept another setting than the one asked for; mostly because someone else uses the file
/// just now.
fn unheard(path: &Path, pragma: &str, wanted: &str, answer: &str) -> OpenError {
    let detail = format!("PRAGMA {pragma} = {wanted} was answered with {answer}");
    OpenError {
        cause: WriteCause::Io,
        message: sentence(WriteCause::Io, path, &detail),
        permanent: None,
    }
}

/// SQLite answers "unable to open" for many things: the plain ones are told apart before.
fn check_place(path: &Path) -> Result<(), OpenError> {
    let refuse = |cause, detail: &str| {
        Err(OpenError {
            cause,
            message: sentence(cause, path, detail),
            permanent: permanence(cause),
        })
    };
    match std::fs::metadata(folder_of(path)) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return refuse(WriteCause::Permission, &error.to_string());
        }
        Err(error) => return refuse(WriteCause::Missing, &error.to_string()),
        Ok(meta) if !meta.is_dir() => return refuse(WriteCause::Missing, "it is not a folder"),
        Ok(_) => {}
    }
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => refuse(WriteCause::NotADatabase, "it is a folder"),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What a look at a database, without touching it, tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peek {
    /// There is no file yet; it would be created.
    Absent,
    /// It can be read: rows by table, of those routes that have one.
    Present {
        /// (table, rows).
        tables: Vec<(String, u64)>,
        /// What does not fit the routes.
        clashes: Vec<String>,
    },
}

/// Asks the system whether we may write there, without writing.
fn check_writable(place: &Path, database: &Path) -> Result<(), OpenError> {
    access(place, AccessFlags::W_OK).map_err(|errno| {
        let read_only = errno == nix::errno::Errno::EROFS;
        let cause = if read_only { WriteCause::ReadOnly } else { WriteCause::Permission };
        let message = sentence(cause, database, &errno.to_string());
        OpenError { cause, message, permanent: permanence(cause) }
    })
}

/// Reading a database in WAL mode makes its -wal and -shm files where there are none: then nobody
/// has it open, and it can be read as a file that does not change.
fn open_to_look(path: &Path) -> rusqlite::Result<Connection> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    if Path::new(&wal).exists() {
        return Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    }
    let escaped =
        path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
}

/// Looks at the database without writing anything.
///
/// # Errors
/// It cannot be read, and would be no use to `run`.
pub fn peek(database: &Database, routes: &[Route]) -> Result<Peek, OpenError> {
    let path: &PathBuf = &database.path;
    check_place(path)?;
    check_writable(&folder_of(path), path)?;
    if !path.exists() {
        return Ok(Peek::Absent);
    }
    check_writable(path, path)?;
    let failed = |error: rusqlite::Error| open_error(&error, path);
    let conn = open_to_look(path).map_err(failed)?;
    conn.busy_timeout(database.busy_timeout).map_err(failed)?;
    let mut tables = Vec::new();
    let mut clashes = Vec::new();
    for route in routes {
        if schema::exists(&conn, &route.table).map_err(failed)? {
            let sql = format!("SELECT count(*) FROM \"{}\"", route.table);
            let rows: i64 = conn.query_row(&sql, [], |row| row.get(0)).map_err(failed)?;
            tables.push((route.table.clone(), u64::try_from(rows).unwrap_or(0)));
            clashes.extend(schema::clashes(&conn, route).map_err(failed)?);
        }
    }
    Ok(Peek::Present { tables, clashes })
}
