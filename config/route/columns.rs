//! `[route.columns]`: which field of the message becomes which column of the table.

use toml::Spanned;
use toml::de::DeValue;

use crate::declare::key::{Complaint, Key};
use crate::declare::nearest::nearest;
use crate::declare::pointer::pointer;
use crate::declare::text::quote;
use crate::declare::values;
use crate::field::{Declared, Field};
use crate::page::Line;
use crate::read::problems::Spot;
use crate::read::reader::{Mark, in_order, join};
use crate::read::redact::written;
use crate::read::section::Section;
use crate::route::Route;
use crate::route::column::{Column, Kind, OnBad};
use crate::route::names::{IDENTIFIER_LEN_MAX, OWN_COLUMNS, identifier_fault, identifier_like};
use crate::word::Word;

/// Most columns of a route; SQLite's own limit is 2000.
const COLUMNS_MAX: usize = 500;

/// Each column is marked under its path: bad, if type or `required` are not known.
impl Field for Vec<Column> {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        let [key] = keys else { return };
        let Some(value) = section.value(key.name) else { return };
        let path = join(&section.path, key.name);
        let Some(table) = section.reader.expect_table(&path, value, "[route.columns]") else {
            section.mark(key.name, Some(Mark::Bad));
            return;
        };
        if table.len() > COLUMNS_MAX {
            let why = format!("expected at most {COLUMNS_MAX} columns");
            let advice = "divide the message between two tables, or keep it whole in a json column";
            section.refuse(key.name, Complaint::advise(why, advice));
            section.mark(key.name, Some(Mark::Bad));
            return;
        }
        for (name, value) in in_order(table) {
            let spot = section.reader.spot(join(&path, name.get_ref()), name.span(), None);
            check_name(section, name.get_ref(), &spot, self);
            let (column, is_sound) = read_one(section, name.get_ref(), value, &spot);
            section
                .reader
                .mark(spot.path.clone(), if is_sound { Mark::Good(spot) } else { Mark::Bad });
            self.push(column);
        }
    }

    fn lines(&self, _keys: &'static [Key]) -> Vec<Line> {
        Vec::new()
    }
}

/// The path of a column.
pub(crate) fn column_path(route: &str, column: &str) -> String {
    join(&join(route, "columns"), column)
}

fn check_name(section: &mut Section<'_, '_>, name: &str, spot: &Spot, before: &[Column]) {
    let lower = name.to_ascii_lowercase();
    let twin = before.iter().find(|other| other.name.eq_ignore_ascii_case(name));
    let complaint = if OWN_COLUMNS.contains(&lower.as_str()) {
        let why = "every table has the columns `id` and `created_at` already".to_owned();
        Some((why, identifier_like(name)))
    } else if let Some(why) = identifier_fault(name, IDENTIFIER_LEN_MAX) {
        Some((why, identifier_like(name)))
    } else {
        twin.map(|twin| {
            let at = section.reader.good(&column_path(&section.path, &twin.name));
            let at = at.map(|spot| format!(" ({})", spot.place)).unwrap_or_default();
            let why = format!("SQLite takes this for `{}`{at}", twin.name);
            (why, format!("{}_2", identifier_like(name)))
        })
    };
    if let Some((why, offer)) = complaint {
        let advice = format!("write: {offer} = {{ field = {}, ... }}", quote(name));
        section.reader.refuse(spot, Complaint::advise(why, advice));
    }
}

/// A column, and whether its type and `required` could be read.
fn read_one<'a>(
    section: &mut Section<'_, 'a>,
    name: &str,
    value: &'a Spanned<DeValue<'a>>,
    spot: &Spot,
) -> (Column, bool) {
    let own_field = pointer(name).unwrap_or_default();
    let mut column = Column { name: name.to_owned(), pointer: own_field, ..Column::initial() };
    if let Some(table) = value.get_ref().as_table() {
        let keys = Column::TABLE.keys();
        let mut attributes = Section::open(section.reader, keys, Some(table), spot.clone());
        column.take(&mut attributes);
        check_attributes(&mut attributes, &column);
        let is_sound = !attributes.is_bad("type") && !attributes.is_bad("required");
        return (column, is_sound);
    }
    let key = Column::TABLE.key("field");
    let shown = written(key, value.get_ref(), section.reader.raw(value.span()));
    let at = section.reader.spot(spot.path.clone(), value.span(), Some(shown));
    if section.reader.is_broken_at(key, &at, &value.span()) {
        return (column, false);
    }
    let Some(field) = value.get_ref().as_str() else {
        let why = "expected the name of a field, or braces with attributes";
        let example = format!("{{ field = {}, type = \"integer\" }}", quote(name));
        section.reader.refuse(&at, Complaint::write(why, example));
        return (column, false);
    };
    if Kind::of_word(field).is_some() {
        let text = format!(
            "takes the field named `{field}` as real; if the type is meant, write: \
             {name} = {{ type = \"{field}\" }}"
        );
        section.reader.warn(&at, &text);
    }
    match values::pointer(value.get_ref(), key) {
        Ok(pointer) => column.pointer = pointer,
        Err(complaint) => section.reader.refuse(&at, complaint),
    }
    (column, true)
}

fn check_attributes(section: &mut Section<'_, '_>, column: &Column) {
    if column.on_bad == OnBad::Null && column.required && section.spot("on_bad").is_some() {
        let why = "a required column cannot become NULL";
        section.refuse("on_bad", Complaint::write(why, r#""quarantine""#));
    }
    let bounds = ["min", "max"].map(|name| section.spot(name));
    if !column.kind.is_number() && !section.is_bad("type") {
        for spot in bounds.into_iter().flatten() {
            let why = format!("a column of type {} has no bounds", column.kind.as_str());
            let advice = "remove it, or write: type = \"real\"";
            section.reader.refuse(&spot, Complaint::advise(why, advice));
        }
        return;
    }
    if let ([Some(low_spot), Some(high_spot)], Some(low), Some(high)) =
        (bounds, column.min, column.max)
        && low > high
    {
        let shown = |spot: &Spot| spot.written.clone().unwrap_or_default();
        let (low, high) = (shown(&low_spot), shown(&high_spot));
        let advice = format!("swap them: min = {high}, max = {low}");
        let why = format!("expected at most max ({high})");
        section.reader.refuse(&low_spot, Complaint::advise(why, advice));
    }
}

/// A route keeps something of its messages.
pub(crate) fn check(section: &mut Section<'_, '_>, columns: &[Column]) {
    if columns.is_empty() && !section.is_bad("columns") {
        let why = "missing: the route would keep nothing of its messages";
        let advice = "write: [route.columns], and below it a line for each field: temperature = \"temperature\"";
        section.refuse_lack("columns", Complaint::advise(why, advice));
    }
}

/// The column that holds the time of the measurement is one of the route, and a number.
pub(crate) fn check_time_column(section: &mut Section<'_, '_>, route: &mut Route) {
    let Some(name) = &route.time_column else { return };
    let numbers = route.columns.iter().filter(|column| column.kind.is_number());
    let known: Vec<&str> = numbers.map(|column| column.name.as_str()).collect();
    let path = column_path(&section.path, name);
    if known.contains(&name.as_str())
        || !section.reader.is_whole()
        || section.reader.is_bad(&path)
        || route.columns.is_empty()
    {
        return;
    }
    let why = match route.columns.iter().find(|column| column.name == *name) {
        Some(column) => {
            format!(
                "expected a column of type integer or real, `{name}` is {}",
                column.kind.as_str()
            )
        }
        None => "expected a column of the route".to_owned(),
    };
    let complaint = match nearest(name, known.iter().copied()).or(known.first().copied()) {
        Some(near) => Complaint::write(why, quote(near)),
        None => Complaint::advise(why, "remove it, or add a column of type integer with the time"),
    };
    section.refuse("time_column", complaint);
}
