//! The newest row of each route that said something since the recorder began.

use std::collections::BTreeSet;

use barograph_actors::account::RouteId;
use barograph_actors::batch::Value;
use barograph_actors::published::State;
use barograph_actors::route::Router;
use barograph_config::{Column, Route};
use serde_json::{Map, Value as Json, json};

use crate::control::value_json;
use crate::watchtower::Tower;
use crate::world;

/// What those who watch begin with.
pub(super) async fn report(tower: &Tower) -> Json {
    let (state, router) = (tower.sources.published.snapshot(), tower.sources.router());
    let mut seen = BTreeSet::new();
    let routes = router.active().filter(|(_, route)| seen.insert(&route.table));
    let routes = routes.map(|(_, route)| of_table(&state, &router, &route.table));
    json!({ "now_ms": world::now().0, "routes": routes.collect::<Vec<_>>() })
}

fn of_table(state: &State, router: &Router, table: &str) -> Json {
    let of = |(id, route): (RouteId, &Route)| {
        let newest = state.latest.get(&id)?;
        Some((newest.0, newest.1.clone(), route.columns.clone()))
    };
    let routes = router.active().filter(|(_, route)| route.table == table);
    let newest = routes.filter_map(of).max_by_key(|(at, ..)| *at);
    let (at, values, columns) = match newest {
        Some((at, values, columns)) => (Some(at.0), values, columns),
        None => (None, Vec::new(), Vec::new()),
    };
    let pairs = || columns.iter().zip(&values);
    let named: Map<String, Json> =
        pairs().map(|(column, value)| (column.name.clone(), value_json(value))).collect();
    let odd = pairs().filter(|(column, value)| is_outside(column, value));
    let silent = format!("route_silent:{table}");
    json!({
        "route": table,
        "received_at_ms": at,
        "silent": state.issues.iter().any(|issue| issue.id == silent),
        "values": named,
        "out_of_bounds": odd.map(|(column, _)| &column.name).collect::<Vec<_>>(),
        "derived": {},
    })
}

fn is_outside(column: &Column, value: &Value) -> bool {
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Real(number) => *number,
        Value::Null | Value::Text(_) => return false,
    };
    column.min.is_some_and(|min| number < min) || column.max.is_some_and(|max| number > max)
}
