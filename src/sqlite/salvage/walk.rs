//! A walk over a table by row id that survives damaged pages.
//!
//! A damaged page makes every read that needs it fail. The walk then looks for the next row id that
//! can be read: in growing strides, and back by halves to the edge. It may stride over a readable
//! leaf between two damaged ones; the page scan finds what lies there.

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, params};

use super::field::SalvagedValue;
use super::is_locked;
use crate::sqlite::quoted;

/// Damaged places that one call passes, each a few hundred reads at most.
const DAMAGES_MAX: usize = 32;
/// A chunk is full at this size in bytes, however few rows that is.
const CHUNK_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Rows and holes, in the order of their ids.
#[derive(Debug, Default)]
pub(in crate::sqlite) struct Chunk {
    /// (row id, values of the columns asked for).
    pub(in crate::sqlite) rows: Vec<(i64, Vec<SalvagedValue>)>,
    /// Ids that cannot be read, both ends inclusive; `i64::MIN` and `i64::MAX` are open ends.
    pub(in crate::sqlite) lost: Vec<(i64, i64)>,
    /// Nothing comes after this.
    pub(in crate::sqlite) end: bool,
    bytes: usize,
}

/// Where a walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Every row below this id has been dealt with.
    At(i64),
    End,
}

/// A walk over one table.
#[derive(Debug)]
pub(in crate::sqlite) struct Walk<'a> {
    conn: &'a Connection,
    position: Position,
    rows_sql: String,
    probe_sql: String,
    last_sql: String,
}

/// How a reading ended.
enum ReadEnd {
    /// At the last row of the table.
    Exhausted,
    /// Enough was read.
    Full,
    /// SQLite refused to go on, or the ids did not ascend.
    Damaged,
    /// Another program holds it just now.
    Locked,
}

/// What is found at an id or above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Row(i64),
    Nothing,
    Damaged,
}

impl<'a> Walk<'a> {
    /// A walk over the rows with ids from `from` on; `None` for all. `all_columns` are those the table
    /// has, of which `columns` are read.
    pub(in crate::sqlite) fn new(
        conn: &'a Connection,
        table: &str,
        all_columns: &[String],
        columns: &[String],
        from: Option<i64>,
    ) -> Self {
        let id = row_id_name(all_columns);
        let table = quoted(table);
        let wanted: String = columns.iter().map(|column| format!(", {}", quoted(column))).collect();
        // NOT INDEXED: an index may be damaged, or not agree with its table.
        Self {
            conn,
            position: Position::At(from.unwrap_or(i64::MIN)),
            rows_sql: format!(
                "SELECT {id}{wanted} FROM {table} NOT INDEXED WHERE {id} >= ?1 ORDER BY {id}"
            ),
            probe_sql: format!(
                "SELECT {id} FROM {table} NOT INDEXED WHERE {id} >= ?1 ORDER BY {id} LIMIT 1"
            ),
            last_sql: format!("SELECT {id} FROM {table} NOT INDEXED ORDER BY {id} DESC LIMIT 1"),
        }
    }

    /// From which id a later walk goes on; `None` at the end.
    pub(in crate::sqlite) fn position(&self) -> Option<i64> {
        match self.position {
            Position::At(id) => Some(id),
            Position::End => None,
        }
    }

    /// At most `rows_max` further rows. It may be none before the end: where much is damaged, or while
    /// another program has the source locked.
    pub(in crate::sqlite) fn next(&mut self, rows_max: usize) -> Chunk {
        let conn = self.conn;
        // Once it has begun, no other program can lock us out: a locked source must not be taken for a damaged one.
        let _reading = conn.is_autocommit().then(|| conn.unchecked_transaction());
        let mut chunk = Chunk::default();
        for _ in 0..DAMAGES_MAX {
            let Position::At(from) = self.position else { break };
            if chunk.rows.len() >= rows_max || chunk.bytes >= CHUNK_BYTES_MAX {
                break;
            }
            let before = chunk.rows.len();
            let reading = self.read(from, rows_max, &mut chunk);
            if let Some((last, _)) = chunk.rows[before..].last() {
                self.position = last.checked_add(1).map_or(Position::End, Position::At);
            }
            match reading {
                ReadEnd::Exhausted => self.position = Position::End,
                ReadEnd::Full | ReadEnd::Locked => break,
                // Rows came before the damage: the next turn begins right at it.
                ReadEnd::Damaged if chunk.rows.len() > before => {}
                ReadEnd::Damaged => self.pass_damage(from, &mut chunk),
            }
        }
        chunk.end = self.position == Position::End;
        chunk
    }

    /// The highest row id, if it can be read.
    pub(in crate::sqlite) fn last(&self) -> rusqlite::Result<Option<i64>> {
        self.conn.prepare_cached(&self.last_sql)?.query_row([], |row| row.get(0)).optional()
    }

    fn read(&self, from: i64, rows_max: usize, chunk: &mut Chunk) -> ReadEnd {
        self.try_read(from, rows_max, chunk).unwrap_or_else(|error| {
            if is_locked(&error) { ReadEnd::Locked } else { ReadEnd::Damaged }
        })
    }

    fn try_read(&self, from: i64, rows_max: usize, chunk: &mut Chunk) -> rusqlite::Result<ReadEnd> {
        let mut statement = self.conn.prepare_cached(&self.rows_sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params![from])?;
        let mut least = from;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            // A damaged interior page may lead back to where we were.
            if id < least {
                return Ok(ReadEnd::Damaged);
            }
            let mut fields = Vec::with_capacity(columns - 1);
            for column in 1..columns {
                fields.push(SalvagedValue::from(row.get_ref(column)?));
            }
            chunk.bytes += fields.iter().map(SalvagedValue::size).sum::<usize>();
            chunk.rows.push((id, fields));
            let full = chunk.rows.len() >= rows_max || chunk.bytes >= CHUNK_BYTES_MAX;
            match id.checked_add(1) {
                None => return Ok(ReadEnd::Exhausted),
                Some(_) if full => return Ok(ReadEnd::Full),
                Some(next) => least = next,
            }
        }
        Ok(ReadEnd::Exhausted)
    }

    /// Nothing can be read at `from`: notes what is lost and goes to where reading is possible.
    fn pass_damage(&mut self, from: i64, chunk: &mut Chunk) {
        match self.probe(from) {
            // Its id can be read and it cannot: its overflow pages are damaged.
            Probe::Row(id) => {
                chunk.lost.push((id, id));
                self.position = id.checked_add(1).map_or(Position::End, Position::At);
            }
            Probe::Nothing => self.position = Position::End,
            Probe::Damaged => match self.readable_after(from) {
                Some(readable) => {
                    chunk.lost.push((from, readable - 1));
                    self.position = Position::At(readable);
                }
                None => {
                    chunk.lost.push((from, i64::MAX));
                    self.position = Position::End;
                }
            },
        }
    }

    fn probe(&self, id: i64) -> Probe {
        let read = |sql: &str| -> rusqlite::Result<Option<i64>> {
            self.conn.prepare_cached(sql)?.query_row(params![id], |row| row.get(0)).optional()
        };
        match read(&self.probe_sql) {
            Ok(Some(found)) if found >= id => Probe::Row(found),
            Ok(Some(_)) | Err(_) => Probe::Damaged,
            Ok(None) => Probe::Nothing,
        }
    }

    /// An id above `damaged` from which reading is possible, with damage right below it.
    fn readable_after(&self, damaged: i64) -> Option<i64> {
        let last = self.last().ok().flatten();
        let limit = last.unwrap_or(i64::MAX);
        let mut known_bad = damaged;
        let look = |id: i64, known_bad: &mut i64| {
            if self.probe(id) == Probe::Damaged {
                *known_bad = id;
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(self.edge(*known_bad, id))
            }
        };
        // Ids begin at 1, as a rule: strides from the lowest that is possible would lead nowhere.
        let origin = if damaged == i64::MIN { 0 } else { damaged };
        if origin > damaged
            && origin <= limit
            && let ControlFlow::Break(found) = look(origin, &mut known_bad)
        {
            return Some(found);
        }
        let mut distance: i64 = 1;
        while let Some(id) = origin.checked_add(distance).filter(|id| *id <= limit) {
            if let ControlFlow::Break(found) = look(id, &mut known_bad) {
                return Some(found);
            }
            // By a quarter: a readable stretch is met unless it is that much shorter than the damage.
            let Some(further) = distance.checked_add((distance / 4).max(1)) else { break };
            distance = further;
        }
        last.filter(|last| *last > known_bad).map(|last| self.edge(known_bad, last))
    }

    /// The lowest readable id between one that is damaged and one that is not, by halves.
    fn edge(&self, damaged: i64, readable: i64) -> i64 {
        let (mut damaged, mut readable) = (damaged, readable);
        while readable.abs_diff(damaged) > 1 {
            let middle = damaged.midpoint(readable);
            if self.probe(middle) == Probe::Damaged {
                damaged = middle;
            } else {
                readable = middle;
            }
        }
        readable
    }
}

/// A name by which the row id can be asked for: a column may have taken the usual one.
pub(super) fn row_id_name(columns: &[String]) -> &'static str {
    let is_free = |name: &&&str| !columns.iter().any(|column| column.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].iter().find(is_free).copied().unwrap_or("rowid")
}
