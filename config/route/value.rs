//! Values that the settings name: constants, what they stand for, and conditions on fields.

use toml::de::DeValue;

use crate::declare::key::{CONSTANT, CONSTANTS, Complaint, FLAG, Key, POINTER, Spec};
use crate::declare::settings;
use crate::declare::text::quote;
use crate::declare::values::{Scalar, unexpected, whole_of};
use crate::field::{Declared, ListItem, read_declared};
use crate::page::{Assignment, ShownValue};
use crate::part::Part;
use crate::read::section::{Entry, Section};

/// A text, number or flag of the settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A finite number.
    Real(f64),
    /// `true` or `false`.
    Flag(bool),
}

impl Constant {
    fn of(value: &DeValue<'_>) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Self::Text(text.to_owned()));
        }
        if let Some(flag) = value.as_bool() {
            return Some(Self::Flag(flag));
        }
        if let Some(number) = value.as_integer() {
            return whole_of(number).map(Self::Integer);
        }
        let number = value.as_float()?.as_str().parse::<f64>().ok()?;
        number.is_finite().then_some(Self::Real(number))
    }

    fn toml(&self) -> String {
        match self {
            Self::Text(text) => quote(text),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => format!("{number:?}"),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

impl Scalar for Constant {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        Self::of(value).ok_or_else(|| unexpected(value, key))
    }

    fn print(&self, _spec: &Spec) -> String {
        self.toml()
    }
}

/// A list of constants.
#[derive(Debug, Clone, PartialEq)]
pub struct Constants(pub Vec<Constant>);

impl Scalar for Constants {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        let list = value.as_array().filter(|list| !list.is_empty());
        let constants = list.and_then(|list| {
            list.iter().map(|entry| Constant::of(entry.get_ref())).collect::<Option<_>>()
        });
        constants.map(Self).ok_or_else(|| unexpected(value, key))
    }

    fn print(&self, _spec: &Spec) -> String {
        let constants: Vec<String> = self.0.iter().map(Constant::toml).collect();
        format!("[{}]", constants.join(", "))
    }
}

/// What a text stands for: an entry of a column's `map`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// The text in the message.
    pub text: String,
    /// The value in the row.
    pub value: Constant,
}

impl ListItem for Mapping {
    fn read<'a>(section: &mut Section<'_, 'a>, entry: Entry<'a>, _before: &[Self]) -> Option<Self> {
        let key = &MAPPED;
        match Constant::read(entry.value.get_ref(), key) {
            Ok(value) => Some(Self { text: entry.name.to_owned(), value }),
            Err(complaint) => {
                section.reader.refuse(&entry.spot, complaint);
                None
            }
        }
    }

    fn shown(all: &[Self]) -> Option<ShownValue> {
        let lines = all.iter().map(|mapping| Assignment {
            name: mapping.text.clone(),
            value: ShownValue::Plain(mapping.value.toml()),
            part: Part::Routes,
        });
        (!all.is_empty()).then(|| ShownValue::Braces(lines.collect()))
    }
}

/// What an entry of `map` expects.
static MAPPED: Key =
    Key { name: "map", spec: CONSTANT.example("0"), part: Part::Routes, default: || None };

settings! {
    /// A condition on a field of the message, or of the row where `rows` splits it.
    pub struct Condition in "route.when" concerns Part::Routes, checked Condition::check;

    /// The field, as in a column.
    pointer: String = String::new(), as "field" POINTER.example(r#""/type""#).needed();

    /// The field is this value. A text in the message is compared as text, a number as number.
    equals: Option<Constant> = None, CONSTANT.example(r#""climate""#).absent("not used");

    /// The field is one of these values.
    one_of: Option<Constants> = None, CONSTANTS.example(r#"["climate", 7]"#).absent("not used");

    /// `true`: the field is there and is not null; `false`: it is not.
    exists: Option<bool> = None, FLAG.example("true").absent("not used");
}

impl Condition {
    /// Exactly one of its tests is set.
    fn check(&mut self, section: &mut Section<'_, '_>) {
        let set = [self.equals.is_some(), self.one_of.is_some(), self.exists.is_some()];
        let is_bad = ["equals", "one_of", "exists"].iter().any(|name| section.is_bad(name));
        if set.iter().filter(|set| **set).count() != 1 && !is_bad {
            let why = "expected exactly one of equals, one_of and exists";
            let spot = section.header.clone();
            section.reader.refuse(&spot, Complaint::advise(why, "write: exists = true"));
        }
    }
}

impl ListItem for Condition {
    fn read<'a>(section: &mut Section<'_, 'a>, entry: Entry<'a>, _before: &[Self]) -> Option<Self> {
        Some(read_declared(section, entry))
    }

    fn shown(all: &[Self]) -> Option<ShownValue> {
        (!all.is_empty()).then(|| ShownValue::List(all.iter().map(Declared::lines).collect()))
    }
}
