//! What can be read of a damaged database is copied into a new one, while recording goes on: row by row,
//! in bounded steps, each within a transaction of the caller.
//!
//! Two layers. SQLite itself reads the tables as far as it can (`walk`); then, for a file, its pages are
//! searched for rows that SQLite could not reach (`scan`), also where it does not take the file for a
//! database at all. How far it is stands in the new database (`progress`), in the same transaction as
//! the rows: each step begins there, so that a step that was rolled back, or a process that was killed,
//! leaves nothing behind that would have to be undone.
//!
//! Not SQLite's own recovery (`sqlite3_recover_init`, `.recover`): rusqlite's bundled SQLite is compiled
//! without it and its API has no door to it (rusqlite issue 1333), so it would take unsafe code and C
//! sources of our own; the command line tool need not be installed, makes a second database rather than
//! filling one that is in use, and cannot be interrupted. No crate was found that does it otherwise.

mod field;
mod keyed;
mod owners;
mod pages;
mod prepare;
mod progress;
mod ranges;
mod record;
mod report;
mod scan;
mod source;
mod state;
mod tables;
#[cfg(test)]
mod tests;
mod wal;
mod walk;
mod writer;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

#[cfg(test)]
use field::SalvagedValue;
pub(super) use progress::TABLE;
pub(super) use report::{Copied, SalvageReport, SalvageStep};

use prepare::Highest;
use progress::{Item, WorkKind};
use ranges::Ranges;
use scan::Scan;
use source::SalvageSource;
use tables::SalvagedTable;
use walk::Walk;
use writer::TableWriter;

/// How the name of a copy of a deleted database begins.
pub(super) const RESCUED: &str = "rescued-";
/// What the name of a deleted database's WAL has.
pub(super) const DELETED: &str = ".deleted-";

/// One source being copied.
#[derive(Debug)]
pub(super) struct Salvage {
    /// By which the target remembers it: the path of a file.
    name: String,
    kind: WorkKind,
    source: SalvageSource,
    scan: Option<Scan>,
    /// A file of no more use when all of it came over.
    litter: Option<PathBuf>,
}

impl Salvage {
    /// A file that was set aside, with its WAL beside it as `<file>-wal`. Neither is changed. It cannot
    /// fail: what SQLite does not open is searched page by page.
    pub(super) fn of_file(path: &Path) -> Self {
        let (name, source) = (path.display().to_string(), SalvageSource::of_file(path));
        Self { name, kind: WorkKind::File, source, scan: None, litter: None }
    }

    /// An open connection whose file was deleted, moved or damaged under it: it still sees its rows. No
    /// transaction may be open on it.
    pub(super) fn of_handle(conn: Connection, name: String) -> Self {
        let source = SalvageSource::of_handle(conn, &name);
        Self { name, kind: WorkKind::Handle, source, scan: None, litter: None }
    }

    /// This file is of no more use when all of it came over.
    pub(super) fn with_litter(self, litter: Option<PathBuf>) -> Self {
        Self { litter, ..self }
    }

    /// All of it came over: deletes what is of no more use.
    pub(super) fn clear_up(&self) {
        for path in self.litter.iter().chain(&self.source.path).filter(|path| is_litter(path)) {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::debug!("{} stays: {error}", path.display());
            }
        }
    }

    /// By which the target remembers it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The open connection that it reads, if it is not of a file.
    pub(super) fn handle(&self) -> Option<&Connection> {
        self.source.conn.as_ref().filter(|_| self.is_of_handle())
    }

    /// Its source is an open connection.
    pub(super) fn is_of_handle(&self) -> bool {
        self.kind == WorkKind::Handle
    }

    /// The files whose salvage was begun and not finished.
    ///
    /// # Errors
    /// The target cannot be read.
    pub(super) fn unfinished(target: &Connection) -> rusqlite::Result<Vec<Self>> {
        let names = progress::unfinished(target, WorkKind::File)?;
        Ok(names.iter().map(|name| Self::of_file(Path::new(name))).collect())
    }

    /// Closes the books of handles that died with an earlier process: what had not been copied is lost.
    /// To be called at the start, within a transaction.
    ///
    /// # Errors
    /// The target cannot be read or written.
    pub(super) fn give_up_handles(target: &Connection) -> rusqlite::Result<Vec<SalvageReport>> {
        let mut reports = Vec::new();
        for name in progress::unfinished(target, WorkKind::Handle)? {
            let mut items = progress::load(target, &name)?;
            for item in items.iter_mut().filter(|item| !item.done) {
                if !item.kind.is_source() {
                    lose_rest(item);
                }
                item.done = true;
                progress::save(target, &name, item)?;
            }
            reports.push(SalvageReport::of(&name, &items));
        }
        Ok(reports)
    }

    /// Makes the target ready: our small state, missing tables, columns and indexes, ids that new rows
    /// must not take. Within a transaction, before the target takes its first batch. Does nothing if it
    /// was done before.
    ///
    /// # Errors
    /// The target cannot be read or written.
    pub(super) fn begin(&mut self, target: &Connection) -> rusqlite::Result<()> {
        if progress::load(target, &self.name)?.is_empty() {
            self.copy_state(target)?;
        }
        self.begin_rows(target)
    }

    /// As [`Salvage::begin`], where another source of the same database has given its state already.
    ///
    /// # Errors
    /// The target cannot be read or written.
    pub(super) fn begin_rows(&mut self, target: &Connection) -> rusqlite::Result<()> {
        let begun = !progress::load(target, &self.name)?.is_empty();
        let mut items = vec![Item::new(self.kind, &self.name)];
        let highest = self.source.highest();
        if let (Some(tables), Some(schema)) = (self.source.tables(), self.source.schema_conn()) {
            for table in tables.iter().filter(|table| tables::is_copied(&table.name)) {
                let mut item = self.item(table, &highest);
                if !prepare::ensure(target, schema, table)? {
                    lose_rest(&mut item);
                    item.done = true;
                }
                items.push(item);
            }
        }
        if !self.source.knows_all_tables() {
            // What it had besides those that the target has is unknown.
            items[0].lost = Ranges::all();
            let found = self.source.tables().unwrap_or_default();
            let wanted = |table: &&SalvagedTable| {
                (tables::is_operators(&table.name) || table.is_named("barograph_quarantine"))
                    && !found.iter().any(|known| known.is_named(&table.name))
            };
            let tables = tables::of(target)?;
            items.extend(tables.iter().filter(wanted).map(|table| self.item(table, &highest)));
        }
        let conn = self.source.conn.as_ref();
        let tables = self.source.tables().filter(|_| self.source.knows_all_tables());
        prepare::reserve_ids(target, conn, tables, &highest, self.source.bytes())?;
        // How far it is came over with the state of a database that had begun to take it in.
        if begun {
            return Ok(());
        }
        if self.source.path.is_some() {
            items.push(Item::new(WorkKind::Pages, "pages"));
        }
        items.push(Item::new(WorkKind::Rest, "views and triggers"));
        for (number, item) in (0..).zip(&mut items) {
            item.number = number;
            progress::save(target, &self.name, item)?;
        }
        Ok(())
    }

    /// Only our small state, without the rows. Within a transaction, before the target takes its first
    /// batch.
    ///
    /// # Errors
    /// The target cannot be written.
    pub(super) fn copy_state(&self, target: &Connection) -> rusqlite::Result<()> {
        state::copy(self.source.conn.as_ref(), self.source.path.as_deref(), target)
    }

    fn item(&self, table: &SalvagedTable, highest: &Highest) -> Item {
        let kind = if table.without_rowid { WorkKind::Keyed } else { WorkKind::Rows };
        let mut item = Item::new(kind, &table.name);
        if table.sql.to_ascii_uppercase().contains("AUTOINCREMENT") {
            let said = |h: &std::collections::HashMap<String, i64>| {
                h.get(&table.name.to_ascii_lowercase()).copied().unwrap_or(0)
            };
            item.highest = highest.as_ref().map(said);
        }
        if self.source.conn.is_none() {
            lose_rest(&mut item);
            item.done = true;
        }
        item
    }

    /// Copies at most `rows_max` further rows within the caller's transaction, and notes the position
    /// there.
    ///
    /// # Errors
    /// The target cannot be read or written. The caller rolls back and may simply call again: nothing
    /// of the step is remembered elsewhere.
    pub(super) fn step(
        &mut self,
        target: &Connection,
        rows_max: usize,
    ) -> rusqlite::Result<SalvageStep> {
        let mut items = progress::load(target, &self.name)?;
        if items.is_empty() {
            self.begin(target)?;
            items = progress::load(target, &self.name)?;
        }
        let Some(at) = items.iter().position(|item| !item.done && !item.kind.is_source()) else {
            return self.finish(target, &mut items);
        };
        let copied = match items[at].kind {
            WorkKind::Rows => self.step_rows(target, &mut items[at], rows_max)?,
            WorkKind::Keyed => keyed::step(&self.source, target, &mut items[at], rows_max)?,
            WorkKind::Pages => self.step_pages(target, &mut items, at, rows_max)?,
            WorkKind::Rest => {
                if let Some(schema) = self.source.schema_conn() {
                    prepare::rest(target, schema)?;
                }
                items[at].done = true;
                Vec::new()
            }
            // They are filtered out above, and are no work.
            WorkKind::File | WorkKind::Handle => Vec::new(),
        };
        progress::save(target, &self.name, &items[at])?;
        Ok(SalvageStep::Copied(copied))
    }

    fn finish(&mut self, target: &Connection, items: &mut [Item]) -> rusqlite::Result<SalvageStep> {
        for source in items.iter_mut().filter(|item| item.kind.is_source() && !item.done) {
            source.done = true;
            progress::save(target, &self.name, source)?;
        }
        Ok(SalvageStep::Finished(SalvageReport::of(&self.name, items)))
    }

    fn step_rows(
        &self,
        target: &Connection,
        item: &mut Item,
        rows_max: usize,
    ) -> rusqlite::Result<Vec<Copied>> {
        let Some((conn, table, into)) = self.source.both(target, &item.name)? else {
            lose_rest(item);
            item.done = true;
            return Ok(Vec::new());
        };
        let columns = given(table, &into);
        let mut walk = Walk::new(conn, &table.name, &table.column_names(), &columns, item.position);
        let mut writer = TableWriter::new(target, &into.name, &into.column_names(), &columns);
        let chunk = walk.next(rows_max.max(1));
        for (id, fields) in &chunk.rows {
            item.count(&writer.put(*id, fields)?);
        }
        for (first, last) in chunk.lost {
            item.lost.add(first, last);
        }
        item.position = walk.position().or(item.position);
        item.done = chunk.end;
        Ok(writer.copied)
    }

    fn step_pages(
        &mut self,
        target: &Connection,
        items: &mut [Item],
        at: usize,
        rows_max: usize,
    ) -> rusqlite::Result<Vec<Copied>> {
        let is_missing = |item: &Item| item.kind == WorkKind::Rows && !item.lost.is_empty();
        if self.scan.is_none()
            && items.iter().any(is_missing)
            && let Some(path) = &self.source.path
        {
            self.scan = Scan::open(path, &self.source, target)?;
        }
        match &mut self.scan {
            Some(scan) if items.iter().any(is_missing) => {
                let copied = scan.step(target, items, at, rows_max.max(1))?;
                for item in items.iter().filter(|item| item.kind == WorkKind::Rows) {
                    progress::save(target, &self.name, item)?;
                }
                Ok(copied)
            }
            Some(_) | None => {
                items[at].done = true;
                Ok(Vec::new())
            }
        }
    }
}

/// What has not been dealt with cannot be read.
fn lose_rest(item: &mut Item) {
    match item.kind {
        WorkKind::Rows => item.lost.add(item.position.unwrap_or(i64::MIN), i64::MAX),
        WorkKind::Keyed => item.lost = Ranges::all(),
        WorkKind::File | WorkKind::Handle | WorkKind::Pages | WorkKind::Rest => {}
    }
}

/// The columns that are given with each row: what both have, but for the one that is the target's row id.
fn given(from: &SalvagedTable, into: &SalvagedTable) -> Vec<String> {
    let mut columns = from.shared_with(into);
    if let Some(id) = into.id_column() {
        columns.retain(|column| !column.eq_ignore_ascii_case(&id.name));
    }
    columns
}

/// A copy that we made ourselves, or the WAL of a file that is deleted; never a database.
fn is_litter(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(RESCUED) || name.contains(DELETED)
}

/// Where SQLite keeps the WAL of a file.
fn wal_path(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    PathBuf::from(wal)
}

/// Whether another program holds the database just now.
fn is_locked(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether an error is about what was to be written, rather than about the database it was written to.
fn is_refusal(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::OperationAborted
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SchemaChanged
                | ErrorCode::InternalMalfunction
                | ErrorCode::ApiMisuse
        )
    )
}
