//! Where a column's value comes from: one of the message's fields, a part of the message, a capture of the topic, or a
//! constant; and which types such a value can have.

use crate::declare::key::Complaint;
use crate::declare::text::quote;
use crate::read::problems::Spot;
use crate::read::reader::join;
use crate::read::section::Section;
use crate::route::column::{Column, Kind};
use crate::route::message_part::MessagePart;
use crate::route::value::Constant;
use crate::word::Word;

/// The keys that name a source; a column has one at most, and without any it is the field of its own name.
pub(crate) const SOURCES: [&str; 4] = ["field", "message", "from", "value"];

/// What turns a text or number of the message into a value; a constant has no use for it.
const CONVERSIONS: [&str; 8] = ["format", "zone", "true", "false", "map", "decimal", "min", "max"];

/// The types of what is a text: of a capture, the topic, a property, an index.
pub(crate) const OF_TEXTS: [Kind; 5] =
    [Kind::Text, Kind::Integer, Kind::Real, Kind::Boolean, Kind::Time];

/// Checks the source of a column by its own keys, and gives it the type that follows from the source where it names none.
pub(crate) fn check(column: &mut Column, section: &mut Section<'_, '_>) {
    let is_sound = has_one_source(section);
    if section.spot("type").is_none() && !section.is_bad("type") {
        column.kind = usual_kind(column);
    }
    if is_sound && !section.is_bad("type") {
        check_kind(column, section);
    }
}

/// Where a key is set, also one that is a table.
pub(crate) fn spot_of(section: &Section<'_, '_>, name: &str) -> Option<Spot> {
    section.spot(name).or_else(|| {
        let span = section.value(name)?.span();
        Some(section.reader.spot(join(&section.path, name), span, None))
    })
}

fn has_one_source(section: &mut Section<'_, '_>) -> bool {
    let set: Vec<(&str, Spot)> =
        SOURCES.iter().filter_map(|name| Some((*name, section.spot(name)?))).collect();
    if let [(first, at), others @ ..] = set.as_slice() {
        for (_, spot) in others {
            let why = format!("a column has one source, and `{first}` is set, too ({})", at.place);
            let advice = "keep only one of field, message, from and value";
            section.reader.refuse(&spot.bare(), Complaint::advise(why, advice));
        }
    }
    set.len() < 2 && !SOURCES.iter().any(|name| section.is_bad(name))
}

/// The type of a column that names none.
fn usual_kind(column: &Column) -> Kind {
    if let Some(value) = &column.value {
        return kind_of(value);
    }
    match &column.from {
        Some(MessagePart::Payload) => Kind::Blob,
        Some(MessagePart::Retain) => Kind::Boolean,
        Some(MessagePart::Qos) => Kind::Integer,
        Some(MessagePart::Topic | MessagePart::Index | MessagePart::Property(_)) => Kind::Text,
        None => of_map(column).unwrap_or(Kind::Real),
    }
}

/// The type that all values of a map have.
fn of_map(column: &Column) -> Option<Kind> {
    let mut kinds = column.map.iter().map(|mapping| kind_of(&mapping.value));
    let first = kinds.next()?;
    kinds.try_fold(first, |kind, next| match (kind, next) {
        _ if kind == next => Some(kind),
        (Kind::Integer | Kind::Real, Kind::Integer | Kind::Real) => Some(Kind::Real),
        _ => None,
    })
}

fn kind_of(value: &Constant) -> Kind {
    match value {
        Constant::Text(_) => Kind::Text,
        Constant::Integer(_) => Kind::Integer,
        Constant::Real(_) => Kind::Real,
        Constant::Flag(_) => Kind::Boolean,
    }
}

/// Whether a constant is a value of this type.
pub(crate) fn fits(value: &Constant, kind: Kind) -> bool {
    let own = kind_of(value);
    own == kind || own == Kind::Integer && kind == Kind::Real
}

fn check_kind(column: &Column, section: &mut Section<'_, '_>) {
    let (of, kinds): (String, &[Kind]) = match (&column.from, &column.value) {
        (Some(part), _) => (format!("from = {}", quote(&part.word())), kinds_of(part)),
        (None, Some(value)) => {
            no_conversions(section, "value", &CONVERSIONS);
            let kind: &[Kind] = match kind_of(value) {
                Kind::Integer => &[Kind::Integer, Kind::Real],
                Kind::Real => &[Kind::Real],
                Kind::Boolean => &[Kind::Boolean],
                Kind::Text | Kind::Time | Kind::Blob | Kind::Json => &[Kind::Text],
            };
            ("this value".to_owned(), kind)
        }
        (None, None) => return,
    };
    if let Some(part) = &column.from
        && matches!(part, MessagePart::Payload | MessagePart::Retain | MessagePart::Qos)
    {
        no_conversions(section, "from", &CONVERSIONS);
    }
    if !kinds.contains(&column.kind) {
        let words: Vec<String> = kinds.iter().map(|kind| quote(kind.word())).collect();
        let why = format!("expected {} for {of}", words.join(" or "));
        section.refuse("type", Complaint::write(why, words[0].clone()));
    }
}

fn kinds_of(part: &MessagePart) -> &'static [Kind] {
    match part {
        MessagePart::Payload => &[Kind::Blob, Kind::Text],
        MessagePart::Retain => &[Kind::Boolean, Kind::Integer],
        MessagePart::Qos => &[Kind::Integer, Kind::Real],
        MessagePart::Topic | MessagePart::Index | MessagePart::Property(_) => &OF_TEXTS,
    }
}

/// Keys that have no meaning beside another one.
pub(crate) fn no_conversions(section: &mut Section<'_, '_>, beside: &str, keys: &[&str]) {
    for key in keys {
        if let Some(spot) = spot_of(section, key) {
            let why = format!("has no meaning beside `{beside}`");
            section.reader.refuse(&spot.bare(), Complaint::advise(why, "remove it"));
        }
    }
}
