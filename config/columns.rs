//! `[route.columns]`: which field of the message becomes which column of the table.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::defaults;
use crate::keys::{self, Key, nearest};
use crate::names::{IDENTIFIER_LEN_MAX, OWN_COLUMNS, identifier_fault, identifier_like, pointer};
use crate::problems::{Complaint, Spot};
use crate::reader::join;
use crate::redact::written;
use crate::section::{Answer, Section, Seen};
use crate::settings::{Column, Kind, OnBad};
use crate::values;
use crate::words::Word;

/// Most columns of a route; SQLite's own limit is 2000.
const COLUMNS_MAX: usize = 500;

/// A column as far as it could be read.
pub(crate) struct ColumnDraft {
    pub(crate) column: Column,
    pub(crate) spot: Spot,
    /// Whether type and `required` are what the file means: else they cannot be compared.
    pub(crate) is_sound: bool,
}

/// Reads all columns of a route, in the order of the file.
pub(crate) fn read(route: &mut Section<'_, '_>, header: &Spot) -> Vec<ColumnDraft> {
    if route.value("columns").is_none() {
        if route.reader.is_whole() {
            refuse_none(route, header);
        }
        return Vec::new();
    }
    let Some(table) = route.table("columns") else { return Vec::new() };
    if table.is_empty() && route.reader.is_whole() {
        refuse_none(route, header);
    }
    let path = join(&route.path, "columns");
    if table.len() > COLUMNS_MAX {
        let spot = Spot { path, ..header.clone() };
        let why = format!("a route has at most {COLUMNS_MAX} columns");
        let advice = "divide the message between two tables, or keep it whole in a json column";
        route.reader.refuse(&spot, Complaint::advise(why, advice));
        return Vec::new();
    }
    let mut columns: Vec<ColumnDraft> = Vec::with_capacity(table.len());
    for (name, value) in in_order(table) {
        let key_spot = route.reader.spot(join(&path, name.get_ref()), name.span(), None);
        check_name(route, name.get_ref(), &key_spot, &columns);
        columns.push(read_column(route, name.get_ref(), value, key_spot));
    }
    columns
}

/// The entries of a table in the order of the file; the parser sorts them by name.
pub(crate) fn in_order<'a>(
    table: &'a DeTable<'a>,
) -> Vec<(&'a Spanned<toml::de::DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn refuse_none(route: &mut Section<'_, '_>, header: &Spot) {
    let spot = Spot { path: join(&header.path, "columns"), ..header.clone() };
    let why = "the route has no columns, so nothing of its messages would be kept";
    let advice = "write: [route.columns], and a line like temperature = \"temperature\" below it";
    route.reader.refuse(&spot, Complaint::advise(why, advice));
}

fn check_name(route: &mut Section<'_, '_>, name: &str, spot: &Spot, before: &[ColumnDraft]) {
    let lower = name.to_ascii_lowercase();
    let twin = before.iter().find(|other| other.column.name.eq_ignore_ascii_case(name));
    let complaint = if OWN_COLUMNS.contains(&lower.as_str()) {
        let why = "every table has the columns `id` and `created_at` already".to_owned();
        Some((why, identifier_like(name)))
    } else if let Some(why) = identifier_fault(name, IDENTIFIER_LEN_MAX) {
        Some((why, identifier_like(name)))
    } else {
        twin.map(|twin| {
            let why = format!("SQLite takes this for `{}` ({})", twin.column.name, twin.spot.place);
            (why, format!("{}_2", identifier_like(name)))
        })
    };
    if let Some((why, offer)) = complaint {
        let advice = format!("write: {offer} = {{ field = {}, ... }}", crate::print::quote(name));
        route.reader.refuse(spot, Complaint::advise(why, advice));
    }
}

fn read_column<'a>(
    route: &mut Section<'_, 'a>,
    name: &str,
    value: &'a Spanned<DeValue<'a>>,
    key_spot: Spot,
) -> ColumnDraft {
    let key = keys::COLUMN.key("field");
    let own_field = pointer(name).unwrap_or_default();
    let mut column = defaults::column(name, own_field, Kind::Real);
    if let Some(table) = value.get_ref().as_table() {
        let mut section = route.nested(&keys::COLUMN, table, key_spot.path.clone());
        let is_sound = read_attributes(&mut section, &mut column);
        return ColumnDraft { column, spot: key_spot, is_sound };
    }
    let written = written(key, value.get_ref(), route.reader.raw(value.span()));
    let spot = route.reader.spot(key_spot.path.clone(), value.span(), written);
    if route.reader.slipped_at(key, &spot, &value.span()) {
        return ColumnDraft { column, spot: key_spot, is_sound: false };
    }
    match value.get_ref().as_str() {
        Some(field) => {
            let field_pointer = field_pointer(value.get_ref(), key);
            if Kind::ALL.iter().any(|kind| kind.word() == field) {
                let text = format!(
                    "takes the field named `{field}` as real; if the type was meant, write: \
                     {name} = {{ type = \"{field}\" }}"
                );
                route.reader.warn(&spot, &text);
            }
            match field_pointer {
                Ok(pointer) => column.pointer = pointer,
                Err(complaint) => route.reader.refuse(&spot, complaint),
            }
        }
        None => {
            let why = "a column is the name of a field, or braces with its attributes";
            let example =
                format!("{{ field = {}, type = \"integer\" }}", crate::print::quote(name));
            route.reader.refuse(&spot, Complaint::write(why, example));
        }
    }
    let is_sound = value.get_ref().is_str();
    ColumnDraft { column, spot: key_spot, is_sound }
}

fn field_pointer(value: &DeValue<'_>, key: &Key) -> Result<String, Complaint> {
    let field = value.as_str().ok_or_else(|| values::wrong_type(value, key))?;
    pointer(field).map_err(|why| {
        Complaint::advise(why, "write the name without a `/` before it, or escape the `~`")
    })
}

/// The attributes in braces; whether the type and `required` could be read.
fn read_attributes(section: &mut Section<'_, '_>, column: &mut Column) -> bool {
    section.take("field", field_pointer).store(&mut column.pointer);
    let kind = section.word("type", &mut column.kind);
    let required = section.take("required", values::flag).store(&mut column.required);
    let min = section.take("min", values::real).map(Some).store(&mut column.min);
    let max = section.take("max", values::real).map(Some).store(&mut column.max);
    section.text("unit").map(Some).store(&mut column.unit);
    let on_bad = section.word("on_bad", &mut column.on_bad);
    section.number("stuck_after").map(Some).store(&mut column.stuck_after);
    check_bounds(section, column, &kind, &min, &max);
    if let Some(spot) = on_bad.spot()
        && column.on_bad == OnBad::Null
        && column.required
    {
        let why = "a required column cannot become NULL";
        section.reader.refuse(spot, Complaint::write(why, r#""quarantine""#));
    }
    !kind.is_bad() && !required.is_bad()
}

/// The column that holds the time of the measurement.
pub(crate) fn read_time_column(
    route: &mut Section<'_, '_>,
    columns: &[ColumnDraft],
) -> Option<String> {
    let (name, spot) = route.text("time_column").good()?;
    let numbers = columns.iter().filter(|draft| match draft.column.kind {
        Kind::Integer | Kind::Real => true,
        Kind::Text | Kind::Boolean | Kind::Json => false,
    });
    let known: Vec<&str> = numbers.map(|draft| draft.column.name.as_str()).collect();
    if known.contains(&name.as_str()) {
        return Some(name);
    }
    let column = columns.iter().find(|draft| draft.column.name == name);
    if !route.reader.is_whole() || column.is_some_and(|draft| !draft.is_sound) || columns.is_empty()
    {
        return None;
    }
    let why = match column {
        Some(draft) => {
            let kind = draft.column.kind.as_str();
            format!("a time is a number, and this column is of type {kind}")
        }
        None => "the route has no column of this name".to_owned(),
    };
    let complaint = match nearest(&name, known.iter().copied()).or(known.first().copied()) {
        Some(near) => Complaint::write(why, crate::print::quote(near)),
        None => Complaint::advise(why, "remove it, or add a column of type integer with the time"),
    };
    route.reader.refuse(&spot, complaint);
    None
}

fn check_bounds(
    section: &mut Section<'_, '_>,
    column: &Column,
    kind: &Seen,
    min: &Seen,
    max: &Seen,
) {
    let bounded = match column.kind {
        Kind::Integer | Kind::Real => true,
        Kind::Text | Kind::Boolean | Kind::Json => false,
    };
    if !bounded && !kind.is_bad() {
        for spot in [min.spot(), max.spot()].into_iter().flatten() {
            let why = format!("a column of type {} has no bounds", column.kind.as_str());
            let advice = "remove it, or write: type = \"real\"";
            section.reader.refuse(spot, Complaint::advise(why, advice));
        }
        return;
    }
    if let (Answer::Good((), spot), Some(low), Some(high)) = (min, column.min, column.max)
        && low > high
    {
        let why = format!("min is greater than max ({high:?}): no value could be good");
        section.reader.refuse(spot, Complaint::write(why, format!("{high:?}")));
    }
}
