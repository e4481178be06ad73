//! A request that is turned away, or cannot be answered: the status, why, and what to do.

use std::fmt;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::json;

/// Why there is no answer. WebSockets are closed with 1008 and the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) hint: String,
    /// When it may be tried again.
    pub(super) again_in: Option<Duration>,
}

impl Refusal {
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
    pub(super) fn answer(&self, path: &str) -> HttpResponse {
        let mut answer = if path.starts_with("/api/") {
            self.error_response()
        } else {
            let text = format!("{}\n{}\n", self.message, self.hint);
            self.head().content_type("text/plain; charset=utf-8").body(text)
        };
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = header::HeaderValue::from_static(methods_of(path));
            answer.headers_mut().insert(header::ALLOW, allowed);
        }
        answer
    }

    fn head(&self) -> HttpResponseBuilder {
        let mut head = HttpResponse::build(self.status);
        if self.status == StatusCode::UNAUTHORIZED {
            head.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(wait) = self.again_in {
            let seconds = wait.as_millis().div_ceil(1_000);
            head.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        head
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// For programs.
    fn error_response(&self) -> HttpResponse {
        let body = json!({ "error": { "message": self.message, "hint": self.hint } });
        self.head().content_type("application/json").body(body.to_string())
    }
}

/// What can be done at a path.
pub(super) fn methods_of(path: &str) -> &'static str {
    match path {
        "/api/v1/login" | "/api/v1/logout" => "POST",
        _ => "GET, HEAD",
    }
}
