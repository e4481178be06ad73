//! One value of a row, exactly as it is stored.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

/// A value. Not `rusqlite::types::Value`, because a text in a damaged or foreign database need not
/// be UTF-8, and it is copied byte for byte all the same.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sqlite) enum SalvagedValue {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT, in UTF-8 if its writer kept to that.
    Text(Vec<u8>),
    /// BLOB.
    Blob(Vec<u8>),
}

impl SalvagedValue {
    /// About how much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 8,
            Self::Text(bytes) | Self::Blob(bytes) => 8 + bytes.len(),
        }
    }

    /// The text, if it is one in UTF-8.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Null | Self::Integer(_) | Self::Real(_) | Self::Blob(_) => None,
        }
    }

    /// The integer, if it is one.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Null | Self::Real(_) | Self::Text(_) | Self::Blob(_) => None,
        }
    }
}

impl From<ValueRef<'_>> for SalvagedValue {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(bytes) => Self::Text(bytes.to_vec()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

/// For readers that want SQLite's own types. A text that is not UTF-8 becomes a blob.
impl From<SalvagedValue> for Value {
    fn from(field: SalvagedValue) -> Self {
        match field {
            SalvagedValue::Null => Self::Null,
            SalvagedValue::Integer(number) => Self::Integer(number),
            SalvagedValue::Real(number) => Self::Real(number),
            SalvagedValue::Text(bytes) => String::from_utf8(bytes)
                .map_or_else(|error| Self::Blob(error.into_bytes()), Self::Text),
            SalvagedValue::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

impl ToSql for SalvagedValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(bytes) => ValueRef::Text(bytes),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
