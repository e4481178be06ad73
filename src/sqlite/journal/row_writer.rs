//! Writes the rows of one batch, each statement prepared once, and adds up their digests.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use barograph_actors::db_writer::plan::Placed;
use barograph_actors::message::account::{Filtered, Outcome, Reason, Repeat, RouteId};
use barograph_actors::message::batch::{Body, Record, RowRefusal, Rows, Value};
use barograph_actors::message::delivery::UnixMillis;
use barograph_config::{Kind, Route};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, params};

use super::digests::{Adder, Range, Shape};
use super::rows;
use super::schema::{self, Affinity};
use super::statements::{QUARANTINE_INSERT, Statements};

/// The shapes of what the journal writes.
#[derive(Debug, Clone)]
pub(in crate::sqlite) struct Shapes {
    /// Of each route's table; `None` where rows have no rowid, or triggers may change them.
    pub(in crate::sqlite) routes: Vec<Option<Shape>>,
    /// For each route the first one that has the same table.
    lanes: Vec<usize>,
    /// For each route the columns that hold times.
    times: Vec<StoredTimes>,
    pub(in crate::sqlite) quarantine: Shape,
}

/// The columns of a route that hold times.
#[derive(Debug, Clone, Default)]
struct StoredTimes {
    /// Whether there are any.
    any: bool,
    /// Those that the table holds as seconds since 1970, because it had them as INTEGER before.
    in_seconds: Vec<usize>,
}

impl StoredTimes {
    fn of(conn: &Connection, route: &Route) -> rusqlite::Result<Self> {
        let mut times = Self::default();
        for (index, column) in route.columns.iter().enumerate() {
            if column.kind == Kind::Time {
                times.any = true;
                if schema::affinity_of(conn, &route.table, &column.name)? == Some(Affinity::Integer)
                {
                    times.in_seconds.push(index);
                }
            }
        }
        Ok(times)
    }

    /// The row as the table holds it.
    fn apply<'v>(&self, row: &'v [Value]) -> Cow<'v, [Value]> {
        if !self.any {
            return Cow::Borrowed(row);
        }
        let stored = row.iter().enumerate().map(|(index, value)| match value {
            Value::Time(at) if self.in_seconds.contains(&index) => {
                Value::Integer(at.0.div_euclid(1000))
            }
            Value::Time(at) => Value::Text(at.to_string()),
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Text(_) | Value::Blob(_) => {
                value.clone()
            }
        });
        Cow::Owned(stored.collect())
    }
}

/// The columns of the quarantine, in the order of its digest.
pub(in crate::sqlite) const QUARANTINE_COLUMNS: [&str; 8] =
    ["received_at", "route", "topic", "payload", "size", "qos", "reason", "detail"];

impl Shapes {
    /// Finds or makes them; within a transaction.
    pub(in crate::sqlite) fn of(conn: &Connection, routes: &[Route]) -> rusqlite::Result<Self> {
        let of_route = |route: &Route| -> rusqlite::Result<Option<Shape>> {
            if route.ignore || !is_plain(conn, &route.table)? {
                return Ok(None);
            }
            let mut columns: Vec<String> =
                route.columns.iter().map(|column| column.name.clone()).collect();
            columns.push("created_at".to_owned());
            Shape::of(conn, &route.table, columns).map(Some)
        };
        let quarantine = QUARANTINE_COLUMNS.map(str::to_owned).to_vec();
        let mut first_with: HashMap<String, usize> = HashMap::new();
        let lanes = routes.iter().enumerate().map(|(index, route)| {
            *first_with.entry(route.table.to_ascii_lowercase()).or_insert(index)
        });
        Ok(Self {
            lanes: lanes.collect(),
            times: routes
                .iter()
                .map(|route| StoredTimes::of(conn, route))
                .collect::<Result<_, _>>()?,
            routes: routes.iter().map(of_route).collect::<rusqlite::Result<_>>()?,
            quarantine: Shape::of(conn, "barograph_quarantine", quarantine)?,
        })
    }
}

/// An ordinary table whose rows are as they were written.
pub(in crate::sqlite) fn is_plain(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT (SELECT count(*) FROM pragma_table_list WHERE name = ?1 COLLATE NOCASE AND \
         schema = 'main' AND type = 'table' AND wr = 0) = 1 AND NOT EXISTS (SELECT 1 FROM \
         sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE)";
    conn.query_row(sql, params![table], |row| row.get(0))
}

/// The rows written into one table, since the last change of shape.
#[derive(Debug, Default)]
struct Lane {
    route: usize,
    adder: Adder,
}

/// What became of the rows of a record.
pub(in crate::sqlite) enum RowOutcome {
    /// So many are in their table; the others, if any, were there already by their natural key.
    Stored(u64),
    /// The natural keys of all were there already.
    Present,
    /// They cannot be there.
    Refused(RowRefusal),
    /// There are none: the record is only counted.
    Filtered(Filtered),
}

/// A row that was inserted, with its row id.
type Inserted<'v> = (i64, Cow<'v, [Value]>);

/// Writes the rows of one batch.
pub(in crate::sqlite) struct RowWriter<'a> {
    conn: &'a Connection,
    statements: &'a Statements,
    routes: &'a [Route],
    shapes: &'a Shapes,
    inserts: BTreeMap<usize, CachedStatement<'a>>,
    quarantine: Option<CachedStatement<'a>>,
    /// By table: two routes may share one, and the ranges of a table must not overlap.
    lanes: BTreeMap<usize, Lane>,
    /// Ranges that ended because the next row of their table came by a route with other columns.
    ended: Vec<(usize, Range)>,
    quarantine_adder: Adder,
    /// The last time written, as text: neighbours often share their millisecond.
    written_at: (UnixMillis, String),
}

impl<'a> RowWriter<'a> {
    pub(in crate::sqlite) fn new(
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
            inserts: BTreeMap::new(),
            quarantine: None,
            lanes: BTreeMap::new(),
            ended: Vec::new(),
            quarantine_adder: Adder::default(),
            written_at: (zero, zero.to_string()),
        }
    }

    pub(in crate::sqlite) fn write(&mut self, record: &Record) -> rusqlite::Result<Placed> {
        match self.place(record)? {
            RowOutcome::Stored(rows) => Ok(Placed { outcome: Outcome::Stored, rows }),
            RowOutcome::Present => Ok(Outcome::Duplicate(Repeat::Unique).into()),
            RowOutcome::Refused(refusal) => self.quarantine(record, &refusal).map(Placed::from),
            RowOutcome::Filtered(filtered) => Ok(Outcome::Filtered(filtered).into()),
        }
    }

    /// Puts the record's rows into their table, all of them, if they can be there.
    pub(in crate::sqlite) fn place(&mut self, record: &Record) -> rusqlite::Result<RowOutcome> {
        if self.written_at.0 != record.received_at {
            self.written_at = (record.received_at, record.received_at.to_string());
        }
        match (&record.body, record.route.0) {
            (Body::Rows(rows), Some(route)) => match self.insert_all(usize::from(route), rows) {
                Ok(0) => Ok(RowOutcome::Present),
                Ok(inserted) => Ok(RowOutcome::Stored(inserted)),
                Err(error) if is_refusal(&error) => {
                    let detail = format!("the table refused the row: {error}");
                    Ok(RowOutcome::Refused(RowRefusal { reason: Reason::RefusedByTable, detail }))
                }
                Err(error) => Err(error),
            },
            (Body::Rows(_), None) => {
                let detail = "a row without a route".to_owned();
                Ok(RowOutcome::Refused(RowRefusal { reason: Reason::NoRoute, detail }))
            }
            (Body::Quarantined(refusal), _) => Ok(RowOutcome::Refused(refusal.clone())),
            (Body::Filtered(filtered), _) => Ok(RowOutcome::Filtered(*filtered)),
        }
    }

    /// Inserts all rows or none; gives how many were not there already.
    fn insert_all(&mut self, route: usize, rows: &Rows) -> rusqlite::Result<u64> {
        let is_single = rows.count() == 1;
        if !is_single {
            self.conn.prepare_cached("SAVEPOINT message")?.execute([])?;
        }
        let inserted =
            rows.iter().map(|row| self.insert(route, row)).collect::<Result<Vec<_>, _>>();
        if !is_single {
            if inserted.is_err() {
                self.conn.prepare_cached("ROLLBACK TO message")?.execute([])?;
            }
            self.conn.prepare_cached("RELEASE message")?.execute([])?;
        }
        let mut count = 0;
        for (row_id, values) in inserted?.into_iter().flatten() {
            count += 1;
            if self.shapes.routes[route].is_some() {
                self.digest(route, row_id, &values);
            }
        }
        Ok(count)
    }

    /// Inserts a row; `None` if its natural key was there already.
    fn insert<'v>(
        &mut self,
        route: usize,
        row: &'v [Value],
    ) -> rusqlite::Result<Option<Inserted<'v>>> {
        let values = self.shapes.times[route].apply(row);
        let statement = match self.inserts.entry(route) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                new.insert(self.conn.prepare_cached(self.statements.insert(route))?)
            }
        };
        for (index, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, BoundValue(value))?;
        }
        statement.raw_bind_parameter(values.len() + 1, &self.written_at.1)?;
        let inserted = statement.raw_execute()?;
        Ok((inserted > 0).then(|| (self.conn.last_insert_rowid(), values)))
    }

    /// Takes a row that was inserted into the digest of its table. One that comes by a route
    /// with other columns than the one before begins a new range.
    fn digest(&mut self, route: usize, rowid: i64, values: &[Value]) {
        let shapes = &self.shapes.routes;
        let lane = self.lanes.entry(self.shapes.lanes[route]).or_default();
        if shapes[lane.route] != shapes[route]
            && let Some(range) = lane.adder.take()
        {
            self.ended.push((lane.route, range));
        }
        lane.route = route;
        lane.adder.begin(rowid);
        values.iter().for_each(|value| lane.adder.value(plain(value)));
        lane.adder.value(ValueRef::Text(self.written_at.1.as_bytes()));
        lane.adder.end(rowid);
    }

    fn quarantine(&mut self, record: &Record, refusal: &RowRefusal) -> rusqlite::Result<Outcome> {
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
    pub(in crate::sqlite) fn finish(mut self, now: UnixMillis) -> rusqlite::Result<()> {
        let open = self.lanes.values_mut();
        let open = open.filter_map(|lane| Some((lane.route, lane.adder.take()?)));
        for (route, range) in self.ended.drain(..).chain(open) {
            if let Some(shape) = &self.shapes.routes[route] {
                shape.record(self.conn, &range, now.0)?;
            }
        }
        match self.quarantine_adder.take() {
            Some(range) => self.shapes.quarantine.record(self.conn, &range, now.0),
            None => Ok(()),
        }
    }
}

/// The name of a route in the account; empty for none.
pub(in crate::sqlite) fn name_of(id: RouteId, routes: &[Route]) -> &str {
    id.0.and_then(|index| routes.get(usize::from(index))).map_or("", Route::name)
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
        Value::Blob(bytes) => ValueRef::Blob(bytes),
        // `StoredTimes::apply` has made another of it where it is stored.
        Value::Time(at) => ValueRef::Integer(at.0),
    }
}

/// A value on its way into a statement.
pub(in crate::sqlite) struct BoundValue<'a>(pub(in crate::sqlite) &'a Value);

impl ToSql for BoundValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(plain(self.0)))
    }
}

#[cfg(test)]
mod tests {
    use barograph_actors::message::delivery::Delivery;
    use barograph_actors::message::route::Router;
    use barograph_actors::mqtt::decode::decode;
    use barograph_config::Qos;

    use super::*;
    use crate::sqlite::journal::digests::assert_that_digests_hold;
    use crate::sqlite::journal::schema::{OWN_TABLES, create_for_test};

    fn route(topic: &str, columns: &[&str]) -> Route {
        let defaults = barograph_config::Settings::default_with("test");
        let mut route = defaults.routes[1].clone();
        route.columns.retain(|column| columns.contains(&column.name.as_str()));
        route.columns.iter_mut().for_each(|column| column.required = false);
        Route { topic: topic.to_owned(), filter: topic.to_owned(), ..route }
    }

    /// The incident: routes a and b share a table, their rows came in turn, and each had a digest over
    /// a range that also held the rows of the other.
    #[test]
    fn routes_that_share_a_table_write_ranges_that_do_not_overlap() {
        for other in [&["x", "y", "z"][..], &["x", "y"][..]] {
            let routes = vec![route("a", &["x", "y", "z"]), route("b", other)];
            let conn = Connection::open_in_memory().unwrap();
            conn.execute_batch(OWN_TABLES).unwrap();
            create_for_test(&conn, &routes[0]);
            let shapes = Shapes::of(&conn, &routes).unwrap();
            let (statements, router) = (Statements::new(&routes), Router::new(routes.clone()));
            let mut writer = RowWriter::new(&conn, &statements, &routes, &shapes);
            for topic in ["a", "b", "a", "a", "b"] {
                let payload = &br#"{"x":1,"y":2,"z":3.5}"#[..];
                let delivery = Delivery {
                    topic: topic.to_owned(),
                    payload: payload.into(),
                    whole_size: 0,
                    packet_size: 0,
                    qos: Qos::AtMostOnce,
                    retain: false,
                    dup: false,
                    packet_id: 0,
                    received_at: UnixMillis(0),
                    properties: Vec::new(),
                };
                let outcome = writer.write(&decode(delivery, &router, 1_000)).unwrap();
                assert_eq!(outcome, Placed::from(Outcome::Stored));
            }
            writer.finish(UnixMillis(0)).unwrap();
            assert_eq!(assert_that_digests_hold(&conn, &[&routes[0].table]), 5);
        }
    }
}
