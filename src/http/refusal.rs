//! A request that is turned away, or cannot be answered: the status, why, and what to do.

use std::fmt;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::api::json_reply;
use crate::wire::page::Problem;
use crate::wire::refusal::Refusal;

/// Below it are the commands.
pub(super) const COMMANDS: &str = "/api/v1/commands/";

/// Why there is no answer. WebSockets are closed with 1008 and the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpRefusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) hint: String,
    /// When it may be tried again.
    pub(super) again_in: Option<Duration>,
}

impl HttpRefusal {
    /// What is wrong, and what to do about it.
    pub(crate) fn new(
        status: StatusCode,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { status, message: message.into(), hint: hint.into(), again_in: None }
    }

    /// What is asked makes no sense.
    pub(super) fn bad(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message, hint)
    }

    /// In a few words.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// As the answer to a request: JSON where programs ask, else text.
    pub(super) fn answer(self, path: &str) -> Response {
        let mut answer = if path.starts_with("/api/") {
            self.into_response()
        } else {
            let text = format!("{}\n{}\n", self.message, self.hint);
            self.with_head(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text))
        };
        if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods_of(path)));
        }
        answer
    }

    fn with_head(&self, body: impl IntoResponse) -> Response {
        let mut answer = (self.status, body).into_response();
        let head = answer.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            head.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.again_in {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            head.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

impl fmt::Display for HttpRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl IntoResponse for HttpRefusal {
    /// For programs.
    fn into_response(self) -> Response {
        let error = Refusal::new(&self.message, &self.hint);
        self.with_head(json_reply(&Problem { error }))
    }
}

/// What can be done at a path.
pub(super) fn methods_of(path: &str) -> &'static str {
    match path {
        "/api/v1/login" | "/api/v1/logout" => "POST",
        _ if path.starts_with(COMMANDS) => "POST",
        _ => "GET, HEAD",
    }
}
