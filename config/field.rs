//! What a field of a settings struct can hold: how it is read from its keys, and printed.

use std::ops::Deref;

use crate::declare::key::{Key, Table};
use crate::declare::text::list;
use crate::declare::values::Scalar;
use crate::page::{Assignment, ShownValue};
use crate::read::section::{Entry, Section};

/// A struct whose fields are declared with [`settings!`](crate::declare::settings).
pub(crate) trait Declared: Sized {
    /// Its keys.
    const TABLE: Table;

    /// With the default of every field.
    fn initial() -> Self;

    /// Its fields, in the order of [`Declared::TABLE`].
    fn fields(&self) -> Vec<&dyn Field>;

    /// The same, to be read.
    fn fields_mut(&mut self) -> Vec<&mut dyn Field>;

    /// Judges the table once its fields are read, and fills what follows from the rest.
    fn check(&mut self, _section: &mut Section<'_, '_>) {}

    /// Reads every field that is set.
    fn read(&mut self, section: &mut Section<'_, '_>) {
        take_fields(self.fields_mut(), &Self::TABLE, section);
        self.check(section);
    }

    /// Every key that is set.
    fn lines(&self) -> Vec<Assignment> {
        lines_of(self.fields(), &Self::TABLE)
    }
}

/// Reads the fields of a declaration.
pub(crate) fn take_fields(
    fields: Vec<&mut dyn Field>,
    table: &Table,
    section: &mut Section<'_, '_>,
) {
    for (field, declared) in fields.into_iter().zip(table.fields) {
        field.take(section, declared.keys);
    }
}

/// The lines of the fields of a declaration.
pub(crate) fn lines_of(fields: Vec<&dyn Field>, table: &Table) -> Vec<Assignment> {
    let fields = fields.into_iter().zip(table.fields);
    fields.flat_map(|(field, declared)| field.lines(declared.keys)).collect()
}

/// What a field holds.
pub(crate) trait Field {
    /// Reads it from its keys; stays as it is if they are not set, or wrong.
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]);

    /// Its keys and their values, without those that are not set.
    fn lines(&self, keys: &'static [Key]) -> Vec<Assignment>;
}

/// An entry of a table or list of the operator's: a column, a route.
pub(crate) trait ListItem: Sized {
    /// Reads an entry; `before` are those above it.
    fn read<'a>(section: &mut Section<'_, 'a>, entry: Entry<'a>, before: &[Self]) -> Option<Self>;

    /// All entries as they are printed; `None`: as if the key was not set.
    fn shown(all: &[Self]) -> Option<ShownValue>;
}

/// Reads an entry that is a table. One that is something else has been refused; its place keeps the numbers of the others.
pub(crate) fn read_declared<'a, T: Declared>(section: &mut Section<'_, 'a>, entry: Entry<'a>) -> T {
    let mut item = T::initial();
    if let Some(mut section) = section.open_entry(entry, T::TABLE.keys()) {
        item.read(&mut section);
    }
    item
}

impl<T: ListItem> Field for Vec<T> {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        let [key] = keys else { return };
        let Some(entries) = section.entries(key) else { return };
        self.clear();
        for entry in entries {
            let item = T::read(section, entry, self);
            self.extend(item);
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Assignment> {
        let shown = keys.first().zip(T::shown(self));
        shown.map(|(key, shown)| line(key, shown)).into_iter().collect()
    }
}

/// Reads a section of the file; without it the environment may set its keys.
pub(crate) fn take_table<T: Declared>(
    target: &mut T,
    section: &mut Section<'_, '_>,
    keys: &'static [Key],
) {
    if let [key] = keys {
        target.read(&mut section.open_section(key, T::TABLE.keys()));
    }
}

/// A section of the file.
pub(crate) fn table_line(lines: Vec<Assignment>, keys: &'static [Key]) -> Vec<Assignment> {
    keys.first().map(|key| line(key, ShownValue::Table(lines))).into_iter().collect()
}

/// The value of a key among the lines of the defaults; a table with a header has none.
pub(crate) fn default_of(defaults: &[Assignment], name: &str) -> Option<String> {
    let line = defaults.iter().find(|line| line.name == name && !line.value.has_header());
    line.map(|line| line.value.text())
}

/// A line of a key.
pub(crate) fn line(key: &Key, value: ShownValue) -> Assignment {
    Assignment { name: key.name.to_owned(), value, part: key.part }
}

/// What follows from other keys: no key of its own holds it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Computed<T>(pub T);

impl<T> Deref for Computed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Field for Computed<T> {
    fn take(&mut self, _section: &mut Section<'_, '_>, _keys: &'static [Key]) {}

    fn lines(&self, _keys: &'static [Key]) -> Vec<Assignment> {
        Vec::new()
    }
}

impl<T: Scalar> Field for T {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        if let [key] = keys
            && let Some(value) = section.take(key, T::read)
        {
            *self = value;
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Assignment> {
        keys.iter().map(|key| line(key, ShownValue::Plain(self.print(&key.spec)))).collect()
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

    fn lines(&self, keys: &'static [Key]) -> Vec<Assignment> {
        self.as_ref().map_or_else(Vec::new, |value| value.lines(keys))
    }
}

impl Field for Vec<String> {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        if let [key] = keys
            && let Some(names) = section.names(key)
        {
            *self = names;
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Assignment> {
        keys.iter().map(|key| line(key, ShownValue::Plain(list(self)))).collect()
    }
}
