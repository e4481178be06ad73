//! Opening the database: the place, the pragmas, the tables. Never VACUUM, never clearing, never a
//! full integrity check: a start must not depend on the size of the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use barograph_actors::event;
use barograph_actors::ledger::Ledger;
use barograph_actors::ports::{Journal, OpenError, OpenJournal, World, WriteCause};
use barograph_actors::route::Router;
use barograph_config::{Database, Quarantine, Route, Synchronous};
use nix::unistd::{AccessFlags, access};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tracing::{error, info, warn};

use super::cause::{open_error, permanence, sentence};
use super::file::{OpenFile, Wreck, Wrecks, remove_shm, rename_if_there, set_aside};
use super::history::History;
use super::journal::{SqliteJournal, stored_position};
use super::look::open_to_look;
use super::retained::Retained;
use super::row_writer::Shapes;
use super::salvage::Salvage;
use super::statements::{CACHED_MAX, Statements};
use super::upkeep::Upkeep;
use super::write::Known;
use super::{rows, schema};
use crate::paths::folder_of;
use crate::process::beside;

/// A WAL that a reader made grow is cut to so many bytes when it begins anew. (It begins anew at some
/// 4 MiB when nobody holds it back.)
const WAL_KEPT: u32 = 16 << 20;
/// Memory for pages, in KiB, half of SQLite's default: rows are added at the end of tables and indexes, and seldom
/// read again by this connection. (A backlog of 300,000 messages is taken as fast.)
const CACHE_KIB: u32 = 1_000;

/// Opens the journal; kept for as long as the process lives, so that it can be opened anew.
#[derive(Debug, Clone)]
pub struct Opener {
    /// `[database]`
    pub database: Database,
    /// `[quarantine]`
    pub quarantine: Quarantine,
    /// The routes; the tables of those in force must be there.
    pub router: Arc<Router>,
    /// Time and chance.
    pub world: World,
    /// Where a handle waits whose file was damaged or taken away under it.
    pub wrecks: Wrecks,
}

impl OpenJournal for Opener {
    fn open(&mut self) -> Result<Box<dyn Journal>, OpenError> {
        Ok(Box::new(self.open_sqlite()?))
    }

    fn reroute(&mut self, router: &Arc<Router>) {
        self.router = Arc::clone(router);
    }
}

impl Opener {
    /// Opens the database and makes it fit the routes. One that is damaged is set aside; a new one
    /// goes on, and what can be read of the old one is copied over bit by bit.
    ///
    /// # Errors
    /// See [`OpenError`]: the message says what to do, and whether waiting can help.
    pub fn open_sqlite(&self) -> Result<SqliteJournal, OpenError> {
        let path = &self.database.path;
        check_place(path)?;
        let left = self.clear_away()?;
        if left.is_none() && is_emptied(path) {
            return self.open_beside_damaged("it is empty, and its -wal is not");
        }
        match self.open_at(left) {
            Err(error) if is_damage(error.cause) && path.is_file() => {
                self.open_beside_damaged(&error.message)
            }
            opened => opened,
        }
    }

    /// Sets the damaged file aside and opens a new one in its place.
    fn open_beside_damaged(&self, detail: &str) -> Result<SqliteJournal, OpenError> {
        let path = &self.database.path;
        let aside = set_aside(path, (self.world.now)()).map_err(|error| {
            let detail = format!("{detail}; and it cannot be set aside: {error}");
            let message = sentence(WriteCause::Corrupt, path, &detail);
            OpenError { cause: WriteCause::Corrupt, message, permanent: None }
        })?;
        say_set_aside(path, &aside, detail);
        self.open_at(Some(Left { salvage: Salvage::of_file(&aside), wholly: true, file: None }))
    }

    /// A handle that was left by the journal before: what only it can see must not be lost, and its
    /// files must not be in the way of the new one.
    fn clear_away(&self) -> Result<Option<Left>, OpenError> {
        let Some(wreck) = self.wrecks.take() else { return Ok(None) };
        let path = wreck.file.path().to_owned();
        let cleared = self.clear_files(&wreck, &path);
        match cleared {
            Ok(Cleared { name, wholly, aside }) => Ok(Some(Left {
                salvage: Salvage::of_handle(wreck.conn, name),
                wholly,
                file: aside.map(|aside| Salvage::of_file(&aside)),
            })),
            Err(error) => {
                self.wrecks.leave(wreck);
                let detail = format!("its files cannot be moved out of the way: {error}");
                let message = sentence(WriteCause::Io, &path, &detail);
                Err(OpenError { cause: WriteCause::Io, message, permanent: None })
            }
        }
    }

    fn clear_files(&self, wreck: &Wreck, path: &Path) -> std::io::Result<Cleared> {
        let now = (self.world.now)();
        if wreck.file.is_in_place() {
            let aside = set_aside(path, now)?;
            say_set_aside(path, &aside, "it was overwritten or truncated while it was open");
            let name = format!("the open handle of {}", aside.display());
            return Ok(Cleared { name, wholly: true, aside: Some(aside) });
        }
        // A new file must not find the WAL of another one.
        if wreck.file.wal_is_in_place() {
            let wal = beside(path, &format!(".moved-{}-wal", now.0));
            rename_if_there(&beside(path, "-wal"), &wal)?;
        }
        remove_shm(path)?;
        let deleted = wreck.file.is_deleted();
        let what = if deleted {
            "its file was deleted while it was open: its rows are copied out of the open handle"
        } else {
            "its file was moved away while it was open, with all its rows; a new one goes on"
        };
        warn!(event = event::DATABASE_REPLACED, "the database {}: {what}", path.display());
        let name = format!("the open handle of {} until {now} UTC", path.display());
        Ok(Cleared { name, wholly: deleted, aside: None })
    }

    /// Those in force: what becomes of the table of another one is nothing to us.
    fn routes(&self) -> impl Iterator<Item = &Route> {
        self.router.active().map(|(_, route)| route)
    }

    fn open_at(&self, left: Option<Left>) -> Result<SqliteJournal, OpenError> {
        let path = &self.database.path;
        let failed = |error: rusqlite::Error| open_error(&error, path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(path, flags).map_err(failed)?;
        conn.set_prepared_statement_cache_capacity(CACHED_MAX);
        conn.busy_timeout(self.database.busy_timeout).map_err(failed)?;
        // Before anything is changed: a database that does not fit is left as it was.
        schema::refuse_clashes(&conn, self.routes(), path)?;
        let synchronous = self.set_pragmas(&conn)?;
        let extended = schema::extend_all(&mut conn, self.routes(), path)?;
        for what in &extended {
            info!(event = event::SCHEMA_EXTENDED, "{what}");
        }
        self.wrecks.settle(&conn).map_err(failed)?;
        let salvages = begin_salvage(&mut conn, left).map_err(failed)?;
        let shapes = shapes_of(&mut conn, self.router.routes()).map_err(failed)?;
        let file = OpenFile::of(path).map_err(|error| OpenError {
            cause: WriteCause::Replaced,
            message: sentence(WriteCause::Replaced, path, &error.to_string()),
            permanent: None,
        })?;
        let ledger_rows = rows::ledger(&conn).map_err(failed)?;
        let known = Known {
            last: ledger_rows.last().map(|row| (row.batch, row.number)),
            retained: Retained::load(&conn).map_err(failed)?,
            ledger: Ledger::load(&ledger_rows),
            history: History::of(&ledger_rows),
        };
        self.wrecks.hold(&file);
        info!(event = event::DATABASE_OPENED, database = %path.display(), "database {} opened", path.display());
        Ok(SqliteJournal {
            statements: Statements::new(self.router.routes()),
            taken_over: stored_position(&conn).map_err(failed)?,
            upkeep: Upkeep::new(salvages, self.quarantine.clone()),
            conn,
            file,
            router: Arc::clone(&self.router),
            shapes,
            world: self.world,
            synchronous,
            known,
            wrecks: self.wrecks.clone(),
            wrecked: false,
        })
    }

    /// Each answer is read back: an I/O error while switching to WAL leaves the file silently in
    /// another mode.
    fn set_pragmas(&self, conn: &Connection) -> Result<i64, OpenError> {
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
        let pragmas = format!(
            "PRAGMA synchronous = {word}; PRAGMA foreign_keys = ON; \
             PRAGMA cache_size = -{CACHE_KIB}; PRAGMA journal_size_limit = {WAL_KEPT};"
        );
        conn.execute_batch(&pragmas).map_err(failed)?;
        for (pragma, wanted) in [("synchronous", number), ("foreign_keys", 1)] {
            let answer: i64 = conn
                .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
                .map_err(failed)?;
            if answer != wanted {
                return Err(unheard(path, pragma, &wanted.to_string(), &answer.to_string()));
            }
        }
        Ok(number)
    }
}

/// What the database before has left to be copied.
struct Left {
    salvage: Salvage,
    /// All its rows; otherwise only our small state (its rows are in a file of their own).
    wholly: bool,
    /// The file that the handle belongs to: its pages can be searched for what the handle cannot read.
    file: Option<Salvage>,
}

/// A file that was moved out of the way of a new one.
struct Cleared {
    /// What the salvage is called.
    name: String,
    /// All its rows must be copied.
    wholly: bool,
    /// Where it is now, if it is damaged.
    aside: Option<PathBuf>,
}

fn is_damage(cause: WriteCause) -> bool {
    matches!(cause, WriteCause::Corrupt | WriteCause::NotADatabase)
}

/// SQLite takes an empty file for a new database, and deletes its -wal; but there was something.
fn is_emptied(path: &Path) -> bool {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    path.is_file() && size(path) == 0 && size(&beside(path, "-wal")) > 0
}

fn say_set_aside(path: &Path, aside: &Path, detail: &str) {
    error!(
        event = event::DATABASE_SET_ASIDE,
        "the database {} is damaged ({detail}): it is kept as {}, a new one goes on, and what can be \
         read is copied over; look at the disk",
        path.display(),
        aside.display()
    );
}

/// Takes over the state of the database before, and finds what an earlier process left to be copied.
fn begin_salvage(conn: &mut Connection, left: Option<Left>) -> rusqlite::Result<Vec<Salvage>> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut salvages = Salvage::unfinished(&tx)?;
    match left {
        Some(Left { mut salvage, wholly: true, file }) => {
            salvage.begin(&tx)?;
            if let Some(mut file) = file {
                file.begin_rows(&tx)?;
                salvages.push(file);
            }
            // The last one is taken first: the handle is gone when the process is.
            salvages.push(salvage);
        }
        Some(Left { salvage, wholly: false, .. }) => salvage.copy_state(&tx)?,
        None => {}
    }
    tx.commit()?;
    Ok(salvages)
}

fn shapes_of(conn: &mut Connection, routes: &[Route]) -> rusqlite::Result<Shapes> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let shapes = Shapes::of(&tx, routes)?;
    tx.commit()?;
    Ok(shapes)
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
