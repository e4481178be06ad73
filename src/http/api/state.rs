//! Published state.

use axum::extract::State;
use axum::http::request::Parts;

use super::answer::{Answer, json_answer};
use super::query::Query;
use super::tables::tables;
use crate::http::Tower;
use crate::ipc::status;
use crate::wire::page::{Issues, Routes};

/// `status`
pub(super) async fn status(request: Parts, State(tower): State<Tower>) -> Answer {
    Query::of(&request, &[])?;
    Ok(json_answer(&request, &status::report(&tower.sources).await))
}

/// `issues`
pub(super) async fn issues(request: Parts, State(tower): State<Tower>) -> Answer {
    Query::of(&request, &[])?;
    let health = tower.sources.published.health.get();
    Ok(json_answer(&request, &Issues { issues: status::issues(&health) }))
}

/// `account`
pub(super) async fn account(request: Parts, State(tower): State<Tower>) -> Answer {
    Query::of(&request, &[])?;
    let state = tower.sources.published.snapshot();
    let account = status::account(&state.account(), state.received_before());
    Ok(json_answer(&request, &account))
}

/// `routes`
pub(super) async fn routes(request: Parts, State(tower): State<Tower>) -> Answer {
    Query::of(&request, &[])?;
    let router = tower.sources.router();
    let mut routes = Vec::new();
    for table in tables(&router) {
        let ends = tower.memory.ends(&tower.history, &table).await;
        routes.push(table.entry(ends.first_at));
    }
    Ok(json_answer(&request, &Routes { routes }))
}
