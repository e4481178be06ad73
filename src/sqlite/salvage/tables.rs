//! What tables a database has: asked of SQLite, or read from the pages of a schema that SQLite refuses.

use rusqlite::{Connection, params};
use tracing::debug;

use super::field::SalvagedValue;
use super::pages::{Pages, be16, be32};
use super::record::{self, RawRow};
use crate::sqlite::journal::schema::{Affinity, affinity};

/// Of our own, what is state of the recorder's present, or is made anew: not copied row by row.
const STATE: [&str; 7] = [
    "barograph_meta",
    "barograph_ledger",
    "barograph_retained",
    "barograph_accounting",
    "barograph_salvage",
    "barograph_digests",
    "barograph_shapes",
];
/// Pages that are searched for the schema when page 1 is gone: it is written first of all.
const SCHEMA_PAGES_MAX: u32 = 64;
const INTERIOR: u8 = 0x05;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct SalvagedTable {
    pub(super) name: String,
    /// The statement that made it.
    pub(super) sql: String,
    /// The page its tree begins at, in its own database.
    pub(super) root: Option<u32>,
    pub(super) strict: bool,
    pub(super) without_rowid: bool,
    /// Those that a record has, in its order.
    pub(super) columns: Vec<SalvagedColumn>,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct SalvagedColumn {
    pub(super) name: String,
    pub(super) declared: String,
    pub(super) affinity: Affinity,
    pub(super) not_null: bool,
    pub(super) has_default: bool,
    /// From 1, of the primary key; 0 for a column that is none of it.
    pub(super) key: i64,
    /// Computed from others: no statement may give it.
    pub(super) generated: bool,
}

impl SalvagedTable {
    /// The column that *is* the row id.
    pub(super) fn id_column(&self) -> Option<&SalvagedColumn> {
        let mut keys = self.columns.iter().filter(|column| column.key > 0);
        let only = keys.next().filter(|_| keys.next().is_none())?;
        let is_id = !self.without_rowid && only.declared.eq_ignore_ascii_case("INTEGER");
        is_id.then_some(only)
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(super) fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    /// The columns that both tables have and a statement can give, by this one's names.
    pub(super) fn shared_with(&self, other: &Self) -> Vec<String> {
        let has = |name: &str| {
            other.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name) && !c.generated)
        };
        let shared = self.columns.iter().filter(|column| !column.generated && has(&column.name));
        shared.map(|column| column.name.clone()).collect()
    }
}

/// Whether a table's rows are copied: not SQLite's own, and not our state.
pub(super) fn is_copied(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_made_anew = STATE.contains(&lower.as_str()) || lower.starts_with("barograph_rollup_");
    !lower.starts_with("sqlite_") && !is_made_anew
}

/// Whether a table is the operator's.
pub(super) fn is_operators(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    !lower.starts_with("sqlite_") && !lower.starts_with("barograph_")
}

/// All ordinary tables, parents before the tables that refer to them. One that cannot be understood
/// is left out.
pub(super) fn of(conn: &Connection) -> rusqlite::Result<Vec<SalvagedTable>> {
    let sql = "SELECT name, coalesce(sql, ''), rootpage FROM sqlite_schema WHERE type = 'table'";
    let mut statement = conn.prepare(sql)?;
    let named = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(String, String, u32)>>>()?;
    let mut tables = Vec::new();
    for (name, sql, root) in named {
        match table(conn, &name, sql, root) {
            Ok(found) => tables.extend(found),
            Err(error) => debug!("table {name} is left out: {error}"),
        }
    }
    let parents: Vec<Vec<String>> =
        tables.iter().map(|table| parents(conn, &table.name).unwrap_or_default()).collect();
    Ok(parents_first(tables, &parents))
}

/// `None` for what is no ordinary table.
fn table(
    conn: &Connection,
    name: &str,
    sql: String,
    root: u32,
) -> rusqlite::Result<Option<SalvagedTable>> {
    let listed = "SELECT type, wr, strict FROM pragma_table_list(?1) WHERE schema = 'main'";
    let (kind, without_rowid, strict): (String, bool, bool) =
        conn.query_row(listed, params![name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if kind != "table" {
        return Ok(None);
    }
    let mut statement = conn.prepare(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM \
         pragma_table_xinfo(?1)",
    )?;
    let columns = statement.query_map(params![name], |row| {
        let declared: String = row.get(1)?;
        let hidden: i64 = row.get(5)?;
        let column = SalvagedColumn {
            name: row.get(0)?,
            affinity: affinity(&declared),
            declared,
            not_null: row.get(2)?,
            has_default: row.get(3)?,
            key: row.get(4)?,
            generated: hidden > 1,
        };
        // 2: computed when it is read, so no record has it.
        Ok((hidden != 2).then_some(column))
    })?;
    let columns: rusqlite::Result<Vec<Option<SalvagedColumn>>> = columns.collect();
    let columns = columns?.into_iter().flatten().collect();
    let (name, root) = (name.to_owned(), Some(root));
    Ok(Some(SalvagedTable { name, sql, root, strict, without_rowid, columns }))
}

fn parents(conn: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare("SELECT \"table\" FROM pragma_foreign_key_list(?1)")?;
    statement.query_map(params![table], |row| row.get(0))?.collect()
}

/// A row is refused where its parent is not there yet. Circles are left as they are.
fn parents_first(tables: Vec<SalvagedTable>, parents: &[Vec<String>]) -> Vec<SalvagedTable> {
    let mut waiting: Vec<(SalvagedTable, &Vec<String>)> = tables.into_iter().zip(parents).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let waits = |(table, parents): &(SalvagedTable, &Vec<String>)| {
            let is_waiting = |parent: &String| waiting.iter().any(|(t, _)| t.is_named(parent));
            parents.iter().any(|parent| !table.is_named(parent) && is_waiting(parent))
        };
        let next = waiting.iter().position(|candidate| !waits(candidate)).unwrap_or(0);
        ordered.push(waiting.remove(next).0);
    }
    ordered
}

/// The schema, read from the pages without SQLite: an empty database in memory with the same tables,
/// and those tables with the roots they have in the file; and whether that is all of them. `None` where no
/// schema is found.
pub(super) fn from_pages(pages: &Pages) -> Option<(Connection, Vec<SalvagedTable>, bool)> {
    let mut rows = Vec::new();
    let whole = collect_schema(pages, 1, 0, &mut rows);
    if rows.is_empty() {
        (1..=pages.count.min(SCHEMA_PAGES_MAX)).for_each(|number| {
            rows.extend(schema_rows(pages, number).unwrap_or_default());
        });
    }
    let memory = Connection::open_in_memory().ok()?;
    let mut roots = Vec::new();
    for (kind, name, root, sql) in rows {
        let is_table = sql.get(..12).is_some_and(|head| head.eq_ignore_ascii_case("CREATE TABLE"));
        let made = match kind.as_str() {
            // SQLite makes this one by itself, with the first AUTOINCREMENT.
            "table" if name == "sqlite_sequence" => true,
            "table" => is_table && memory.execute(&sql, []).is_ok(),
            // What else hangs on the tables: it fails where its table is missing.
            _ => !sql.is_empty() && memory.execute(&sql, []).is_ok(),
        };
        if made && kind == "table" {
            roots.push((name, root));
        }
    }
    let mut tables = of(&memory).ok()?;
    for table in &mut tables {
        table.root = roots.iter().find(|(name, _)| table.is_named(name)).map(|(_, root)| *root);
    }
    (!tables.is_empty()).then_some((memory, tables, whole))
}

/// (type, name, root page, SQL)
type SchemaRow = (String, String, u32, String);

/// Whether every page of it could be read.
fn collect_schema(pages: &Pages, number: u32, depth: usize, rows: &mut Vec<SchemaRow>) -> bool {
    if let Some(found) = schema_rows(pages, number) {
        rows.extend(found);
        return true;
    }
    let children = match pages.read(number) {
        Some(page) if depth < 4 => children(&page, number, pages.usable),
        Some(_) | None => Vec::new(),
    };
    let mut whole = !children.is_empty();
    for child in children {
        whole &= collect_schema(pages, child, depth + 1, rows);
    }
    whole
}

fn schema_rows(pages: &Pages, number: u32) -> Option<Vec<SchemaRow>> {
    schema_of(&record::rows(pages, number, &pages.read(number)?)?)
}

/// What a page says of the schema, if all its rows are of that kind.
fn schema_of(rows: &[RawRow]) -> Option<Vec<SchemaRow>> {
    let rows = rows.iter().filter_map(|row| row.fields.as_ref());
    rows.map(|fields| {
        let [kind, name, of, root, sql] = fields.as_slice() else { return None };
        let kind = kind.text()?;
        let known = ["table", "index", "view", "trigger"].contains(&kind);
        let sql = if *sql == SalvagedValue::Null { Some("") } else { sql.text() };
        let row = (
            kind.to_owned(),
            name.text()?.to_owned(),
            u32::try_from(root.integer()?).ok()?,
            sql?.to_owned(),
        );
        (known && of.text().is_some()).then_some(row)
    })
    .collect()
}

/// Whether these rows are of the schema, and so of no table.
pub(super) fn are_schema(rows: &[RawRow]) -> bool {
    schema_of(rows).is_some_and(|rows| !rows.is_empty())
}

/// Where an inner page of a table's tree leads; nothing for any other page.
pub(super) fn children(page: &[u8], number: u32, usable: usize) -> Vec<u32> {
    let start = Pages::tree_start(number);
    let count = be16(page, start + 3);
    let pointers = start + 12;
    if page.get(start) != Some(&INTERIOR) || pointers + 2 * count > usable {
        return Vec::new();
    }
    let cells = (0..count).map(|at| be32(page, be16(page, pointers + 2 * at)));
    cells.chain([be32(page, start + 8)]).collect()
}
