//! The numbers on the pages of a database file that SQLite may refuse to read: one without its -wal, in the midst of a
//! checkpoint.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

const PAGE: usize = 4_096;
const HEADER: usize = 100;
const TABLE_LEAF: u8 = 0x0d;
/// The serial types of integers, and how many bytes those have.
const INTEGERS: [usize; 7] = [0, 1, 2, 3, 4, 6, 8];

/// The numbers of all rows that have the shape of `load` (id, a number, a text) on any leaf page of a table.
pub(super) fn numbers_on_pages(file: &Path) -> HashSet<i64> {
    let bytes = fs::read(file).unwrap_or_default();
    let mut numbers = HashSet::new();
    for (place, page) in bytes.chunks_exact(PAGE).enumerate() {
        let from = if place == 0 { HEADER } else { 0 };
        if page[from] == TABLE_LEAF {
            let cells = usize::from(two(page, from + 3).unwrap_or(0));
            let pointers = (0..cells).filter_map(|cell| two(page, from + 8 + 2 * cell));
            numbers.extend(pointers.filter_map(|at| number_of_row(page, usize::from(at))));
        }
    }
    numbers
}

/// The number of the row whose cell begins here, if it has the shape.
fn number_of_row(page: &[u8], cell: usize) -> Option<i64> {
    let (_, at) = variable(page, cell)?;
    let (_, record) = variable(page, at)?;
    let (header_length, mut at) = variable(page, record)?;
    let mut value = record + header_length;
    let header_end = value;
    let (mut columns, mut number) = (0, None);
    while at < header_end {
        let (serial, next) = variable(page, at)?;
        let length = match serial {
            0..7 => INTEGERS[serial],
            7 => return None,
            8 | 9 => 0,
            _ => (serial.checked_sub(12)?) / 2,
        };
        if (1..7).contains(&serial) || serial == 8 || serial == 9 {
            number = Some(integer(page.get(value..value + length)?, serial));
        }
        (columns, value, at) = (columns + 1, value + length, next);
    }
    number.filter(|_| columns == 3)
}

fn integer(bytes: &[u8], serial: usize) -> i64 {
    match serial {
        8 => 0,
        9 => 1,
        _ => {
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
            bytes.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte))
        }
    }
}

fn two(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// A number in up to four digits of seven bits, the highest first, and where it ends. (What is longer is none of ours.)
fn variable(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut value = 0;
    for place in at..at + 4 {
        let byte = *bytes.get(place)?;
        value = value << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

#[test]
fn the_numbers_on_the_pages_are_those_that_sqlite_reads() {
    let folder = crate::support::folder::Folder::new();
    let path = folder.path("some.db");
    let connection = rusqlite::Connection::open(&path).expect("our own folder");
    let wanted: HashSet<i64> = (0..3_000).chain([70_000, 1_000_000_000, 2_000_000_000]).collect();
    let make = "CREATE TABLE load (id INTEGER PRIMARY KEY, n INTEGER, created_at TEXT); BEGIN";
    connection.execute_batch(make).expect("a new table");
    for n in &wanted {
        let insert = "INSERT INTO load (n, created_at) VALUES (?1, '2026-01-01 00:00:00.000')";
        connection.execute(insert, [n]).expect("a row");
    }
    connection.execute_batch("COMMIT").expect("a transaction");
    assert_eq!(numbers_on_pages(&path), wanted);
}
