//! Gaps of the database.

use rusqlite::{Connection, params};

use super::gap_log::Gap;
use super::moment;

/// More are not told of: then the newest.
const GAPS_MAX: u32 = 20_000;

/// The gaps that overlap a range in milliseconds since 1970 UTC, oldest first.
pub(crate) fn gaps(
    conn: &Connection,
    from: Option<i64>,
    to: Option<i64>,
) -> rusqlite::Result<Vec<Gap>> {
    let select = "SELECT from_at, to_at, cause, route, detail FROM barograph_gaps WHERE (?1 IS NULL OR to_at \
         IS NULL OR to_at > ?1) AND (?2 IS NULL OR from_at < ?2) ORDER BY from_at DESC, id DESC LIMIT ?3";
    let mut statement = conn.prepare_cached(select)?;
    let range = params![from.map(moment), to.map(moment), GAPS_MAX];
    let rows = statement.query_map(range, Gap::of_row)?;
    let mut gaps: Vec<Gap> = rows.collect::<rusqlite::Result<_>>()?;
    gaps.reverse();
    Ok(gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_overlap_the_range_are_told_of_and_open_ones_last_until_now() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE barograph_gaps (id INTEGER PRIMARY KEY, from_at TEXT, to_at TEXT, cause TEXT, \
             route TEXT, detail TEXT)",
        )
        .unwrap();
        let gap = |from: i64, to: Option<i64>, cause: &str| {
            let text = |ms| barograph_actors::message::delivery::UnixMillis(ms).to_string();
            let insert = "INSERT INTO barograph_gaps (from_at, to_at, cause, detail) VALUES (?1, ?2, ?3, '')";
            conn.execute(insert, params![text(from), to.map(text), cause]).unwrap();
        };
        gap(5_000, Some(6_000), "b");
        gap(1_000, Some(2_000), "a");
        gap(8_000, None, "c");
        let table: [(_, &[&str]); 7] = [
            ((None, None), &["a", "b", "c"]),
            ((Some(1_500), Some(1_600)), &["a"]),
            ((Some(2_000), Some(5_000)), &[]),
            ((Some(2_000), Some(5_001)), &["b"]),
            ((Some(99_000), Some(99_001)), &["c"]),
            ((Some(i64::MIN), Some(i64::MAX)), &["a", "b", "c"]),
            ((None, Some(8_000)), &["a", "b"]),
        ];
        for ((from, to), expected) in table {
            let gaps = gaps(&conn, from, to).unwrap();
            let causes: Vec<&str> = gaps.iter().map(|gap| gap.cause.as_str()).collect();
            assert_eq!(causes, expected, "{from:?} to {to:?}");
        }
    }
}
