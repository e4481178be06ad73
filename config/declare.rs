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
//! field without a key is filled by the code that reads the table. What `checked` names judges the table once its fields
//! are read.

pub(crate) mod key;
pub(crate) mod nearest;
pub(crate) mod text;
pub(crate) mod values;

/// Declares a struct of settings.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $name:ident in $table:literal concerns $part:expr $(, checked $check:path)?;
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

            fn fields(&self) -> Vec<&dyn $crate::field::Field> {
                vec![$( &self.$field, )+]
            }

            fn fields_mut(&mut self) -> Vec<&mut dyn $crate::field::Field> {
                vec![$( &mut self.$field, )+]
            }

            $( fn check(&mut self, section: &mut $crate::read::section::Section<'_, '_>) {
                $check(self, section);
            } )?
        }

        impl $crate::field::Field for $name {
            fn take(
                &mut self,
                section: &mut $crate::read::section::Section<'_, '_>,
                keys: &'static [$crate::declare::key::Key],
            ) {
                $crate::field::take_table(self, section, keys);
            }

            fn lines(&self, keys: &'static [$crate::declare::key::Key]) -> Vec<$crate::page::Assignment> {
                $crate::field::table_line($crate::field::Declared::lines(self), keys)
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
                        part: $spec.part_in($part),
                        default: || {
                            let name = $crate::declare::key_name!($field $($key)?);
                            $crate::field::default_of(&$defaults, name)
                        },
                    },
                    $(
                        $crate::declare::key::Key {
                            name: $key2,
                            spec: $spec2,
                            part: $spec2.part_in($part),
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
