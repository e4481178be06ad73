//! What a request may do, until the door says it.

use actix_web::HttpRequest;

/// The verdict on a request.
#[derive(Debug, Clone)]
pub(super) struct Access {
    /// It may look.
    pub(super) read: bool,
    /// It may give commands.
    pub(super) admin: bool,
    /// Why it may not even ask.
    pub(super) refusal: Option<String>,
}

/// Of a request.
pub(super) fn access(_request: &HttpRequest) -> Access {
    Access { read: true, admin: true, refusal: None }
}
