//! `payload = "csv"`: RFC 4180, each record a row.

use std::borrow::Cow;

use barograph_config::Route;
use csv::{ByteRecord, ReaderBuilder};

use super::format::{PayloadDecoder, trimmed};
use super::rows::{ROWS_MAX, too_many_rows};
use super::tree::{Member, Members, Tree};
use crate::message::account::Reason;
use crate::message::batch::RowRefusal;

pub(super) struct CsvFormat;

/// Most fields of all rows of a message.
const FIELDS_MAX: usize = 200_000;

/// Longest name of a field, in bytes: each row has them all.
const NAME_LEN_MAX: usize = 128;

impl PayloadDecoder for CsvFormat {
    fn tree<'p>(&self, payload: &'p [u8], route: &Route) -> Result<Tree<'p>, RowRefusal> {
        let delimiter = route.field_delimiter.as_deref().and_then(|text| text.bytes().next());
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter.unwrap_or(b','))
            .has_headers(false)
            .flexible(true)
            .from_reader(trimmed(payload));
        let mut record = ByteRecord::new();
        let mut names: Vec<String> = route.header.clone();
        let mut rows = Vec::new();
        while reader.read_byte_record(&mut record).map_err(|error| refusal(&error.to_string()))? {
            let line = record.position().map_or(0, csv::Position::line);
            if names.is_empty() {
                names = header(&record)?;
                continue;
            }
            if record.len() != names.len() {
                let (fields, wanted) = (record.len(), names.len());
                return Err(refusal(&format!(
                    "line {line} has {fields} fields, the header has {wanted}"
                )));
            }
            if rows.len() >= ROWS_MAX || rows.len() * names.len() >= FIELDS_MAX {
                return Err(too_many_rows());
            }
            rows.push(row(&names, &record));
        }
        Ok(Tree::List(rows))
    }

    fn is_list_of_rows(&self, _route: &Route) -> bool {
        true
    }
}

fn header(record: &ByteRecord) -> Result<Vec<String>, RowRefusal> {
    let name = |field: &[u8]| match field.len() {
        0..=NAME_LEN_MAX => Ok(String::from_utf8_lossy(field).trim().to_owned()),
        _ => {
            let shown = Tree::text_or_bytes(field).shown();
            Err(refusal(&format!("the name {shown} has more than {NAME_LEN_MAX} bytes")))
        }
    };
    record.iter().map(name).collect()
}

/// An empty field says that there is no value.
fn row<'p>(names: &[String], record: &ByteRecord) -> Tree<'p> {
    let member = |(name, field): (&String, &[u8])| -> Member<'p> {
        let value = match std::str::from_utf8(field) {
            Ok("") => Tree::Null,
            Ok(text) => Tree::Text(Cow::Owned(text.to_owned())),
            Err(_) => Tree::Bytes(Cow::Owned(field.to_vec())),
        };
        (Cow::Owned(name.clone()), value)
    };
    Tree::Map(Members::new(names.iter().zip(record).map(member).collect()))
}

fn refusal(what: &str) -> RowRefusal {
    RowRefusal::new(Reason::NotCsv, format!("not CSV: {what}"))
}
