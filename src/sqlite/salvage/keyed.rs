//! Tables WITHOUT ROWID, in the order of their keys. Best effort: such tables are small, and ours among
//! them are not copied this way.

use rusqlite::{Connection, params_from_iter};

use super::field::SalvagedValue;
use super::progress::Item;
use super::ranges::Ranges;
use super::report::Copied;
use super::source::SalvageSource;
use super::{is_locked, is_refusal, lose_rest};
use crate::sqlite::quoted;

/// In the order of the key, by counting: such tables are small. From the other side once something
/// cannot be read; the position is then negative.
pub(super) fn step(
    source: &SalvageSource,
    target: &Connection,
    item: &mut Item,
    rows_max: usize,
) -> rusqlite::Result<Vec<Copied>> {
    let Some((conn, table, into)) = source.both(target, &item.name)? else {
        lose_rest(item);
        item.done = true;
        return Ok(Vec::new());
    };
    let columns = table.shared_with(&into);
    let position = item.position.unwrap_or(0);
    let (order, skip) = if position < 0 { (" DESC", -1 - position) } else { ("", position) };
    let names: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    let mut key: Vec<_> = table.columns.iter().filter(|column| column.key > 0).collect();
    key.sort_by_key(|column| column.key);
    let key: Vec<String> = key.iter().map(|c| format!("{}{order}", quoted(&c.name))).collect();
    let (names, key, from) = (names.join(", "), key.join(", "), quoted(&table.name));
    let sql = format!(
        "SELECT {names} FROM {from} ORDER BY {key} LIMIT {} OFFSET {skip}",
        rows_max.max(1)
    );
    let mut rows = Vec::new();
    let whole = match read_into(conn, &sql, &mut rows) {
        Ok(()) => true,
        Err(error) if is_locked(&error) => return Ok(Vec::new()),
        Err(_) => false,
    };
    let places = vec!["?"; columns.len()].join(", ");
    let insert =
        format!("INSERT OR IGNORE INTO {} ({names}) VALUES ({places})", quoted(&into.name));
    for row in &rows {
        match target.prepare_cached(&insert)?.execute(params_from_iter(row)) {
            Ok(inserted) => item.rows += inserted as u64,
            Err(error) if is_refusal(&error) => item.refused += 1,
            Err(error) => return Err(error),
        }
    }
    let read = i64::try_from(rows.len()).unwrap_or(0);
    if !whole {
        item.lost = Ranges::all();
    }
    item.done = if position < 0 { !whole || read == 0 } else { whole && read == 0 };
    item.position = Some(match (position < 0, whole) {
        (false, true) => position + read,
        (false, false) => -1,
        (true, _) => position - read,
    });
    Ok(Vec::new())
}

fn read_into(
    conn: &Connection,
    sql: &str,
    into: &mut Vec<Vec<SalvagedValue>>,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let fields = (0..columns).map(|column| row.get_ref(column).map(SalvagedValue::from));
        into.push(fields.collect::<rusqlite::Result<_>>()?);
    }
    Ok(())
}
