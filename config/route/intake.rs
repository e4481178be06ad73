//! What a route takes of its messages: its settings compared with the format of the payload, and with each other.

use crate::declare::key::Complaint;
use crate::declare::text::quote;
use crate::field::Declared;
use crate::read::problems::Spot;
use crate::read::reader::{Mark, join};
use crate::read::section::Section;
use crate::route::Route;
use crate::route::column::{Column, Kind, column_path};
use crate::route::index::check_names;
use crate::route::message_part::{MessagePart, PayloadFormat};
use crate::route::source::{OF_TEXTS, SOURCES, spot_of};
use crate::word::Word;

/// What a route that ignores its messages can have.
const OF_IGNORED: [&str; 2] = ["topic", "ignore"];

/// One problem for each key that has no meaning for a route that stores nothing.
pub(crate) fn check_ignored(section: &mut Section<'_, '_>) {
    for key in Route::TABLE.keys().filter(|key| !OF_IGNORED.contains(&key.name)) {
        if let Some(spot) = spot_of(section, key.name) {
            let why = "has no meaning for a route that stores nothing (`ignore = true`)";
            section.reader.refuse(&spot.bare(), Complaint::advise(why, "remove it"));
        }
    }
}

/// The settings of the format belong to the route's format.
pub(crate) fn check_format(section: &mut Section<'_, '_>, route: &Route) {
    if section.is_bad("payload") {
        return;
    }
    let is_set = [
        ("rows", route.rows.is_some(), &[PayloadFormat::Json][..]),
        ("lines", route.lines, &[PayloadFormat::Json]),
        ("header", !route.header.is_empty(), &[PayloadFormat::Csv]),
        ("field_delimiter", true, &[PayloadFormat::Csv, PayloadFormat::Keyvalue]),
        ("value_delimiter", true, &[PayloadFormat::Keyvalue]),
    ];
    for (key, is_set, formats) in is_set {
        if is_set && !formats.contains(&route.payload) && section.spot(key).is_some() {
            let words: Vec<String> = formats.iter().map(|format| quote(format.word())).collect();
            let why = format!(
                "is for payload = {}, and this one is \"{}\"",
                words.join(" or "),
                route.payload.word()
            );
            let advice = format!("remove it, or write: payload = {}", words[0]);
            let spot = section.spot(key).unwrap_or_else(|| section.header.clone());
            section.reader.refuse(&spot.bare(), Complaint::advise(why, advice));
        }
    }
    check_header(section, route);
    check_delimiters(section, route);
}

fn check_header(section: &mut Section<'_, '_>, route: &Route) {
    let path = join(&section.path, "header");
    for (position, name) in route.header.iter().enumerate() {
        let why = if route.header[..position].contains(name) {
            "the name is in this list already"
        } else if name.is_empty() {
            "expected a name that is not empty"
        } else {
            continue;
        };
        if let Some(spot) = section.reader.good(&format!("{path}[{}]", position + 1)) {
            section.reader.refuse(&spot, Complaint::advise(why, "name each field, once"));
        }
    }
}

fn check_delimiters(section: &mut Section<'_, '_>, route: &Route) {
    let is_one_of_csv = |text: &str| matches!(text.as_bytes(), [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte));
    let field = route.field_delimiter.as_deref();
    if route.payload == PayloadFormat::Csv && field.is_some_and(|text| !is_one_of_csv(text)) {
        let why = "expected one ASCII character for csv, neither a quote nor a line end";
        section.refuse("field_delimiter", Complaint::write(why, "\";\""));
    }
    if route.payload != PayloadFormat::Keyvalue {
        return;
    }
    let value = route.value_delimiter.as_str();
    if field.is_some_and(|field| value.contains(|c| field.contains(c))) {
        let key = if section.spot("field_delimiter").is_some() {
            "field_delimiter"
        } else {
            "value_delimiter"
        };
        let why =
            format!("expected other characters than those of value_delimiter ({})", quote(value));
        section.refuse(key, Complaint::write(why, "\";\""));
    }
}

/// Each capture fills the column of its name; without one there it is a column of its own, before the others.
pub(crate) fn apply_captures(section: &mut Section<'_, '_>, route: &mut Route) {
    let Some(topic) = section.spot("topic").map(|spot| spot.bare()) else { return };
    let mut own = Vec::new();
    for (number, capture) in route.captures.0.iter().enumerate() {
        let is_it = |column: &&mut Column| column.name.eq_ignore_ascii_case(&capture.name);
        match route.columns.iter_mut().find(is_it) {
            Some(column) => fill_by_capture(section, column, (number, &capture.name), &topic),
            None => {
                let path = column_path(&section.path, &capture.name);
                section.reader.mark(path, Mark::Good(topic.clone()));
                own.push(captured(&capture.name, number));
            }
        }
    }
    route.columns.splice(0..0, own);
    if section.spot("key").is_none() && !section.is_bad("key") {
        route.key = route.captures.iter().map(|capture| capture.name.clone()).collect();
    }
}

/// The column of a capture that the settings do not declare.
fn captured(name: &str, number: usize) -> Column {
    let mut column = Column { name: name.to_owned(), kind: Kind::Text, ..Column::initial() };
    column.pointer = format!("/{name}");
    column.capture.0 = Some(number);
    column
}

fn fill_by_capture(
    section: &mut Section<'_, '_>,
    column: &mut Column,
    (number, name): (usize, &str),
    topic: &Spot,
) {
    let path = column_path(&section.path, &column.name);
    let Some(spot) = section.reader.good(&path) else { return };
    let entry = section.value("columns").and_then(|columns| columns.get_ref().as_table());
    let is_plain = entry
        .and_then(|columns| columns.get(column.name.as_str()))
        .is_some_and(|value| !value.get_ref().is_table());
    let key = SOURCES.into_iter().find(|key| section.reader.good(&join(&path, key)).is_some());
    let key = key.or(is_plain.then_some("field"));
    let complaint = if column.name != *name {
        let why = format!("the topic captures it as `{name}` ({})", topic.place);
        Some((why, format!("write: {name} = ...")))
    } else if let Some(key) = key {
        let why = format!("the topic captures it ({}), and it sets `{key}`, too", topic.place);
        Some((why, format!("remove `{key}`, or give the capture another name")))
    } else {
        None
    };
    if let Some((why, advice)) = complaint {
        section.reader.refuse(&spot.bare(), Complaint::advise(why, advice));
        return;
    }
    column.capture.0 = Some(number);
    let is_typed = ["type", "min", "max", "decimal"];
    let is_typed = is_typed.iter().any(|key| section.reader.good(&join(&path, key)).is_some());
    if !is_typed && column.map.is_empty() {
        column.kind = Kind::Text;
    }
    if !OF_TEXTS.contains(&column.kind) {
        let why = format!("a capture is a text, and the column is {}", column.kind.word());
        let advice = "write: type = \"text\"";
        section.reader.refuse(&spot.bare(), Complaint::advise(why, advice));
    }
}

/// Sources that need what the route does not have.
pub(crate) fn check_sources(section: &mut Section<'_, '_>, route: &mut Route) {
    let has_rows = route.rows.is_some() || section.is_bad("rows");
    let is_split = has_rows || route.lines || route.payload == PayloadFormat::Csv;
    for column in &route.columns {
        let path = column_path(&section.path, &column.name);
        if let Some(spot) = section.reader.good(&join(&path, "message"))
            && !has_rows
        {
            let why = "without `rows` the message is the row";
            let advice = "write `field` in its place, or set the route's `rows`";
            section.reader.refuse(&spot.bare(), Complaint::advise(why, advice));
        }
        if let Some(spot) = section.reader.good(&join(&path, "from"))
            && column.from == Some(MessagePart::Index)
            && !is_split
        {
            let why = "without `rows` a message is one row, and has no index";
            let advice = "remove the column, or set the route's `rows`";
            section.reader.refuse(&spot.bare(), Complaint::advise(why, advice));
        }
    }
    if section.is_bad("payload") {
        return;
    }
    match route.payload {
        PayloadFormat::Bytes => no_fields(section, route),
        PayloadFormat::Text => fields_of_text(section, route),
        PayloadFormat::Json | PayloadFormat::Keyvalue | PayloadFormat::Csv => {}
    }
}

/// Nothing is decoded: there are no fields.
fn no_fields(section: &mut Section<'_, '_>, route: &Route) {
    for column in route.columns.iter().filter(|it| it.is_field() || it.message.is_some()) {
        let path = column_path(&section.path, &column.name);
        let Some(spot) = section.reader.good(&path) else { continue };
        let why = "a payload of bytes has no fields";
        let advice = format!("write: {} = {{ from = \"payload\" }}", column.name);
        section.reader.refuse(&spot.bare(), Complaint::advise(why, advice));
    }
}

/// The whole text is the one value there is.
fn fields_of_text(section: &mut Section<'_, '_>, route: &mut Route) {
    let is_alone = route.columns.iter().filter(|column| column.is_field()).count() == 1;
    let fields = section.value("columns").and_then(|columns| columns.get_ref().as_table());
    for column in route.columns.iter_mut().filter(|column| column.is_field()) {
        let path = column_path(&section.path, &column.name);
        let entry = fields.and_then(|fields| fields.get(column.name.as_str()));
        let is_plain = entry.is_some_and(|value| !value.get_ref().is_table());
        let is_set = is_plain || section.reader.good(&join(&path, "field")).is_some();
        if is_alone && !is_set {
            column.pointer.clear();
        }
        let Some(spot) = section.reader.good(&path).filter(|_| !column.pointer.is_empty()) else {
            continue;
        };
        let why = "a payload of text is one value, without fields";
        let advice = format!("write: {} = {{ field = \"\", ... }}", column.name);
        section.reader.refuse(&spot.bare(), Complaint::advise(why, advice));
    }
}

/// The names of `key` are columns.
pub(crate) fn check_key(section: &mut Section<'_, '_>, route: &Route) {
    let path = join(&section.path, "key");
    if section.spot("key").is_some()
        && !check_names(section, &path, &route.key, &route.columns, &[])
    {
        section.mark("key", Mark::Bad);
    }
}

/// Warns of names of fields that look like the paths of other programs.
pub(crate) fn warn_of_paths(section: &mut Section<'_, '_>, route: &Route) {
    if route.payload != PayloadFormat::Json {
        return;
    }
    let mut fields = vec![(section.spot("rows"), route.rows.as_deref())];
    for column in &route.columns {
        let path = column_path(&section.path, &column.name);
        let field = column.is_field().then_some(column.pointer.as_str());
        let spot = section.reader.good(&join(&path, "field"));
        fields.push((spot.or_else(|| plain_spot(section, &column.name)), field));
        fields.push((section.reader.good(&join(&path, "message")), column.message.as_deref()));
    }
    for (position, condition) in route.when.iter().enumerate() {
        let path = format!("{}[{}]", join(&section.path, "when"), position + 1);
        fields.push((section.reader.good(&join(&path, "field")), Some(&condition.pointer)));
    }
    for (spot, pointer) in fields.into_iter().filter_map(|(spot, field)| spot.zip(field)) {
        warn_of_path(section, &spot, pointer);
    }
}

/// Where the field of `column = "field"` stands.
fn plain_spot(section: &Section<'_, '_>, column: &str) -> Option<Spot> {
    let columns = section.value("columns")?.get_ref().as_table()?;
    let value = columns.get(column).filter(|value| value.get_ref().is_str())?;
    let raw = section.reader.raw(value.span()).to_owned();
    Some(section.reader.spot(column_path(&section.path, column), value.span(), Some(raw)))
}

fn warn_of_path(section: &mut Section<'_, '_>, spot: &Spot, pointer: &str) {
    // Who writes a pointer means what it says.
    let written = spot.written.as_deref().unwrap_or_default();
    if written.trim_start_matches(['"', '\'']).starts_with('/') {
        return;
    }
    let Some(name) = pointer.strip_prefix('/') else { return };
    let name = name.replace("~1", "/").replace("~0", "~");
    if let Some(meant) = path_like(&name) {
        let text = format!(
            "takes a field whose whole name is `{name}`; did you mean {}, a field within another?",
            quote(&meant)
        );
        section.reader.warn(spot, &text);
    }
}

/// The pointer that a path in another notation means: `ENERGY.Power`, `$.a[0].b`, `a/b`.
fn path_like(name: &str) -> Option<String> {
    if !name.contains(['.', '/']) && !name.starts_with('$') {
        return None;
    }
    let name = name.trim_start_matches('$').replace('[', "/").replace(']', "");
    let levels = name.split(['.', '/']).filter(|level| !level.is_empty());
    let pointer: String = levels.map(|level| format!("/{}", level.replace('~', "~0"))).collect();
    (!pointer.is_empty()).then_some(pointer)
}
