//! Our own small state: the session, the filters whose retained messages are known, and the ledger, which
//! keeps a redelivery from being stored twice. All of it is copied at once, before the first batch.

use std::collections::BTreeMap;
use std::path::Path;

use barograph_actors::db_writer::ledger::LedgerRow;
use rusqlite::{Connection, params};

use super::field::SalvagedValue;
use super::pages::Pages;
use super::progress::{self, WorkKind};
use super::record;
use super::walk::Walk;
use super::writer::TableWriter;
use crate::sqlite::journal::rows::{CLIENT_ID, SESSION, SUBSCRIBED, set_meta};
use crate::sqlite::journal::schema::{STORED_BEFORE_DIGESTS, exists, has_column};

const LEDGER: &str = "barograph_ledger";
const LEDGER_COLUMNS: [&str; 7] =
    ["run", "batch", "connection", "at", "confirmed", "ids_taken", "entries"];
const CHUNK_ROWS: usize = 1024;
/// Pages that are searched for the ledger where SQLite cannot read it: 256 MiB at the usual size, which
/// takes a second or two before recording goes on.
const SEARCH_PAGES_MAX: u32 = 65_536;

/// Copies what SQLite can read, and searches the pages for the rest.
pub(super) fn copy(
    source: Option<&Connection>,
    path: Option<&Path>,
    target: &Connection,
) -> rusqlite::Result<()> {
    let whole = match source {
        Some(source) => {
            let meta = copy_meta(source, target)?;
            let retained = copy_rows(source, target, "barograph_retained", &["digest"])?;
            // A ledger of before packet ids were counted has no such column.
            let has = |column: &&str| has_column(source, LEDGER, column).unwrap_or(true);
            let columns: Vec<&str> = LEDGER_COLUMNS.into_iter().filter(has).collect();
            let ledger = copy_rows(source, target, LEDGER, &columns)?;
            copy_progress(source, target)?;
            meta && retained && ledger
        }
        None => false,
    };
    match path.and_then(|path| Pages::open(path).ok()) {
        Some(pages) if !whole => search(&pages, target),
        Some(_) | None => Ok(()),
    }
}

/// What the source had begun to take over, and how far it was: the target goes on.
fn copy_progress(source: &Connection, target: &Connection) -> rusqlite::Result<()> {
    for kind in [WorkKind::File, WorkKind::Handle] {
        for name in progress::unfinished(source, kind).unwrap_or_default() {
            for item in progress::load(source, &name).unwrap_or_default() {
                progress::save(target, &name, &item)?;
            }
        }
    }
    Ok(())
}

/// Whether all of it could be read.
fn copy_meta(source: &Connection, target: &Connection) -> rusqlite::Result<bool> {
    if exists(source, "barograph_meta").is_ok_and(|exists| !exists) {
        return Ok(true);
    }
    let read = |pairs: &mut Vec<(String, String)>| -> rusqlite::Result<()> {
        let mut statement = source.prepare(
            "SELECT key, value FROM barograph_meta WHERE key NOT IN ('schema', 'database', ?1)",
        )?;
        // Of the account, which begins anew.
        let mut rows = statement.query([STORED_BEFORE_DIGESTS])?;
        while let Some(row) = rows.next()? {
            pairs.push((row.get(0)?, row.get(1)?));
        }
        Ok(())
    };
    let mut pairs = Vec::new();
    let whole = read(&mut pairs).is_ok();
    for (key, value) in pairs {
        set_meta(target, &key, &value)?;
    }
    Ok(whole)
}

fn copy_rows(
    source: &Connection,
    target: &Connection,
    table: &str,
    columns: &[&str],
) -> rusqlite::Result<bool> {
    // A database from before our time has no state that could be missed.
    if exists(source, table).is_ok_and(|exists| !exists) {
        return Ok(true);
    }
    let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    let mut walk = Walk::new(source, table, &columns, &columns, None);
    let mut writer = TableWriter::new(target, table, &columns, &columns);
    let mut whole = true;
    loop {
        let chunk = walk.next(CHUNK_ROWS);
        whole &= chunk.lost.is_empty();
        for (id, fields) in &chunk.rows {
            writer.put(*id, fields)?;
        }
        if chunk.end {
            return Ok(whole);
        }
        // Locked by another program: recording does not wait for it.
        if chunk.rows.is_empty() && chunk.lost.is_empty() {
            return Ok(false);
        }
    }
}

/// Looks for rows that can be nothing else.
fn search(pages: &Pages, target: &Connection) -> rusqlite::Result<()> {
    let free = pages.free();
    let mut ledger: Found<i64, Vec<SalvagedValue>> = Found::default();
    let mut meta: Found<String, String> = Found::default();
    let in_use = |number: &u32| !free.contains(number);
    for number in (1..=pages.count.min(SEARCH_PAGES_MAX)).filter(in_use) {
        let Some(page) = pages.read(number) else { continue };
        for row in record::rows(pages, number, &page).unwrap_or_default() {
            if let Some(fields) = row.fields.filter(|fields| is_ledger(fields)) {
                ledger.add(row.id, fields);
            }
        }
        for fields in record::keyed_rows(pages, number, &page).unwrap_or_default() {
            if let [key, value] = fields.as_slice()
                && let (Some(key), Some(value)) = (key.text(), value.text())
                && [SESSION, CLIENT_ID, SUBSCRIBED].contains(&key)
            {
                meta.add(key.to_owned(), value.to_owned());
            }
        }
    }
    for (key, value) in meta.clear_ones() {
        let sql = "INSERT OR IGNORE INTO barograph_meta (key, value) VALUES (?1, ?2)";
        target.execute(sql, params![key, value])?;
    }
    let columns: Vec<String> = LEDGER_COLUMNS.iter().map(|&column| column.to_owned()).collect();
    let mut writer = TableWriter::new(target, LEDGER, &columns, &columns);
    for (number, fields) in without_remains(ledger.clear_ones()) {
        writer.put(number, &fields[1..])?;
    }
    Ok(())
}

/// What was found under a key, or that it was found with different values.
struct Found<K, V>(BTreeMap<K, Option<V>>);

impl<K, V> Default for Found<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V: PartialEq> Found<K, V> {
    fn add(&mut self, key: K, value: V) {
        match self.0.get_mut(&key) {
            Some(known) if known.as_ref() != Some(&value) => *known = None,
            Some(_) => {}
            None => drop(self.0.insert(key, Some(value))),
        }
    }

    fn clear_ones(self) -> BTreeMap<K, V> {
        self.0.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// The ledger's numbers have no holes: what lies below one was deleted, and only its page remained.
fn without_remains(found: BTreeMap<i64, Vec<SalvagedValue>>) -> BTreeMap<i64, Vec<SalvagedValue>> {
    let mut expected = None;
    let is_next = |(number, _): &(i64, Vec<SalvagedValue>)| {
        let fits = expected.is_none_or(|expected| expected == *number);
        expected = number.checked_sub(1);
        fits
    };
    found.into_iter().rev().take_while(is_next).collect()
}

fn is_ledger(fields: &[SalvagedValue]) -> bool {
    match fields {
        [SalvagedValue::Null, numbers @ .., SalvagedValue::Blob(entries)] => {
            numbers.len() == 6
                && numbers.iter().all(|number| number.integer().is_some())
                && LedgerRow::entries_from(entries).is_some()
        }
        _ => false,
    }
}
