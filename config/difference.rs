//! What is different between two settings, key by key: so that a reload restarts what changed, and only that.

use std::fmt;

use crate::page::{Said, Sheet};
use crate::settings::Settings;

/// Stands for a value that is not there.
const NOT_SET: &str = "not set";

/// One key that says something else than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key: `mqtt.keep_alive`, `route[weather_data].columns.temperature.max`, `alert[phone].after`; a route or an alert
    /// that came or went as a whole is `route[weather_data]`. A route is named after its table, or after its topic if
    /// others share the table.
    pub key: String,
    /// The old value as the file would write it, a secret as `***`; `not set` if there was none.
    pub before: String,
    /// The new value, likewise. Of a changed secret it is the same as before.
    pub after: String,
    /// The part of the program that is concerned.
    pub part: Part,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.before == self.after {
            return write!(f, "{}: another secret than before", self.key);
        }
        write!(f, "{}: {} -> {}", self.key, self.before, self.after)
    }
}

/// The part of the program that a key concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The lock.
    Instance,
    /// The session at the broker.
    Mqtt,
    /// How the database is written.
    Database,
    /// Which file the database is.
    DatabasePath,
    /// How much the spool may hold.
    Spool,
    /// Where the spool is.
    SpoolDir,
    /// What is checked, and when the database is given up.
    Health,
    /// What is kept of messages that could not become rows.
    Quarantine,
    /// How dead actors are restarted.
    Supervisor,
    /// The log.
    Log,
    /// Where the numbers can be fetched.
    Metrics,
    /// The page.
    Watchtower,
    /// What is recorded.
    Routes,
    /// What follows from what is recorded, for those who look.
    Derived,
    /// Who is told of issues.
    Alerts,
}

/// Every key that differs, in the order of the file. The order of routes, alerts, columns and indexes is no difference.
pub fn differences(old: &Settings, new: &Settings) -> Vec<Difference> {
    let (old, new) = (old.page().sheets, new.page().sheets);
    let (old, new) = (Group::all(&old), Group::all(&new));
    let mut partners: Vec<Option<&Group<'_>>> = vec![None; old.len()];
    let mut newcomers: Vec<&Group<'_>> = new.iter().collect();
    // A route keeps its topic or its table; an alert keeps its name; all other tables are there once.
    for is_same in [Group::has_the_name_of, Group::has_the_table_of] {
        for (group, partner) in old.iter().zip(&mut partners).filter(|(_, found)| found.is_none()) {
            let found = newcomers.iter().position(|other| is_same(group, other));
            *partner = found.map(|found| newcomers.remove(found));
        }
    }
    let mut differences = Vec::new();
    for (group, partner) in old.iter().zip(partners) {
        let label = group.label(&old);
        match partner {
            Some(partner) => group.compare(partner, &label, &mut differences),
            None => differences.push(group.difference(label, group.gist(), NOT_SET.to_owned())),
        }
    }
    let came = newcomers
        .into_iter()
        .map(|group| group.difference(group.label(&new), NOT_SET.to_owned(), group.gist()));
    differences.extend(came);
    differences
}

/// A table of the file and those below it: `[mqtt]`, or `[[route]]` with its columns and indexes.
struct Group<'p> {
    part: Part,
    /// `mqtt`, `route`
    name: &'static str,
    /// Paths below the name (`columns.temperature`), and values.
    lines: Vec<(String, &'p Said)>,
}

impl<'p> Group<'p> {
    fn all(sheets: &'p [Sheet]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for sheet in sheets {
            let path = sheet.header.trim_matches(['[', ']']);
            let below = match path.split_once('.') {
                Some((_, below)) => format!("{below}."),
                None => {
                    groups.push(Self { part: sheet.part, name: path, lines: Vec::new() });
                    String::new()
                }
            };
            let group = groups.last_mut().expect("a table comes before those below it");
            let lines = sheet.lines.iter();
            group.lines.extend(lines.map(|(name, said)| (format!("{below}{name}"), said)));
        }
        groups
    }

    fn value(&self, key: &str) -> Option<&'p Said> {
        self.lines.iter().find(|(name, _)| name == key).map(|(_, said)| *said)
    }

    fn shares(&self, other: &Self, key: &str) -> bool {
        self.name == other.name && self.value(key) == other.value(key)
    }

    /// What names it never repeats: a route's topic, an alert's name.
    fn has_the_name_of(&self, other: &Self) -> bool {
        let key = match self.part {
            Part::Routes => "topic",
            Part::Alerts => "name",
            Part::Instance
            | Part::Mqtt
            | Part::Database
            | Part::DatabasePath
            | Part::Spool
            | Part::SpoolDir
            | Part::Health
            | Part::Quarantine
            | Part::Supervisor
            | Part::Log
            | Part::Metrics
            | Part::Derived
            | Part::Watchtower => return self.name == other.name,
        };
        self.shares(other, key)
    }

    fn has_the_table_of(&self, other: &Self) -> bool {
        self.part == Part::Routes && self.shares(other, "table")
    }

    /// What a message calls it, among its neighbours.
    fn label(&self, neighbours: &[Self]) -> String {
        let twins = neighbours.iter().filter(|other| self.has_the_table_of(other)).count();
        let key = if twins > 1 { "topic" } else { "table" };
        let shown = self.value(key).or(self.value("name")).map(Said::shown);
        let plain = shown.map(|shown| format!("[{}]", shown.trim_matches('"')));
        format!("{}{}", self.name, plain.unwrap_or_default())
    }

    /// A route or an alert in one word.
    fn gist(&self) -> String {
        self.value("topic").or(self.value("type")).map_or_else(String::new, Said::shown)
    }

    fn difference(&self, key: String, before: String, after: String) -> Difference {
        Difference { key, before, after, part: self.part }
    }

    fn compare(&self, new: &Self, label: &str, differences: &mut Vec<Difference>) {
        let before = self.lines.iter().map(|(key, said)| (key, Some(*said), new.value(key)));
        let is_new = |key: &str| self.value(key).is_none();
        let after = new.lines.iter().filter(|(key, _)| is_new(key));
        let after = after.map(|(key, said)| (key, None, Some(*said)));
        for (key, before, after) in before.chain(after) {
            let part = match (self.part, key.as_str()) {
                (Part::Database, "path") => Part::DatabasePath,
                (Part::Spool, "dir") => Part::SpoolDir,
                (Part::Routes, key) if key.starts_with("derived.") => Part::Derived,
                (part, _) => part,
            };
            let path = format!("{label}.{key}");
            if let (Some(Said::Braces(before)), Some(Said::Braces(after))) = (before, after) {
                compare_braces(part, &path, before, after, differences);
            } else if before != after {
                let shown = |said: Option<&Said>| said.map_or(NOT_SET.to_owned(), Said::shown);
                let (before, after) = (shown(before), shown(after));
                differences.push(Difference { key: path, before, after, part });
            }
        }
    }
}

fn compare_braces(
    part: Part,
    path: &str,
    before: &[(&'static str, String)],
    after: &[(&'static str, String)],
    differences: &mut Vec<Difference>,
) {
    let value = |said: &[(&'static str, String)], name: &str| {
        let found = said.iter().find(|(key, _)| *key == name);
        found.map_or(NOT_SET.to_owned(), |(_, value)| value.clone())
    };
    let names = before.iter().map(|(name, _)| *name);
    let new_names = after.iter().map(|(name, _)| *name);
    let is_new = |name: &&str| !before.iter().any(|(key, _)| key == name);
    for name in names.chain(new_names.filter(is_new)) {
        let (before, after) = (value(before, name), value(after, name));
        if before != after {
            differences.push(Difference { key: format!("{path}.{name}"), before, after, part });
        }
    }
}
