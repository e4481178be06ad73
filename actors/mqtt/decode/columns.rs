//! Where the columns of a row find their values, and what becomes of a bad one.

use std::borrow::Cow;

use barograph_config::{Capture, Column, Constant, Kind, MessagePart, OnBad, Route};

use super::Notice;
use super::convert::{self, Unfit};
use super::nearest;
use super::rows::{RowIndex, RowTree};
use super::tree::Tree;
use crate::message::account::Reason;
use crate::message::batch::{RowRefusal, Value};
use crate::message::delivery::Delivery;

/// A message, as its columns see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct DecodedMessage<'m> {
    pub(super) delivery: &'m Delivery,
    pub(super) route: &'m Route,
    pub(super) tree: &'m Tree<'m>,
}

/// Where a column finds its value.
#[derive(Debug, Clone, Copy)]
enum Source<'c> {
    /// A pointer into the row.
    Field(&'c str),
    /// A pointer into the whole message.
    Message(&'c str),
    Part(&'c MessagePart),
    Constant(&'c Constant),
    Capture(&'c Capture),
}

/// Whether a column takes a field of the message; the others have a value whatever the payload says.
pub(crate) fn takes_field(column: &Column) -> bool {
    column.message.is_some()
        || (column.from.is_none() && column.value.is_none() && column.capture.is_none())
}

/// Adds the values of a row, in the order of the route's columns.
pub(super) fn add_row(
    message: DecodedMessage<'_>,
    row: RowTree<'_>,
    values: &mut Vec<Value>,
    notice: Notice<'_>,
) -> Result<(), RowRefusal> {
    let route = message.route;
    let mut takes_fields = false;
    let mut found_field = false;
    for (index, column) in route.columns.iter().enumerate() {
        let source = source(column, route);
        let found = find(message, row, source);
        let is_field = matches!(source, Source::Field(_) | Source::Message(_));
        takes_fields |= is_field;
        found_field |= is_field && found.is_some();
        let mut notice = |refusal: &RowRefusal| notice(index, refusal);
        match cell(message, column, source, found, &mut notice) {
            Ok(value) => values.push(value),
            Err(missing) if is_field && !found_field && missing.reason == Reason::MissingField => {
                return Err(missing_or_no_field(message, row, missing));
            }
            Err(refusal) => return Err(refusal),
        }
    }
    if takes_fields && !found_field { Err(no_field(row)) } else { Ok(()) }
}

/// A row without a required field has perhaps none at all.
fn missing_or_no_field(
    message: DecodedMessage<'_>,
    row: RowTree<'_>,
    missing: RowRefusal,
) -> RowRefusal {
    let has_field = |column: &Column| {
        takes_field(column) && find(message, row, source(column, message.route)).is_some()
    };
    if message.route.columns.iter().any(has_field) { missing } else { no_field(row) }
}

fn no_field(row: RowTree<'_>) -> RowRefusal {
    let detail = format!("no column finds its field: {}", nearest::what_is_there(row.tree));
    RowRefusal::new(Reason::NoField, detail)
}

fn source<'c>(column: &'c Column, route: &'c Route) -> Source<'c> {
    if let Some(capture) = column.capture.and_then(|index| route.captures.get(index)) {
        Source::Capture(capture)
    } else if let Some(part) = &column.from {
        Source::Part(part)
    } else if let Some(constant) = &column.value {
        Source::Constant(constant)
    } else if let Some(pointer) = &column.message {
        Source::Message(pointer)
    } else {
        Source::Field(&column.pointer)
    }
}

fn find<'m>(
    message: DecodedMessage<'m>,
    row: RowTree<'m>,
    source: Source<'m>,
) -> Option<Cow<'m, Tree<'m>>> {
    let delivery = message.delivery;
    let part = match source {
        Source::Field(pointer) => return row.tree.at(pointer).map(Cow::Borrowed),
        Source::Message(pointer) => return message.tree.at(pointer).map(Cow::Borrowed),
        Source::Constant(constant) => convert::tree_of(constant),
        Source::Capture(capture) => Tree::text(capture.of(&delivery.topic)),
        Source::Part(MessagePart::Topic) => Tree::text(&delivery.topic),
        Source::Part(MessagePart::Payload) => Tree::Bytes(Cow::Borrowed(&delivery.payload)),
        Source::Part(MessagePart::Retain) => Tree::Boolean(delivery.retain),
        Source::Part(MessagePart::Qos) => Tree::Integer(i64::from(delivery.qos as u8)),
        Source::Part(MessagePart::Index) => match row.index {
            RowIndex::Whole => return None,
            RowIndex::Position(place) => Tree::Integer(i64::try_from(place).unwrap_or(i64::MAX)),
            RowIndex::Member(name) => Tree::text(name),
        },
        Source::Part(MessagePart::Property(name)) => {
            let properties = delivery.properties.iter();
            Tree::text(&properties.rev().find(|(known, _)| known == name)?.1)
        }
    };
    Some(Cow::Owned(part))
}

fn cell(
    message: DecodedMessage<'_>,
    column: &Column,
    source: Source<'_>,
    found: Option<Cow<'_, Tree<'_>>>,
    notice: &mut dyn FnMut(&RowRefusal),
) -> Result<Value, RowRefusal> {
    let Some(found) = found.filter(|found| **found != Tree::Null) else {
        return absent(column, source);
    };
    if let (Source::Part(MessagePart::Payload), Kind::Blob) = (source, column.kind) {
        return Ok(Value::Blob(message.delivery.payload.clone()));
    }
    match convert::convert(column, &found) {
        // A text that means "no number".
        Ok(Value::Null) => absent(column, source),
        Ok(value) => Ok(value),
        Err(unfit) => {
            let refusal = refusal(column, source, &found, unfit);
            notice(&refusal);
            match column.on_bad {
                OnBad::Quarantine => Err(refusal),
                OnBad::Null => Ok(Value::Null),
            }
        }
    }
}

fn absent(column: &Column, source: Source<'_>) -> Result<Value, RowRefusal> {
    if !column.required {
        return Ok(Value::Null);
    }
    let detail = format!("column {} is required, and {} is missing", column.name, place(source));
    Err(RowRefusal::new(Reason::MissingField, detail))
}

fn place(source: Source<'_>) -> String {
    match source {
        Source::Field("") => "the payload itself".to_owned(),
        Source::Field(pointer) => format!("field {pointer}"),
        Source::Message("") => "the whole message".to_owned(),
        Source::Message(pointer) => format!("field {pointer} of the message"),
        Source::Constant(_) => "the constant".to_owned(),
        Source::Capture(capture) => format!("{{{}}} of the topic", capture.name),
        Source::Part(MessagePart::Topic) => "the topic".to_owned(),
        Source::Part(MessagePart::Payload) => "the payload".to_owned(),
        Source::Part(MessagePart::Retain) => "the RETAIN flag".to_owned(),
        Source::Part(MessagePart::Qos) => "the QoS".to_owned(),
        Source::Part(MessagePart::Index) => "the index of the row".to_owned(),
        Source::Part(MessagePart::Property(name)) => format!("user property {name:?}"),
    }
}

fn refusal(column: &Column, source: Source<'_>, found: &Tree<'_>, unfit: Unfit) -> RowRefusal {
    let (place, name) = (place(source), &column.name);
    match unfit {
        Unfit::Type(expected) => {
            let shown = found.shown();
            let detail = format!("{place} is {shown}, and column {name} is {expected}");
            RowRefusal::new(Reason::WrongType, detail)
        }
        Unfit::Size(what) => {
            let detail = format!("{place} is {}: {what}", found.shown());
            RowRefusal::new(Reason::OutOfRange, detail)
        }
        Unfit::Bounds { number, side, bound } => {
            let unit = column.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
            let detail = format!("{place} is {number}{unit}, {side} = {bound} of column {name}");
            RowRefusal::new(Reason::OutOfRange, detail)
        }
        Unfit::NotUtf8 => {
            let shown = found.shown();
            let detail = format!("{place} is not UTF-8, and column {name} is text: {shown}");
            RowRefusal::new(Reason::NotUtf8, detail)
        }
    }
}
