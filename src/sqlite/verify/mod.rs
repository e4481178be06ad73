//! Compares what tables hold with the digests of what was written, chunk by chunk: each chunk is a
//! short read transaction of its own, so that a running recorder's WAL can be checkpointed.
//!
//! A running recorder also changes digests: it merges those of an hour (compaction), and takes rows out
//! that leave the quarantine. So a table is walked by row ids rather than by digests, and whatever does
//! not fit is read again, digest and rows in one transaction, before it is called wrong.

mod narrow;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, InterruptHandle, OptionalExtension, params};

use super::journal::digests::{Range, Shape};
use super::journal::schema::exists;
use super::quoted;
use super::read::read_only::ReadOnlyDatabase;

/// Rows that one transaction reads.
const CHUNK_ROWS: i64 = 10_000;
/// Digests that are listed at a time, for each shape. Each listing reads the table of digests through: its
/// index is not asked, because a bit that changed there would hide digests, and rows with them.
const PAGE_DIGESTS: i64 = 20_000;
/// Problems that SQLite's own check lists.
const STRUCTURE_MAX: i64 = 100;

/// Ends a verification early, also in the middle of a statement.
#[derive(Clone, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    handle: Arc<Mutex<Option<InterruptHandle>>>,
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Interrupt {
    /// To be called from anywhere.
    pub fn stop(&self) {
        self.asked.store(true, Ordering::Relaxed);
        if let Some(handle) = &*self.handle.lock() {
            handle.interrupt();
        }
    }

    /// Whether it was called.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    fn attach(&self, conn: &Connection) {
        let handle = conn.get_interrupt_handle();
        *self.handle.lock() = Some(handle);
    }
}

/// What is wrong with a range of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// As many rows as were written, and not the same content.
    Changed,
    /// Rows are missing; these, where that can be told.
    Missing(Vec<(i64, i64)>),
    /// More rows than were written: an id was overwritten, or somebody inserted.
    Surplus,
    /// These cannot be read.
    Unreadable {
        /// The narrowest ranges that fail.
        ranges: Vec<(i64, i64)>,
        /// What SQLite says.
        error: String,
    },
}

/// A range of rows that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRange {
    /// Which table.
    pub table: String,
    /// First and last row id of the narrowest range that is known to be wrong.
    pub rows: (i64, i64),
    /// When it was written, in milliseconds since 1970; of compacted digests, when the first of it was.
    pub at: i64,
    /// How many rows were written.
    pub recorded: u64,
    /// How many are there.
    pub found: u64,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What was verified, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Digests that were compared.
    pub digests: u64,
    /// Rows that were read for that.
    pub rows: u64,
    /// Rows that all digests cover.
    pub rows_in_all: u64,
    /// What is not as it was written.
    pub findings: Vec<DamagedRange>,
    /// Digests and tables that cannot be used, each as a sentence.
    pub unusable: Vec<String>,
    /// Rows by table that no digest covers.
    pub not_covered: BTreeMap<String, i64>,
    /// What SQLite finds wrong with the file's structure; `None`: not looked at.
    pub structure: Option<Vec<String>>,
    /// It was ended early.
    pub interrupted: bool,
}

/// Why the walk through a table ended early.
enum VerifyStop {
    Interrupted,
    /// Digests or rows beyond the digests cannot be read.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for VerifyStop {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted,
            _ => Self::Failed(error),
        }
    }
}

/// A digest as it is stored.
#[derive(Debug, Clone, Copy)]
struct StoredDigest {
    id: i64,
    shape: usize,
    range: Range,
    at: i64,
}

/// Verifies the content of the database at `path`, then, if `structure`, the file's structure. `tell` is
/// called after each chunk.
///
/// # Errors
/// The database cannot be opened, or has no digests that can be read.
pub fn verify(
    path: &Path,
    structure: bool,
    interrupt: &Interrupt,
    tell: &mut dyn FnMut(&Verified),
) -> rusqlite::Result<Verified> {
    let look = ReadOnlyDatabase::open(path)?;
    interrupt.attach(&look.conn);
    let tables = by_table(Shape::all(&look.conn)?);
    let mut walk = VerifyWalk { look, interrupt, tell, verified: Verified::default() };
    if let Err(error) = walk.look_at_digests() {
        walk.verified.unusable.push(format!("barograph_digests cannot be read ({error})"));
    }
    for (table, shapes) in &tables {
        match walk.table(table, shapes) {
            Ok(()) => {}
            Err(VerifyStop::Interrupted) => walk.verified.interrupted = true,
            Err(VerifyStop::Failed(error)) => {
                let told = format!("{table}: its digests or row ids cannot be read ({error})");
                walk.verified.unusable.push(told);
            }
        }
    }
    if structure && !walk.is_over() {
        walk.structure();
    }
    Ok(walk.verified)
}

fn by_table(shapes: Vec<Shape>) -> BTreeMap<String, Vec<Shape>> {
    let mut tables: BTreeMap<String, Vec<Shape>> = BTreeMap::new();
    for shape in shapes {
        tables.entry(shape.table.clone()).or_default().push(shape);
    }
    tables
}

struct VerifyWalk<'a> {
    look: ReadOnlyDatabase,
    interrupt: &'a Interrupt,
    tell: &'a mut dyn FnMut(&Verified),
    verified: Verified,
}

impl VerifyWalk<'_> {
    fn is_over(&self) -> bool {
        self.verified.interrupted || self.interrupt.is_asked()
    }

    fn check_interrupt(&self) -> Result<(), VerifyStop> {
        if self.interrupt.is_asked() { Err(VerifyStop::Interrupted) } else { Ok(()) }
    }

    /// How much there is to do. Digests of a shape that is not there say nothing.
    fn look_at_digests(&mut self) -> rusqlite::Result<()> {
        let in_all = "SELECT coalesce(sum(rows), 0) FROM barograph_digests NOT INDEXED";
        let in_all: i64 = self.look.conn.query_row(in_all, [], |row| row.get(0))?;
        self.verified.rows_in_all = in_all.cast_unsigned();
        let select = "SELECT count(*) FROM barograph_digests NOT INDEXED WHERE shape NOT IN (SELECT id \
             FROM barograph_shapes NOT INDEXED)";
        let orphans: i64 = self.look.conn.query_row(select, [], |row| row.get(0))?;
        if orphans > 0 {
            self.verified.unusable.push(format!(
                "{orphans} digests in barograph_digests belong to no shape in barograph_shapes: one of \
                 these two tables was changed"
            ));
        }
        Ok(())
    }

    fn table(&mut self, table: &str, shapes: &[Shape]) -> Result<(), VerifyStop> {
        self.check_interrupt()?;
        if let Some(broken) = shapes.iter().find(|shape| shape.columns.is_empty()) {
            let id = broken.id;
            self.verified.unusable.push(format!(
                "shape {id} (of {table}) in barograph_shapes names no columns: it was changed, and its \
                 rows cannot be verified"
            ));
            return Ok(());
        }
        if !exists(&self.look.conn, table)? {
            if has_digests(&self.look.conn, shapes)? {
                self.verified.unusable.push(format!("{table}: there is no such table any more"));
            }
            return Ok(());
        }
        let mut done: Option<i64> = None;
        let mut uncovered = 0;
        loop {
            let page = next_page(&self.look.conn, shapes, done)?;
            if page.is_empty() {
                match self.rest(table, shapes, done)? {
                    Some(rest) => uncovered += rest,
                    None => continue,
                }
                break;
            }
            for stored in page {
                self.check_interrupt()?;
                if !self.compare(&shapes[stored.shape], &stored)? {
                    // Its rows may be another digest's by now: look which ones there are.
                    break;
                }
                let from = done.map_or(i64::MIN, |done| done.saturating_add(1));
                if from < stored.range.first {
                    uncovered += self.count(table, from, stored.range.first - 1)?;
                }
                done = done.max(Some(stored.range.last));
            }
        }
        if uncovered > 0 {
            self.verified.not_covered.insert(table.to_owned(), uncovered);
        }
        Ok(())
    }

    /// Rows behind the last digest; `None` when there is another digest by now.
    fn rest(
        &self,
        table: &str,
        shapes: &[Shape],
        done: Option<i64>,
    ) -> Result<Option<i64>, VerifyStop> {
        let conn = self.look.view()?;
        if !next_page(&conn, shapes, done)?.is_empty() {
            return Ok(None);
        }
        let from = done.map_or(i64::MIN, |done| done.saturating_add(1));
        if done == Some(i64::MAX) {
            return Ok(Some(0));
        }
        drop(conn);
        Ok(Some(self.count(table, from, i64::MAX)?))
    }

    /// Rows with ids from `first` to `last`.
    fn count(&self, table: &str, mut first: i64, last: i64) -> Result<i64, VerifyStop> {
        let table = quoted(table);
        let select = format!(
            "SELECT count(*), max(id) FROM (SELECT rowid AS id FROM {table} WHERE rowid BETWEEN ?1 AND ?2 \
             ORDER BY rowid LIMIT {CHUNK_ROWS})"
        );
        let mut statement = self.look.conn.prepare_cached(&select)?;
        let mut rows = 0;
        loop {
            self.check_interrupt()?;
            let (n, reached): (i64, Option<i64>) =
                statement.query_row(params![first, last], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows += n;
            match reached {
                Some(reached) if n == CHUNK_ROWS && (first..last).contains(&reached) => {
                    first = reached + 1;
                }
                Some(_) | None => return Ok(rows),
            }
        }
    }

    /// Whether the digest is still there.
    fn compare(&mut self, shape: &Shape, stored: &StoredDigest) -> Result<bool, VerifyStop> {
        self.verified.digests += 1;
        match self.read(shape, stored) {
            Ok(found) if is_same(&stored.range, found) => return Ok(true),
            Err(VerifyStop::Interrupted) => return Err(VerifyStop::Interrupted),
            Ok(_) | Err(VerifyStop::Failed(_)) => {}
        }
        if self.look.follow()? {
            self.interrupt.attach(&self.look.conn);
        }
        match look_closer(&self.look, shape, stored)? {
            Closer::Wrong(finding) => self.verified.findings.push(finding),
            Closer::Fine => {}
            Closer::Gone => return Ok(false),
        }
        Ok(true)
    }

    /// Adds up a range, chunk by chunk: rows are never changed, so that it does not matter when.
    fn read(&mut self, shape: &Shape, stored: &StoredDigest) -> Result<Option<Range>, VerifyStop> {
        let (mut first, last) = (stored.range.first, stored.range.last);
        let mut sum: Option<Range> = None;
        loop {
            self.check_interrupt()?;
            let chunk = shape.read_some(&self.look.conn, first, last, CHUNK_ROWS)?;
            let Some(chunk) = chunk else { return Ok(sum) };
            self.verified.rows += chunk.rows;
            (self.tell)(&self.verified);
            let reached = chunk.last;
            sum = Some(match sum {
                None => chunk,
                Some(sum) => Range {
                    last: chunk.last,
                    rows: sum.rows + chunk.rows,
                    digest: sum.digest.wrapping_add(chunk.digest),
                    ..sum
                },
            });
            // In a damaged tree ids may come out of order, and we would go round for ever.
            let is_end = reached >= last || reached < first;
            if chunk.rows < CHUNK_ROWS.cast_unsigned() || is_end {
                return Ok(sum);
            }
            first = reached + 1;
        }
    }

    /// SQLite's own check: indexes, free pages, what the tables' trees look like.
    fn structure(&mut self) {
        let mut problems = check_structure(&self.look.conn);
        let is_sound = problems.as_ref().is_ok_and(Vec::is_empty);
        if !is_sound && !self.is_over() && self.look.follow().unwrap_or(false) {
            self.interrupt.attach(&self.look.conn);
            problems = check_structure(&self.look.conn);
        }
        match problems.map_err(VerifyStop::from) {
            Ok(problems) => self.verified.structure = Some(problems),
            Err(VerifyStop::Interrupted) => self.verified.interrupted = true,
            Err(VerifyStop::Failed(error)) => {
                self.verified.structure = Some(vec![error.to_string()])
            }
        }
    }
}

fn check_structure(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(&format!("PRAGMA integrity_check({STRUCTURE_MAX})"))?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut problems: Vec<String> = lines.collect::<rusqlite::Result<_>>()?;
    problems.retain(|line| line != "ok");
    Ok(problems)
}

fn is_same(recorded: &Range, found: Option<Range>) -> bool {
    let found = found.map_or((0, 0), |found| (found.rows, found.digest));
    (recorded.rows, recorded.digest) == found
}

const STORED: &str =
    "SELECT id, first, last, rows, digest, at FROM barograph_digests NOT INDEXED WHERE";

fn stored(row: &rusqlite::Row<'_>, shape: usize) -> rusqlite::Result<StoredDigest> {
    Ok(StoredDigest { id: row.get(0)?, shape, range: Range::stored(row)?, at: row.get(5)? })
}

fn has_digests(conn: &Connection, shapes: &[Shape]) -> rusqlite::Result<bool> {
    let select = "SELECT EXISTS (SELECT 1 FROM barograph_digests NOT INDEXED WHERE shape = ?1)";
    let mut statement = conn.prepare_cached(select)?;
    for shape in shapes {
        if statement.query_row([shape.id], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The next digests of a table behind the row id `done`, by their last row id.
fn next_page(
    conn: &Connection,
    shapes: &[Shape],
    done: Option<i64>,
) -> rusqlite::Result<Vec<StoredDigest>> {
    let first = format!("{STORED} shape = ?1 AND (?2 IS NULL OR last > ?2) ORDER BY last LIMIT ?3");
    let mut statement = conn.prepare_cached(&first)?;
    let mut page = Vec::new();
    // What one shape's listing does not reach must not be passed by another's.
    let mut reached = i64::MAX;
    for (index, shape) in shapes.iter().enumerate() {
        let rows =
            statement.query_map(params![shape.id, done, PAGE_DIGESTS], |row| stored(row, index))?;
        let rows: Vec<StoredDigest> = rows.collect::<rusqlite::Result<_>>()?;
        if let Some(last) = rows.last()
            && rows.len() as i64 == PAGE_DIGESTS
        {
            reached = reached.min(last.range.last);
        }
        page.extend(rows);
    }
    page.retain(|stored| stored.range.last <= reached);
    page.sort_by_key(|stored| stored.range.last);
    Ok(page)
}

/// What a closer look shows.
enum Closer {
    Fine,
    Wrong(DamagedRange),
    /// The digest was merged into the one before, or its last row left the quarantine.
    Gone,
}

/// Digest and rows once more, in one view; then as narrow as can be.
fn look_closer(
    look: &ReadOnlyDatabase,
    shape: &Shape,
    old: &StoredDigest,
) -> Result<Closer, VerifyStop> {
    let conn = look.view()?;
    let select = format!("{STORED} id = ?1");
    let now = conn.query_row(&select, [old.id], |row| stored(row, old.shape)).optional()?;
    let Some(now) = now else { return Ok(Closer::Gone) };
    let Range { first, last, rows: recorded, .. } = now.range;
    let mut finding = DamagedRange {
        table: shape.table.clone(),
        rows: (first, last),
        at: now.at,
        recorded,
        found: 0,
        wrong: Wrong::Changed,
    };
    match shape.read(&conn, first, last) {
        Ok(found) if is_same(&now.range, found) => return Ok(Closer::Fine),
        Ok(found) => {
            finding.found = found.map_or(0, |found| found.rows);
            if finding.found < recorded {
                let missing = narrow::missing(&conn, shape, &now.range);
                finding.wrong = Wrong::Missing(missing.unwrap_or_default());
            } else if finding.found > recorded {
                finding.wrong = Wrong::Surplus;
            }
        }
        Err(error) => {
            if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
                return Err(VerifyStop::Interrupted);
            }
            let (ranges, found) = narrow::unreadable(&conn, shape, first, last);
            finding.found = found;
            finding.wrong = Wrong::Unreadable { ranges, error: error.to_string() };
        }
    }
    Ok(Closer::Wrong(finding))
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
