//! Rows that have come since the last frame: of each table the newest few, and how many more there were.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use barograph_actors::history::derived;
use barograph_actors::message::account::RouteId;
use barograph_actors::message::batch::Value;
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::route::Router;
use barograph_actors::status::feed::Row;
use barograph_config::Route;

use crate::wire::page::NewRows;

/// Rows of a table in one frame.
const ROWS_MAX: usize = 8;

/// A row as it is published: one of a commit.
type CommittedRow = (Arc<[Row]>, usize);

/// What has come.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    routes: BTreeMap<RouteId, Came>,
    /// The row of each route before the newest: rates need it.
    before: BTreeMap<RouteId, (UnixMillis, Vec<Value>)>,
}

#[derive(Debug, Default)]
struct Came {
    newest: VecDeque<CommittedRow>,
    skipped: u64,
}

impl Gathering {
    /// Knows the newest rows from before it began.
    pub(super) fn after(latest: BTreeMap<RouteId, (UnixMillis, Vec<Value>)>) -> Self {
        Self { routes: BTreeMap::new(), before: latest }
    }

    /// Nothing has come.
    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// A commit.
    pub(super) fn take(&mut self, rows: &Arc<[Row]>) {
        for (at, row) in rows.iter().enumerate() {
            let came = self.routes.entry(row.route).or_default();
            if came.newest.len() > ROWS_MAX {
                came.newest.pop_front();
                came.skipped += 1;
            }
            came.newest.push_back((Arc::clone(rows), at));
        }
    }

    /// The frame's `routes`; `None`: nothing has come.
    pub(super) fn frame(&mut self, router: &Router) -> Option<Vec<NewRows>> {
        let came = std::mem::take(&mut self.routes);
        let mut tables: Vec<TableRows<'_>> = Vec::new();
        for (id, came) in came {
            // The columns of a route that was removed meanwhile are not known any more.
            let Some((_, route)) = router.recording().find(|(active, _)| *active == id) else {
                continue;
            };
            let place = tables.iter().position(|table| table.name == route.table);
            let place = place.unwrap_or_else(|| {
                tables.push(TableRows::of(router, &route.table));
                tables.len() - 1
            });
            let before = self.before.get(&id);
            tables[place].add(route, came, before);
        }
        self.remember(&tables);
        let frame: Vec<NewRows> = tables.into_iter().map(TableRows::told).collect();
        (!frame.is_empty()).then_some(frame)
    }

    fn remember(&mut self, tables: &[TableRows<'_>]) {
        for (rows, at) in tables.iter().flat_map(|table| &table.last) {
            let row = &rows[*at];
            self.before.insert(row.route, (row.received_at, row.values.clone()));
        }
    }
}

/// Routes that share a table are one to the page.
struct TableRows<'r> {
    name: &'r str,
    /// Its columns, each once, in the order of the routes.
    columns: Vec<&'r str>,
    rows: Vec<(i64, Vec<Value>)>,
    skipped: u64,
    derived: Option<(UnixMillis, BTreeMap<String, Option<f64>>)>,
    /// The newest row of each of its routes.
    last: Vec<CommittedRow>,
}

impl<'r> TableRows<'r> {
    fn of(router: &'r Router, name: &'r str) -> Self {
        let mut columns: Vec<&str> = Vec::new();
        let routes = router.recording().filter(|(_, route)| route.table == name);
        for column in routes.flat_map(|(_, route)| &route.columns) {
            if !columns.contains(&column.name.as_str()) {
                columns.push(&column.name);
            }
        }
        Self { name, columns, rows: Vec::new(), skipped: 0, derived: None, last: Vec::new() }
    }

    fn add(&mut self, route: &Route, came: Came, before: Option<&(UnixMillis, Vec<Value>)>) {
        let Came { mut newest, skipped } = came;
        self.skipped += skipped;
        let Some((rows, at)) = newest.back().cloned() else { return };
        let row = &rows[at];
        let previous = newest.len().checked_sub(2).and_then(|place| newest.get(place));
        let previous = previous.map(|(rows, at)| (rows[*at].received_at, &rows[*at].values[..]));
        let previous = previous.or(before.map(|(at, values)| (*at, &values[..])));
        if !route.derived.is_empty()
            && self.derived.as_ref().is_none_or(|(known, _)| *known <= row.received_at)
        {
            let values = derived::values(route, (row.received_at, &row.values), previous);
            let names = route.derived.iter().map(|one| one.name.clone());
            self.derived = Some((row.received_at, names.zip(values).collect()));
        }
        if newest.len() > ROWS_MAX {
            newest.pop_front();
            self.skipped += 1;
        }
        for (rows, at) in &newest {
            self.rows.push((rows[*at].received_at.0, self.values(route, &rows[*at])));
        }
        self.last.push((rows, at));
    }

    fn values(&self, route: &Route, row: &Row) -> Vec<Value> {
        let value = |name: &&str| {
            let place = route.columns.iter().position(|column| column.name == **name);
            place.and_then(|place| row.values.get(place)).cloned().unwrap_or(Value::Null)
        };
        self.columns.iter().map(value).collect()
    }

    fn told(mut self) -> NewRows {
        self.rows.sort_by_key(|(at, _)| *at);
        let surplus = self.rows.len().saturating_sub(ROWS_MAX);
        NewRows {
            route: self.name.to_owned(),
            rows: self.rows.split_off(surplus),
            skipped: self.skipped + surplus as u64,
            derived: self.derived.map(|(_, derived)| derived),
        }
    }
}

#[cfg(test)]
mod tests {
    use barograph_config::{Derived, DerivedKind, Settings};
    use serde_json::{Value as Json, json};

    use super::*;

    fn route(table: &str, columns: &[&str]) -> Route {
        let known = Settings::default_with("here").routes[0].clone();
        let column = |name: &&str| barograph_config::Column {
            name: (*name).to_owned(),
            ..known.columns[0].clone()
        };
        let topic = format!("{table}/{}", columns.join("-"));
        let columns = columns.iter().map(column).collect();
        Route { table: table.to_owned(), topic, columns, derived: Vec::new(), ..known.clone() }
    }

    fn row(route: u16, at: i64, values: &[i64]) -> Row {
        let values = values.iter().map(|value| Value::Integer(*value)).collect();
        Row { route: RouteId(Some(route)), received_at: UnixMillis(at), values }
    }

    #[test]
    fn of_many_rows_the_newest_are_told_and_the_others_counted() {
        let router = Router::new(vec![route("a", &["n"])]);
        let mut gathering = Gathering::default();
        assert_eq!(gathering.frame(&router), None);
        let rows: Vec<Row> = (0..250).map(|n| row(0, n, &[n])).collect();
        for commit in rows.chunks(7) {
            gathering.take(&commit.to_vec().into());
        }
        let frame = gathering.frame(&router).unwrap();
        let newest: Vec<Json> = (242..250).map(|n| json!([n, [n]])).collect();
        assert_eq!(json!(frame), json!([{ "route": "a", "rows": newest, "skipped": 242 }]));
        assert_eq!(gathering.frame(&router), None);
    }

    #[test]
    fn routes_that_share_a_table_are_one_with_all_columns_in_order() {
        let router = Router::new(vec![route("a", &["x", "y"]), route("a", &["y", "z"])]);
        let mut gathering = Gathering::default();
        let commit = vec![row(1, 5, &[1, 2]), row(0, 4, &[3, 4]), row(7, 1, &[0])];
        gathering.take(&commit.into());
        let rows = json!([[4, [3, 4, null]], [5, [null, 1, 2]]]);
        let expected = json!([{ "route": "a", "rows": rows, "skipped": 0 }]);
        assert_eq!(json!(gathering.frame(&router)), expected);
    }

    #[test]
    fn a_rate_follows_from_the_row_before_also_from_an_earlier_frame() {
        let rate = Derived {
            name: "speed".to_owned(),
            kind: DerivedKind::CounterRate,
            of: vec!["n".to_owned()],
            unit: None,
            per: 2.0,
            factor: 1.0,
            offset: 0.0,
        };
        let router = Router::new(vec![Route { derived: vec![rate], ..route("a", &["n"]) }]);
        let known = (UnixMillis(0), vec![Value::Integer(100)]);
        let mut gathering = Gathering::after(BTreeMap::from([(RouteId(Some(0)), known)]));
        let mut speed = |rows: Vec<Row>| {
            gathering.take(&rows.into());
            gathering.frame(&router).unwrap()[0].derived.as_ref().unwrap()["speed"]
        };
        assert_eq!(speed(vec![row(0, 1_000, &[110])]), Some(5.0));
        assert_eq!(speed(vec![row(0, 2_000, &[110])]), Some(0.0));
        assert_eq!(speed(vec![row(0, 3_000, &[112]), row(0, 4_000, &[132])]), Some(10.0));
    }
}
