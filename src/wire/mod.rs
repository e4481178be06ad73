//! Replies as types, shared by what gives them (operator socket, page) and what reads them (commands, tests). Readers ignore keys that they do not know and do without those that are missing: the other side
//! may be of another version.

pub(crate) mod command;
pub(crate) mod history;
pub(crate) mod page;
pub(crate) mod refusal;
pub(crate) mod status;

use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A value of a row, in the document of the interface.
pub(crate) struct AnyValue;

impl ToSchema for AnyValue {}

impl PartialSchema for AnyValue {
    fn schema() -> RefOr<Schema> {
        let types = [Type::Number, Type::String, Type::Boolean, Type::Null];
        ObjectBuilder::new().schema_type(SchemaType::from_iter(types)).into()
    }
}
