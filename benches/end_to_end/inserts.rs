//! Bare inserts, a process of its own: the same rows, one prepared statement, a thousand rows a transaction.

use std::path::Path;
use std::thread;

use rusqlite::params;

use crate::field;

const BATCH: i64 = 1_000;

/// Inserts `count` rows, says that it has, and waits to be killed.
pub(crate) fn insert(database: &Path, count: i64) {
    insert_all(database, count).expect("a folder of our own");
    println!("inserted");
    loop {
        thread::park();
    }
}

fn insert_all(database: &Path, count: i64) -> rusqlite::Result<()> {
    let connection = field::open(database)?;
    let mut statement = connection.prepare(field::INSERT)?;
    for number in 0..count {
        if number % BATCH == 0 {
            connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        statement.execute(params![number as f64, -558.0, -305.0, arrival(number)])?;
        if (number + 1) % BATCH == 0 || number + 1 == count {
            connection.execute_batch("COMMIT")?;
        }
    }
    Ok(())
}

/// A time that grows as it does when 100,000 arrive a second.
fn arrival(number: i64) -> String {
    let ms = number / 100;
    format!("2025-10-03 08:{:02}:{:02}.{:03}", ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}
