//! `[[route.derived]]`: values computed from a route's columns for those who look, never stored in the route's table.

use std::ops::RangeInclusive;

use crate::declare::key::{NAMES, NUMBER, TEXT, word};
use crate::declare::settings;
use crate::field::{Declared, word_scalars};
use crate::page::{Line, Sheet};
use crate::part::Part;
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
        self.sheet().to_toml()
    }

    /// What has no meaning for its kind is left out.
    pub(crate) fn sheet(&self) -> Sheet {
        let is_meant = |line: &Line| match line.name.as_str() {
            "name" => false,
            "per" => self.kind.has_per(),
            "factor" => self.kind.has_factor(),
            "offset" => self.kind.has_offset(),
            _ => true,
        };
        let lines = self.lines().into_iter().filter(is_meant).collect();
        Sheet::named("[[route.derived]]", &self.name, Part::Derived, lines)
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

word_scalars!(DerivedKind);

impl DerivedKind {
    /// How many columns it is computed from.
    pub(crate) fn columns(self) -> RangeInclusive<usize> {
        match self {
            Self::CounterRate | Self::CounterDelta | Self::Scale => 1..=1,
            Self::Magnitude => 1..=3,
            Self::Heading | Self::DewPoint | Self::SeaLevelPressure => 2..=2,
        }
    }

    /// What these columns are, for a message.
    pub(crate) fn columns_needed(self) -> &'static str {
        match self {
            Self::CounterRate | Self::CounterDelta => "one column, a counter",
            Self::Scale => "one column",
            Self::Magnitude => "one to three columns, the components of a vector",
            Self::Heading => "two columns, the north and the east component",
            Self::DewPoint => "two columns, the temperature in °C and the humidity in %",
            Self::SeaLevelPressure => "two columns, the pressure and the temperature in °C",
        }
    }

    /// Whether `per` has a meaning for it.
    pub(crate) fn has_per(self) -> bool {
        match self {
            Self::CounterRate => true,
            Self::CounterDelta | Self::Scale | Self::Magnitude => false,
            Self::Heading | Self::DewPoint | Self::SeaLevelPressure => false,
        }
    }

    /// Whether `factor` has a meaning for it.
    pub(crate) fn has_factor(self) -> bool {
        match self {
            Self::CounterRate | Self::CounterDelta | Self::Scale | Self::Magnitude => true,
            Self::Heading | Self::DewPoint | Self::SeaLevelPressure => false,
        }
    }

    /// Whether `offset` has a meaning for it.
    pub(crate) fn has_offset(self) -> bool {
        match self {
            Self::CounterRate | Self::CounterDelta | Self::Scale => true,
            Self::Heading | Self::SeaLevelPressure => true,
            Self::Magnitude | Self::DewPoint => false,
        }
    }
}
