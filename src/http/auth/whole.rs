//! An answer, whatever becomes of the one who makes it: a panic is a 500, one that takes too long a 503.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::Error;
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use tokio::time::timeout;

use crate::http::refusal::Refusal;

/// Awaits the answer. What fails here is an error with an answer of its own.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match timeout(limit, Caught { answer: Box::pin(answer) }).await {
        Ok(Some(answer)) => answer,
        Ok(None) => Err(failed(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the page has a fault, and could not answer this",
            "recording goes on; the log says where it is. Please report it",
        )),
        Err(_elapsed) => Err(failed(
            StatusCode::SERVICE_UNAVAILABLE,
            "the answer took too long",
            "ask for less, or again later",
        )),
    }
}

fn failed(status: StatusCode, message: &str, hint: &str) -> Error {
    let answer = Refusal::new(status, message, hint).answer("/api/");
    InternalError::from_response(message.to_owned(), answer).into()
}

/// A future whose panic is `None`. The panic itself is in the log by then.
struct Caught<F> {
    answer: Pin<Box<F>>,
}

impl<F: Future> Future for Caught<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // What a panic may leave half done is this request's own.
        match catch_unwind(AssertUnwindSafe(|| self.answer.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_panic) => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_500_and_patience_ends_with_a_503() {
        let limit = Duration::from_millis(50);
        let fine = within(limit, async { Ok(7) }).await;
        assert_eq!(fine.unwrap(), 7);
        let panics = within::<()>(limit, async { panic!("a handler's fault") }).await;
        let hangs = within::<()>(limit, std::future::pending()).await;
        let statuses = [panics, hangs].map(|it| it.unwrap_err().error_response().status());
        assert_eq!(statuses.map(|status| status.as_u16()), [500, 503]);
    }
}
