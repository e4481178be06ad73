//! Rows of a table in a range of time, piece by piece: each piece is a short question of its own, so that
//! however slowly a client reads, no transaction stays open that would keep the WAL from being folded in.
//! What is written meanwhile comes behind the place that was reached, or is not of the range.

use std::fmt::Write;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::bound;
use crate::sqlite::quoted;

/// Rows of a piece.
const ROWS_MAX: usize = 1_000;
/// Rows that a piece looks at where there is no index on `created_at`.
const SCANNED_MAX: usize = 20_000;
/// A piece ends when it has so much text, in bytes.
const TEXT_MAX: usize = 128 << 10;

/// A form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFormat {
    /// By RFC 4180: a line of names, CRLF, quoted where it must be. NULL is nothing. A text is what it is, also
    /// when a spreadsheet would take it for a formula.
    Csv,
    /// A JSON object on each line.
    JsonLines,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) struct RowQuery {
    /// The table of a route.
    pub(crate) table: String,
    /// Its columns.
    pub(crate) columns: Vec<String>,
    /// From this millisecond since 1970 UTC on.
    pub(crate) from: Option<i64>,
    /// Before this one.
    pub(crate) to: Option<i64>,
    /// Most rows.
    pub(crate) limit: Option<u64>,
    /// How they are written.
    pub(crate) form: RowFormat,
}

/// How far it came.
#[derive(Debug, Clone)]
pub(crate) struct RowCursor {
    order: ReadOrder,
    /// The last row that was looked at.
    created_at: String,
    id: i64,
    given: u64,
    /// Nothing is left.
    pub(crate) done: bool,
}

/// In which order rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadOrder {
    /// By `created_at`, which has an index.
    Time,
    /// By rowid: the order in which they came.
    Id,
}

/// The beginning, and its text: of CSV the line of names.
pub(crate) fn begin(conn: &Connection, wanted: &RowQuery) -> rusqlite::Result<(RowCursor, String)> {
    let ranged = wanted.from.is_some() || wanted.to.is_some();
    let order =
        if ranged && has_index(conn, &wanted.table)? { ReadOrder::Time } else { ReadOrder::Id };
    let created_at = wanted.from.map_or_else(String::new, bound);
    let done = wanted.from.zip(wanted.to).is_some_and(|(from, to)| from >= to);
    let place = RowCursor { order, created_at, id: i64::MIN, given: 0, done };
    let head = match wanted.form {
        RowFormat::Csv => {
            let names = ["id", "created_at"].into_iter();
            let names = names.chain(wanted.columns.iter().map(String::as_str)).map(csv_text);
            names.collect::<Vec<_>>().join(",") + "\r\n"
        }
        RowFormat::JsonLines => String::new(),
    };
    Ok((place, head))
}

fn has_index(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    let select = "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1) AS list JOIN \
         pragma_index_info(list.name) AS info ON info.seqno = 0 WHERE list.partial = 0 AND info.name = \
         'created_at' COLLATE NOCASE)";
    conn.query_row(select, [table], |row| row.get(0))
}

/// The next rows, as text, and the place behind them. May be empty before the end.
pub(crate) fn next(
    conn: &Connection,
    wanted: &RowQuery,
    mut place: RowCursor,
) -> rusqlite::Result<(RowCursor, String)> {
    let (from, to) = (wanted.from.map(bound), wanted.to.map(bound));
    let left = wanted.limit.map_or(u64::MAX, |limit| limit.saturating_sub(place.given));
    let most = usize::try_from(left).unwrap_or(usize::MAX).min(ROWS_MAX);
    let looked_at = if place.order == ReadOrder::Time { most } else { SCANNED_MAX };
    let most_rows = i64::try_from(looked_at).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(&select(wanted, place.order))?;
    let mut rows = match place.order {
        ReadOrder::Time => statement.query(params![most_rows, place.id, place.created_at, to])?,
        ReadOrder::Id => statement.query(params![most_rows, place.id])?,
    };
    let (mut text, mut seen, mut given) = (String::new(), 0, 0);
    while given < most && text.len() < TEXT_MAX {
        let Some(row) = rows.next()? else {
            place.done = seen < looked_at;
            break;
        };
        seen += 1;
        place.id = row.get(0)?;
        let created_at = row.get_ref(1)?;
        let at = text_of(created_at);
        if is_within(at, from.as_deref(), to.as_deref()) {
            given += 1;
            write_row(&mut text, row, wanted)?;
        }
        if place.order == ReadOrder::Time {
            at.unwrap_or_default().clone_into(&mut place.created_at);
        }
    }
    place.given += given as u64;
    place.done |= wanted.limit.is_some_and(|limit| place.given >= limit);
    Ok((place, text))
}

fn select(wanted: &RowQuery, order: ReadOrder) -> String {
    let columns: String = wanted.columns.iter().map(|name| format!(", {}", quoted(name))).collect();
    let table = quoted(&wanted.table);
    let rest = match order {
        ReadOrder::Time => {
            "(created_at, rowid) > (?3, ?2) AND (?4 IS NULL OR created_at < ?4) ORDER BY created_at, rowid"
        }
        ReadOrder::Id => "rowid > ?2 ORDER BY rowid",
    };
    format!("SELECT rowid, created_at{columns} FROM {table} WHERE {rest} LIMIT ?1")
}

fn text_of(value: ValueRef<'_>) -> Option<&str> {
    value.as_str().ok()
}

/// A row without a time is of no range but that of all rows.
fn is_within(at: Option<&str>, from: Option<&str>, to: Option<&str>) -> bool {
    match at {
        Some(at) => from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to),
        None => from.is_none() && to.is_none(),
    }
}

fn write_row(text: &mut String, row: &Row<'_>, wanted: &RowQuery) -> rusqlite::Result<()> {
    match wanted.form {
        RowFormat::Csv => {
            for index in 0..wanted.columns.len() + 2 {
                text.push_str(if index > 0 { "," } else { "" });
                text.push_str(&csv_value(row.get_ref(index)?));
            }
            text.push_str("\r\n");
        }
        RowFormat::JsonLines => {
            text.push('{');
            let names = ["id", "created_at"].into_iter();
            for (index, name) in names.chain(wanted.columns.iter().map(String::as_str)).enumerate()
            {
                let comma = if index > 0 { "," } else { "" };
                let value = json_value(row.get_ref(index)?);
                let _never_fails = write!(text, "{comma}{}:{value}", json_text(name));
            }
            text.push_str("}\n");
        }
    }
    Ok(())
}

fn csv_value(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Text(text) => csv_text(&String::from_utf8_lossy(text)),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => {
            json_value(value).trim_matches('"').to_owned()
        }
    }
}

fn csv_text(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Bytes are told in hexadecimal; no route writes any.
fn json_value(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => serde_json::Value::from(number).to_string(),
        ValueRef::Text(text) => json_text(&String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json_text(&hex)
        }
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(index: bool) -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, n REAL, created_at TIMESTAMP)",
        )
        .unwrap();
        if index {
            conn.execute_batch("CREATE INDEX t_created ON t (created_at)").unwrap();
        }
        let insert = "INSERT INTO t (word, n, created_at) VALUES (?1, ?2, ?3)";
        for n in 0..2_500_i64 {
            // Three of a kind at each moment, so that a piece may end between them.
            conn.execute(insert, params![format!("w{n}"), n as f64 / 2.0, bound(n / 3 * 10)])
                .unwrap();
        }
        conn
    }

    fn wanted(form: RowFormat) -> RowQuery {
        let columns = vec!["word".to_owned(), "n".to_owned()];
        RowQuery { table: "t".to_owned(), columns, from: None, to: None, limit: None, form }
    }

    fn all(conn: &Connection, wanted: &RowQuery) -> (String, usize) {
        let (mut place, mut whole) = begin(conn, wanted).unwrap();
        let mut pieces = 0;
        while !place.done {
            let (next, text) = next(conn, wanted, place).unwrap();
            (place, pieces) = (next, pieces + 1);
            whole += &text;
        }
        (whole, pieces)
    }

    #[test]
    fn every_row_of_the_range_comes_once_in_order_with_an_index_and_without() {
        for index in [true, false] {
            let conn = table(index);
            let ranged =
                RowQuery { from: Some(1_000), to: Some(6_000), ..wanted(RowFormat::JsonLines) };
            let (text, pieces) = all(&conn, &ranged);
            let words: Vec<String> = (300..1_800).map(|n| format!("\"w{n}\"")).collect();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), words.len());
            assert!(lines.iter().zip(&words).all(|(line, word)| line.contains(word.as_str())));
            assert!(pieces >= 2, "{pieces}");
            let few = RowQuery { limit: Some(1_234), ..ranged.clone() };
            assert_eq!(all(&conn, &few).0.lines().count(), 1_234);
            let none = RowQuery { from: Some(6_000), to: Some(1_000), ..ranged };
            assert_eq!(all(&conn, &none).0, "");
        }
    }

    #[test]
    fn what_csv_cannot_say_plainly_is_quoted() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t (word TEXT, n REAL, created_at TEXT)").unwrap();
        for word in ["plain", "a,b", "say \"x\"", "two\r\nlines", "=1+1", "ü"] {
            conn.execute("INSERT INTO t VALUES (?1, 1004, '1970-01-01')", [word]).unwrap();
        }
        conn.execute("INSERT INTO t VALUES (NULL, NULL, NULL)", []).unwrap();
        let (text, _) = all(&conn, &wanted(RowFormat::Csv));
        let expected = "id,created_at,word,n\r\n1,1970-01-01,plain,1004.0\r\n2,1970-01-01,\"a,b\",1004.0\r\n\
            3,1970-01-01,\"say \"\"x\"\"\",1004.0\r\n4,1970-01-01,\"two\r\nlines\",1004.0\r\n\
            5,1970-01-01,=1+1,1004.0\r\n6,1970-01-01,ü,1004.0\r\n7,,,\r\n";
        assert_eq!(text, expected);
        let (text, _) = all(&conn, &wanted(RowFormat::JsonLines));
        let last = text.lines().last().unwrap();
        assert_eq!(last, r#"{"id":7,"created_at":null,"word":null,"n":null}"#);
    }

    #[test]
    fn a_piece_is_bounded_by_its_text() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t (word TEXT, n REAL, created_at TEXT)").unwrap();
        for _ in 0..10 {
            conn.execute("INSERT INTO t (word) VALUES (?1)", ["x".repeat(TEXT_MAX)]).unwrap();
        }
        let wanted = wanted(RowFormat::Csv);
        let (mut place, _) = begin(&conn, &wanted).unwrap();
        for _ in 0..10 {
            let (next, text) = next(&conn, &wanted, place).unwrap();
            assert!(text.len() < TEXT_MAX + 100);
            place = next;
        }
        assert!(next(&conn, &wanted, place).unwrap().0.done);
    }
}
