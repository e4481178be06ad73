//! The last rows of a table.

use barograph_actors::message::batch::Value;
use barograph_actors::message::delivery::UnixMillis;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::sqlite::quoted;
use crate::time::from_database;

/// A row: when it arrived, and its values.
pub(crate) type NewestRow = (UnixMillis, Vec<Value>);

/// The last two rows, newest first; without those whose time cannot be read.
pub(crate) fn last_two(
    conn: &Connection,
    table: &str,
    columns: &[String],
) -> rusqlite::Result<Vec<NewestRow>> {
    let (table, columns): (_, Vec<String>) =
        (quoted(table), columns.iter().map(|name| quoted(name)).collect());
    let columns = columns.join(", ");
    let select = format!("SELECT created_at, {columns} FROM {table} ORDER BY rowid DESC LIMIT 2");
    let mut statement = conn.prepare_cached(&select)?;
    let count = statement.column_count();
    let rows = statement.query_map([], |row| {
        let at: Option<String> = row.get(0)?;
        let values: rusqlite::Result<Vec<Value>> =
            (1..count).map(|index| row.get_ref(index).map(value)).collect();
        Ok((at.as_deref().and_then(from_database), values?))
    })?;
    let known = |row: rusqlite::Result<(Option<UnixMillis>, Vec<Value>)>| {
        row.map(|(at, values)| at.map(|at| (at, values))).transpose()
    };
    rows.filter_map(known).collect()
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec().into()),
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
    }
}
