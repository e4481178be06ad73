//! A problem is one line: where it is, the key, what was expected, what was found, and what to write instead.

use std::fmt;

use crate::declare::key::{Advice, Complaint};
use crate::declare::text::spell_key;

/// Where a value is set. Sorts as a person reads: the file from top to bottom, then environment, then flags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
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

impl Place {
    /// Which layer it belongs to: a stronger one has the greater number.
    pub(crate) fn strength(&self) -> u8 {
        match self {
            Self::File { .. } => 0,
            Self::Environment(_) => 1,
            Self::Flag(_) => 2,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line, column } => write!(f, "line {line}, column {column}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong. Holds no secret: what could be one is `***`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// The key's path, `route[1].columns.temperature.min` (routes and list entries count from 1); empty where the
    /// text is not even TOML, or no key is known.
    pub key: String,
    /// The value as it was written, shortened; `None` where there is none or it must not be shown.
    pub value: Option<String>,
    /// Why it is wrong; mostly `expected ...`.
    pub why: String,
    /// What to do instead, mostly `write: key = value`.
    pub instead: String,
}

/// `line 2, column 14: mqtt.keep_alive: expected a duration with a unit, found 60; write: keep_alive = "60s"`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        match &self.value {
            Some(value) if self.why.starts_with("expected") => {
                write!(f, "{}, found {value}; {}", self.why, self.instead)
            }
            Some(_) | None => write!(f, "{}; {}", self.why, self.instead),
        }
    }
}

/// Most problems that are printed: a log file named by mistake must not become a second log file.
const PRINTED_MAX: usize = 100;

/// All problems of one load, in the order of their places; never empty. Printed, the first hundred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file as it was named, if one was read.
    file: Option<String>,
    list: Vec<Problem>,
}

impl Problems {
    /// Sorts the problems by place.
    pub(crate) fn new(file: Option<String>, mut list: Vec<Problem>) -> Self {
        list.sort_by(|a, b| (&a.place, &a.key).cmp(&(&b.place, &b.key)));
        Self { file, list }
    }

    /// The problems, in the order of their places.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// The file as it was named, if one was read.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// What has the problems: the file, if all are in it.
    fn subject(&self) -> (&str, &'static str) {
        let in_file = |problem: &Problem| matches!(problem.place, Place::File { .. });
        match &self.file {
            Some(file) if self.list.iter().all(in_file) => (file, "has"),
            Some(_) | None => ("the settings", "have"),
        }
    }
}

impl<'p> IntoIterator for &'p Problems {
    type Item = &'p Problem;
    type IntoIter = std::slice::Iter<'p, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, has) = self.subject();
        let count = self.list.len();
        writeln!(f, "{subject} {has} {count} problem{}:", if count == 1 { "" } else { "s" })?;
        for problem in self.list.iter().take(PRINTED_MAX) {
            let from = match (&problem.place, &self.file) {
                (Place::File { .. }, Some(file)) if has == "have" => format!("{file}, "),
                (Place::File { .. } | Place::Environment(_) | Place::Flag(_), _) => String::new(),
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
    pub(crate) place: Place,
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

    /// The problem of this value.
    pub(crate) fn problem(&self, complaint: Complaint) -> Problem {
        Problem {
            place: self.place.clone(),
            key: self.path.clone(),
            value: self.written.clone(),
            why: complaint.why,
            instead: self.instead(complaint.advice),
        }
    }

    /// The advice in the words of the place: a line of the file, an assignment, a flag.
    fn instead(&self, advice: Advice) -> String {
        match advice {
            Advice::Do(sentence) => sentence,
            Advice::Write(value) => {
                // A value with a blank keeps its quotes: shells need them, and our reading takes them off.
                let bare = if value.contains(' ') { &value } else { value.trim_matches('"') };
                match &self.place {
                    Place::File { .. } => format!("write: {} = {value}", self.name),
                    Place::Environment(name) => format!("write: {name}={bare}"),
                    Place::Flag(name) => format!("write: {name} {bare}"),
                }
            }
        }
    }
}
