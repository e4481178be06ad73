//! `[[route.derived]]`: values that follow from a route's columns. They are computed for those who look, and never stored
//! in the route's table.

use std::ops::RangeInclusive;

use crate::page::Page;
use crate::print;
use crate::words::Word;

/// A derived value.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// Its name: unlike the columns' and the other derived values'.
    pub name: String,
    /// How it follows.
    pub kind: DerivedKind,
    /// The columns that it follows from; as many as the kind wants, all integer or real.
    pub of: Vec<String>,
    /// Its unit, for people.
    pub unit: Option<String>,
    /// `counter_rate` only: counts a second for one unit (1.5 counts a second are 1 m/s). Never 0; otherwise 1.
    pub per: f64,
    /// What the value is multiplied by; default 1.
    pub factor: f64,
    /// What is added then; default 0. Of `sea_level_pressure`: metres above sea level.
    pub offset: f64,
}

impl Derived {
    /// One with the numbers that change nothing.
    pub fn new(name: &str, kind: DerivedKind, of: &[&str], unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            of: of.iter().map(|column| (*column).to_owned()).collect(),
            unit: Some(unit.to_owned()),
            per: 1.0,
            factor: 1.0,
            offset: 0.0,
        }
    }
}

impl Derived {
    /// The table `[[route.derived]]` that says it, to be put below its route.
    pub fn to_toml(&self) -> String {
        let mut page = Page::default();
        print::derived(&mut page, self);
        page.to_toml()
    }
}

/// How a derived value follows from columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DerivedKind {
    /// Counts a second between two readings, / `per` × `factor` + `offset`. A smaller count is a reset: it counts from 0.
    CounterRate,
    /// What was counted between two readings, × `factor` + `offset`; resets likewise.
    CounterDelta,
    /// value × `factor` + `offset`
    Scale,
    /// √(sum of squares) × `factor`
    Magnitude,
    /// atan2(second, first) in degrees + `offset`, 0 to 360: the first points north, the second east.
    Heading,
    /// Of temperature (°C) and relative humidity (%), in °C: Magnus, a = 17.62, b = 243.12 °C (WMO-No. 8, annex 4.B).
    DewPoint,
    /// Of pressure and temperature (°C), in the unit of the pressure: ISO 2533's lapse rate, exponent 5.2559.
    SeaLevelPressure,
}

impl DerivedKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::CounterRate,
        Self::CounterDelta,
        Self::Scale,
        Self::Magnitude,
        Self::Heading,
        Self::DewPoint,
        Self::SeaLevelPressure,
    ];

    /// Its word in the file and in the interface.
    pub fn word(self) -> &'static str {
        match self {
            Self::CounterRate => "counter_rate",
            Self::CounterDelta => "counter_delta",
            Self::Scale => "scale",
            Self::Magnitude => "magnitude",
            Self::Heading => "heading",
            Self::DewPoint => "dew_point",
            Self::SeaLevelPressure => "sea_level_pressure",
        }
    }

    /// How many columns it follows from.
    pub(crate) fn columns(self) -> RangeInclusive<usize> {
        match self {
            Self::CounterRate | Self::CounterDelta | Self::Scale => 1..=1,
            Self::Magnitude => 1..=3,
            Self::Heading | Self::DewPoint | Self::SeaLevelPressure => 2..=2,
        }
    }

    /// What these columns are, for a message.
    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Self::CounterRate | Self::CounterDelta => "one column, a counter",
            Self::Scale => "one column",
            Self::Magnitude => "one to three columns, the parts of a vector",
            Self::Heading => {
                "two columns, the part that points north and the part that points east"
            }
            Self::DewPoint => "two columns, the temperature in °C and the humidity in %",
            Self::SeaLevelPressure => "two columns, the pressure and the temperature in °C",
        }
    }

    /// Whether `per` means something to it.
    pub(crate) fn has_per(self) -> bool {
        match self {
            Self::CounterRate => true,
            Self::CounterDelta | Self::Scale | Self::Magnitude => false,
            Self::Heading | Self::DewPoint | Self::SeaLevelPressure => false,
        }
    }

    /// Whether `factor` means something to it.
    pub(crate) fn has_factor(self) -> bool {
        match self {
            Self::CounterRate | Self::CounterDelta | Self::Scale | Self::Magnitude => true,
            Self::Heading | Self::DewPoint | Self::SeaLevelPressure => false,
        }
    }

    /// Whether `offset` means something to it.
    pub(crate) fn has_offset(self) -> bool {
        match self {
            Self::CounterRate | Self::CounterDelta | Self::Scale => true,
            Self::Heading | Self::SeaLevelPressure => true,
            Self::Magnitude | Self::DewPoint => false,
        }
    }
}

impl Word for DerivedKind {
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        Self::word(self)
    }
}
