//! Where rows come from: what is open of a source, and what it is known to have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tracing::warn;

use super::pages::Pages;
use super::prepare::{self, Highest};
use super::tables::{self, SalvagedTable};
use super::wal_path;

/// A damaged file, or the handle of a lost one.
#[derive(Debug)]
pub(super) struct SalvageSource {
    /// `None` for a handle.
    pub(super) path: Option<PathBuf>,
    /// `None` where SQLite cannot read the schema.
    pub(super) conn: Option<Connection>,
    schema: Schema,
}

/// What the source is known to have.
#[derive(Debug)]
enum Schema {
    /// As SQLite reads it, from `SalvageSource::conn`.
    Read(Vec<SalvagedTable>),
    /// Found on the pages, and made anew in memory; and whether those are all tables.
    Found(Connection, Vec<SalvagedTable>, bool),
    Unknown,
}

impl SalvageSource {
    pub(super) fn of_file(path: &Path) -> Self {
        let opened = open_file(path).and_then(|conn| Some((tables::of(&conn).ok()?, conn)));
        let (conn, schema) = match opened {
            Some((tables, conn)) => (Some(conn), Schema::Read(tables)),
            None => (None, found_schema(path)),
        };
        Self { path: Some(path.to_owned()), conn, schema }
    }

    pub(super) fn of_handle(conn: Connection, name: &str) -> Self {
        let tables = prepare_source(&conn).and_then(|()| tables::of(&conn));
        let (conn, schema) = match tables {
            Ok(tables) => (Some(conn), Schema::Read(tables)),
            Err(error) => {
                warn!("the tables of {name} cannot be read any more: {error}");
                (None, Schema::Unknown)
            }
        };
        Self { path: None, conn, schema }
    }

    /// The connection to read with, and a table here and there.
    pub(super) fn both(
        &self,
        target: &Connection,
        table: &str,
    ) -> rusqlite::Result<Option<(&Connection, &SalvagedTable, SalvagedTable)>> {
        let into = tables::of(target)?.into_iter().find(|into| into.is_named(table));
        let from = self.tables().and_then(|tables| tables.iter().find(|from| from.is_named(table)));
        Ok(self.conn.as_ref().zip(from).zip(into).map(|((conn, from), into)| (conn, from, into)))
    }

    pub(super) fn tables(&self) -> Option<&[SalvagedTable]> {
        match &self.schema {
            Schema::Read(tables) | Schema::Found(_, tables, _) => Some(tables),
            Schema::Unknown => None,
        }
    }

    /// Whether [`SalvageSource::tables`] are all there were.
    pub(super) fn knows_all_tables(&self) -> bool {
        match &self.schema {
            Schema::Read(_) => true,
            Schema::Found(_, _, whole) => *whole,
            Schema::Unknown => false,
        }
    }

    /// A connection that has the source's schema, though perhaps none of its rows.
    pub(super) fn schema_conn(&self) -> Option<&Connection> {
        match &self.schema {
            Schema::Read(_) => self.conn.as_ref(),
            Schema::Found(memory, ..) => Some(memory),
            Schema::Unknown => None,
        }
    }

    pub(super) fn highest(&self) -> Highest {
        match (&self.schema, &self.conn, &self.path) {
            (Schema::Read(_), Some(conn), _) => prepare::highest_in(conn),
            (Schema::Found(_, tables, _), _, Some(path)) => {
                prepare::highest_on(&Pages::open(path).ok()?, tables)
            }
            (Schema::Read(_) | Schema::Found(..) | Schema::Unknown, _, _) => None,
        }
    }

    /// How large the source is.
    pub(super) fn bytes(&self) -> u64 {
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        match (&self.path, &self.conn) {
            (Some(path), _) => length(path) + length(&wal_path(path)),
            (None, Some(conn)) => {
                let ask = |pragma: &str| conn.query_row(pragma, [], |row| row.get::<_, i64>(0));
                let pages = ask("PRAGMA page_count").unwrap_or(0);
                let size = ask("PRAGMA page_size").unwrap_or(0);
                u64::try_from(pages.saturating_mul(size)).unwrap_or(0)
            }
            (None, None) => 0,
        }
    }
}

/// Never an empty file: SQLite would delete the WAL beside it, which may have everything. And none that was
/// cut within a page.
fn open_file(path: &Path) -> Option<Connection> {
    if std::fs::metadata(path).ok()?.len() == 0 || !Pages::open(path).ok()?.is_whole() {
        return None;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).ok()?;
    prepare_source(&conn).ok()?;
    Some(conn)
}

fn prepare_source(conn: &Connection) -> rusqlite::Result<()> {
    // A step must not wait for who holds the source; it is asked again by the next one.
    conn.busy_timeout(Duration::ZERO)?;
    // Closing must neither write the WAL into the file nor delete it; for a handle whose file is gone, the
    // WAL at its path is the new database's.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // So that SQLite takes a file that is shorter than its header says, and passes over entries of
    // the schema that it cannot parse.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cell_size_check = ON;")
}

fn found_schema(path: &Path) -> Schema {
    let found = Pages::open(path).ok().and_then(|pages| tables::from_pages(&pages));
    found.map_or(Schema::Unknown, |(memory, tables, whole)| Schema::Found(memory, tables, whole))
}
