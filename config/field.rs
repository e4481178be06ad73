//! What a field of a settings struct can hold: how it is read from its keys, and printed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use crate::declare::key::{Complaint, Key, Spec, Table, Wants};
use crate::declare::pointer::print_pointer;
use crate::declare::text::{list, print_duration, print_size, quote};
use crate::declare::values;
use crate::page::{Line, Shown};
use crate::read::section::Section;
use crate::word::Word;

/// A struct whose fields are declared with [`settings!`](crate::declare::settings).
pub(crate) trait Declared: Sized {
    /// Its keys.
    const TABLE: Table;

    /// With the default of every field.
    fn initial() -> Self;

    /// Reads every field that is set.
    fn take(&mut self, section: &mut Section<'_, '_>);

    /// Every key that is set.
    fn lines(&self) -> Vec<Line>;
}

/// What a field holds.
pub(crate) trait Field {
    /// Reads it from its keys; stays as it is if they are not set, or wrong.
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]);

    /// Its keys and their values, without those that are not set.
    fn lines(&self, keys: &'static [Key]) -> Vec<Line>;
}

/// What one key can hold.
pub(crate) trait Scalar: Sized {
    /// Reads it, or says why it is wrong.
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint>;

    /// As TOML.
    fn print(&self, spec: &Spec) -> String;
}

/// The value of a key among the lines of the defaults.
pub(crate) fn default_of(defaults: &[Line], name: &str) -> Option<String> {
    defaults.iter().find(|line| line.name == name).map(|line| line.value.text())
}

/// A line of a key.
pub(crate) fn line(key: &Key, value: Shown) -> Line {
    Line { name: key.name.to_owned(), value, part: key.part }
}

impl<T: Scalar> Field for T {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        if let [key] = keys
            && let Some(value) = section.take(key, T::read)
        {
            *self = value;
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Line> {
        keys.iter().map(|key| line(key, Shown::Plain(self.print(&key.spec)))).collect()
    }
}

impl<T: Scalar> Field for Option<T> {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        if let [key] = keys
            && let Some(value) = section.take(key, T::read)
        {
            *self = Some(value);
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Line> {
        self.as_ref().map_or_else(Vec::new, |value| value.lines(keys))
    }
}

impl Field for Vec<String> {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        if let [key] = keys
            && let Some(names) = section.names(key)
        {
            *self = names.into_iter().map(|(name, _)| name).collect();
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Line> {
        keys.iter().map(|key| line(key, Shown::Plain(list(self)))).collect()
    }
}

impl Scalar for String {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        let is_pointer = matches!(key.spec.wants, Wants::Pointer);
        if is_pointer { values::pointer(value, key) } else { values::text(value, key) }
    }

    fn print(&self, spec: &Spec) -> String {
        let is_pointer = matches!(spec.wants, Wants::Pointer);
        quote(if is_pointer { print_pointer(self) } else { self })
    }
}

impl Scalar for PathBuf {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        values::path(value, key)
    }

    fn print(&self, _spec: &Spec) -> String {
        quote(&self.to_string_lossy())
    }
}

impl Scalar for bool {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        values::flag(value, key)
    }

    fn print(&self, _spec: &Spec) -> String {
        self.to_string()
    }
}

impl Scalar for Duration {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        values::duration(value, key)
    }

    fn print(&self, _spec: &Spec) -> String {
        quote(&print_duration(*self))
    }
}

impl Scalar for f64 {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        values::real(value, key)
    }

    /// Debug of a finite number is TOML: `-60.0`, `1e300`.
    fn print(&self, _spec: &Spec) -> String {
        format!("{self:?}")
    }
}

impl Scalar for SocketAddr {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        let why = "expected an address of this machine and a port (0.0.0.0: on all addresses)";
        let like = |text: &str| {
            Complaint::write(why, quote(&values::address_like(text, 9464).to_string()))
        };
        match value.as_integer() {
            Some(port) => Err(like(port.as_str())),
            None => values::text(value, key).and_then(|text| text.parse().map_err(|_| like(&text))),
        }
    }

    fn print(&self, _spec: &Spec) -> String {
        quote(&self.to_string())
    }
}

/// Whole numbers; the declared limits must make them fit. A `u64` may also be a size.
macro_rules! whole_numbers {
    ($($type:ty),+) => {
        $(impl Scalar for $type {
            fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
                let number = if matches!(key.spec.wants, Wants::Size { .. }) {
                    values::size(value, key)?
                } else {
                    u64::try_from(values::whole(value, key)?).expect("no declared limit is negative")
                };
                Ok(Self::try_from(number).expect("the declared limits are those of the type"))
            }

            fn print(&self, spec: &Spec) -> String {
                let is_size = matches!(spec.wants, Wants::Size { .. });
                if is_size { print_size(u64::from(*self)) } else { self.to_string() }
            }
        })+
    };
}

whole_numbers!(u16, u32, u64);

/// Implements [`Scalar`] for enums that are declared with [`words!`](crate::word::words).
macro_rules! word_scalars {
    ($($type:ty),+) => {
        $(impl $crate::field::Scalar for $type {
            fn read(
                value: &toml::de::DeValue<'_>,
                key: &$crate::declare::key::Key,
            ) -> Result<Self, $crate::declare::key::Complaint> {
                $crate::declare::values::word(value, key)
            }

            fn print(&self, _spec: &$crate::declare::key::Spec) -> String {
                $crate::field::print_word(*self)
            }
        })+
    };
}

pub(crate) use word_scalars;

/// A word as TOML.
pub(crate) fn print_word<W: Word>(word: W) -> String {
    quote(word.word())
}
