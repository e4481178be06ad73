//! Every key that the settings file can hold, for tests, documentation and completions.

use std::fmt;

use crate::alert::Alert;
use crate::alert::channel::Channel;
use crate::declare::key::{Key, Table};
use crate::field::Declared;
use crate::read::layers::variable;
use crate::route::Route;
use crate::route::column::Column;
use crate::route::derived::Derived;
use crate::settings::SECTIONS;

/// A key of the settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownKey {
    /// Its table as the file writes it: `mqtt`, `alert`, `route`, `route.derived`, or `route.columns.*` for the attributes
    /// of one column.
    pub table: &'static str,
    /// Its name in that table.
    pub name: &'static str,
}

impl KnownKey {
    /// The environment variable that sets it, `BAROGRAPH_MQTT__URL`; `None` for keys of alerts and routes.
    pub fn variable(&self) -> Option<String> {
        let settable = SECTIONS.iter().any(|section| section.name == self.table);
        settable.then(|| variable(self.table, self.name))
    }
}

impl fmt::Display for KnownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.name)
    }
}

/// The tables of a route, of its columns and of its derived values.
pub(crate) const OF_ROUTES: [&Table; 3] = [&Route::TABLE, &Column::TABLE, &Derived::TABLE];

/// Every key of the settings file, in the order of the shipped one.
pub fn known_keys() -> impl Iterator<Item = KnownKey> {
    let of_alerts = std::iter::once(&Alert::TABLE).chain(Channel::tables());
    let tables = SECTIONS.iter().copied().chain(of_alerts).chain(OF_ROUTES);
    let mut keys: Vec<KnownKey> = Vec::new();
    for table in tables {
        for key in table.keys() {
            let known = KnownKey { table: table.name, name: key.name };
            // Several types of alerts share a key.
            if !keys.contains(&known) {
                keys.push(known);
            }
        }
    }
    keys.into_iter()
}

/// The keys of a table with their help.
pub(crate) fn keys_with_help(
    table: &Table,
) -> impl Iterator<Item = (&'static Key, String)> + use<> {
    table.fields.iter().flat_map(|field| {
        field.keys.iter().enumerate().map(|(index, key)| {
            let of_field =
                || field.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
            let help = if index == 0 { of_field() } else { key.spec.note.to_owned() };
            (key, help)
        })
    })
}
