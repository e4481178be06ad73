//! The newest row of each route, what follows from it, and what is odd about it.

use std::collections::BTreeMap;

use axum::extract;
use axum::http::request::Parts;
use barograph_actors::health::checks::HealthMemory as Judgement;
use barograph_actors::history::derived;
use barograph_actors::message::account::RouteId;
use barograph_actors::message::batch::Value;
use barograph_actors::status::NewestRows;
use barograph_actors::status::readings::Trouble;
use barograph_config::{Column, Route};

use super::answer::{Answer, json_answer};
use super::query::Query;
use super::tables::{RouteTable, tables};
use crate::http::Tower;
use crate::os::world;
use crate::sqlite::read::newest::NewestRow;
use crate::wire::page::{Latest, LatestEntry};

/// `latest`
pub(super) async fn latest(request: Parts, extract::State(tower): extract::State<Tower>) -> Answer {
    Query::of(&request, &[])?;
    Ok(json_answer(&request, &report(&tower).await))
}

/// What `latest` answers, and what a live connection begins with. Rows that came before this process are taken
/// from the database, with the time at which they came.
pub(crate) async fn report(tower: &Tower) -> Latest {
    let published = &tower.sources.published;
    let (rows, router) = (published.rows.get(), tower.sources.router());
    let (judgement, troubles) = (tower.sources.memory.get(), published.readings().troubles());
    let mut routes = Vec::new();
    for table in tables(&router) {
        let newest = newest(tower, &rows, &table).await;
        routes.push(LatestEntry {
            route: table.name.to_owned(),
            received_at_ms: newest.as_ref().map(|newest| newest.row.0.0),
            silent: is_silent(judgement.as_ref(), table.name),
            values: newest.as_ref().map_or_else(BTreeMap::new, LatestRow::values),
            out_of_bounds: out_of_bounds(&table, newest.as_ref(), &troubles),
            derived: follows(&table, newest.as_ref()),
        });
    }
    Latest { now_ms: world::now().0, routes }
}

/// The newest row of a table, and the one before it.
struct LatestRow<'a> {
    /// Of the row's values, in their order.
    columns: Vec<&'a Column>,
    row: NewestRow,
    before: Option<NewestRow>,
    /// Whose row it is, where that is known.
    route: Option<&'a Route>,
}

impl LatestRow<'_> {
    fn values(&self) -> BTreeMap<String, Value> {
        let columns = self.columns.iter().zip(&self.row.1);
        columns.map(|(column, value)| (column.name.clone(), value.clone())).collect()
    }
}

/// From published state; what this process has not seen, from the database.
async fn newest<'a>(
    tower: &Tower,
    known: &NewestRows,
    table: &RouteTable<'a>,
) -> Option<LatestRow<'a>> {
    let is_alone = table.routes.len() == 1;
    let rows =
        table.routes.iter().filter_map(|(id, route)| Some((*id, *route, known.latest.get(id)?)));
    let live = rows.max_by_key(|(_, _, (at, _))| *at);
    let previous = live.and_then(|(id, _, _)| known.previous.get(&id)).cloned();
    let recorded = match previous {
        Some(_) => Vec::new(),
        None => tower.memory.ends(&tower.history, table).await.last,
    };
    match live {
        Some((_, route, row)) => {
            let is_before = |(at, _): &NewestRow| *at < row.0 && is_alone;
            let before = previous.or_else(|| recorded.into_iter().find(is_before));
            let columns = route.columns.iter().collect();
            Some(LatestRow { columns, row: row.clone(), before, route: Some(route) })
        }
        None => {
            let mut recorded = recorded.into_iter();
            let (row, before) = (recorded.next()?, recorded.next());
            let route = is_alone.then(|| table.routes[0].1);
            Some(LatestRow { columns: table.columns(), row, before, route })
        }
    }
}

fn is_silent(judgement: Option<&Judgement>, table: &str) -> bool {
    let silence = judgement.and_then(|judgement| judgement.silences.get(table));
    silence.is_some_and(|(_, silence)| silence.silent_since().is_some())
}

/// Columns whose last reading was a bad one, or whose value is beyond what the column says now. (A row may be
/// older than the bounds; a bad value is stored as NULL, or not at all.)
fn out_of_bounds(
    table: &RouteTable<'_>,
    newest: Option<&LatestRow<'_>>,
    troubles: &[(RouteId, usize, Trouble)],
) -> Vec<String> {
    let reads_badly = |name: &str| {
        troubles.iter().any(|(id, index, trouble)| {
            let is_bad = matches!(trouble, Trouble::Bad { .. });
            let mut routes = table.routes.iter().filter(|(known, _)| known == id);
            is_bad
                && routes
                    .any(|(_, route)| route.columns.get(*index).is_some_and(|c| c.name == name))
        })
    };
    let is_beyond = |name: &str| {
        let columns =
            newest.into_iter().flat_map(|newest| newest.columns.iter().zip(&newest.row.1));
        let mut of_name = columns.filter(|(column, _)| column.name == name);
        of_name.any(|(column, value)| is_beyond_bounds(column, value))
    };
    let names = table.columns().into_iter().map(|column| &column.name);
    names.filter(|name| reads_badly(name) || is_beyond(name)).cloned().collect()
}

#[expect(clippy::cast_precision_loss, reason = "the bounds are no more exact")]
fn is_beyond_bounds(column: &Column, value: &Value) -> bool {
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Real(number) => *number,
        Value::Null | Value::Text(_) | Value::Time(_) | Value::Blob(_) => return false,
    };
    column.min.is_some_and(|min| number < min) || column.max.is_some_and(|max| number > max)
}

/// The derived values, by name.
fn follows(
    table: &RouteTable<'_>,
    newest: Option<&LatestRow<'_>>,
) -> BTreeMap<String, Option<f64>> {
    let mut values: BTreeMap<String, Option<f64>> =
        table.derived().into_iter().map(|one| (one.name.clone(), None)).collect();
    if let Some((newest, route)) = newest.and_then(|newest| Some((newest, newest.route?))) {
        let row = (newest.row.0, newest.row.1.as_slice());
        let before = newest.before.as_ref().map(|(at, values)| (*at, values.as_slice()));
        let derived = derived::values(route, row, before);
        values.extend(route.derived.iter().map(|one| one.name.clone()).zip(derived));
    }
    values
}
