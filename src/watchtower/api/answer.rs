//! Answers: JSON with a tag that says whether it is still the same, and refusals with a sentence.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    self, CacheControl, CacheDirective, ETag, EntityTag, Header, IfNoneMatch,
};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::{Value as Json, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::history::HistoryError;

/// What a request is answered with: a reply, or why there is none.
pub(crate) type Answer = Result<HttpResponse, Refusal>;

/// When those who were refused may ask again, in seconds.
const RETRY_AFTER_SECONDS: u32 = 2;

/// Why a request is not answered.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
    hint: String,
}

impl Refusal {
    /// What is wrong, and what to do about it.
    pub(crate) fn new(
        status: StatusCode,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { status, message: message.into(), hint: hint.into() }
    }

    /// What is asked makes no sense.
    pub(super) fn bad(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message, hint)
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

    fn error_response(&self) -> HttpResponse {
        let body = json!({ "error": { "message": self.message, "hint": self.hint } });
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        response.content_type("application/json").body(body.to_string())
    }
}

impl From<HistoryError> for Refusal {
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
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), hint)
    }
}

/// JSON, or that it is what the asker has already.
pub(super) fn json_answer(request: &HttpRequest, body: &Json) -> HttpResponse {
    text_answer(request, body.to_string())
}

/// The same, of JSON that is text already.
pub(super) fn text_answer(request: &HttpRequest, text: String) -> HttpResponse {
    // Weak: compressed or not, it is the same.
    let tag = EntityTag::new_weak(format!("{:016x}", xxh3_64(text.as_bytes())));
    let known = is_known(request, &tag);
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(ETag(tag))
        .insert_header((header::VARY, "Accept-Encoding"))
        .insert_header(CacheControl(vec![CacheDirective::Private, CacheDirective::NoCache]));
    if known {
        return response.finish();
    }
    response.content_type("application/json").body(text)
}

/// Whether the asker has what the tag names.
pub(in crate::watchtower) fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    if !request.headers().contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}
