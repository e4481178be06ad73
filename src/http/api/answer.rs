//! Answers: JSON with a tag that says whether it is still the same, and refusals with a sentence.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::http::refusal::HttpRefusal;
use crate::sqlite::read::HistoryError;

/// What a request is answered with: a reply, or why there is none.
pub(crate) type Answer = Result<Response, HttpRefusal>;

/// When those may ask again who could not be answered.
const RETRY_AFTER: Duration = Duration::from_secs(2);

impl From<HistoryError> for HttpRefusal {
    fn from(error: HistoryError) -> Self {
        let hint = match &error {
            HistoryError::Busy => "ask again in a moment",
            HistoryError::TooLong(_) => "ask for a shorter range, or for fewer columns",
            HistoryError::Abandoned => "the page is ending; ask again when it is back",
            HistoryError::NoDatabase { .. } | HistoryError::Database(_) => {
                "status and issues say whether it is being recorded, and what is wrong; what is in the \
                 database can be asked for when it can be read again"
            }
        };
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), hint);
        Self { again_in: Some(RETRY_AFTER), ..refusal }
    }
}

/// JSON, or that it is what the asker has already.
pub(super) fn json_answer(request: &Parts, body: &impl Serialize) -> Response {
    text_answer(request, json_text(body))
}

/// JSON without a tag: of what is not asked again and again.
pub(in crate::http) fn json_reply(body: &impl Serialize) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json_text(body)).into_response()
}

/// A reply as text.
pub(in crate::http) fn json_text(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("text, numbers and lists are JSON")
}

/// The same, of JSON that is text already.
pub(super) fn text_answer(request: &Parts, text: String) -> Response {
    // Weak: compressed or not, it is the same.
    let tag = format!("W/\"{:016x}\"", xxh3_64(text.as_bytes()));
    let head = [
        (header::ETAG, tag.as_str()),
        (header::VARY, "Accept-Encoding"),
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    if is_known(&request.headers, &tag) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Whether the asker has what the tag names; compared weakly.
pub(in crate::http) fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let texts = request.get_all(header::IF_NONE_MATCH).iter();
    let mut known = texts.filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','));
    known.any(|known| known.trim() == "*" || opaque(known) == opaque(tag))
}

fn opaque(tag: &str) -> &str {
    tag.trim().trim_start_matches("W/")
}
