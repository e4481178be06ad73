//! Putting a salvaged row into the new database, without ever touching what is there.

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::field::SalvagedValue;
use super::walk::row_id_name;
use super::{Copied, is_refusal};
use crate::sqlite::quoted;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there, under its own id.
    Kept,
    /// It is there, under another id, since its own is taken.
    Renumbered,
    /// The same row was there before.
    Present,
    /// The new database does not take it: a constraint.
    Refused,
}

/// Writes rows of one table.
#[derive(Debug)]
pub(super) struct TableWriter<'a> {
    target: &'a Connection,
    table: String,
    insert: String,
    insert_anew: String,
    find: String,
    between: String,
    /// What was written, in runs that hold nothing else.
    pub(super) copied: Vec<Copied>,
    last_put: Option<Put>,
}

impl<'a> TableWriter<'a> {
    /// `columns` are those given with each row; `all_columns` those the table has.
    pub(super) fn new(
        target: &'a Connection,
        table: &str,
        all_columns: &[String],
        columns: &[String],
    ) -> Self {
        let id = row_id_name(all_columns);
        let name = quoted(table);
        let names: String = columns.iter().map(|column| format!(", {}", quoted(column))).collect();
        let places = ", ?".repeat(columns.len());
        let same: String =
            columns.iter().map(|column| format!(" AND {} IS ?", quoted(column))).collect();
        // OR ABORT: a table may say ON CONFLICT ROLLBACK, and the transaction is not ours to end.
        let insert = format!("INSERT OR ABORT INTO {name} ({id}{names}) VALUES (");
        Self {
            target,
            table: table.to_owned(),
            insert_anew: format!("{insert}NULL{places})"),
            insert: format!("{insert}?{places})"),
            find: format!("SELECT 1{same} FROM {name} WHERE {id} = ?"),
            between: format!("SELECT 1 FROM {name} WHERE {id} > ?1 AND {id} < ?2 LIMIT 1"),
            copied: Vec::new(),
            last_put: None,
        }
    }

    /// # Errors
    /// The target cannot be written; what it refuses is no error.
    pub(super) fn put(&mut self, id: i64, fields: &[SalvagedValue]) -> rusqlite::Result<Put> {
        let own = SalvagedValue::Integer(id);
        let with_id = || [&own].into_iter().chain(fields);
        let put = match self.execute(&self.insert, with_id()) {
            Ok(()) => Put::Kept,
            Err(error) if !is_refusal(&error) => return Err(error),
            Err(_) => match self.find(id, fields)? {
                None => Put::Refused,
                Some(true) => Put::Present,
                Some(false) => match self.execute(&self.insert_anew, fields.iter()) {
                    Ok(()) => Put::Renumbered,
                    Err(error) if !is_refusal(&error) => return Err(error),
                    Err(_) => Put::Refused,
                },
            },
        };
        match put {
            Put::Kept => self.note(id, put)?,
            Put::Renumbered => self.note(self.target.last_insert_rowid(), put)?,
            // What is there between two rows of a run must be of the run.
            Put::Present => self.last_put = None,
            Put::Refused => {}
        }
        Ok(put)
    }

    fn execute<'f>(
        &self,
        sql: &str,
        values: impl Iterator<Item = &'f SalvagedValue>,
    ) -> rusqlite::Result<()> {
        self.target.prepare_cached(sql)?.execute(params_from_iter(values)).map(|_| ())
    }

    /// Whether a row has this id, and if so, whether it is the same row.
    fn find(&self, id: i64, fields: &[SalvagedValue]) -> rusqlite::Result<Option<bool>> {
        let own = SalvagedValue::Integer(id);
        let values = fields.iter().chain([&own]);
        let mut statement = self.target.prepare_cached(&self.find)?;
        statement.query_row(params_from_iter(values), |row| row.get(0)).optional()
    }

    /// Lengthens the last run, or begins another.
    fn note(&mut self, id: i64, put: Put) -> rusqlite::Result<()> {
        let continues = match self.copied.last() {
            Some(run) if self.last_put == Some(put) && run.last < id => {
                run.last + 1 == id || !self.has_between(run.last, id)?
            }
            Some(_) | None => false,
        };
        self.last_put = Some(put);
        match self.copied.last_mut() {
            Some(run) if continues => {
                run.last = id;
                run.rows += 1;
            }
            Some(_) | None => {
                self.copied.push(Copied { table: self.table.clone(), first: id, last: id, rows: 1 })
            }
        }
        Ok(())
    }

    fn has_between(&self, above: i64, below: i64) -> rusqlite::Result<bool> {
        let mut statement = self.target.prepare_cached(&self.between)?;
        let found = statement.query_row([above, below], |_| Ok(())).optional()?;
        Ok(found.is_some())
    }
}
