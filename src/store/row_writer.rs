//! Writes the rows of one batch, each statement prepared once, and adds up their digests.

use barograph_actors::account::{Outcome, Reason, Repeat, RouteId};
use barograph_actors::batch::{Body, Record, Refusal, Value};
use barograph_actors::delivery::UnixMillis;
use barograph_config::Route;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, params};

use super::digests::{Adder, Shape};
use super::rows;
use super::statements::{QUARANTINE_INSERT, Statements};

/// The shapes of what the journal writes.
#[derive(Debug, Clone)]
pub(super) struct Shapes {
    /// Of each route's table; `None` where rows have no rowid, or triggers may change them.
    pub(super) routes: Vec<Option<Shape>>,
    pub(super) quarantine: Shape,
}

/// The columns of the quarantine, in the order of its digest.
pub(super) const QUARANTINE_COLUMNS: [&str; 8] =
    ["received_at", "route", "topic", "payload", "size", "qos", "reason", "detail"];

impl Shapes {
    /// Finds or makes them; within a transaction.
    pub(super) fn of(conn: &Connection, routes: &[Route]) -> rusqlite::Result<Self> {
        let of_route = |route: &Route| -> rusqlite::Result<Option<Shape>> {
            if !is_plain(conn, &route.table)? {
                return Ok(None);
            }
            let mut columns: Vec<String> =
                route.columns.iter().map(|column| column.name.clone()).collect();
            columns.push("created_at".to_owned());
            Shape::of(conn, &route.table, columns).map(Some)
        };
        let quarantine = QUARANTINE_COLUMNS.map(str::to_owned).to_vec();
        Ok(Self {
            routes: routes.iter().map(of_route).collect::<rusqlite::Result<_>>()?,
            quarantine: Shape::of(conn, "barograph_quarantine", quarantine)?,
        })
    }
}

/// An ordinary table whose rows are as they were written.
fn is_plain(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT (SELECT count(*) FROM pragma_table_list WHERE name = ?1 COLLATE NOCASE AND \
         schema = 'main' AND type = 'table' AND wr = 0) = 1 AND NOT EXISTS (SELECT 1 FROM \
         sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE)";
    conn.query_row(sql, params![table], |row| row.get(0))
}

/// Writes the rows of one batch.
pub(super) struct RowWriter<'a> {
    conn: &'a Connection,
    statements: &'a Statements,
    routes: &'a [Route],
    shapes: &'a Shapes,
    inserts: Vec<Option<CachedStatement<'a>>>,
    quarantine: Option<CachedStatement<'a>>,
    adders: Vec<Adder>,
    quarantine_adder: Adder,
    /// The last time written, as text: neighbours often share their millisecond.
    written_at: (UnixMillis, String),
}

impl<'a> RowWriter<'a> {
    pub(super) fn new(
        conn: &'a Connection,
        statements: &'a Statements,
        routes: &'a [Route],
        shapes: &'a Shapes,
    ) -> Self {
        let zero = UnixMillis::default();
        Self {
            conn,
            statements,
            routes,
            shapes,
            inserts: routes.iter().map(|_| None).collect(),
            quarantine: None,
            adders: routes.iter().map(|_| Adder::default()).collect(),
            quarantine_adder: Adder::default(),
            written_at: (zero, zero.to_string()),
        }
    }

    pub(super) fn write(&mut self, record: &Record) -> rusqlite::Result<Outcome> {
        if self.written_at.0 != record.received_at {
            self.written_at = (record.received_at, record.received_at.to_string());
        }
        match (&record.body, record.route.0) {
            (Body::Row(values), Some(route)) => match self.insert(usize::from(route), values) {
                Ok(0) => Ok(Outcome::Duplicate(Repeat::Unique)),
                Ok(_) => Ok(Outcome::Stored),
                Err(error) if is_refusal(&error) => {
                    let detail = format!("the table refused the row: {error}");
                    self.quarantine(record, &Refusal { reason: Reason::RefusedByTable, detail })
                }
                Err(error) => Err(error),
            },
            (Body::Row(_), None) => {
                let detail = "a row without a route".to_owned();
                self.quarantine(record, &Refusal { reason: Reason::NoRoute, detail })
            }
            (Body::Quarantined(refusal), _) => self.quarantine(record, refusal),
        }
    }

    fn insert(&mut self, route: usize, values: &[Value]) -> rusqlite::Result<usize> {
        let slot = &mut self.inserts[route];
        let statement = match slot {
            Some(statement) => statement,
            None => slot.insert(self.conn.prepare_cached(self.statements.insert(route))?),
        };
        for (index, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, Bound(value))?;
        }
        statement.raw_bind_parameter(values.len() + 1, &self.written_at.1)?;
        let inserted = statement.raw_execute()?;
        if inserted > 0 && self.shapes.routes[route].is_some() {
            let (rowid, adder) = (self.conn.last_insert_rowid(), &mut self.adders[route]);
            adder.begin(rowid);
            values.iter().for_each(|value| adder.value(plain(value)));
            adder.value(ValueRef::Text(self.written_at.1.as_bytes()));
            adder.end(rowid);
        }
        Ok(inserted)
    }

    fn quarantine(&mut self, record: &Record, refusal: &Refusal) -> rusqlite::Result<Outcome> {
        let statement = match &mut self.quarantine {
            Some(statement) => statement,
            none => none.insert(self.conn.prepare_cached(QUARANTINE_INSERT)?),
        };
        let route = name_of(record.route, self.routes);
        let route = if route.is_empty() { ValueRef::Null } else { text(route) };
        let values = [
            text(&self.written_at.1),
            route,
            text(&record.topic),
            ValueRef::Blob(&record.payload[..]),
            ValueRef::Integer(rows::as_i64(record.whole_size)),
            ValueRef::Integer(i64::from(record.qos as u8)),
            text(refusal.reason.word()),
            text(&refusal.detail),
        ];
        for (index, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, ToSqlOutput::Borrowed(*value))?;
        }
        statement.raw_execute()?;
        let (rowid, adder) = (self.conn.last_insert_rowid(), &mut self.quarantine_adder);
        adder.begin(rowid);
        values.into_iter().for_each(|value| adder.value(value));
        adder.end(rowid);
        Ok(Outcome::Quarantined(refusal.reason))
    }

    /// Records the digests of what was written, and ends. `now`: milliseconds since 1970.
    pub(super) fn finish(mut self, now: UnixMillis) -> rusqlite::Result<()> {
        let adders = self.adders.iter_mut().zip(&self.shapes.routes);
        for (adder, shape) in adders {
            if let (Some(range), Some(shape)) = (adder.take(), shape) {
                shape.record(self.conn, &range, now.0)?;
            }
        }
        match self.quarantine_adder.take() {
            Some(range) => self.shapes.quarantine.record(self.conn, &range, now.0),
            None => Ok(()),
        }
    }
}

/// The table of a route; empty for none.
pub(super) fn name_of(id: RouteId, routes: &[Route]) -> &str {
    route_of(id, routes).map_or("", |route| &route.table)
}

pub(super) fn route_of(id: RouteId, routes: &[Route]) -> Option<&Route> {
    id.0.and_then(|index| routes.get(usize::from(index)))
}

/// The row's own fault: the next row may be fine.
fn is_refusal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    )
}

fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.as_bytes())
}

fn plain(value: &Value) -> ValueRef<'_> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Integer(number) => ValueRef::Integer(*number),
        Value::Real(number) => ValueRef::Real(*number),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
    }
}

/// A value on its way into a statement.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(plain(self.0)))
    }
}
