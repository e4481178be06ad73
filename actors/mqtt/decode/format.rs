//! The formats of payloads: each turns bytes into a [`Tree`], and is one file.

use barograph_config::{PayloadFormat, Route};

use super::bytes::BytesFormat;
use super::csv::CsvFormat;
use super::json::JsonFormat;
use super::keyvalue::KeyvalueFormat;
use super::text::TextFormat;
use super::tree::Tree;
use crate::message::batch::RowRefusal;

/// A format of payloads.
pub(super) trait PayloadDecoder {
    /// The values of a payload. Takes no more memory than in proportion to the payload, and does not panic,
    /// whatever the bytes are.
    fn tree<'p>(&self, payload: &'p [u8], route: &Route) -> Result<Tree<'p>, RowRefusal>;

    /// A payload is a list of rows, whatever the route's `rows` says.
    fn is_list_of_rows(&self, _route: &Route) -> bool {
        false
    }
}

/// What decodes the payloads of a route.
pub(super) fn decoder(route: &Route) -> &'static dyn PayloadDecoder {
    match route.payload {
        PayloadFormat::Json => &JsonFormat,
        PayloadFormat::Text => &TextFormat,
        PayloadFormat::Keyvalue => &KeyvalueFormat,
        PayloadFormat::Csv => &CsvFormat,
        PayloadFormat::Bytes => &BytesFormat,
    }
}

/// A payload without what devices send around it: a byte order mark, and NUL bytes and line ends behind it.
pub(super) fn trimmed(payload: &[u8]) -> &[u8] {
    let mut text = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    while let [rest @ .., 0 | b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}
