//! Where in a range of rows something is wrong, as narrowly as the digest of the whole range allows.

use rusqlite::{Connection, params};

use crate::sqlite::journal::digests::{Range, Shape};

/// Ranges of row ids that are listed.
const RANGES_MAX: usize = 20;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::journal::schema::OWN_TABLES;

    fn filled() -> (Connection, Shape, Range) {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(OWN_TABLES).unwrap();
        conn.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, a REAL)").unwrap();
        for id in 1..=100 {
            conn.execute("INSERT INTO t VALUES (?1, ?1 / 4.0)", [id]).unwrap();
        }
        let shape = Shape::of(&conn, "t", vec!["a".to_owned()]).unwrap();
        let range = shape.read(&conn, 1, 100).unwrap().unwrap();
        (conn, shape, range)
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
