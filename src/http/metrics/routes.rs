//! HTTP: one path, two methods.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::http::quality::ranked;
use crate::metrics::{Exposition, ExpositionFormat};

/// Where the metrics are, by Prometheus' convention.
pub(super) const PATH: &str = "/metrics";

/// What is where.
pub(super) fn routes(exposition: &Arc<Exposition>) -> Router {
    Router::new()
        .route(PATH, get(metrics).fallback(other_method))
        .fallback(elsewhere)
        .with_state(Arc::clone(exposition))
}

async fn metrics(State(exposition): State<Arc<Exposition>>, request: Parts) -> Response {
    answer(&request, &exposition)
}

/// All metrics, in the format that the client prefers.
pub(crate) fn answer(request: &Parts, exposition: &Exposition) -> Response {
    let form = wanted(&request.headers);
    let head = [
        (header::CONTENT_TYPE, form.content_type()),
        (header::VARY, "Accept"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    match exposition.page(form) {
        Ok(page) => (head, page).into_response(),
        Err(_) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            (status, "the metrics could not be written\n").into_response()
        }
    }
}

async fn other_method() -> impl IntoResponse {
    let allowed = [(header::ALLOW, "GET, HEAD")];
    (StatusCode::METHOD_NOT_ALLOWED, allowed, "metrics can only be read\n")
}

async fn elsewhere() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "the metrics are at /metrics\n")
}

/// The format that the client prefers; without a preference, Prometheus' own.
fn wanted(headers: &HeaderMap) -> ExpositionFormat {
    let liked = ranked(headers, header::ACCEPT).unwrap_or_default();
    let known = liked.into_iter().find_map(|kind| match kind {
        "application/openmetrics-text" => Some(ExpositionFormat::OpenMetrics),
        "text/plain" | "text/*" | "*/*" => Some(ExpositionFormat::Prometheus),
        _ => None,
    });
    known.unwrap_or(ExpositionFormat::Prometheus)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_form_is_the_one_that_is_liked_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                          version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let table = [
            (prometheus, ExpositionFormat::OpenMetrics),
            (
                "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.1",
                ExpositionFormat::Prometheus,
            ),
            ("text/html,application/xhtml+xml,*/*;q=0.8", ExpositionFormat::Prometheus),
            ("application/json", ExpositionFormat::Prometheus),
            ("*/*", ExpositionFormat::Prometheus),
        ];
        for (text, expected) in table {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(text))]);
            assert_eq!(wanted(&headers), expected, "{text}");
        }
    }
}
