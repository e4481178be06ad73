//! The second layer: every page of the file is looked at, and rows that SQLite could not reach are taken
//! from the leaves they lie on.
//!
//! A page does not say whose it is. Its table is the one whose tree leads to it; where that tree is broken,
//! the only one whose columns fit all its rows. What stays unclear is counted and left.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::Connection;

use super::field::SalvagedValue;
use super::owners::Owners;
use super::pages::Pages;
use super::progress::{Item, WorkKind};
use super::record::{self, RawRow};
use super::source::SalvageSource;
use super::tables::{self, SalvagedColumn, SalvagedTable};
use super::writer::TableWriter;
use super::{Copied, given};
use crate::sqlite::journal::schema::Affinity;

/// Pages that one step looks at.
const STEP_PAGES_MAX: usize = 256;
/// A place in the file is a page number and the number of a row on it, which this bounds.
const PAGE_ROWS_MAX: i64 = 1 << 16;

/// A file, being searched page by page.
#[derive(Debug)]
pub(super) struct Scan {
    pages: Pages,
    /// All that a page may belong to; with the roots in this file, if those are known.
    tables: Vec<SalvagedTable>,
    /// The same tables in the target.
    targets: Vec<Option<SalvagedTable>>,
    free: HashSet<u32>,
    /// Found out when it is first needed.
    owners: Option<Owners>,
}

/// Whose rows a page has.
enum Owner {
    Nobody,
    Table(usize),
    Unclear,
}

/// What was done with a page.
struct PageProgress {
    /// The row to go on with; `None` if the page is done.
    next: Option<usize>,
    copied: Vec<Copied>,
}

impl Scan {
    /// Where not all tables of the source are known, those of the target are looked for as well. `None`: the
    /// file cannot be read.
    pub(super) fn open(
        path: &Path,
        source: &SalvageSource,
        target: &Connection,
    ) -> rusqlite::Result<Option<Self>> {
        let Ok(pages) = Pages::open(path) else { return Ok(None) };
        let in_target = tables::of(target)?;
        let mut tables = source.tables().unwrap_or_default().to_vec();
        if !source.knows_all_tables() {
            let rootless = |table: &SalvagedTable| SalvagedTable { root: None, ..table.clone() };
            let is_new =
                |table: &&SalvagedTable| !tables.iter().any(|known| known.is_named(&table.name));
            let others: Vec<SalvagedTable> =
                in_target.iter().filter(is_new).map(rootless).collect();
            tables.extend(others);
        }
        let find =
            |table: &SalvagedTable| in_target.iter().find(|t| t.is_named(&table.name)).cloned();
        let targets = tables.iter().map(find).collect();
        let free = pages.free();
        Ok(Some(Self { pages, tables, targets, free, owners: None }))
    }

    /// Looks at further pages, and moves the position of the item `at` among `items`.
    pub(super) fn step(
        &mut self,
        target: &Connection,
        items: &mut [Item],
        at: usize,
        rows_max: usize,
    ) -> rusqlite::Result<Vec<Copied>> {
        let place = items[at].position.unwrap_or(PAGE_ROWS_MAX);
        let mut page = u32::try_from(place / PAGE_ROWS_MAX).unwrap_or(u32::MAX);
        let mut row = usize::try_from(place % PAGE_ROWS_MAX).unwrap_or(0);
        let mut copied: Vec<Copied> = Vec::new();
        for _ in 0..STEP_PAGES_MAX {
            let rows_left = rows_max.saturating_sub(count(&copied));
            if page > self.pages.count || rows_left == 0 {
                break;
            }
            let progress = self.page(target, items, at, (page, row), rows_left)?;
            copied.extend(progress.copied);
            (page, row) = match progress.next {
                Some(next) => (page, next),
                None => (page.saturating_add(1), 0),
            };
        }
        let item = &mut items[at];
        item.done = page > self.pages.count;
        item.position = Some(i64::from(page) * PAGE_ROWS_MAX + i64::try_from(row).unwrap_or(0));
        Ok(copied)
    }

    fn page(
        &mut self,
        target: &Connection,
        items: &mut [Item],
        at: usize,
        (number, from): (u32, usize),
        rows_left: usize,
    ) -> rusqlite::Result<PageProgress> {
        let nothing = PageProgress { next: None, copied: Vec::new() };
        if self.free.contains(&number) {
            return Ok(nothing);
        }
        let page = self.pages.read(number);
        let rows = page.and_then(|page| record::rows(&self.pages, number, &page));
        let Some(rows) = rows else { return Ok(nothing) };
        let is_missed = |row: &RawRow| {
            items.iter().any(|item| item.kind == WorkKind::Rows && item.lost.contains(row.id))
        };
        if !rows.iter().any(is_missed) {
            return Ok(nothing);
        }
        let table = match self.owner(number, &rows) {
            Owner::Table(table) => table,
            Owner::Nobody => return Ok(nothing),
            Owner::Unclear => {
                items[at].refused += rows.len() as u64;
                return Ok(nothing);
            }
        };
        let table_name = &self.tables[table].name;
        let item = items
            .iter_mut()
            .find(|item| item.kind == WorkKind::Rows && item.name.eq_ignore_ascii_case(table_name));
        match (item, &self.targets[table]) {
            (Some(item), Some(into)) if !item.lost.is_empty() => {
                take(target, (&self.tables[table], into), item, &rows, (from, rows_left))
            }
            _ => Ok(nothing),
        }
    }

    /// The tables that all rows of a page fit, and of those the one whose tree leads to it.
    fn owner(&mut self, number: u32, rows: &[RawRow]) -> Owner {
        if tables::are_schema(rows) {
            return Owner::Nobody;
        }
        let fits = self.fitting(rows);
        let owners = self.owners.get_or_insert_with(|| Owners::of(&self.pages, &self.tables));
        let by_tree = owners.owner(number);
        if let Some(owner) = by_tree.filter(|owner| fits.is_empty() || fits.contains(owner)) {
            // A value may be of another type than its column, but a row has no more than its table.
            let most = self.tables[owner].columns.len();
            let fields = rows.iter().filter_map(|row| row.fields.as_ref());
            let is_possible = fields.into_iter().all(|fields| fields.len() <= most);
            return if is_possible { Owner::Table(owner) } else { Owner::Nobody };
        }
        // Without the list of free pages, one that no whole tree leads to has rows that were deleted.
        let needs_tree = fits.len() > 1 || !self.pages.knows_free;
        let allowed = |table: &usize| !needs_tree || owners.allow(number, *table);
        let mut possible = fits.into_iter().filter(allowed);
        match (possible.next(), possible.next()) {
            (Some(only), None) => Owner::Table(only),
            (None, _) => Owner::Nobody,
            (Some(_), Some(_)) => Owner::Unclear,
        }
    }

    fn fitting(&self, rows: &[RawRow]) -> Vec<usize> {
        let fits: Vec<(usize, Fit)> = (self.tables.iter().enumerate())
            .map(|(index, table)| (index, fit(table, rows)))
            .filter(|(_, fit)| *fit != Fit::No)
            .collect();
        let is_full = fits.iter().any(|(_, fit)| *fit == Fit::Full);
        let best = if is_full { Fit::Full } else { Fit::Short };
        fits.into_iter().filter(|(_, fit)| *fit == best).map(|(index, _)| index).collect()
    }
}

fn count(copied: &[Copied]) -> usize {
    copied.iter().map(|run| usize::try_from(run.rows).unwrap_or(usize::MAX)).sum()
}

/// Copies those rows of a page that are missing.
fn take(
    target: &Connection,
    (from_table, into): (&SalvagedTable, &SalvagedTable),
    item: &mut Item,
    rows: &[RawRow],
    (from, rows_left): (usize, usize),
) -> rusqlite::Result<PageProgress> {
    let columns = given(from_table, into);
    let mut writer = TableWriter::new(target, &into.name, &into.column_names(), &columns);
    let mut previous = from.checked_sub(1).and_then(|before| rows.get(before)).map(|row| row.id);
    let mut taken = 0;
    for (index, row) in rows.iter().enumerate().skip(from) {
        if taken >= rows_left {
            return Ok(PageProgress { next: Some(index), copied: writer.copied });
        }
        let is_lost = item.lost.contains(row.id);
        let Some(fields) = row.fields.as_ref().filter(|_| is_lost) else {
            // Between a row that was read and the next one on its page there is nothing.
            previous = (!is_lost).then_some(row.id);
            continue;
        };
        let values = values(from_table, &columns, row.id, fields);
        taken += 1;
        item.count(&writer.put(row.id, &values)?);
        item.lost.remove(previous.map_or(row.id, |id| id + 1), row.id);
        previous = Some(row.id);
    }
    Ok(PageProgress { next: None, copied: writer.copied })
}

/// The values of these columns. A record is shorter than its table where columns were added later.
fn values(
    table: &SalvagedTable,
    columns: &[String],
    id: i64,
    fields: &[SalvagedValue],
) -> Vec<SalvagedValue> {
    let id_column = table.id_column().map(|column| column.name.as_str());
    let value = |name: &String| {
        if id_column == Some(name.as_str()) {
            return SalvagedValue::Integer(id);
        }
        let at = table.columns.iter().position(|column| column.name == *name);
        at.and_then(|at| fields.get(at)).cloned().unwrap_or(SalvagedValue::Null)
    };
    columns.iter().map(value).collect()
}

/// How well rows fit a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    No,
    /// All are shorter than the table, and what they lack may be NULL.
    Short,
    Full,
}

fn fit(table: &SalvagedTable, rows: &[RawRow]) -> Fit {
    if table.without_rowid || table.columns.is_empty() {
        return Fit::No;
    }
    let id_column = table.id_column().map(|column| column.name.as_str());
    let mut best = Fit::No;
    for fields in rows.iter().filter_map(|row| row.fields.as_ref()) {
        let fits = fields.len() <= table.columns.len()
            && table.columns.iter().enumerate().all(|(index, column)| {
                let is_id = id_column == Some(column.name.as_str());
                match fields.get(index) {
                    Some(field) => is_stored(field, column, is_id, table.strict),
                    None => !column.not_null && !column.has_default && !is_id,
                }
            });
        if !fits {
            return Fit::No;
        }
        if fields.len() == table.columns.len() {
            best = Fit::Full;
        } else if best == Fit::No {
            best = Fit::Short;
        }
    }
    best
}

/// Whether a record has such a value for a column. A REAL without a fraction is stored as an integer; the
/// row id's column is stored as NULL.
fn is_stored(field: &SalvagedValue, column: &SalvagedColumn, is_id: bool, strict: bool) -> bool {
    if is_id {
        return *field == SalvagedValue::Null;
    }
    match (field, column.affinity) {
        (SalvagedValue::Null, _) => !column.not_null,
        (SalvagedValue::Integer(_), Affinity::Integer | Affinity::Real) => true,
        (
            SalvagedValue::Integer(_) | SalvagedValue::Real(_) | SalvagedValue::Text(_),
            Affinity::Numeric,
        ) => true,
        (SalvagedValue::Real(_), Affinity::Real) | (SalvagedValue::Text(_), Affinity::Text) => true,
        // 96.5 in an INTEGER column stays what it is, unless the table is STRICT.
        (SalvagedValue::Real(_), Affinity::Integer) => !strict,
        (SalvagedValue::Blob(_), Affinity::Blob) => true,
        (
            SalvagedValue::Integer(_) | SalvagedValue::Real(_) | SalvagedValue::Text(_),
            Affinity::Blob,
        ) => !strict,
        (SalvagedValue::Integer(_) | SalvagedValue::Real(_), Affinity::Text)
        | (SalvagedValue::Text(_), Affinity::Integer | Affinity::Real)
        | (SalvagedValue::Blob(_), Affinity::Integer | Affinity::Real | Affinity::Text)
        | (SalvagedValue::Blob(_), Affinity::Numeric) => false,
    }
}
