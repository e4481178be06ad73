//! What scripts and the page ask for: `GET api/v1/…`, and what others watch a recorder by (`/readyz`, `/metrics`).
//! `API.md` and `document` say what each answers.
//!
//! Status, latest and issues are published state: they are answered whatever the database does. What is history
//! is a question to the database, with a time limit; when it cannot be answered, the status is 503.

mod answer;
mod document;
mod download;
mod history;
pub(crate) mod latest;
mod memory;
mod query;
mod ready;
mod series;
mod state;
mod tables;

use axum::Router;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::routing::get;
use tower_http::compression::CompressionLayer;

pub(super) use answer::{Answer, is_known, json_reply, json_text};
pub(crate) use memory::TableEndsCache;

use super::Tower;
use super::refusal::HttpRefusal;

/// What is where. (Login, session and the WebSockets are the door's and `live`'s.) The door lets no method
/// through but GET and HEAD.
pub(super) fn routes(tower: &Tower) -> Router {
    Router::new()
        .route("/api/v1/status", get(state::status))
        .route("/api/v1/issues", get(state::issues))
        .route("/api/v1/account", get(state::account))
        .route("/api/v1/routes", get(state::routes))
        .route("/api/v1/latest", get(latest::latest))
        .route("/api/v1/events", get(history::events))
        .route("/api/v1/gaps", get(history::gaps))
        .route("/api/v1/series", get(series::series))
        .route("/api/v1/rows", get(download::rows))
        .route("/api/v1/openapi.json", get(document))
        .layer(CompressionLayer::new())
        .route("/readyz", get(ready::readyz))
        .route("/metrics", get(ready::metrics))
        .with_state(tower.clone())
}

/// Refuses a path below `/api` that there is not.
pub(super) fn nothing_here(path: &str) -> HttpRefusal {
    let message = format!("there is no {path}");
    HttpRefusal::new(StatusCode::NOT_FOUND, message, "api/v1/openapi.json says what there is")
}

/// Whether only the head of the answer is wanted.
fn is_head(request: &Parts) -> bool {
    request.method == Method::HEAD
}

/// The interface, for programs.
async fn document(request: Parts) -> Answer {
    query::Query::of(&request, &[])?;
    Ok(answer::text_answer(&request, document::text().to_owned()))
}
