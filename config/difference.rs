//! What is different between two settings, key by key: so that a reload restarts what changed, and only that.

use std::collections::{HashMap, HashSet, VecDeque};
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

/// Every key that differs, in the order of the file. The order of alerts, columns and indexes is no difference; that of
/// routes is one, with the key `route`.
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

/// The keys that tell the entries of a list apart, the strongest first.
fn identity(list: &str) -> &'static [&'static str] {
    match list {
        "route" => &["topic", "table"],
        conditions if conditions.ends_with(".when") => &["field"],
        _ => &["name"],
    }
}

/// Compares routes, alerts, or conditions. A route keeps its topic or its table; an alert keeps its name.
fn compare_lists(
    name: &str,
    part: Part,
    old: &[Vec<Assignment>],
    new: &[Vec<Assignment>],
    differences: &mut Vec<Difference>,
) {
    let partners = partners(name, old, new);
    let (old_labels, new_labels) = (EntryLabels::of(name, old), EntryLabels::of(name, new));
    for (lines, partner) in old.iter().zip(&partners) {
        let key = || old_labels.label(lines);
        match partner {
            Some(at) if new[*at] == *lines => {}
            Some(at) => compare(&key(), lines, &new[*at], differences),
            None => {
                let (before, after) = (gist(lines), NOT_SET.to_owned());
                differences.push(Difference { key: key(), before, after, part });
            }
        }
    }
    let kept: HashSet<usize> = partners.iter().copied().flatten().collect();
    for (_, lines) in new.iter().enumerate().filter(|(at, _)| !kept.contains(at)) {
        let (key, before) = (new_labels.label(lines), NOT_SET.to_owned());
        differences.push(Difference { key, before, after: gist(lines), part });
    }
    if name == "route" {
        differences.extend(other_order(part, &partners, new));
    }
}

/// For each old entry the place of the new one that it has become.
fn partners(name: &str, old: &[Vec<Assignment>], new: &[Vec<Assignment>]) -> Vec<Option<usize>> {
    let mut partners: Vec<Option<usize>> = vec![None; old.len()];
    let mut is_taken = vec![false; new.len()];
    for key in identity(name) {
        let text = |lines: &[Assignment]| value(lines, key).map(ShownValue::text);
        let mut free: HashMap<Option<String>, VecDeque<usize>> = HashMap::new();
        for (at, lines) in new.iter().enumerate().filter(|(at, _)| !is_taken[*at]) {
            free.entry(text(lines)).or_default().push_back(at);
        }
        for (lines, partner) in old.iter().zip(&mut partners).filter(|(_, found)| found.is_none()) {
            *partner = free.get_mut(&text(lines)).and_then(VecDeque::pop_front);
            if let Some(at) = *partner {
                is_taken[at] = true;
            }
        }
    }
    partners
}

/// Routes that were there before and are, and stand in another order: the first that match take a message.
fn other_order(
    part: Part,
    partners: &[Option<usize>],
    new: &[Vec<Assignment>],
) -> Option<Difference> {
    let kept: Vec<usize> = partners.iter().copied().flatten().collect();
    let turned = kept.windows(2).find(|pair| pair[0] > pair[1])?;
    let (first, second) = (gist(&new[turned[0]]), gist(&new[turned[1]]));
    let before = format!("{first} before {second}");
    let after = format!("{second} before {first}");
    Some(Difference { key: "route".to_owned(), before, after, part })
}

/// What the entries of a list are called in a message, among their neighbours.
struct EntryLabels<'n> {
    name: &'n str,
    /// How many routes have a table.
    tables: HashMap<String, usize>,
}

impl<'n> EntryLabels<'n> {
    fn of(name: &'n str, neighbours: &[Vec<Assignment>]) -> Self {
        let mut tables: HashMap<String, usize> = HashMap::new();
        for table in neighbours.iter().filter_map(|lines| value(lines, "table")) {
            *tables.entry(table.text()).or_default() += 1;
        }
        Self { name, tables }
    }

    fn label(&self, lines: &[Assignment]) -> String {
        let table = value(lines, "table").map(ShownValue::text);
        let is_alone = table.and_then(|table| self.tables.get(&table)) == Some(&1);
        let key = match identity(self.name) {
            ["topic", "table"] if is_alone => "table",
            keys => keys[0],
        };
        let shown = value(lines, key).map(ShownValue::text).unwrap_or_default();
        format!("{}[{}]", self.name, shown.trim_matches('"'))
    }
}

/// A route or an alert in one word.
fn gist(lines: &[Assignment]) -> String {
    let told = ["topic", "type", "field"].iter().find_map(|key| value(lines, key));
    told.map(ShownValue::text).unwrap_or_default()
}
