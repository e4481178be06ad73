//! Where in a range of rows something is wrong, as narrowly as the digest of the whole range allows.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use serde::Serialize;

use crate::sqlite::journal::digests::{Adder, Range, Shape};

/// Ranges of row ids that are listed.
const RANGES_MAX: usize = 20;
/// Bits that are tried, so that a range of any size costs a second or two at most.
const TRIES_MAX: u64 = 40_000_000;

/// The ids that are missing in a range whose ids had no holes; nothing where they had.
pub(in crate::sqlite) fn missing(
    conn: &Connection,
    shape: &Shape,
    recorded: &Range,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let Range { first, last, rows, .. } = *recorded;
    if i128::from(last) - i128::from(first) + 1 != i128::from(rows) {
        return Ok(Vec::new());
    }
    let mut statement = conn.prepare(&shape.select_ids())?;
    let mut found = statement.query(params![first, last])?;
    let (mut gaps, mut expected) = (Vec::new(), Some(first));
    while let Some(row) = found.next()? {
        let id: i64 = row.get(0)?;
        match expected {
            Some(from) if from < id && gaps.len() < RANGES_MAX => gaps.push((from, id - 1)),
            Some(_) | None => {}
        }
        expected = id.checked_add(1);
    }
    if let Some(from) = expected.filter(|from| *from <= last)
        && gaps.len() < RANGES_MAX
    {
        gaps.push((from, last));
    }
    Ok(gaps)
}

/// The narrowest ranges that cannot be read, and how many rows can: halves of halves.
pub(in crate::sqlite) fn unreadable(
    conn: &Connection,
    shape: &Shape,
    first: i64,
    last: i64,
) -> (Vec<(i64, i64)>, u64) {
    let (mut open, mut bad, mut rows) = (vec![(first, last)], Vec::new(), 0);
    while let Some((first, last)) = open.pop() {
        match shape.read(conn, first, last) {
            Ok(found) => rows += found.map_or(0, |found| found.rows),
            Err(_) if first < last && bad.len() + open.len() < RANGES_MAX => {
                let middle = first.midpoint(last).min(last - 1);
                open.push((middle + 1, last));
                open.push((first, middle));
            }
            Err(_) => bad.push((first, last)),
        }
    }
    bad.sort_unstable();
    (bad, rows)
}

/// One changed bit that explains a range's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// The row.
    pub row: i64,
    /// Its column.
    pub column: String,
    /// What it holds now, as text.
    pub now: String,
    /// What was written, as text.
    pub was: String,
}

/// A value of a row. A text whose bit changed need not be UTF-8 any more.
#[derive(Debug, Clone)]
enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Value {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(text) => Self::Text(text.to_vec()),
            ValueRef::Blob(blob) => Self::Blob(blob.to_vec()),
        }
    }

    fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text),
            Self::Blob(blob) => ValueRef::Blob(blob),
        }
    }
}

/// Looks for the one bit that was changed: each bit of each value is turned back, until the digest fits.
/// `excess`: what the digest of the rows has more than the recorded one. By chance it fits once in 2^64
/// tries.
pub(in crate::sqlite) fn flipped(
    conn: &Connection,
    shape: &Shape,
    recorded: &Range,
    excess: u64,
) -> rusqlite::Result<Option<Flip>> {
    let mut tries = 0;
    let mut statement = conn.prepare(&shape.select())?;
    let mut rows = statement.query(params![recorded.first, recorded.last])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let columns = 1..=shape.columns.len();
        let values: Vec<Value> = columns
            .map(|index| row.get_ref(index).map(Value::of))
            .collect::<rusqlite::Result<_>>()?;
        let wanted = digest_of(id, &values).wrapping_sub(excess);
        if let Some(flip) = flipped_in(id, values, wanted, shape, &mut tries) {
            return Ok(Some(flip));
        }
        if tries > TRIES_MAX {
            return Ok(None);
        }
    }
    Ok(None)
}

fn flipped_in(
    row: i64,
    mut values: Vec<Value>,
    wanted: u64,
    shape: &Shape,
    tries: &mut u64,
) -> Option<Flip> {
    for (index, column) in shape.columns.iter().enumerate() {
        let now = values[index].clone();
        let fits = |candidate: Value| {
            *tries += 1;
            values[index] = candidate;
            digest_of(row, &values) == wanted
        };
        if let Some(was) = first_that(&now, fits) {
            let (column, now, was) = (column.clone(), shown(&now), shown(&was));
            return Some(Flip { row, column, now, was });
        }
        values[index] = now;
    }
    None
}

/// The first value one bit away that fits.
fn first_that(now: &Value, mut fits: impl FnMut(Value) -> bool) -> Option<Value> {
    let mut try_one = |candidate: Value| fits(candidate.clone()).then_some(candidate);
    // A bit of the record's header turns one small type into another.
    let small = [Value::Null, Value::Integer(0), Value::Integer(1)];
    let found = small.into_iter().find_map(&mut try_one);
    if found.is_some() {
        return found;
    }
    match now {
        Value::Null => None,
        Value::Integer(number) => flips_of(*number).find_map(|n| try_one(Value::Integer(n))),
        Value::Real(number) => {
            let bits = number.to_bits();
            let whole = whole_flips(*number);
            (0..64)
                .map(|bit| f64::from_bits(bits ^ (1 << bit)))
                .chain(whole)
                .find_map(|n| try_one(Value::Real(n)))
        }
        Value::Text(text) => byte_flips(text).find_map(|bytes| try_one(Value::Text(bytes))),
        Value::Blob(blob) => byte_flips(blob).find_map(|bytes| try_one(Value::Blob(bytes))),
    }
}

/// SQLite stores an INTEGER in 1, 2, 3, 4, 6 or 8 bytes; its sign is the top bit of those.
fn flips_of(number: i64) -> impl Iterator<Item = i64> {
    let widths = [8_u32, 16, 24, 32, 48];
    let signs = widths.into_iter().filter_map(move |width| {
        let limit = 1_i64 << (width - 1);
        let fits = (-limit..limit).contains(&number);
        fits.then(|| if number < 0 { number + limit } else { number - limit })
    });
    (0..64).map(move |bit| number ^ (1_i64 << bit)).chain(signs)
}

/// A whole number in a REAL column is stored as an INTEGER.
fn whole_flips(number: f64) -> Vec<f64> {
    #[expect(clippy::cast_possible_truncation, reason = "whole and small, checked")]
    #[expect(clippy::cast_precision_loss, reason = "SQLite does the same")]
    if number.fract() == 0.0 && number.abs() < 9e15 {
        flips_of(number as i64).map(|flip| flip as f64).collect()
    } else {
        Vec::new()
    }
}

fn byte_flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len() * 8).map(move |bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

fn digest_of(row: i64, values: &[Value]) -> u64 {
    let mut adder = Adder::default();
    adder.begin(row);
    values.iter().for_each(|value| adder.value(value.as_ref()));
    adder.end(row);
    adder.take().map_or(0, |range| range.digest)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        Value::Blob(blob) => format!("{} bytes", blob.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::journal::schema::OWN_TABLES;

    fn filled() -> (Connection, Shape, Range) {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(OWN_TABLES).unwrap();
        conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, a REAL, b TEXT, c INTEGER)")
            .unwrap();
        for id in 1..=100_i64 {
            let a = f64::from(u32::try_from(id).unwrap()) / 4.0;
            conn.execute("INSERT INTO t VALUES (?1, ?2, 'fair', ?3)", params![id, a, id * 300])
                .unwrap();
        }
        let shape = Shape::of(&conn, "t", ["a", "b", "c"].map(str::to_owned).to_vec()).unwrap();
        let range = shape.read(&conn, 1, 100).unwrap().unwrap();
        (conn, shape, range)
    }

    #[test]
    fn one_flipped_bit_is_found_with_the_value_it_was() {
        let changes = [
            ("a = 13.25", 37, Some(("a", "13.25", "9.25"))),
            ("a = 10 + 64", 40, Some(("a", "74", "10"))),
            ("b = 'fcir'", 43, Some(("b", "\"fcir\"", "\"fair\""))),
            ("b = 'foul'", 40, None),
            ("c = 13200 - 32768", 44, Some(("c", "-19568", "13200"))),
            ("c = 13200 + 3", 44, None),
        ];
        for (change, row, expected) in changes {
            let (conn, shape, recorded) = filled();
            conn.execute(&format!("UPDATE t SET {change} WHERE id = ?1"), [row]).unwrap();
            let found = shape.read(&conn, 1, 100).unwrap().unwrap();
            let excess = found.digest.wrapping_sub(recorded.digest);
            let flip = flipped(&conn, &shape, &recorded, excess).unwrap();
            let flip = flip.as_ref().map(|f| (f.row, (&f.column[..], &f.now[..], &f.was[..])));
            assert_eq!(flip, expected.map(|expected| (row, expected)), "{change}");
        }
    }

    #[test]
    fn missing_rows_are_named_where_ids_had_no_holes() {
        let (conn, shape, recorded) = filled();
        conn.execute_batch("DELETE FROM t WHERE id IN (1, 50, 51, 99, 100)").unwrap();
        let gaps = missing(&conn, &shape, &recorded).unwrap();
        assert_eq!(gaps, [(1, 1), (50, 51), (99, 100)]);
        let sparse = Range { last: 200, ..recorded };
        assert_eq!(missing(&conn, &shape, &sparse).unwrap(), []);
    }
}
