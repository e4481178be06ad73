//! A request that is turned away: the status, why, and what to do.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde_json::json;

/// The longest reason that fits into a close frame, in bytes.
const REASON_BYTES_MAX: usize = 123;

/// Why somebody is turned away. WebSockets are closed with 1008 and [`Refusal::reason`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) hint: String,
    pub(super) again_in: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { status, message: message.into(), hint: hint.into(), again_in: None }
    }

    /// In a few words: what fits into a close frame.
    pub(crate) fn reason(&self) -> &str {
        let mut end = self.message.len().min(REASON_BYTES_MAX);
        while !self.message.is_char_boundary(end) {
            end -= 1;
        }
        &self.message[..end]
    }

    /// As the answer to a request: JSON where programs ask, else text.
    pub(super) fn answer(&self, path: &str) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        if self.status == StatusCode::UNAUTHORIZED {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            answer.insert_header((header::ALLOW, methods_of(path)));
        }
        if let Some(wait) = self.again_in {
            let seconds = wait.as_millis().div_ceil(1_000);
            answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if path.starts_with("/api/") {
            let error = json!({ "message": self.message, "hint": self.hint });
            return answer
                .content_type("application/json")
                .body(json!({ "error": error }).to_string());
        }
        let text = format!("{}\n{}\n", self.message, self.hint);
        answer.content_type("text/plain; charset=utf-8").body(text)
    }
}

/// What can be done at a path.
pub(super) fn methods_of(path: &str) -> &'static str {
    match path {
        "/api/v1/login" | "/api/v1/logout" => "POST",
        _ => "GET, HEAD",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_a_close_frame() {
        let long = Refusal::new(StatusCode::FORBIDDEN, "ä".repeat(100), "");
        assert_eq!(long.reason().len(), 122, "whole characters");
        assert_eq!(Refusal::new(StatusCode::FORBIDDEN, "no", "").reason(), "no");
    }
}
