//! A problem is a sentence for somebody at two in the morning: what is wrong, where, and what to write instead.

use std::fmt;

/// Where a value was said. Sorts as a person reads: the file from top to bottom, then environment, then flags.
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
    /// Behind the command-line flag of this name (`--mqtt`).
    Flag(&'static str),
}

impl Place {
    /// Which layer speaks: a stronger one has the greater number.
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

/// One thing that is wrong. Holds no secret: what could be one is `***` already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// The key's path, `route[1].columns.temperature.min` (routes and list entries count from 1); empty where the
    /// text is not even TOML, or names nothing we know.
    pub key: String,
    /// The value as it was written, shortened; `None` where there is none or it is better not repeated.
    pub value: Option<String>,
    /// Why it is wrong.
    pub why: String,
    /// What to do instead, mostly `write: key = value`.
    pub instead: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
        }
        write!(f, "\n  {}\n  {}", self.why, self.instead)
    }
}

/// Most problems that are printed: who names a log file by mistake wants no second one.
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

    /// What is wrong: the file, if all problems are in it.
    fn culprit(&self) -> (&str, &'static str) {
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
        let (culprit, has) = self.culprit();
        let count = self.list.len();
        writeln!(f, "{culprit} {has} {count} problem{}:", if count == 1 { "" } else { "s" })?;
        for problem in self.list.iter().take(PRINTED_MAX) {
            let from = match (&problem.place, &self.file) {
                (Place::File { .. }, Some(file)) if has == "have" => format!("{file}, "),
                (Place::File { .. } | Place::Environment(_) | Place::Flag(_), _) => String::new(),
            };
            let text = format!("{from}{problem}").replace('\n', "\n  ");
            write!(f, "\n  {text}\n")?;
        }
        match count.checked_sub(PRINTED_MAX) {
            Some(more @ 1..) => writeln!(f, "\n  and {more} more"),
            Some(0) | None => Ok(()),
        }
    }
}

impl std::error::Error for Problems {}

/// What to do about a refused value; becomes [`Problem::instead`] once the place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Write this TOML value.
    Write(String),
    /// Do what this sentence says.
    Do(String),
}

/// Why a value is refused, before anybody knows where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) why: String,
    pub(crate) advice: Advice,
}

impl Complaint {
    /// Refuses, and offers a TOML value.
    pub(crate) fn write(why: impl Into<String>, value: impl Into<String>) -> Self {
        Self { why: why.into(), advice: Advice::Write(value.into()) }
    }

    /// Refuses, and says what to do.
    pub(crate) fn advise(why: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { why: why.into(), advice: Advice::Do(sentence.into()) }
    }
}

/// A value somebody said: where, under which key, and how it was written (without secrets).
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
