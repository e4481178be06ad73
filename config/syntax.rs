//! Slips: places where the text is not TOML. The parser recovers and goes on, and so do the checks of the rest.
//!
//! A slip often leaves a stand-in value or swallows a neighbour. So a value that a slip lies in is not judged a
//! second time, and of several slips in one line only the first is told: the others are mostly its echo.

use crate::keys::{Key, Wants};
use crate::lines::Lines;
use crate::problems::{Advice, Complaint, Place, Problem, Spot};
use crate::recovery::Fault;

/// One place where the text is not TOML.
pub(crate) struct Slip {
    /// Byte offset.
    pub(crate) at: usize,
    problem: Problem,
}

impl Slip {
    /// The slips of a text, in its order, one a line at most.
    pub(crate) fn all(faults: &[Fault], lines: &Lines<'_>) -> Vec<Self> {
        let mut slips: Vec<Self> = faults.iter().map(|fault| Self::of(fault, lines)).collect();
        slips.sort_by_key(|slip| slip.at);
        slips.dedup_by_key(|slip| match slip.problem.place {
            Place::File { line, .. } => line,
            Place::Environment(_) | Place::Flag(_) => 0,
        });
        slips
    }

    fn of(fault: &Fault, lines: &Lines<'_>) -> Self {
        let at = fault.span.start;
        let (line, column) = lines.position(at);
        let (why, instead) = explain(&fault.message, lines.slice(fault.span.clone()));
        let place = Place::File { line, column };
        Self { at, problem: Problem { place, key: String::new(), value: None, why, instead } }
    }

    /// The problem without the name of a key, or with it if [`Slip::concerns`] was told.
    pub(crate) fn into_problem(self) -> Problem {
        self.problem
    }

    /// The slip is in the value of this key: now the message can name it, and knows what was meant.
    pub(crate) fn concerns(&mut self, key: &Key, spot: &Spot, raw: &str) {
        let Some(complaint) = missing_quotes(key, raw) else {
            self.problem.key.clone_from(&spot.path);
            self.problem.value.clone_from(&spot.written);
            return;
        };
        self.problem = spot.problem(complaint);
    }
}

/// A bare word where a quoted one is wanted: the commonest slip, and the parser's text for it depends on the
/// word's first letter (`info` is taken for a misspelt `inf`).
fn missing_quotes(key: &Key, raw: &str) -> Option<Complaint> {
    let quote = match key.wants {
        Wants::Text | Wants::Path | Wants::Word | Wants::Duration { .. } | Wants::Size { .. } => {
            !raw.contains(['"', '\\'])
        }
        Wants::Secret | Wants::Url | Wants::SecretUrl => false,
        Wants::Whole { .. }
        | Wants::Real
        | Wants::Flag
        | Wants::Names
        | Wants::Table
        | Wants::Tables => return None,
    };
    let raw = raw.trim();
    if raw.is_empty() {
        return Some(Complaint::write("the value is missing", key.example));
    }
    if raw.starts_with(['"', '\'', '[', '{']) {
        return None;
    }
    let raw = if key.wants == Wants::Word { raw.to_lowercase() } else { raw.to_owned() };
    let example = if quote { format!("\"{raw}\"") } else { key.example.to_owned() };
    let advice = Advice::Write(example);
    Some(Complaint { why: "text must stand in quotes".to_owned(), advice })
}

/// The parser's message in a person's words, and what to do.
fn explain(message: &str, slip: &str) -> (String, String) {
    let (why, instead) = match message {
        "duplicate key" => {
            let why = format!("`{slip}` is here a second time, in the same table");
            return (why, "keep one of the two".to_owned());
        }
        text if text.starts_with("string values must be quoted") => {
            ("text must stand in quotes", "write: key = \"text\"")
        }
        text if text.starts_with("key with no value") => {
            ("a key stands here without `=` and a value", "write: key = value")
        }
        text if text.starts_with("unexpected key or value") => {
            ("something follows where the line should end", "remove it, or put a `#` before it")
        }
        text if text.starts_with("missing comma") => {
            ("a comma is missing", "put a `,` between the entries")
        }
        text if text.starts_with("invalid multi-line") => {
            ("a text of many lines is not closed", "close it with three quotes, as it begins")
        }
        text if text.starts_with("unclosed table") || text.starts_with("unclosed array table") => {
            let header = text.split_once(": ").map_or("[table]", |(_, header)| header);
            let why = "the `]` of a table's header is missing".to_owned();
            return (why, format!("write: {header}"));
        }
        text if text.starts_with("unclosed array") => {
            ("a list is not closed", "add the missing `]`")
        }
        text if text.starts_with("unclosed inline table") => {
            ("a table in braces is not closed", "add the missing `}`")
        }
        text if text.starts_with("invalid basic string") => {
            ("a text in quotes is not closed in its line", "add the missing `\"`")
        }
        text if text.starts_with("invalid literal string") => {
            ("a text in quotes is not closed in its line", "add the missing `'`")
        }
        text if text.starts_with("missing escaped value") => {
            ("a backslash in double quotes begins an escape", "write: \\\\ or use single quotes")
        }
        other => {
            let why = format!("this is not TOML: {other}");
            return (why, "write: key = value, one a line, texts in quotes".to_owned());
        }
    };
    (why.to_owned(), instead.to_owned())
}
