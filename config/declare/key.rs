//! What a key is declared with: what it expects, its limits, an example, and how a change takes effect.

use std::time::Duration;

use crate::declare::text::{print_duration, spell_size};
use crate::part::Part;

/// What a key expects.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wants {
    /// Any text but an empty one.
    Text,
    /// A field of the message, as JSON pointer or bare name; "" is the whole message.
    Pointer,
    /// A text that is never shown.
    Secret,
    /// The broker's URL, whose credentials are never shown.
    Url,
    /// A URL that is never shown: who knows it may use it.
    SecretUrl,
    /// A path.
    Path,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A duration with its unit, within limits, perhaps in whole seconds only.
    Duration { min: Duration, max: Duration, whole_seconds: bool },
    /// A size: a text with its unit, or an integer of bytes.
    Size { min: u64, max: u64 },
    /// A whole number.
    Whole { min: i64, max: i64 },
    /// Any finite number.
    Real,
    /// `true` or `false`.
    Flag,
    /// A list of texts.
    Names,
    /// A text, a number, or `true` or `false`.
    Constant,
    /// A list of such.
    Constants,
    /// A table.
    Table,
    /// A list of tables, such as `[[route]]`.
    Tables,
    /// A table of the file itself, with these keys.
    Section(&'static Table),
}

/// Checks a text further, or brings it into its usual form; the error is why it is wrong and what to write.
pub(crate) type TextCheck = fn(&str, &Key) -> Result<String, Complaint>;

/// Why a value is refused, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) why: String,
    pub(crate) advice: Advice,
}

/// What to do about a refused value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Write this TOML value.
    Write(String),
    /// Do what this sentence says.
    Do(String),
}

impl Complaint {
    /// Refuses, and offers a TOML value.
    pub(crate) fn write(why: impl Into<String>, value: impl Into<String>) -> Self {
        Self { why: why.into(), advice: Advice::Write(value.into()) }
    }

    /// Refuses, and says what to do.
    pub(crate) fn advise(why: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { why: why.into(), advice: Advice::Do(sentence.into()) }
    }
}

/// The declaration of a key, without its name and default.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) wants: Wants,
    /// A good value as TOML; empty: the default is one.
    pub(crate) example: &'static str,
    /// What holds without it, where there is no plain default.
    pub(crate) absent: &'static str,
    /// What the shipped file sets, as TOML, where that is not the default; empty: it is.
    pub(crate) shipped: &'static str,
    /// What a whole number counts, or the entries of a table or list are.
    pub(crate) unit: &'static str,
    /// Most entries of a table or list, and what to do about more.
    pub(crate) limit: Option<(usize, &'static str)>,
    /// Help for a key that shares its field with another.
    pub(crate) note: &'static str,
    pub(crate) is_needed: bool,
    /// `None`: that of the table.
    pub(crate) part: Option<Part>,
    pub(crate) check: Option<TextCheck>,
}

impl Spec {
    const fn new(wants: Wants) -> Self {
        let (example, absent, shipped, unit, note) = ("", "", "", "", "");
        let (limit, part, check) = (None, None, None);
        Self { wants, example, absent, shipped, unit, limit, note, is_needed: false, part, check }
    }

    /// With a good value, as TOML, for messages and the shipped file.
    pub(crate) const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    /// With a sentence on what holds when the key is not set.
    pub(crate) const fn absent(self, absent: &'static str) -> Self {
        Self { absent, ..self }
    }

    /// With another value in the shipped file than the default, as TOML.
    pub(crate) const fn shipped(self, shipped: &'static str) -> Self {
        Self { shipped, ..self }
    }

    /// With the plural of what a whole number counts, or of the entries of a table or list.
    pub(crate) const fn of(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// With the most entries that a table or list may have, and what to do about more.
    pub(crate) const fn at_most(self, max: usize, advice: &'static str) -> Self {
        Self { limit: Some((max, advice)), ..self }
    }

    /// With its own help text.
    pub(crate) const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// The table must have it.
    pub(crate) const fn needed(self) -> Self {
        Self { is_needed: true, ..self }
    }

    /// A change concerns another part than the rest of the table.
    pub(crate) const fn affects(self, part: Part) -> Self {
        Self { part: Some(part), ..self }
    }

    /// The part that a key of this kind concerns in a table of this part.
    pub(crate) const fn part_in(&self, table: Part) -> Part {
        match self.part {
            Some(part) => part,
            None => table,
        }
    }

    /// With a further check of the text, or of each text of a list.
    pub(crate) const fn checked(self, check: TextCheck) -> Self {
        Self { check: Some(check), ..self }
    }
}

/// Texts, paths and URLs.
pub(crate) const TEXT: Spec = Spec::new(Wants::Text);
pub(crate) const POINTER: Spec = Spec::new(Wants::Pointer);
pub(crate) const PATH: Spec = Spec::new(Wants::Path);
pub(crate) const NAMES: Spec = Spec::new(Wants::Names);
pub(crate) const CONSTANT: Spec = Spec::new(Wants::Constant);
pub(crate) const CONSTANTS: Spec = Spec::new(Wants::Constants);
pub(crate) const URL: Spec = Spec::new(Wants::Url);

/// What is never shown.
pub(crate) const SECRET: Spec = Spec::new(Wants::Secret).example(r#""...""#);
pub(crate) const SECRET_URL: Spec = Spec::new(Wants::SecretUrl);

/// A finite number, and `true` or `false`.
pub(crate) const NUMBER: Spec = Spec::new(Wants::Real);
pub(crate) const FLAG: Spec = Spec::new(Wants::Flag);

/// Tables below the one that is declared.
pub(crate) const SUBTABLE: Spec = Spec::new(Wants::Table);
pub(crate) const SUBTABLES: Spec = Spec::new(Wants::Tables);

/// A table of the file itself.
pub(crate) const fn section(table: &'static Table) -> Spec {
    Spec::new(Wants::Section(table))
}

/// One of the words of an enum.
pub(crate) const fn word(words: &'static [&'static str]) -> Spec {
    Spec::new(Wants::Word(words))
}

/// A whole number.
pub(crate) const fn count(min: i64, max: i64) -> Spec {
    Spec::new(Wants::Whole { min, max })
}

/// A size in bytes.
pub(crate) const fn size(min: u64, max: u64) -> Spec {
    Spec::new(Wants::Size { min, max })
}

/// A duration; limits in milliseconds.
pub(crate) const fn time(min: u64, max: u64) -> Spec {
    let (min, max) = (Duration::from_millis(min), Duration::from_millis(max));
    Spec::new(Wants::Duration { min, max, whole_seconds: false })
}

/// A duration in whole seconds, as MQTT counts it; limits in milliseconds.
pub(crate) const fn whole_seconds(min: u64, max: u64) -> Spec {
    let (min, max) = (Duration::from_millis(min), Duration::from_millis(max));
    Spec::new(Wants::Duration { min, max, whole_seconds: true })
}

/// Milliseconds, for limits and defaults.
pub(crate) const SECOND: u64 = 1000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
/// As humantime counts it: 365.25 days.
pub(crate) const YEAR: u64 = 31_557_600 * SECOND;

/// Bytes.
pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const TIB: u64 = 1 << 40;

/// A default duration from milliseconds.
pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One key of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) spec: Spec,
    pub(crate) part: Part,
    /// The default as TOML; `None`: not set.
    pub(crate) default: fn() -> Option<String>,
}

impl Key {
    /// A good value as TOML.
    pub(crate) fn example(&self) -> String {
        let default = || (self.default)().unwrap_or_default();
        if self.spec.example.is_empty() { default() } else { self.spec.example.to_owned() }
    }

    /// What it expects, for messages and the documentation.
    pub(crate) fn expected(&self) -> String {
        let unit = self.spec.unit;
        match self.spec.wants {
            Wants::Text => "a text in quotes".to_owned(),
            Wants::Pointer => "the name of a field in quotes".to_owned(),
            Wants::Secret => "a secret in quotes".to_owned(),
            Wants::Url | Wants::SecretUrl => "a URL in quotes".to_owned(),
            Wants::Path => "a path in quotes".to_owned(),
            Wants::Word(words) => format!("one of \"{}\"", words.join("\", \"")),
            Wants::Duration { min, max, whole_seconds } => {
                let whole = if whole_seconds { "whole seconds" } else { "a duration with a unit" };
                format!("{whole} from {} to {}", print_duration(min), print_duration(max))
            }
            Wants::Size { min, max } => {
                format!("a size from {} to {}", spell_size(min), spell_size(max))
            }
            Wants::Whole { min, max } if unit.is_empty() => {
                format!("a whole number from {min} to {max}")
            }
            Wants::Whole { min, max } => format!("a whole number of {unit} from {min} to {max}"),
            Wants::Real => "a finite number".to_owned(),
            Wants::Flag => "true or false, without quotes".to_owned(),
            Wants::Names => "a list of texts in quotes".to_owned(),
            Wants::Constant => "a text in quotes, a finite number, true or false".to_owned(),
            Wants::Constants => "a list of texts in quotes, numbers, true or false".to_owned(),
            Wants::Table | Wants::Section(_) => "a table".to_owned(),
            Wants::Tables => "a list of tables".to_owned(),
        }
    }

    /// Whether its value is never shown.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.spec.wants, Wants::Secret | Wants::SecretUrl)
    }

    /// Whether the file holds it in quotes, so that an environment variable may leave them out.
    pub(crate) fn is_quoted(&self) -> bool {
        match self.spec.wants {
            Wants::Text | Wants::Pointer | Wants::Secret | Wants::Url | Wants::SecretUrl => true,
            Wants::Path | Wants::Word(_) | Wants::Duration { .. } | Wants::Size { .. } => true,
            Wants::Whole { .. } | Wants::Real | Wants::Flag => false,
            Wants::Names | Wants::Constant | Wants::Constants => false,
            Wants::Table | Wants::Tables | Wants::Section(_) => false,
        }
    }
}

/// A table of the file: its keys, grouped by the field of the struct that holds them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// How the file writes it: `mqtt`, `route`; `route.columns.*` for the attributes of one column.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [FieldKeys],
}

/// The keys that one field is read from, and the lines of its documentation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldKeys {
    pub(crate) help: &'static [&'static str],
    pub(crate) keys: &'static [Key],
}

impl Table {
    /// Its keys, in the order of the shipped file.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.fields.iter().flat_map(|field| field.keys.iter())
    }

    /// Whether it has a key of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.keys().any(|key| key.name == name)
    }

    /// The declaration of a key that the reading code names.
    pub(crate) fn key(&self, name: &str) -> &'static Key {
        self.keys().find(|key| key.name == name).expect("the reading code names declared keys")
    }
}
