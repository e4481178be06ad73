//! Published state.

use actix_web::{HttpRequest, web};
use serde_json::json;

use super::answer::{Answer, json_answer};
use super::query::Query;
use super::tables::tables;
use crate::http::Tower;
use crate::ipc::status;

/// `status`
pub(super) async fn status(request: HttpRequest, tower: web::Data<Tower>) -> Answer {
    Query::of(&request, &[])?;
    Ok(json_answer(&request, &status::report(&tower.sources).await))
}

/// `issues`
pub(super) async fn issues(request: HttpRequest, tower: web::Data<Tower>) -> Answer {
    Query::of(&request, &[])?;
    let health = tower.sources.published.health.get();
    Ok(json_answer(&request, &json!({ "issues": status::issues_json(&health) })))
}

/// `account`
pub(super) async fn account(request: HttpRequest, tower: web::Data<Tower>) -> Answer {
    Query::of(&request, &[])?;
    let state = tower.sources.published.snapshot();
    Ok(json_answer(&request, &status::account_json(&state.account())))
}

/// `routes`
pub(super) async fn routes(request: HttpRequest, tower: web::Data<Tower>) -> Answer {
    Query::of(&request, &[])?;
    let router = tower.sources.router();
    let mut routes = Vec::new();
    for table in tables(&router) {
        let ends = tower.memory.ends(&tower.history, &table).await;
        routes.push(table.json(ends.first_at));
    }
    Ok(json_answer(&request, &json!({ "routes": routes })))
}
