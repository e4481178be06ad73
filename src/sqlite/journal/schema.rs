//! The tables. Our own are made as they should be; the operator's are opened as they are: what a
//! route names and the table lacks is added, what contradicts is an error that names both, and
//! nothing is ever rewritten.

use std::path::Path;

use barograph_actors::message::write::WriteCause;
use barograph_actors::ports::OpenError;
use barograph_config::{Column, Kind, Route};
use rusqlite::{Connection, TransactionBehavior, params};

use super::{ours, rows};
use crate::sqlite::cause::{open_error, outlook, sentence};
use crate::sqlite::salvage;

/// Our own tables. STRICT: what is written there is what was meant.
pub(in crate::sqlite) const OWN_TABLES: &str = "
CREATE TABLE IF NOT EXISTS barograph_meta (
    key TEXT PRIMARY KEY, value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS barograph_ledger (
    number INTEGER PRIMARY KEY, run INTEGER NOT NULL, batch INTEGER NOT NULL, connection INTEGER NOT NULL,
    at INTEGER NOT NULL, confirmed INTEGER NOT NULL, ids_taken INTEGER NOT NULL DEFAULT 0,
    entries BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS barograph_retained (
    digest INTEGER PRIMARY KEY
) STRICT;
CREATE TABLE IF NOT EXISTS barograph_quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, received_at TEXT NOT NULL, route TEXT, topic TEXT NOT NULL,
    payload BLOB NOT NULL, size INTEGER NOT NULL, qos INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS barograph_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, event TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS barograph_gaps (
    id INTEGER PRIMARY KEY AUTOINCREMENT, from_at TEXT NOT NULL, to_at TEXT, cause TEXT NOT NULL,
    route TEXT, detail TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS barograph_accounting (
    route TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (route, outcome, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS barograph_stats (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, period_seconds REAL NOT NULL, received INTEGER NOT NULL,
    stored INTEGER NOT NULL, duplicate INTEGER NOT NULL, quarantined INTEGER NOT NULL, dropped INTEGER NOT NULL,
    spooled INTEGER NOT NULL, held INTEGER NOT NULL, commits INTEGER NOT NULL, failed_writes INTEGER NOT NULL,
    slowest_commit_ms INTEGER NOT NULL, restarts INTEGER NOT NULL, mode TEXT NOT NULL,
    filtered INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS barograph_stats_at ON barograph_stats (at);
CREATE TABLE IF NOT EXISTS barograph_shapes (
    id INTEGER PRIMARY KEY, tbl TEXT NOT NULL, columns TEXT NOT NULL, UNIQUE (tbl, columns)
) STRICT;
CREATE TABLE IF NOT EXISTS barograph_digests (
    id INTEGER PRIMARY KEY, shape INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    rows INTEGER NOT NULL, digest INTEGER NOT NULL, at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS barograph_digests_range ON barograph_digests (shape, last);
CREATE INDEX IF NOT EXISTS barograph_events_at ON barograph_events (at);
CREATE INDEX IF NOT EXISTS barograph_quarantine_route ON barograph_quarantine (coalesce(route, ''), id);
INSERT OR IGNORE INTO barograph_meta (key, value) VALUES ('schema', '1');
";

/// Refuses a database that contradicts the routes, with every contradiction at once. Changes
/// nothing.
pub(in crate::sqlite) fn refuse_clashes<'r>(
    conn: &Connection,
    routes: impl IntoIterator<Item = &'r Route>,
    path: &Path,
) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| open_error(&error, path);
    let mut clashing = Vec::new();
    for route in routes {
        clashing.extend(clashes(conn, route).map_err(failed)?);
    }
    if clashing.is_empty() { Ok(()) } else { Err(clash(path, &clashing.join("; "))) }
}

fn clash(path: &Path, detail: &str) -> OpenError {
    let cause = WriteCause::SchemaClash;
    OpenError { cause, message: sentence(cause, path, detail), outlook: outlook(cause) }
}

/// Makes the database fit the routes, in one transaction, and says what was added.
pub(in crate::sqlite) fn extend_all<'r>(
    conn: &mut Connection,
    routes: impl IntoIterator<Item = &'r Route>,
    path: &Path,
) -> Result<Vec<String>, OpenError> {
    let failed = |error: rusqlite::Error| open_error(&error, path);
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    remember_stored(&tx).map_err(failed)?;
    tx.execute_batch(OWN_TABLES).map_err(failed)?;
    ours::mark(&tx).map_err(failed)?;
    tx.execute_batch(salvage::TABLE).map_err(failed)?;
    count_ids_in_ledger(&tx).map_err(failed)?;
    count_filtered_in_stats(&tx).map_err(failed)?;
    let mut added = Vec::new();
    for route in routes {
        extend(&tx, route, &mut added).map_err(|error| unique_or(error, route, path))?;
    }
    tx.commit().map_err(failed)?;
    Ok(added)
}

/// A ledger of before packet ids were counted said in their place whether a fresh delivery had come (0 or
/// 1): counts begin there.
fn count_ids_in_ledger(conn: &Connection) -> rusqlite::Result<()> {
    if has_column(conn, "barograph_ledger", "fresh_seen")? {
        conn.execute_batch("ALTER TABLE barograph_ledger RENAME COLUMN fresh_seen TO ids_taken")?;
    }
    Ok(())
}

/// Statistics of before messages could be filtered lack their count.
fn count_filtered_in_stats(conn: &Connection) -> rusqlite::Result<()> {
    if !has_column(conn, "barograph_stats", "filtered")? {
        let add = "ALTER TABLE barograph_stats ADD COLUMN filtered INTEGER NOT NULL DEFAULT 0";
        conn.execute_batch(add)?;
    }
    Ok(())
}

/// Whether a table has a column of this name.
pub(in crate::sqlite) fn has_column(
    conn: &Connection,
    table: &str,
    column: &str,
) -> rusqlite::Result<bool> {
    let select = "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2)";
    conn.query_row(select, params![table, column], |row| row.get(0))
}

/// Key of `barograph_meta`: rows by table that were stored before there were digests, as JSON. The
/// account of stored rows equals the digests' only together with these.
pub(in crate::sqlite) const STORED_BEFORE_DIGESTS: &str = "stored_before_digests";

/// To be called before the digests' tables are made.
fn remember_stored(conn: &Connection) -> rusqlite::Result<()> {
    if exists(conn, "barograph_shapes")? || !exists(conn, "barograph_accounting")? {
        return Ok(());
    }
    let select = "SELECT route, sum(count) FROM barograph_accounting WHERE outcome = 'stored' GROUP \
         BY route";
    let mut statement = conn.prepare(select)?;
    let stored = statement.query_map([], |row| {
        let (table, rows): (String, i64) = (row.get(0)?, row.get(1)?);
        Ok((table, serde_json::Value::from(rows)))
    })?;
    let stored: serde_json::Map<_, _> = stored.collect::<rusqlite::Result<_>>()?;
    if stored.is_empty() {
        return Ok(());
    }
    rows::set_meta(conn, STORED_BEFORE_DIGESTS, &serde_json::Value::from(stored).to_string())
}

/// The index of a natural key cannot be made over rows that repeat it.
fn unique_or(error: rusqlite::Error, route: &Route, path: &Path) -> OpenError {
    if error.sqlite_error_code() != Some(rusqlite::ErrorCode::ConstraintViolation) {
        return open_error(&error, path);
    }
    let key = route.unique.join(", ");
    let detail = format!(
        "table {} already has rows with the same {key}, so unique = [{key}] of its route cannot \
         hold; remove the repeated rows, or the key from the route",
        route.table
    );
    clash(path, &detail)
}

pub(in crate::sqlite) fn exists(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 \
        COLLATE NOCASE";
    Ok(conn.query_row(sql, params![table], |row| row.get::<_, i64>(0))? > 0)
}

fn is_view(conn: &Connection, name: &str) -> rusqlite::Result<bool> {
    let select = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = ?1 \
                  COLLATE NOCASE)";
    conn.query_row(select, params![name], |row| row.get(0))
}

/// A column as the table has it.
struct Present {
    name: String,
    declared: String,
    must_be_given: bool,
}

fn columns_of(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Present>> {
    let mut statement =
        conn.prepare("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?1)")?;
    let rows = statement.query_map(params![table], |row| {
        let not_null: bool = row.get(2)?;
        let default: Option<String> = row.get(3)?;
        let key: i64 = row.get(4)?;
        Ok(Present {
            name: row.get(0)?,
            declared: row.get(1)?,
            must_be_given: not_null && default.is_none() && key == 0,
        })
    })?;
    rows.collect()
}

/// What of an existing table contradicts the route, each as a sentence. Changes nothing.
pub(in crate::sqlite) fn clashes(
    conn: &Connection,
    route: &Route,
) -> rusqlite::Result<Vec<String>> {
    let table = &route.table;
    if is_view(conn, table)? {
        return Ok(vec![format!(
            "{table} is a view in the database, and a route records into a table; give the route \
             another table name, or rename the view"
        )]);
    }
    let present = columns_of(conn, table)?;
    let mut clashes = Vec::new();
    for column in &route.columns {
        let Some(found) = present.iter().find(|p| p.name.eq_ignore_ascii_case(&column.name)) else {
            continue;
        };
        if !fits(column.kind, affinity(&found.declared)) {
            clashes.push(format!(
                "column {table}.{} is declared {} in the database, and the route says type = \
                 \"{}\"; change the route's type, or give the route another column name",
                found.name,
                found.declared,
                column.kind.as_str()
            ));
        }
    }
    for missing in present.iter().filter(|p| p.must_be_given && !is_written(route, &p.name)) {
        clashes.push(format!(
            "column {table}.{} must not be NULL and has no default, and the route does not fill \
             it; add it to [route.columns]",
            missing.name
        ));
    }
    Ok(clashes)
}

fn is_written(route: &Route, column: &str) -> bool {
    column.eq_ignore_ascii_case("created_at")
        || route.columns.iter().any(|c| c.name.eq_ignore_ascii_case(column))
}

/// How SQLite treats a declared type (its documentation, "Determination Of Column Affinity").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

pub(in crate::sqlite) fn affinity(declared: &str) -> Affinity {
    let declared = declared.to_ascii_uppercase();
    let has = |word: &str| declared.contains(word);
    if has("INT") {
        Affinity::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || declared.is_empty() {
        Affinity::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

/// The affinity of a table's column; `None` if there is none.
pub(in crate::sqlite) fn affinity_of(
    conn: &Connection,
    table: &str,
    column: &str,
) -> rusqlite::Result<Option<Affinity>> {
    let found = columns_of(conn, table)?.into_iter().find(|p| p.name.eq_ignore_ascii_case(column));
    Ok(found.map(|present| affinity(&present.declared)))
}

/// Whether values of a kind come out of such a column as they went in.
fn fits(kind: Kind, affinity: Affinity) -> bool {
    match kind {
        Kind::Integer | Kind::Boolean => {
            matches!(affinity, Affinity::Integer | Affinity::Numeric | Affinity::Blob)
        }
        Kind::Real => matches!(affinity, Affinity::Real | Affinity::Numeric | Affinity::Blob),
        Kind::Text | Kind::Json => matches!(affinity, Affinity::Text | Affinity::Blob),
        // Text with a date is no number to SQLite, so that a NUMERIC column keeps it.
        Kind::Time => affinity != Affinity::Real,
        // No affinity converts a BLOB.
        Kind::Blob => true,
    }
}

fn declared(column: &Column) -> String {
    let kind = match column.kind {
        Kind::Integer | Kind::Boolean => "INTEGER",
        Kind::Real => "REAL",
        Kind::Text | Kind::Json | Kind::Time => "TEXT",
        Kind::Blob => "BLOB",
    };
    format!("\"{}\" {kind}", column.name)
}

/// Creates the table, or adds the columns that it lacks; then the indexes.
fn extend(conn: &Connection, route: &Route, added: &mut Vec<String>) -> rusqlite::Result<()> {
    let table = &route.table;
    if exists(conn, table)? {
        let present = columns_of(conn, table)?;
        let lacks = |name: &str| !present.iter().any(|p| p.name.eq_ignore_ascii_case(name));
        let mut wanted: Vec<String> =
            route.columns.iter().filter(|c| lacks(&c.name)).map(declared).collect();
        if lacks("created_at") {
            wanted.push("\"created_at\" TIMESTAMP".to_owned());
        }
        for column in wanted {
            conn.execute_batch(&format!("ALTER TABLE \"{table}\" ADD COLUMN {column}"))?;
            added.push(format!("column {column} added to table {table}"));
        }
    } else {
        conn.execute_batch(&create(route))?;
        added.push(format!("table {table} created"));
        for index in &route.indexes {
            create_index(conn, table, &index.name, &index.columns, false)?;
        }
    }
    if !route.unique.is_empty() {
        let name = format!("barograph_unique_{table}");
        create_index(conn, table, &name, &route.unique, true)?;
    }
    Ok(())
}

fn create(route: &Route) -> String {
    let columns: Vec<String> = route
        .columns
        .iter()
        .map(|column| declared(column) + if column.required { " NOT NULL" } else { "" })
        .collect();
    format!(
        "CREATE TABLE \"{}\" (id INTEGER PRIMARY KEY AUTOINCREMENT, {}, created_at TIMESTAMP \
         DEFAULT CURRENT_TIMESTAMP)",
        route.table,
        columns.join(", ")
    )
}

fn create_index(
    conn: &Connection,
    table: &str,
    name: &str,
    columns: &[String],
    unique: bool,
) -> rusqlite::Result<()> {
    let quoted: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    let unique = if unique { "UNIQUE " } else { "" };
    conn.execute_batch(&format!(
        "CREATE {unique}INDEX IF NOT EXISTS \"{name}\" ON \"{table}\" ({})",
        quoted.join(", ")
    ))
}

/// Makes the table of a route, for tests.
#[cfg(test)]
pub(in crate::sqlite) fn create_for_test(conn: &Connection, route: &Route) {
    conn.execute_batch(&create(route)).expect("a new table");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stored_before_there_were_digests_are_remembered_once() {
        let conn = Connection::open_in_memory().unwrap();
        let extend = || {
            remember_stored(&conn).unwrap();
            conn.execute_batch(OWN_TABLES).unwrap();
        };
        let account = OWN_TABLES.split_inclusive(';').take(7).collect::<String>();
        conn.execute_batch(&account).unwrap();
        conn.execute_batch("INSERT INTO barograph_accounting VALUES ('load', 'stored', '', 7)")
            .unwrap();
        extend();
        conn.execute_batch("UPDATE barograph_accounting SET count = 9").unwrap();
        extend();
        let stored = rows::meta(&conn, STORED_BEFORE_DIGESTS).unwrap();
        assert_eq!(stored.as_deref(), Some(r#"{"load":7}"#));
    }

    #[test]
    fn affinities_are_sqlites() {
        let table = [
            ("INTEGER", Affinity::Integer),
            ("bigint", Affinity::Integer),
            ("FLOATING POINT", Affinity::Integer),
            ("VARCHAR(10)", Affinity::Text),
            ("", Affinity::Blob),
            ("DOUBLE", Affinity::Real),
            ("TIMESTAMP", Affinity::Numeric),
            ("BOOLEAN", Affinity::Numeric),
        ];
        for (declared, expected) in table {
            assert_eq!(affinity(declared), expected, "{declared}");
        }
    }
}
