//! Routes as the page has them: by their tables. Several routes may share one; then they are one to the page,
//! with the columns of all.

use barograph_actors::message::account::RouteId;
use barograph_actors::message::route::Router;
use barograph_config::{Column, Derived, Route};

use crate::http::refusal::HttpRefusal;
use crate::wire::page::{ColumnEntry, DerivedEntry, RouteEntry};

/// A table, and the routes into it.
#[derive(Debug)]
pub(super) struct RouteTable<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its routes, at least one.
    pub(super) routes: Vec<(RouteId, &'a Route)>,
}

/// The tables of the routes in force.
pub(super) fn tables(router: &Router) -> Vec<RouteTable<'_>> {
    let mut tables: Vec<RouteTable<'_>> = Vec::new();
    for (id, route) in router.recording() {
        match tables.iter_mut().find(|table| table.name == route.table) {
            Some(table) => table.routes.push((id, route)),
            None => tables.push(RouteTable { name: &route.table, routes: vec![(id, route)] }),
        }
    }
    tables
}

/// The table with this name.
pub(super) fn table<'a>(router: &'a Router, name: &str) -> Result<RouteTable<'a>, HttpRefusal> {
    let mut tables = tables(router);
    match tables.iter().position(|table| table.name == name) {
        Some(place) => Ok(tables.swap_remove(place)),
        None => {
            let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
            let message = format!("there is no route {name:?}");
            let status = axum::http::StatusCode::NOT_FOUND;
            Err(HttpRefusal::new(status, message, format!("there are: {}", names.join(", "))))
        }
    }
}

impl<'a> RouteTable<'a> {
    fn first(&self) -> &'a Route {
        self.routes.first().expect("a table has at least one route").1
    }

    /// Its columns, each once.
    pub(super) fn columns(&self) -> Vec<&'a Column> {
        let mut columns: Vec<&Column> = Vec::new();
        for column in self.routes.iter().flat_map(|(_, route)| &route.columns) {
            if columns.iter().all(|known| known.name != column.name) {
                columns.push(column);
            }
        }
        columns
    }

    /// What follows from them, each once.
    pub(super) fn derived(&self) -> Vec<&'a Derived> {
        let mut derived: Vec<&Derived> = Vec::new();
        for one in self.routes.iter().flat_map(|(_, route)| &route.derived) {
            if derived.iter().all(|known| known.name != one.name) {
                derived.push(one);
            }
        }
        derived
    }

    /// All routes as one.
    pub(super) fn route(&self) -> Route {
        let mut route = self.first().clone();
        route.columns = self.columns().into_iter().cloned().collect();
        route.derived = self.derived().into_iter().cloned().collect();
        route
    }

    /// As `routes` tells of it.
    pub(super) fn entry(&self, first_at_ms: Option<i64>) -> RouteEntry {
        let topics: Vec<&str> = self.routes.iter().map(|(_, route)| route.topic.as_str()).collect();
        let first = self.first();
        RouteEntry {
            route: self.name.to_owned(),
            topic: topics.join(", "),
            qos: first.qos as u8,
            silent_after_s: first.silent_after.map(|after| after.as_secs_f64()),
            time_column: first.time_column.clone(),
            first_at_ms,
            columns: self.columns().into_iter().map(column_entry).collect(),
            derived: self.derived().into_iter().map(derived_entry).collect(),
        }
    }
}

fn column_entry(column: &Column) -> ColumnEntry {
    ColumnEntry {
        name: column.name.clone(),
        kind: column.kind.as_str().into(),
        unit: column.unit.clone(),
        label: column.label.clone(),
        decimals: column.decimals,
        min: column.min,
        max: column.max,
    }
}

fn derived_entry(derived: &Derived) -> DerivedEntry {
    let per = (derived.kind == barograph_config::DerivedKind::CounterRate).then_some(derived.per);
    DerivedEntry {
        name: derived.name.clone(),
        kind: derived.kind.word().into(),
        of: derived.of.clone(),
        unit: derived.unit.clone(),
        per,
        factor: derived.factor,
        offset: derived.offset,
    }
}
