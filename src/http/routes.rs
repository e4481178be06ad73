//! The routes of the page's server.

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;

use super::auth::{self, Gate};
use super::{Tower, api, assets, command, live};

/// All routes, behind the guard.
pub(super) fn all(tower: &Tower, gate: Gate) -> Router {
    let gate = Arc::new(gate);
    Router::new()
        .route("/healthz", get(healthz))
        .merge(auth::routes(&gate))
        .merge(api::routes(tower))
        .merge(live::routes(tower))
        .merge(command::routes(tower))
        .fallback(assets::asset)
        .layer(from_fn_with_state(gate, auth::pass))
}

/// The process lives.
async fn healthz() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], "alive\n")
}
