//! One declaration per setting: a field with its type, default, key, limits, example, help and reload effect.
//!
//! ```text
//! settings! {
//!     /// `[spool]`
//!     pub struct Spool in "spool" concerns Part::Spool;
//!     /// Most bytes that the spool may take on the disk.
//!     max_size: u64 = 256 * MIB, size(64 * KIB, 16 * TIB);
//! }
//! ```
//!
//! The struct, its reading and printing, the difference at a reload, the environment variable, `docs/settings.md` and
//! the line of the shipped file follow from it. A field has the key of its name, or those behind `as` and `and`; a
//! field without a key is filled by the code that reads the table.

pub(crate) mod key;
pub(crate) mod nearest;
pub(crate) mod pointer;
pub(crate) mod text;
pub(crate) mod values;

/// Declares a struct of settings.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $name:ident in $table:literal concerns $part:expr;
        $(
            $(#[doc = $help:literal])*
            $field:ident: $type:ty = $default:expr
            $(, $(as $key:literal)? $spec:expr $(, and $key2:literal $spec2:expr)*)?;
        )+
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $help])* pub $field: $type, )+
        }

        impl $crate::field::Declared for $name {
            const TABLE: $crate::declare::key::Table = $crate::declare::key::Table {
                name: $table,
                fields: $crate::declare::field_keys! {
                    $part;
                    $crate::field::Declared::lines(&<Self as $crate::field::Declared>::initial());
                    $(
                        [$($help)*] $field: $type = $default
                        $(, $(as $key)? $spec $(, and $key2 $spec2)*)?;
                    )+
                },
            };

            fn initial() -> Self {
                Self { $( $field: $default, )+ }
            }

            fn take(&mut self, section: &mut $crate::read::section::Section<'_, '_>) {
                let mut fields = Self::TABLE.fields.iter();
                $( $crate::declare::take_next(&mut self.$field, section, &mut fields); )+
            }

            fn lines(&self) -> Vec<$crate::page::Line> {
                let mut fields = Self::TABLE.fields.iter();
                let lines = [$( $crate::declare::lines_of_next(&self.$field, &mut fields), )+];
                lines.into_iter().flatten().collect()
            }
        }
    };
}

/// The keys of declared fields; `defaults` are the lines of a struct with all defaults.
macro_rules! field_keys {
    (
        $part:expr;
        $defaults:expr;
        $(
            [$($help:literal)*] $field:ident: $type:ty = $default:expr
            $(, $(as $key:literal)? $spec:expr $(, and $key2:literal $spec2:expr)*)?;
        )*
    ) => {
        &[$(
            $crate::declare::key::FieldKeys {
                help: &[$($help),*],
                keys: &[$(
                    $crate::declare::key::Key {
                        name: $crate::declare::key_name!($field $($key)?),
                        spec: $spec,
                        part: $crate::declare::part_of(&$spec, $part),
                        default: || {
                            let name = $crate::declare::key_name!($field $($key)?);
                            $crate::field::default_of(&$defaults, name)
                        },
                    },
                    $(
                        $crate::declare::key::Key {
                            name: $key2,
                            spec: $spec2,
                            part: $crate::declare::part_of(&$spec2, $part),
                            default: || None,
                        },
                    )*
                )?],
            },
        )*]
    };
}

/// The key of a field.
macro_rules! key_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

pub(crate) use {field_keys, key_name, settings};

use crate::field::Field;
use crate::page::Line;
use crate::part::Part;
use crate::read::section::Section;
use key::{FieldKeys, Spec};

/// The part that a key concerns: its own, or that of its table.
pub(crate) const fn part_of(spec: &Spec, of_table: Part) -> Part {
    match spec.part {
        Some(part) => part,
        None => of_table,
    }
}

/// Reads the next field of a declaration.
pub(crate) fn take_next(
    field: &mut impl Field,
    section: &mut Section<'_, '_>,
    fields: &mut std::slice::Iter<'static, FieldKeys>,
) {
    field.take(section, next(fields));
}

/// The lines of the next field of a declaration.
pub(crate) fn lines_of_next(
    field: &impl Field,
    fields: &mut std::slice::Iter<'static, FieldKeys>,
) -> Vec<Line> {
    field.lines(next(fields))
}

fn next(fields: &mut std::slice::Iter<'static, FieldKeys>) -> &'static [key::Key] {
    fields.next().expect("the table has the fields of its struct").keys
}
