//! Opening the database: the place, the pragmas, the tables. Never VACUUM, never clearing, never a
//! full integrity check: a start must not depend on the size of the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barograph_actors::db_writer::plan::Known;
use barograph_actors::message::event;
use barograph_actors::message::note::Event;
use barograph_actors::message::route::Router;
use barograph_actors::message::write::WriteCause;
use barograph_actors::ports::{Environment, Journal, OpenError, OpenJournal, Outlook};
use barograph_config::{Database, Quarantine, Route, Synchronous};
use nix::unistd::{AccessFlags, access};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tracing::{info, warn};

use super::catalog::{Catalog, DatabaseEntry};
use super::file::{DamagedHandles, OpenFile, set_aside};
use super::left::{Left, Take, clear_away, say_set_aside};
use super::row_writer::Shapes;
use super::statements::{Statements, cached_max};
use super::strays::{DATABASE, clear_strays};
use super::upkeep::Upkeep;
use super::{notes, ours, rows, schema};
use crate::os::lock::DatabaseLock;
use crate::os::paths::folder_of;
use crate::os::process::beside;
use crate::sqlite::cause::{open_error, outlook, sentence};
use crate::sqlite::journal::{Identity, SqliteJournal, stored_position};
use crate::sqlite::read::read_only::open_to_look;
use crate::sqlite::salvage::Salvage;

/// So long an opening waits for the copy of a deleted database; one that is not large is made by then.
const RESCUE_WAIT: Duration = Duration::from_millis(200);

/// A WAL that a reader made grow is cut to so many bytes when it begins anew. (It begins anew at some
/// 4 MiB when no reader holds it back.)
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
    pub world: Environment,
    /// Where a handle waits whose file was damaged or taken away under it.
    pub wrecks: DamagedHandles,
    /// The spool's folder: what is known of the databases is there, and what is rescued of them.
    pub spool_dir: PathBuf,
    /// Without it the database is not touched.
    pub lock: DatabaseLock,
    /// Ours at the broker, kept where none is kept; an empty one is not kept.
    pub client_id: String,
}

impl OpenJournal for Opener {
    fn open(&mut self) -> Result<Box<dyn Journal>, OpenError> {
        Ok(Box::new(self.open_sqlite()?))
    }

    fn reroute(&mut self, router: &Arc<Router>) {
        self.router = Arc::clone(router);
    }

    fn let_go(&mut self, within: Duration) -> Vec<String> {
        if self.wrecks.rescuing(Duration::ZERO).is_none() {
            let _why = self.clear_away();
            self.wrecks.rescue_again();
            self.wrecks.rescue(&self.spool_dir, &self.catalog(), (self.world.now)());
        }
        let unfinished = self.wrecks.rescuing(within);
        let unfinished =
            unfinished.map(|to| format!("the copy of a deleted database to {}", to.display()));
        self.wrecks.only_copies().into_iter().chain(unfinished).collect()
    }
}

impl Opener {
    /// Opens the database and makes it fit the routes. One that is damaged is set aside; a new one
    /// goes on, and what can be read of the old one is copied over bit by bit.
    ///
    /// # Errors
    /// See [`OpenError`]: the message says what to do, and whether waiting can help. What an earlier
    /// database left is kept.
    pub fn open_sqlite(&self) -> Result<SqliteJournal, OpenError> {
        let path = &self.database.path;
        self.lock.hold()?;
        check_place(path).map_err(|error| self.known_before(error))?;
        self.clear_away()?;
        self.wrecks.rescue(&self.spool_dir, &self.catalog(), (self.world.now)());
        if let Some(to) = self.wrecks.rescuing(RESCUE_WAIT) {
            return Err(self.rescue_first(&to));
        }
        let mut left = self.wrecks.take_left();
        let opened = self.open_beside(&mut left);
        self.wrecks.keep(left);
        if opened.is_err() {
            self.wrecks.rescue_again();
        }
        opened.map_err(|error| self.known_before(error))
    }

    fn open_beside(&self, left: &mut Vec<Left>) -> Result<SqliteJournal, OpenError> {
        let path = &self.database.path;
        left.extend(self.left_by_earlier_processes(left)?);
        if is_emptied(path) {
            return self.open_beside_damaged("it is empty, and its -wal is not", left);
        }
        match self.open_at(left) {
            Err(error) if is_damage(error.cause) && path.is_file() => {
                self.open_beside_damaged(&error.message, left)
            }
            opened => opened,
        }
    }

    /// What is known of the databases outside of them.
    pub(in crate::sqlite) fn catalog(&self) -> Catalog {
        Catalog::of(&self.spool_dir, &self.database.path)
    }

    /// Where a database has been before, waiting can help: its place was usable once.
    fn known_before(&self, error: OpenError) -> OpenError {
        let is_the_place = matches!(
            error.cause,
            WriteCause::Missing | WriteCause::ReadOnly | WriteCause::Permission
        );
        let passes = is_the_place && self.catalog().is_there();
        OpenError { outlook: if passes { Outlook::MayPass } else { error.outlook }, ..error }
    }

    fn rescue_first(&self, to: &Path) -> OpenError {
        let detail = format!("its rows are first copied to {}", to.display());
        let message = sentence(WriteCause::Replaced, &self.database.path, &detail);
        OpenError { cause: WriteCause::Replaced, message, outlook: Outlook::MayPass }
    }

    /// What lies beside the database and is not its own, and what earlier processes had begun to rescue.
    fn left_by_earlier_processes(&self, left: &[Left]) -> Result<Vec<Left>, OpenError> {
        let path = &self.database.path;
        if !left.is_empty() {
            return Ok(Vec::new());
        }
        let catalog = self.catalog();
        let strays = clear_strays(path, &catalog, (self.world.now)()).map_err(|error| {
            let detail = format!("what lies beside it cannot be moved out of the way: {error}");
            let message = sentence(WriteCause::Io, path, &detail);
            OpenError { cause: WriteCause::Io, message, outlook: Outlook::MayPass }
        })?;
        let catalog = catalog.read();
        let rescued = catalog.databases.iter().filter_map(|database| database.salvage.as_deref());
        let rescued = rescued.map(Path::new).filter(|file| file.is_absolute() && file.is_file());
        let is_new =
            |file: &&Path| !strays.iter().any(|left| left.salvage.name() == file.to_string_lossy());
        let rescued: Vec<Left> =
            rescued.filter(is_new).map(|file| Left::file(file, Take::Everything, None)).collect();
        Ok(rescued.into_iter().chain(strays).collect())
    }

    /// Sets the damaged file aside and opens a new one in its place. A file that was never a recorder's is left as
    /// it is.
    fn open_beside_damaged(
        &self,
        detail: &str,
        left: &mut Vec<Left>,
    ) -> Result<SqliteJournal, OpenError> {
        let path = &self.database.path;
        if !ours::was_ours(path, &self.catalog()) {
            return Err(not_ours(path, detail));
        }
        let now = (self.world.now)();
        let aside = set_aside(path, now).map_err(|error| {
            let detail = format!("{detail}; and it cannot be set aside: {error}");
            let message = sentence(WriteCause::Corrupt, path, &detail);
            OpenError { cause: WriteCause::Corrupt, message, outlook: Outlook::MayPass }
        })?;
        let event = say_set_aside(path, &aside, detail, now);
        let catalog = self.catalog();
        if let Some(last) = catalog.read().last() {
            catalog.moved(&last.id, Some(&aside), Some(&aside.display().to_string()));
        }
        left.push(Left::file(&aside, Take::Everything, Some(event)));
        self.open_at(left)
    }

    /// A handle that was left by the journal before: what only it can see must not be lost, and its
    /// files must not be in the way of the new one.
    fn clear_away(&self) -> Result<(), OpenError> {
        let Some(wreck) = self.wrecks.take() else { return Ok(()) };
        let path = wreck.file.path().to_owned();
        match clear_away(wreck, &self.catalog(), (self.world.now)()) {
            Ok(left) => {
                self.wrecks.keep(left);
                Ok(())
            }
            Err((wreck, error)) => {
                self.wrecks.leave(*wreck);
                let detail = format!("its files cannot be moved out of the way: {error}");
                let message = sentence(WriteCause::Io, &path, &detail);
                Err(OpenError { cause: WriteCause::Io, message, outlook: Outlook::MayPass })
            }
        }
    }

    /// Those in force: what becomes of the table of another one is nothing to us.
    fn routes(&self) -> impl Iterator<Item = &Route> {
        self.router.recording().map(|(_, route)| route)
    }

    /// A connection to a database that fits the routes, and the number of its `PRAGMA synchronous`.
    fn connect(&self) -> Result<(Connection, i64), OpenError> {
        let path = &self.database.path;
        let failed = |error: rusqlite::Error| open_error(&error, path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(path, flags).map_err(failed)?;
        conn.set_prepared_statement_cache_capacity(cached_max(self.router.routes().len()));
        conn.busy_timeout(self.database.busy_timeout).map_err(failed)?;
        // Before anything is changed: a database that does not fit is left as it was.
        schema::refuse_clashes(&conn, self.routes(), path)?;
        let synchronous = self.set_pragmas(&conn)?;
        let extended = schema::extend_all(&mut conn, self.routes(), path)?;
        for what in &extended {
            info!(event = event::SCHEMA_EXTENDED, "{what}");
        }
        self.wrecks.settle(&conn).map_err(failed)?;
        Ok((conn, synchronous))
    }

    /// `left` is taken over; where it fails, all of it stays.
    fn open_at(&self, left: &mut Vec<Left>) -> Result<SqliteJournal, OpenError> {
        let path = &self.database.path;
        let failed = |error: rusqlite::Error| open_error(&error, path);
        let (mut conn, synchronous) = self.connect()?;
        let id = self.begin_salvage(&mut conn, left).map_err(failed)?;
        let shapes = shapes_of(&mut conn, self.router.routes()).map_err(failed)?;
        let file = OpenFile::of(path).map_err(|error| OpenError {
            cause: WriteCause::Replaced,
            message: sentence(WriteCause::Replaced, path, &error.to_string()),
            outlook: Outlook::MayPass,
        })?;
        let known = Known::load(rows::ledger_state(&conn).map_err(failed)?);
        let taken_over = stored_position(&conn).map_err(failed)?;
        let mut salvages = Salvage::unfinished(&conn).map_err(failed)?;
        // From here on nothing fails: what was left is the journal's.
        salvages.retain(|begun| left.iter().all(|left| left.salvage.name() != begun.name()));
        let rows = left.drain(..).filter(|left| left.take != Take::State);
        salvages.extend(rows.map(|left| left.salvage));
        self.wrecks.hold(&file);
        info!(event = event::DATABASE_OPENED, database = %path.display(), "database {} opened", path.display());
        let journal = SqliteJournal {
            statements: Statements::new(self.router.routes()),
            taken_over,
            identity: Identity { id, catalog: self.catalog() },
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
            is_whole: false,
        };
        self.catalog().opened(DatabaseEntry {
            id: journal.identity.id.clone(),
            path: path.clone(),
            opened_at: Some(path.clone()),
            file: journal.file.id(),
            wal: journal.file.wal_id(),
            seen: (self.world.now)().0,
            rows: rows::stored(&journal.conn).unwrap_or_default(),
            came_over: 0,
            salvage: None,
            written_off: false,
        });
        Ok(journal)
    }

    /// Takes over the state of earlier databases, and makes ready for their rows; gives the database's id. A
    /// new one has the events of why it is new, and of what an earlier one held.
    fn begin_salvage(&self, conn: &mut Connection, left: &mut [Left]) -> rusqlite::Result<String> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut has_state = false;
        for left in left.iter_mut().rev() {
            left.begin(&tx, has_state)?;
            has_state |= left.take != Take::Rows;
        }
        for event in left.iter_mut().filter_map(|left| left.event.as_ref()) {
            notes::write_event(&tx, event)?;
        }
        rows::keep_client_id(&tx, &self.client_id)?;
        if let Some(id) = rows::meta(&tx, DATABASE)? {
            tx.commit()?;
            return Ok(id);
        }
        let id = format!("{:016x}", (self.world.random)());
        rows::set_meta(&tx, DATABASE, &id)?;
        self.note_earlier(&tx)?;
        tx.commit()?;
        // So that the file can be told from another one without its -wal.
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(id)
    }

    fn note_earlier(&self, tx: &Connection) -> rusqlite::Result<()> {
        let Some(last) = self.catalog().read().last().filter(|last| last.missing() > 0).cloned()
        else {
            return Ok(());
        };
        let detail = last.to_string();
        warn!(event = event::DATABASE_BEGAN_ANEW, "a new database: {detail}");
        let at = (self.world.now)();
        notes::write_event(tx, &Event { name: event::DATABASE_BEGAN_ANEW, at, detail })
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

fn is_damage(cause: WriteCause) -> bool {
    matches!(cause, WriteCause::Corrupt | WriteCause::NotADatabase)
}

/// SQLite takes an empty file for a new database, and deletes its -wal; but there was something.
fn is_emptied(path: &Path) -> bool {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    path.is_file() && size(path) == 0 && size(&beside(path, "-wal")) > 0
}

/// The file was never a recorder's: `database.path` may name it by mistake.
fn not_ours(path: &Path, detail: &str) -> OpenError {
    let cause = WriteCause::NotADatabase;
    let message = format!(
        "{} is no database that can be recorded into, and no recorder has used it before, so it is left as it is \
         ({detail}); set database.path to another file, or move this one away",
        path.display()
    );
    OpenError { cause, message, outlook: outlook(cause) }
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
        outlook: Outlook::MayPass,
    }
}

/// SQLite answers "unable to open" for many things: the plain ones are told apart before.
fn check_place(path: &Path) -> Result<(), OpenError> {
    let refuse = |cause, detail: &str| {
        Err(OpenError { cause, message: sentence(cause, path, detail), outlook: outlook(cause) })
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
        OpenError { cause, message, outlook: outlook(cause) }
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
