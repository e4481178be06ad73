//! `[[route.derived]]`: values computed from a route's columns for those who look, never stored in the route's table.

use std::ops::RangeInclusive;

use crate::declare::key::{Complaint, NAMES, NUMBER, TEXT, word};
use crate::declare::settings;
use crate::declare::text::quote;
use crate::field::{Declared, ListItem, read_declared};
use crate::page::{Assignment, ShownValue, print};
use crate::part::Part;
use crate::read::problems::Spot;
use crate::read::reader::join;
use crate::read::section::{Entry, Section};
use crate::route::Route;
use crate::route::column::{Column, column_path};
use crate::route::index::{check_names, entry_path};
use crate::route::names::{IDENTIFIER_LEN_MAX, OWN_COLUMNS, identifier_fault, identifier_like};
use crate::word::{Word, words};

settings! {
    /// A derived value.
    pub struct Derived in "route.derived" concerns Part::Derived;

    /// Its name: unlike the columns' and the other derived values'.
    name: String = String::new(), TEXT.example(r#""wind_speed""#).needed();

    /// How it is computed.
    kind: DerivedKind = DerivedKind::Scale, word(DerivedKind::WORDS).example(r#""scale""#).needed();

    /// The columns that it is computed from; as many as the kind needs, all integer or real.
    of: Vec<String> = Vec::new(), NAMES.example(r#"["anemometer_count"]"#).needed();

    /// Its unit, for people.
    unit: Option<String> = None, TEXT.example(r#""m/s""#).absent("none");

    /// `counter_rate` only: counts a second for one unit (1.5 counts a second are 1 m/s). Above 0.
    per: f64 = 1.0, NUMBER.example("1.5");

    /// What the value is multiplied by.
    factor: f64 = 1.0, NUMBER.example("0.2794");

    /// What is added then. Of `sea_level_pressure`: the barometer's height in metres above sea level.
    offset: f64 = 0.0, NUMBER.example("0.5");
}

impl Derived {
    /// One with the numbers that change nothing.
    pub fn new(name: &str, kind: DerivedKind, of: &[&str], unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            of: of.iter().map(|column| (*column).to_owned()).collect(),
            unit: Some(unit.to_owned()),
            ..Self::initial()
        }
    }

    /// The table `[[route.derived]]` of this value, to be put below its route.
    pub fn to_toml(&self) -> String {
        let value = ShownValue::Named(vec![self.line()]);
        print("route", &[Assignment { name: "derived".to_owned(), value, part: Part::Derived }])
    }

    /// What has no meaning for its kind is left out.
    fn line(&self) -> Assignment {
        let is_meant = |line: &Assignment| match line.name.as_str() {
            "name" => false,
            number @ ("per" | "factor" | "offset") => self.kind.has(number),
            _ => true,
        };
        let lines = self.lines().into_iter().filter(is_meant).collect();
        Assignment {
            name: self.name.clone(),
            value: ShownValue::Braces(lines),
            part: Part::Derived,
        }
    }
}

impl ListItem for Derived {
    fn read<'a>(section: &mut Section<'_, 'a>, entry: Entry<'a>, _before: &[Self]) -> Option<Self> {
        Some(read_declared(section, entry))
    }

    fn shown(all: &[Self]) -> Option<ShownValue> {
        Some(ShownValue::Named(all.iter().map(Self::line).collect()))
    }
}

words! {
    /// How a derived value is computed from columns.
    pub enum DerivedKind, word {
        /// Counts a second between two readings, / `per` × `factor` + `offset`. A smaller count is a reset: it counts from 0.
        CounterRate = "counter_rate",
        /// The count between two readings, × `factor` + `offset`; resets likewise.
        CounterDelta = "counter_delta",
        /// value × `factor` + `offset`
        Scale = "scale",
        /// √(sum of squares) × `factor`
        Magnitude = "magnitude",
        /// atan2(second, first) in degrees + `offset`, 0 to 360: the first points north, the second east.
        Heading = "heading",
        /// Of temperature (°C) and relative humidity (%), in °C: Magnus, a = 17.62, b = 243.12 °C (WMO-No. 8, annex 4.B).
        DewPoint = "dew_point",
        /// Of pressure and temperature (°C), in the unit of the pressure: ISO 2533's lapse rate, exponent 5.2559.
        SeaLevelPressure = "sea_level_pressure",
    }
}

impl DerivedKind {
    /// How many columns it is computed from, what they are, and which numbers have a meaning for it.
    fn form(self) -> (RangeInclusive<usize>, &'static str, &'static [&'static str]) {
        match self {
            Self::CounterRate => (1..=1, "one column, a counter", &["per", "factor", "offset"]),
            Self::CounterDelta => (1..=1, "one column, a counter", &["factor", "offset"]),
            Self::Scale => (1..=1, "one column", &["factor", "offset"]),
            Self::Magnitude => {
                (1..=3, "one to three columns, the components of a vector", &["factor"])
            }
            Self::Heading => (2..=2, "two columns, the north and the east component", &["offset"]),
            Self::DewPoint => {
                (2..=2, "two columns, the temperature in °C and the humidity in %", &[])
            }
            Self::SeaLevelPressure => {
                (2..=2, "two columns, the pressure and the temperature in °C", &["offset"])
            }
        }
    }

    /// Whether a number, by its key, has a meaning for it.
    pub(crate) fn has(self, number: &str) -> bool {
        self.form().2.contains(&number)
    }

    /// How many columns it is computed from.
    #[cfg(test)]
    pub(crate) fn columns(self) -> RangeInclusive<usize> {
        self.form().0
    }
}

/// Heights of a barometer in metres above sea level.
const HEIGHTS: std::ops::RangeInclusive<f64> = -500.0..=9000.0;

/// Compares the derived values of a route with its columns and each other.
pub(crate) fn check(route: &mut Section<'_, '_>, read: &Route) {
    let route_path = route.path.clone();
    let mut names: Vec<(String, Spot)> = Vec::new();
    for (index, derived) in read.derived.iter().enumerate() {
        let Some(mut section) = route.reopen_entry("derived", index) else { continue };
        check_name(&mut section, &route_path, &derived.name, &read.columns, &mut names);
        let kind = section.spot("kind").map(|_| derived.kind);
        check_of(&mut section, &route_path, kind, &derived.of, &read.columns);
        if let Some(kind) = kind {
            check_meaning(&mut section, kind);
            check_numbers(&mut section, derived);
        }
    }
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
    names: &[String],
    columns: &[Column],
) {
    let path = join(&section.path, "of");
    if section.spot("of").is_none() || !check_names(section, &path, names, columns, &[]) {
        return;
    }
    for (index, name) in names.iter().enumerate() {
        let is_sound = section.reader.good(&column_path(route, name)).is_some();
        let column = columns.iter().find(|column| column.name == *name && is_sound);
        if let Some(column) = column.filter(|column| !column.kind.is_number()) {
            let why = format!(
                "expected a column of type integer or real, `{name}` is {}",
                column.kind.as_str()
            );
            if let Some(at) = section.reader.good(&entry_path(&path, index)) {
                let complaint = Complaint::advise(why, "name a column of numbers");
                section.reader.refuse(&at.bare(), complaint);
            }
        }
    }
    let Some(kind) = kind.filter(|_| section.reader.is_whole()) else { return };
    let (count, needed, _) = kind.form();
    if !count.contains(&names.len()) {
        let why = format!("expected {needed} for {}", kind.word());
        section.refuse("of", Complaint::advise(why, "name them in this order"));
    }
}

/// Each number has a meaning for its kind.
fn check_meaning(section: &mut Section<'_, '_>, kind: DerivedKind) {
    for name in ["per", "factor", "offset"] {
        if !kind.has(name) && section.spot(name).is_some() {
            let why = format!("{name} has no meaning for {}", kind.word());
            section.refuse(name, Complaint::advise(why, "remove it"));
        }
    }
}

fn check_numbers(section: &mut Section<'_, '_>, derived: &Derived) {
    let kind = derived.kind;
    if kind.has("per") && derived.per <= 0.0 {
        let negative = derived.per < 0.0;
        let example = if negative { format!("{:?}", -derived.per) } else { "1.5".to_owned() };
        let why = "expected a number above 0: the counts a second for one unit";
        section.refuse("per", Complaint::write(why, example));
    }
    if kind.has("factor") && derived.factor == 0.0 {
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
