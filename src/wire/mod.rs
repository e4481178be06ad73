//! Replies as types, shared by those who give them (operator socket, page, alerts' commands) and those who read them
//! (commands, tests). Readers ignore keys that they do not know and do without those that are missing: the other side
//! may be of another version.

pub(crate) mod command;
pub(crate) mod history;
pub(crate) mod page;
pub(crate) mod status;

use barograph_actors::message::delivery::UnixMillis;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A moment as text, in UTC: `YYYY-MM-DD HH:MM:SS.sss`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(pattern = "^-?[0-9]{3,}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{3})?$")]
pub(crate) struct UtcText(pub(crate) String);

impl From<UnixMillis> for UtcText {
    fn from(at: UnixMillis) -> Self {
        Self(at.to_string())
    }
}

/// A value of a row, in the document of the interface.
pub(crate) struct AnyValue;

impl ToSchema for AnyValue {}

impl PartialSchema for AnyValue {
    fn schema() -> RefOr<Schema> {
        let types = [Type::Number, Type::String, Type::Boolean, Type::Null];
        ObjectBuilder::new().schema_type(SchemaType::from_iter(types)).into()
    }
}
