//! Answers: JSON with a tag that says whether it is still the same, and refusals with a sentence.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    self, CacheControl, CacheDirective, ETag, EntityTag, Header, IfNoneMatch,
};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value as Json;
use xxhash_rust::xxh3::xxh3_64;

use crate::http::refusal::Refusal;
use crate::sqlite::read::HistoryError;

/// What a request is answered with: a reply, or why there is none.
pub(crate) type Answer = Result<HttpResponse, Refusal>;

/// When those may ask again who could not be answered.
const RETRY_AFTER: Duration = Duration::from_secs(2);

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
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), hint);
        Self { again_in: Some(RETRY_AFTER), ..refusal }
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
pub(in crate::http) fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    if !request.headers().contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}
