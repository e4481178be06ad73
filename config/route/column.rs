//! One column and where its value comes from.

use crate::declare::key::{
    CONSTANT, Complaint, FLAG, NAMES, NUMBER, POINTER, SUBTABLE, TEXT, count, word,
};
use crate::declare::nearest::nearest;
use crate::declare::settings;
use crate::declare::text::{pointer, quote};
use crate::declare::values::Scalar;
use crate::field::{Computed, Declared, ListItem};
use crate::page::{Assignment, ShownValue};
use crate::part::Part;
use crate::read::problems::Spot;
use crate::read::reader::{Given, Mark, join};
use crate::read::section::{Entry, Section};
use crate::route::Route;
use crate::route::message_part::{DecimalMark, MessagePart};
use crate::route::names::{
    IDENTIFIER_LEN_MAX, OWN_COLUMNS, identifier_like, is_word_of_sql, quotable_fault,
};
use crate::route::value::{Constant, Mapping};
use crate::route::{conversion, source};
use crate::word::{Word, words};

settings! {
    /// One column and where its value comes from.
    pub struct Column in "route.columns.*" concerns Part::Routes, checked check_attributes;

    /// SQL identifier.
    name: String = String::new();

    /// The field of the JSON message; "/a/b" reaches b inside a, "" is the whole message. In the resolved settings it is an
    /// RFC 6901 JSON pointer.
    pointer: String = String::new(),
        as "field" POINTER.example(r#""utc""#).absent("the column's own name");

    /// As `field`, but a pointer into the whole message, where the route's `rows` splits it.
    message: Option<String> = None, POINTER.example(r#""/site""#).absent("not used");

    /// What surrounds the fields: "topic", "payload" (its bytes), "retain", "qos", "index" (the position or member name within
    /// the route's `rows`), or "property:NAME" (an MQTT 5 user property).
    from: Option<MessagePart> = None, TEXT.example(r#""topic""#).absent("not used");

    /// The same value in each row: a text, a number, true or false.
    value: Option<Constant> = None, CONSTANT.example(r#""attic""#).absent("not used");

    /// Which capture of the route's topic fills it, counted from 0.
    capture: Computed<Option<usize>> = Computed(None);

    /// Type of the value: integer, real, text, boolean, time, blob (bytes), or json (any value, kept as JSON).
    kind: Kind = Kind::Real, as "type" word(Kind::WORDS);

    /// `time` only: "auto" (RFC 3339, ISO 8601, Unix time in s, ms, us or ns), or a strftime pattern such as "%d.%m.%Y %H:%M:%S".
    format: Option<String> = None, TEXT
        .checked(conversion::time_format)
        .example(r#""%d.%m.%Y %H:%M""#)
        .absent("auto");

    /// `time` only: the time zone of times that name none.
    zone: Option<String> = None,
        TEXT.checked(conversion::zone).example(r#""Europe/Berlin""#).absent("UTC");

    /// `boolean` only: the texts that mean true, regardless of case.
    true_words: Vec<String> = Vec::new(),
        as "true" NAMES.example(r#"["ON", "open"]"#).absent("true, on, yes and 1");

    /// `boolean` only: the texts that mean false, regardless of case.
    false_words: Vec<String> = Vec::new(),
        as "false" NAMES.example(r#"["OFF", "closed"]"#).absent("false, off, no and 0");

    /// The values that texts stand for; a text that is not here is a bad value.
    map: Vec<Mapping> = Vec::new(), SUBTABLE
        .of("texts")
        .at_most(1000, "take a column of type text")
        .example(r#"{ off = 0, heat = 1, cool = 2 }"#)
        .absent("none");

    /// What separates the fraction in numbers that are texts: "." or ",".
    decimal: DecimalMark = DecimalMark::Point, word(DecimalMark::WORDS);

    /// A message without the field goes to quarantine.
    required: bool = false, FLAG;

    /// Smallest good value (integer and real only).
    min: Option<f64> = None, NUMBER.example("-60").absent("none");

    /// Largest good value (integer and real only).
    max: Option<f64> = None, NUMBER.example("60").absent("none");

    /// Unit, for people; nothing is converted.
    unit: Option<String> = None, TEXT.example(r#""°C""#).absent("none");

    /// What people call it, on the page.
    label: Option<String> = None, TEXT.example(r#""Temperature""#).absent("the column's name");

    /// Digits behind the decimal point that the page shows.
    decimals: Option<u32> = None, count(0, 10).of("digits").example("1").absent("as many as tell values apart");

    /// What a bad value does: "quarantine" sets the whole message aside, with the reason; with "null" the column becomes
    /// NULL and the rest is stored.
    on_bad: OnBad = OnBad::Quarantine, word(OnBad::WORDS);

    /// This many identical readings in a row are an issue: the sensor may be frozen.
    stuck_after: Option<u32> = None,
        count(2, 1_000_000).of("readings").example("100").absent("a value may stand still");
}

impl Column {
    /// A column of this name and type, filled by the field of its name.
    pub fn new(name: &str, kind: Kind) -> Self {
        let pointer = pointer(name).unwrap_or_default();
        Self { name: name.to_owned(), pointer, kind, ..Self::initial() }
    }
}

words! {
    /// Type of a column's values.
    pub enum Kind, as_str {
        /// Whole number, stored as INTEGER.
        Integer = "integer",
        /// Number, stored as REAL.
        Real = "real",
        /// JSON string, stored as TEXT.
        Text = "text",
        /// `true` or `false`, stored as INTEGER 1 or 0.
        Boolean = "boolean",
        /// A moment, stored as `created_at` is: UTC text with milliseconds. In an INTEGER column that was there before:
        /// seconds since 1970.
        Time = "time",
        /// Bytes, stored as BLOB.
        Blob = "blob",
        /// Any JSON value, stored as compact JSON text.
        Json = "json",
    }
}

impl Kind {
    /// Whether its values are numbers.
    pub(crate) fn is_number(self) -> bool {
        match self {
            Self::Integer | Self::Real => true,
            Self::Text | Self::Boolean | Self::Time | Self::Blob | Self::Json => false,
        }
    }
}

words! {
    /// What a value of the wrong type or out of bounds does.
    pub enum OnBad, as_str {
        /// The whole message goes to quarantine (the default).
        Quarantine = "quarantine",
        /// The column becomes NULL, the rest is stored. Not for required columns.
        Null = "null",
    }
}

/// Each column is marked under its path: bad, if type or `required` are not known.
impl ListItem for Column {
    fn read<'a>(section: &mut Section<'_, 'a>, entry: Entry<'a>, before: &[Self]) -> Option<Self> {
        let spot = entry.spot.clone();
        check_name(section, &entry, before);
        let (column, is_sound) = read_one(section, entry);
        let mark = if is_sound { Mark::Good(spot.clone()) } else { Mark::Bad };
        section.reader.mark(spot.path, mark);
        Some(column)
    }

    fn shown(all: &[Self]) -> Option<ShownValue> {
        let lines = all.iter().map(|column| Assignment {
            name: column.name.clone(),
            value: ShownValue::Braces(column.meant_lines()),
            part: Part::Routes,
        });
        Some(ShownValue::Table(lines.collect()))
    }
}

impl Column {
    /// Whether its value is a field of the message, or of the row.
    pub fn is_field(&self) -> bool {
        let has_other = self.message.is_some() || self.from.is_some() || self.value.is_some();
        !has_other && self.capture.is_none()
    }

    /// What has no meaning for its source and type is left out.
    fn meant_lines(&self) -> Vec<Assignment> {
        let is_meant = |line: &Assignment| match line.name.as_str() {
            "field" => self.is_field(),
            "true" => !self.true_words.is_empty(),
            "false" => !self.false_words.is_empty(),
            "decimal" => self.decimal != DecimalMark::Point,
            _ => true,
        };
        self.lines().into_iter().filter(is_meant).collect()
    }
}

/// The path of a column.
pub(crate) fn column_path(route: &str, column: &str) -> String {
    join(&join(route, "columns"), column)
}

fn check_name(section: &mut Section<'_, '_>, entry: &Entry<'_>, before: &[Column]) {
    let name = entry.name;
    let lower = name.to_ascii_lowercase();
    let twin = before.iter().find(|other| other.name.eq_ignore_ascii_case(name));
    let complaint = if OWN_COLUMNS.contains(&lower.as_str()) {
        let why = "every table has the columns `id` and `created_at` already".to_owned();
        Some((why, identifier_like(name)))
    } else if let Some(why) = quotable_fault(name, IDENTIFIER_LEN_MAX) {
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
        section.reader.refuse(&entry.spot, Complaint::advise(why, advice));
    } else if is_word_of_sql(name) {
        let text = format!("a word of SQL: queries must write it in quotes, \"{name}\"");
        section.reader.warn(&entry.spot, &text);
    }
}

/// A column, and whether its type and `required` could be read.
fn read_one<'a>(section: &mut Section<'_, 'a>, entry: Entry<'a>) -> (Column, bool) {
    let (name, value) = (entry.name, entry.value);
    let pointer = pointer(name).unwrap_or_default();
    let mut column = Column { name: name.to_owned(), pointer, ..Column::initial() };
    if value.get_ref().is_table() {
        let opened = section.open_entry(entry, Column::TABLE.keys());
        let Some(mut attributes) = opened else { return (column, false) };
        column.read(&mut attributes);
        let is_sound = !attributes.is_bad("type") && !attributes.is_bad("required");
        return (column, is_sound);
    }
    let key = Column::TABLE.key("field");
    let Given { spot: at, is_broken, .. } = section.reader.given(key, entry.spot.path, value);
    if is_broken {
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
    match String::read(value.get_ref(), key) {
        Ok(pointer) => column.pointer = pointer,
        Err(complaint) => section.reader.refuse(&at, complaint),
    }
    (column, true)
}

fn check_attributes(column: &mut Column, section: &mut Section<'_, '_>) {
    source::check(column, section);
    conversion::check(column, section);
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
