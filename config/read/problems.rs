//! A problem is one line: where it is, the key, what was expected, what was found, and what to write instead.

use std::fmt;

use crate::declare::key::{Advice, Complaint};
use crate::declare::text::spell_key;

/// Where a value is set. Sorts as a person reads: the file from top to bottom, then environment, then flags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// In the settings file; line and column count from 1, columns in characters.
    File {
        /// The line.
        line: usize,
        /// The character of the line.
        column: usize,
    },
    /// In the environment variable of this name.
    Environment(String),
    /// After the command-line flag of this name (`--mqtt`).
    Flag(&'static str),
}

impl Origin {
    /// Which layer it belongs to: a stronger one has the greater number.
    pub(crate) fn strength(&self) -> u8 {
        match self {
            Self::File { .. } => 0,
            Self::Environment(_) => 1,
            Self::Flag(_) => 2,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line, column } => write!(f, "line {line}, column {column}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong. Holds no secret: what could be one is `***`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SettingProblem {
    pub(crate) place: Origin,
    /// The key's path, `route[1].columns.temperature.min` (routes and list entries count from 1), where one is known; why
    /// its value is wrong, mostly `expected ...`; and what to do instead, mostly `write: key = value`.
    pub(crate) text: String,
}

/// `line 2, column 14: mqtt.keep_alive: expected a duration with a unit, found 60; write: keep_alive = "60s"`
impl fmt::Display for SettingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Most problems that are printed: a log file named by mistake must not become a second log file.
const PRINTED_MAX: usize = 100;

/// All problems of one load, in the order of their places; never empty. Printed, the first hundred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file as it was named, if one was read.
    file: Option<String>,
    list: Vec<SettingProblem>,
}

impl Problems {
    /// Sorts the problems by place.
    pub(crate) fn new(file: Option<String>, mut list: Vec<SettingProblem>) -> Self {
        list.sort();
        Self { file, list }
    }

    /// The problems, in the order of their places.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, SettingProblem> {
        self.list.iter()
    }

    /// What has the problems: the file, if all are in it.
    fn subject(&self) -> (&str, &'static str) {
        let in_file = |problem: &SettingProblem| matches!(problem.place, Origin::File { .. });
        match &self.file {
            Some(file) if self.list.iter().all(in_file) => (file, "has"),
            Some(_) | None => ("the settings", "have"),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, has) = self.subject();
        let count = self.list.len();
        writeln!(f, "{subject} {has} {count} problem{}:", if count == 1 { "" } else { "s" })?;
        for problem in self.list.iter().take(PRINTED_MAX) {
            let from = match (&problem.place, &self.file) {
                (Origin::File { .. }, Some(file)) if has == "have" => format!("{file}, "),
                (Origin::File { .. } | Origin::Environment(_) | Origin::Flag(_), _) => {
                    String::new()
                }
            };
            writeln!(f, "  {from}{problem}")?;
        }
        match count.checked_sub(PRINTED_MAX) {
            Some(more @ 1..) => writeln!(f, "  and {more} more"),
            Some(0) | None => Ok(()),
        }
    }
}

impl std::error::Error for Problems {}

/// A value that is set: where, under which key, and how it was written (without secrets).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) place: Origin,
    /// The whole path.
    pub(crate) path: String,
    /// What stands left of the equals sign.
    pub(crate) name: String,
    pub(crate) written: Option<String>,
}

impl Spot {
    /// The place of a key of this table, or of an entry of this list; there is no value.
    pub(crate) fn below(&self, name: &str) -> Self {
        let path = format!("{}.{}", self.path, spell_key(name));
        Self { path, name: spell_key(name), written: None, place: self.place.clone() }
    }

    /// The same place, for a message that does not repeat the value.
    pub(crate) fn bare(&self) -> Self {
        Self { written: None, ..self.clone() }
    }

    /// The problem of this value.
    pub(crate) fn problem(&self, Complaint { why, advice }: Complaint) -> SettingProblem {
        let written = self.written.as_ref().filter(|_| why.starts_with("expected"));
        let found = written.map(|written| format!(", found {written}")).unwrap_or_default();
        let text = format!("{}: {why}{found}; {}", self.path, self.instead(advice));
        SettingProblem { place: self.place.clone(), text }
    }

    /// The advice in the words of the place: a line of the file, an assignment, a flag.
    fn instead(&self, advice: Advice) -> String {
        match advice {
            Advice::Do(sentence) => sentence,
            Advice::Write(value) => {
                // A value with a blank keeps its quotes: shells need them, and our reading takes them off.
                let bare = if value.contains(' ') { &value } else { value.trim_matches('"') };
                match &self.place {
                    Origin::File { .. } => format!("write: {} = {value}", self.name),
                    Origin::Environment(name) => format!("write: {name}={bare}"),
                    Origin::Flag(name) => format!("write: {name} {bare}"),
                }
            }
        }
    }
}

/// The file's text and where its lines begin.
pub(crate) struct LineIndex<'a> {
    text: &'a str,
    /// Byte offset of the first character of each line; never empty.
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    /// Finds the lines of a text.
    pub(crate) fn of(text: &'a str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        Self { text, starts }
    }

    /// Line and column of a byte offset, both from 1; the column counts characters, and a byte order mark is none.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().filter(|c| *c != '\u{feff}').count() + 1)
    }

    /// The text between two offsets; empty where they do not lie between characters.
    pub(crate) fn slice(&self, span: std::ops::Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }
}
