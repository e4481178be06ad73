//! What is different between two settings, key by key: so that a reload restarts what changed, and only that.

use std::fmt;

use crate::field::Declared;
use crate::page::{Assignment, ShownValue};
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
    let mut differences = Vec::new();
    compare("", &old.lines(), &new.lines(), &mut differences);
    differences
}

/// Compares tables line by line.
fn compare(
    path: &str,
    before: &[Assignment],
    after: &[Assignment],
    differences: &mut Vec<Difference>,
) {
    let find =
        |lines: &'_ [Assignment], name: &str| lines.iter().position(|line| line.name == name);
    let kept = before.iter().map(|old| (Some(old), find(after, &old.name).map(|at| &after[at])));
    let added = after.iter().filter(|new| find(before, &new.name).is_none());
    for (old, new) in kept.chain(added.map(|new| (None, Some(new)))) {
        let Some(line) = old.or(new) else { continue };
        let key = if path.is_empty() { line.name.clone() } else { format!("{path}.{}", line.name) };
        match (old.map(|line| &line.value), new.map(|line| &line.value)) {
            (
                Some(ShownValue::Braces(old) | ShownValue::Table(old) | ShownValue::Named(old)),
                Some(ShownValue::Braces(new) | ShownValue::Table(new) | ShownValue::Named(new)),
            ) => compare(&key, old, new, differences),
            (Some(ShownValue::List(old)), Some(ShownValue::List(new))) => {
                compare_lists(&key, line.part, old, new, differences);
            }
            (old, new) if old != new => {
                let shown =
                    |value: Option<&ShownValue>| value.map_or(NOT_SET.to_owned(), ShownValue::text);
                let (before, after) = (shown(old), shown(new));
                differences.push(Difference { key, before, after, part: line.part });
            }
            (_, _) => {}
        }
    }
}

/// The value of a key of a route or an alert.
fn value<'l>(lines: &'l [Assignment], key: &str) -> Option<&'l ShownValue> {
    lines.iter().find(|line| line.name == key).map(|line| &line.value)
}

/// Compares routes, or alerts. A route keeps its topic or its table; an alert keeps its name.
fn compare_lists(
    name: &str,
    part: Part,
    old: &[Vec<Assignment>],
    new: &[Vec<Assignment>],
    differences: &mut Vec<Difference>,
) {
    let mut partners: Vec<Option<&[Assignment]>> = vec![None; old.len()];
    let mut added: Vec<&[Assignment]> = new.iter().map(Vec::as_slice).collect();
    let identity: &[&str] = if name == "route" { &["topic", "table"] } else { &["name"] };
    for key in identity {
        for (lines, partner) in old.iter().zip(&mut partners).filter(|(_, found)| found.is_none()) {
            let found = added.iter().position(|other| value(other, key) == value(lines, key));
            *partner = found.map(|found| added.remove(found));
        }
    }
    for (lines, partner) in old.iter().zip(partners) {
        let key = label(name, lines, old);
        match partner {
            Some(partner) => compare(&key, lines, partner, differences),
            None => {
                let (before, after) = (gist(lines), NOT_SET.to_owned());
                differences.push(Difference { key, before, after, part });
            }
        }
    }
    for lines in added {
        let (key, before) = (label(name, lines, new), NOT_SET.to_owned());
        differences.push(Difference { key, before, after: gist(lines), part });
    }
}

/// The name of a route or an alert in a message, among its neighbours.
fn label(name: &str, lines: &[Assignment], neighbours: &[Vec<Assignment>]) -> String {
    let has_table = |other: &&Vec<Assignment>| value(other, "table") == value(lines, "table");
    let key = match name {
        "route" if neighbours.iter().filter(has_table).count() > 1 => "topic",
        "route" => "table",
        _ => "name",
    };
    let shown = value(lines, key).map(ShownValue::text).unwrap_or_default();
    format!("{name}[{}]", shown.trim_matches('"'))
}

/// A route or an alert in one word.
fn gist(lines: &[Assignment]) -> String {
    value(lines, "topic").or(value(lines, "type")).map(ShownValue::text).unwrap_or_default()
}
