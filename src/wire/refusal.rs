//! How a request is refused.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was not answered with what was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Of which kind it is.
    #[serde(skip)]
    pub(crate) kind: RefusalKind,
}

/// Why a request is refused: the page has a status of HTTP for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum RefusalKind {
    /// It is malformed.
    #[default]
    Invalid,
    /// What it is about does not exist.
    Unknown,
    /// This recorder does not do that.
    Forbidden,
    /// It was tried, and failed.
    Failed,
    /// The actor that carries it out does not answer now.
    Unavailable,
}

impl Refusal {
    /// Both sentences, about a malformed request.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::of(RefusalKind::Invalid, message, hint)
    }

    /// Both sentences.
    pub(crate) fn of(
        kind: RefusalKind,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { message: message.into(), hint: hint.into(), kind }
    }
}
