//! What is done to the new database once, before rows come: missing tables, columns and indexes, and ids
//! that no new row may take.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use tracing::warn;

use super::pages::Pages;
use super::tables::{self, SalvagedTable};
use super::walk::Walk;
use super::{is_refusal, record};
use crate::sqlite::quoted;

/// A row of ours takes more than this on its page, so a file has fewer rows than its size divided by it;
/// in bytes. An id may still be higher where rows were deleted: then the old row gets a new one.
const ROW_BYTES_MIN: u64 = 16;

/// Makes the target able to hold the rows of a table of the source. `schema` is where that table is
/// declared. Whether it can.
pub(super) fn ensure(
    target: &Connection,
    schema: &Connection,
    table: &SalvagedTable,
) -> rusqlite::Result<bool> {
    let present = tables::of(target)?.into_iter().find(|found| found.is_named(&table.name));
    match present {
        None => {
            if !attempt(target, &table.sql, &table.name)? {
                return Ok(false);
            }
        }
        Some(present) if tables::is_operators(&table.name) => {
            let lacks =
                |name: &str| !present.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
            for column in table.columns.iter().filter(|c| !c.generated && lacks(&c.name)) {
                let (table, name) = (quoted(&present.name), quoted(&column.name));
                let sql = format!("ALTER TABLE {table} ADD COLUMN {name} {}", column.declared);
                attempt(target, &sql, &column.name)?;
            }
        }
        Some(_) => {}
    }
    // Now, while the table is empty: an index over years of rows would be one long step later.
    if tables::is_operators(&table.name) {
        create(target, schema, "type = 'index' AND tbl_name = ?1 COLLATE NOCASE", &table.name)?;
    }
    Ok(true)
}

/// Views and triggers, when all rows are there: a trigger must not fire for a row that is only copied.
pub(super) fn rest(target: &Connection, schema: &Connection) -> rusqlite::Result<()> {
    create(target, schema, "type = ?1", "view")?;
    create(target, schema, "type = ?1", "trigger")
}

/// Creates what the source has and the target lacks, of the entries of the schema that a condition picks.
fn create(
    target: &Connection,
    schema: &Connection,
    condition: &str,
    parameter: &str,
) -> rusqlite::Result<()> {
    let sql = format!("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND {condition}");
    let read = || -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement = schema.prepare(&sql)?;
        statement.query_map(params![parameter], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    for (name, sql) in read().unwrap_or_default() {
        let known = "SELECT count(*) FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE";
        let known: i64 = target.query_row(known, params![name], |row| row.get(0))?;
        if known == 0 {
            attempt(target, &sql, &name)?;
        }
    }
    Ok(())
}

/// Whether the target did it. A statement from a damaged or foreign schema may be wrong in many ways.
fn attempt(target: &Connection, sql: &str, what: &str) -> rusqlite::Result<bool> {
    match target.execute(sql, []) {
        Ok(_) => Ok(true),
        Err(error) if is_refusal(&error) => {
            warn!("{what} of the damaged database could not be recreated: {error}");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The highest id ever given, by table; `None` where that cannot be read.
pub(super) type Highest = Option<HashMap<String, i64>>;

pub(super) fn highest_in(source: &Connection) -> Highest {
    let read = || -> rusqlite::Result<HashMap<String, i64>> {
        let mut statement = source.prepare("SELECT lower(name), seq FROM sqlite_sequence")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    read().ok()
}

/// The same, without SQLite.
pub(super) fn highest_on(pages: &Pages, tables: &[SalvagedTable]) -> Highest {
    let root = tables.iter().find(|table| table.is_named("sqlite_sequence"))?.root?;
    let rows = record::rows(pages, root, &pages.read(root)?)?;
    let pairs = rows.into_iter().filter_map(|row| row.fields).map(|fields| {
        let [name, highest] = fields.as_slice() else { return None };
        Some((name.text()?.to_ascii_lowercase(), highest.integer()?))
    });
    pairs.collect()
}

/// Sees to it that no new row gets an id that a row of the source may have.
pub(super) fn reserve_ids(
    target: &Connection,
    source: Option<&Connection>,
    known: Option<&[SalvagedTable]>,
    highest: &Highest,
    source_bytes: u64,
) -> rusqlite::Result<()> {
    let counted = |table: &&SalvagedTable| table.sql.to_ascii_uppercase().contains("AUTOINCREMENT");
    for table in tables::of(target)?.iter().filter(counted) {
        let said = highest.as_ref().map(|h| h.get(&table.name.to_ascii_lowercase()).copied());
        let origin = known.map(|known| known.iter().find(|t| t.is_named(&table.name)));
        let seen = match (origin, source) {
            (Some(None), _) => Some(None),
            (Some(Some(origin)), Some(source)) => {
                let names = origin.column_names();
                Walk::new(source, &origin.name, &names, &[], None).last().ok()
            }
            (None, _) | (_, None) => None,
        };
        let bound = match (said, seen) {
            (Some(_), Some(_)) => 0,
            (None, _) | (_, None) => {
                i64::try_from(source_bytes / ROW_BYTES_MIN).unwrap_or(i64::MAX)
            }
        };
        let least = bound.max(said.flatten().unwrap_or(0)).max(seen.flatten().unwrap_or(0));
        if least > 0 {
            reserve(target, &table.name, least)?;
        }
    }
    Ok(())
}

fn reserve(target: &Connection, table: &str, least: i64) -> rusqlite::Result<()> {
    let raise = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
    if target.execute(raise, params![table, least])? == 0 {
        let begin = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
        target.execute(begin, params![table, least])?;
    }
    Ok(())
}
