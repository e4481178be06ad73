//! Reads `[[route.derived]]`, and compares each value with the columns that it is computed from.

use toml::Spanned;
use toml::de::DeValue;

use crate::declare::key::Complaint;
use crate::declare::text::quote;
use crate::field::Declared;
use crate::read::problems::Spot;
use crate::read::reader::join;
use crate::read::section::Section;
use crate::route::Route;
use crate::route::column::Column;
use crate::route::columns::column_path;
use crate::route::derived::{Derived, DerivedKind};
use crate::route::index::check_names;
use crate::route::names::{IDENTIFIER_LEN_MAX, OWN_COLUMNS, identifier_fault, identifier_like};

/// Most derived values of a route: each is computed for everyone who looks.
const DERIVED_MAX: usize = 100;

/// Heights of a barometer in metres above sea level.
const HEIGHTS: std::ops::RangeInclusive<f64> = -500.0..=9000.0;

/// Reads the derived values of a route.
pub(crate) fn read(section: &mut Section<'_, '_>, route: &mut Route) {
    let Some(value) = section.value("derived") else { return };
    let path = join(&section.path, "derived");
    let Some((list, spot)) = section.reader.expect_list(&path, value, "[[route.derived]]") else {
        return;
    };
    if list.len() > DERIVED_MAX {
        let why = format!("expected at most {DERIVED_MAX} derived values");
        section.reader.refuse(&spot, Complaint::advise(why, "keep those that someone looks at"));
        return;
    }
    let mut names: Vec<(String, Spot)> = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let path = format!("{path}[{}]", index + 1);
        route.derived.extend(read_one(section, path, value, &route.columns, &mut names));
    }
}

fn read_one<'a>(
    route: &mut Section<'_, 'a>,
    path: String,
    value: &'a Spanned<DeValue<'a>>,
    columns: &[Column],
    before: &mut Vec<(String, Spot)>,
) -> Option<Derived> {
    let table = route.reader.expect_table(&path, value, "[[route.derived]]")?;
    let header = route.reader.spot(path, value.span(), None);
    let route_path = route.path.clone();
    let keys = Derived::TABLE.keys();
    let mut section = Section::open(route.reader, keys, Some(table), header);
    let mut derived = Derived::initial();
    derived.take(&mut section);
    check_name(&mut section, &route_path, &derived.name, columns, before);
    let kind = section.spot("kind").map(|_| derived.kind);
    check_of(&mut section, &route_path, kind, columns);
    if let Some(kind) = kind {
        check_meaning(&mut section, kind);
        check_numbers(&mut section, &derived);
    }
    Some(derived)
}

fn check_name(
    section: &mut Section<'_, '_>,
    route: &str,
    name: &str,
    columns: &[Column],
    before: &mut Vec<(String, Spot)>,
) {
    let Some(spot) = section.spot("name") else { return };
    let like = identifier_like(name);
    let is_it = |other: &str| other.eq_ignore_ascii_case(name);
    let column = columns.iter().find(|column| is_it(&column.name));
    let twin = before.iter().find(|(other, _)| is_it(other));
    let (why, offer) = if OWN_COLUMNS.contains(&name.to_ascii_lowercase().as_str()) {
        ("every table has a column of this name".to_owned(), format!("{like}_2"))
    } else if let Some(why) = identifier_fault(name, IDENTIFIER_LEN_MAX) {
        (why, like)
    } else if let Some(column) = column {
        let at = section.reader.good(&column_path(route, &column.name));
        let at = at.map(|spot| format!(" ({})", spot.place)).unwrap_or_default();
        (format!("a column has this name{at}"), format!("{like}_2"))
    } else if let Some((_, at)) = twin {
        (format!("another derived value has this name ({})", at.place), format!("{like}_2"))
    } else {
        before.push((name.to_owned(), spot));
        return;
    };
    section.refuse("name", Complaint::write(why, quote(&offer)));
}

fn check_of(
    section: &mut Section<'_, '_>,
    route: &str,
    kind: Option<DerivedKind>,
    columns: &[Column],
) {
    if section.spot("of").is_none() {
        return;
    }
    let Some(names) = section.names(Derived::TABLE.key("of")) else { return };
    if !check_names(section, &names, columns, &[]) {
        return;
    }
    for (name, at) in &names {
        let is_sound = section.reader.good(&column_path(route, name)).is_some();
        let column = columns.iter().find(|column| column.name == *name && is_sound);
        if let Some(column) = column.filter(|column| !column.kind.is_number()) {
            let why = format!(
                "expected a column of type integer or real, `{name}` is {}",
                column.kind.as_str()
            );
            let spot = Spot { written: None, ..at.clone() };
            section.reader.refuse(&spot, Complaint::advise(why, "name a column of numbers"));
        }
    }
    if let Some(kind) = kind.filter(|kind| !kind.columns().contains(&names.len()))
        && section.reader.is_whole()
    {
        let why = format!("expected {} for {}", kind.columns_needed(), kind.word());
        section.refuse("of", Complaint::advise(why, "name them in this order"));
    }
}

/// Each number has a meaning for its kind.
fn check_meaning(section: &mut Section<'_, '_>, kind: DerivedKind) {
    let meaning =
        [("per", kind.has_per()), ("factor", kind.has_factor()), ("offset", kind.has_offset())];
    for (name, _) in meaning.into_iter().filter(|(_, is_meant)| !is_meant) {
        if section.spot(name).is_some() {
            let why = format!("{name} has no meaning for {}", kind.word());
            section.refuse(name, Complaint::advise(why, "remove it"));
        }
    }
}

fn check_numbers(section: &mut Section<'_, '_>, derived: &Derived) {
    let kind = derived.kind;
    if kind.has_per() && derived.per <= 0.0 {
        let negative = derived.per < 0.0;
        let example = if negative { format!("{:?}", -derived.per) } else { "1.5".to_owned() };
        let why = "expected a number above 0: the counts a second for one unit";
        section.refuse("per", Complaint::write(why, example));
    }
    if kind.has_factor() && derived.factor == 0.0 {
        let why = "expected a number other than 0: every value would be the same";
        section.refuse("factor", Complaint::advise(why, "write what a value is multiplied by"));
    }
    if kind != DerivedKind::SeaLevelPressure || section.is_bad("offset") {
        return;
    }
    if section.spot("offset").is_none() {
        let why = "missing: the barometer's height in metres above sea level";
        section.refuse_lack("offset", Complaint::write(why, "64"));
    } else if !HEIGHTS.contains(&derived.offset) {
        let why = "expected the barometer's height in metres above sea level, from -500 to 9000";
        section.refuse("offset", Complaint::write(why, "64"));
    }
}
