//! Replies as types, shared by those who give them (operator socket, page, alerts' commands) and those who read them
//! (commands, tests). Readers ignore keys that they do not know and do without those that are missing: the other side
//! may be of another version.

pub(crate) mod command;
pub(crate) mod history;
pub(crate) mod page;
pub(crate) mod status;

use std::borrow::Cow;

use barograph_actors::message::delivery::UnixMillis;
use serde::{Deserialize, Serialize};

/// One of a few words. A later version may have more.
pub(crate) type Word = Cow<'static, str>;

/// A moment as text, in UTC: `YYYY-MM-DD HH:MM:SS.sss`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct UtcText(pub(crate) String);

impl From<UnixMillis> for UtcText {
    fn from(at: UnixMillis) -> Self {
        Self(at.to_string())
    }
}
