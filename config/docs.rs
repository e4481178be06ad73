//! Every key that the settings file can hold, for tests, and the sections of `docs/settings.md`, made of the declarations.

use std::fmt::{self, Write as _};

use crate::alert::Alert;
use crate::alert::channel::ChannelKind;
use crate::declare::key::{FieldKeys, Key, Table};
use crate::field::Declared;
use crate::read::layers::variable;
use crate::route::Route;
use crate::route::column::Column;
use crate::route::derived::Derived;
use crate::route::value::Condition;
use crate::settings::sections;
use crate::word::Word;

/// A key of the settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownKey {
    /// Its table as the file writes it: `mqtt`, `alert`, `route`, `route.derived`, `route.when`, or `route.columns.*` for the
    /// attributes of one column.
    pub table: &'static str,
    /// Its name in that table.
    pub name: &'static str,
}

impl KnownKey {
    /// The environment variable that sets it, `BAROGRAPH_MQTT__URL`; `None` for keys of alerts and routes.
    pub fn variable(&self) -> Option<String> {
        let settable = sections().any(|section| section.name == self.table);
        settable.then(|| variable(self.table, self.name))
    }
}

impl fmt::Display for KnownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.name)
    }
}

/// Every table of the file with its title, in the order of the shipped one.
fn tables() -> impl Iterator<Item = (String, &'static Table)> {
    let sections = sections().map(|table| (format!("`[{}]`", table.name), table));
    let alerts = std::iter::once(("`[[alert]]`".to_owned(), &Alert::TABLE));
    let channels = ChannelKind::VARIANTS.iter().map(|kind| {
        let title = format!("`[[alert]]` of `type = \"{}\"`", kind.word());
        (title, kind.table())
    });
    let routes: [(&str, &Table); 4] = [
        ("`[[route]]`", &Route::TABLE),
        ("A column in `[route.columns]`", &Column::TABLE),
        ("A condition in `when`", &Condition::TABLE),
        ("`[[route.derived]]`", &Derived::TABLE),
    ];
    let routes = routes.into_iter().map(|(title, table)| (title.to_owned(), table));
    sections.chain(alerts).chain(channels).chain(routes)
}

/// Every key of the settings file, in the order of the shipped one.
pub fn known_keys() -> impl Iterator<Item = KnownKey> {
    let mut keys: Vec<KnownKey> = Vec::new();
    for (_, table) in tables() {
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
    table.fields.iter().flat_map(|FieldKeys { help, keys }| {
        keys.iter().enumerate().map(|(index, key)| {
            let of_field = || help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
            let help = if index == 0 { of_field() } else { key.spec.note.to_owned() };
            (key, help)
        })
    })
}

/// The sections of all settings in `docs/settings.md`, below its introduction.
pub fn settings_page() -> String {
    let mut page = String::new();
    for (title, table) in tables() {
        write!(page, "\n## {title}\n").expect("a String takes all");
        for (key, help) in keys_with_help(table) {
            let facts = facts(table, key).join("; ");
            write!(page, "\n### `{}`\n\n{help}\n\n{facts}.\n", key.name)
                .expect("a String takes all");
        }
    }
    page
}

/// What there is to know of a key besides its help.
fn facts(table: &Table, key: &Key) -> Vec<String> {
    let mut facts = vec![format!("Value: {}", key.expected()), default_of(key)];
    let variable = KnownKey { table: table.name, name: key.name }.variable();
    facts.extend(variable.map(|variable| format!("environment variable `{variable}`")));
    if key.is_secret() {
        facts.push("never shown".to_owned());
    }
    facts.push(key.part.effect().to_owned());
    facts
}

fn default_of(key: &Key) -> String {
    match (key.default)() {
        _ if key.spec.is_needed => format!("required, for example `{}`", key.example()),
        Some(default) if !key.spec.shipped.is_empty() => {
            format!("default `{default}`, and `{}` in the shipped file", key.spec.shipped)
        }
        Some(default) if key.spec.absent.is_empty() => format!("default `{default}`"),
        Some(_) | None if key.spec.absent.is_empty() => {
            format!("not set by default, for example `{}`", key.example())
        }
        Some(_) | None => format!("default: {}", key.spec.absent),
    }
}
