//! One column and where its value comes from.

use crate::declare::key::{FLAG, NUMBER, POINTER, TEXT, count, word};
use crate::declare::settings;
use crate::field::word_scalars;
use crate::part::Part;
use crate::word::{Word, words};

settings! {
    /// One column and where its value comes from.
    pub struct Column in "route.columns.*" concerns Part::Routes;

    /// SQL identifier.
    name: String = String::new();

    /// The field of the JSON message; "/a/b" reaches b inside a, "" is the whole message. In the resolved settings it is an
    /// RFC 6901 JSON pointer.
    pointer: String = String::new(),
        as "field" POINTER.example(r#""utc""#).absent("the column's own name");

    /// Type of the value: integer, real, text, boolean, or json (any value, kept as JSON).
    kind: Kind = Kind::Real, as "type" word(Kind::WORDS);

    /// A message without the field goes to quarantine.
    required: bool = false, FLAG;

    /// Smallest good value (integer and real only).
    min: Option<f64> = None, NUMBER.example("-60").absent("none");

    /// Largest good value (integer and real only).
    max: Option<f64> = None, NUMBER.example("60").absent("none");

    /// Unit, for people; nothing is converted.
    unit: Option<String> = None, TEXT.example(r#""°C""#).absent("none");

    /// What a bad value does: "quarantine" sets the whole message aside, with the reason; with "null" the column becomes
    /// NULL and the rest is stored.
    on_bad: OnBad = OnBad::Quarantine, word(OnBad::WORDS);

    /// This many identical readings in a row are an issue: the sensor may be frozen.
    stuck_after: Option<u32> = None,
        count(2, 1_000_000).of("readings").example("100").absent("a value may stand still");
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
        /// Any JSON value, stored as compact JSON text.
        Json = "json",
    }
}

impl Kind {
    /// Whether its values are numbers.
    pub(crate) fn is_number(self) -> bool {
        match self {
            Self::Integer | Self::Real => true,
            Self::Text | Self::Boolean | Self::Json => false,
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

word_scalars!(Kind, OnBad);
