//! An answer to every request: a panic is a 500, one that takes too long a 503.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::FutureExt;
use tokio::time::timeout;

use crate::http::refusal::HttpRefusal;

/// Awaits the answer, or makes one of what fails. A panic is in the log by then.
pub(super) async fn within(
    limit: Duration,
    path: &str,
    answer: impl Future<Output = Response>,
) -> Response {
    // What a panic may leave half done is this request's own.
    let (status, message, hint) =
        match timeout(limit, AssertUnwindSafe(answer).catch_unwind()).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_panic)) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal error: this request was not answered",
                "recording goes on; the log has the cause. Please report it",
            ),
            Err(_elapsed) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the answer took too long",
                "ask for less, or again later",
            ),
        };
    HttpRefusal::new(status, message, hint).answer(path)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_500_and_patience_ends_with_a_503() {
        let limit = Duration::from_millis(50);
        let fine = within(limit, "/", async { "7".into_response() }).await;
        let panics = within(limit, "/", async { panic!("a handler's fault") }).await;
        let hangs = within(limit, "/", std::future::pending()).await;
        let statuses = [fine, panics, hangs].map(|answer| answer.status().as_u16());
        assert_eq!(statuses, [200, 500, 503]);
    }
}
