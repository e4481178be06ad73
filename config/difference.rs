//! What is different between two settings, key by key: so that a reload restarts what changed, and only that.

use std::fmt;

use crate::page::{Line, Sheet, Shown};
use crate::part::Part;
use crate::settings::Settings;

/// Stands for a value that is not there.
const NOT_SET: &str = "not set";

/// One key whose value changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key: `mqtt.keep_alive`, `route[weather_data].columns.temperature.max`, `alert[phone].after`; a route or an alert
    /// that was added or removed as a whole is `route[weather_data]`. A route is named after its table, or after its topic
    /// if others share the table.
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
            return write!(f, "{}: the secret changed", self.key);
        }
        write!(f, "{}: {} -> {}", self.key, self.before, self.after)
    }
}

/// Every key that differs, in the order of the file. The order of routes, alerts, columns and indexes is no difference.
pub fn differences(old: &Settings, new: &Settings) -> Vec<Difference> {
    let (old, new) = (old.sheets(), new.sheets());
    let (old, new) = (Group::all(&old), Group::all(&new));
    let mut partners: Vec<Option<&Group<'_>>> = vec![None; old.len()];
    let mut added: Vec<&Group<'_>> = new.iter().collect();
    // A route keeps its topic or its table; an alert keeps its name; all other tables are there once.
    for is_same in [Group::has_the_name_of, Group::has_the_table_of] {
        for (group, partner) in old.iter().zip(&mut partners).filter(|(_, found)| found.is_none()) {
            let found = added.iter().position(|other| is_same(group, other));
            *partner = found.map(|found| added.remove(found));
        }
    }
    let mut differences = Vec::new();
    for (group, partner) in old.iter().zip(partners) {
        let label = group.label(&old);
        match partner {
            Some(partner) => compare(&label, &group.lines, &partner.lines, &mut differences),
            None => differences.push(group.difference(label, group.gist(), NOT_SET.to_owned())),
        }
    }
    let added = added
        .into_iter()
        .map(|group| group.difference(group.label(&new), NOT_SET.to_owned(), group.gist()));
    differences.extend(added);
    differences
}

/// A table of the file and those below it: `[mqtt]`, or `[[route]]` with its columns and indexes.
struct Group<'p> {
    /// `mqtt`, `route`
    name: &'p str,
    part: Part,
    /// Paths below the name (`columns.temperature`), and their lines.
    lines: Vec<(String, &'p Line)>,
}

impl<'p> Group<'p> {
    fn all(sheets: &'p [Sheet]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for sheet in sheets {
            let path = sheet.header.trim_matches(['[', ']']);
            let below = match path.split_once('.') {
                Some((_, below)) => format!("{below}."),
                None => {
                    let part = sheet.lines.first().map_or(Part::Routes, |line| line.part);
                    groups.push(Self { name: path, part, lines: Vec::new() });
                    String::new()
                }
            };
            let group = groups.last_mut().expect("a table comes before those below it");
            group.lines.extend(flat(&below, &sheet.lines));
        }
        groups
    }

    fn value(&self, key: &str) -> Option<&'p Shown> {
        self.lines.iter().find(|(name, _)| name == key).map(|(_, line)| &line.value)
    }

    fn shares(&self, other: &Self, key: &str) -> bool {
        self.name == other.name && self.value(key) == other.value(key)
    }

    /// What names it never repeats: a route's topic, an alert's name.
    fn has_the_name_of(&self, other: &Self) -> bool {
        match self.name {
            "route" => self.shares(other, "topic"),
            "alert" => self.shares(other, "name"),
            section => section == other.name,
        }
    }

    fn has_the_table_of(&self, other: &Self) -> bool {
        self.name == "route" && self.shares(other, "table")
    }

    /// Its name in a message, among its neighbours.
    fn label(&self, neighbours: &[Self]) -> String {
        let twins = neighbours.iter().filter(|other| self.has_the_table_of(other)).count();
        let key = match self.name {
            "route" if twins > 1 => "topic",
            "route" => "table",
            "alert" => "name",
            section => return section.to_owned(),
        };
        let shown = self.value(key).map(Shown::text).unwrap_or_default();
        format!("{}[{}]", self.name, shown.trim_matches('"'))
    }

    /// A route or an alert in one word.
    fn gist(&self) -> String {
        self.value("topic").or(self.value("type")).map_or_else(String::new, Shown::text)
    }

    fn difference(&self, key: String, before: String, after: String) -> Difference {
        Difference { key, before, after, part: self.part }
    }
}

/// Lines with their paths.
fn flat<'p>(below: &str, lines: &'p [Line]) -> Vec<(String, &'p Line)> {
    lines.iter().map(|line| (format!("{below}{}", line.name), line)).collect()
}

fn compare(
    label: &str,
    before: &[(String, &Line)],
    after: &[(String, &Line)],
    differences: &mut Vec<Difference>,
) {
    let find =
        |lines: &[(String, &Line)], path: &str| lines.iter().position(|(name, _)| name == path);
    let kept = before
        .iter()
        .map(|(path, line)| (path, Some(*line), find(after, path).map(|at| after[at].1)));
    let added = after.iter().filter(|(path, _)| find(before, path).is_none());
    for (path, old, new) in kept.chain(added.map(|(path, line)| (path, None, Some(*line)))) {
        let key = format!("{label}.{path}");
        let shown = |line: Option<&Line>| line.map_or(NOT_SET.to_owned(), |line| line.value.text());
        let Some(part) = old.or(new).map(|line| line.part) else { continue };
        match (old.map(|line| &line.value), new.map(|line| &line.value)) {
            (Some(Shown::Braces(old)), Some(Shown::Braces(new))) => {
                compare(&key, &flat("", old), &flat("", new), differences);
            }
            (old_value, new_value) if old_value != new_value => {
                differences.push(Difference { key, before: shown(old), after: shown(new), part });
            }
            (_, _) => {}
        }
    }
}
