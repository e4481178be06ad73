//! Syntax errors: places where the text is not TOML. The parser recovers and goes on, and so do the checks of the rest.
//!
//! An error often leaves a stand-in value or swallows a neighbour. So a value with an error in it is not checked further,
//! and of several syntax errors in one line only the first is reported: the others mostly follow from it.

use crate::declare::key::{Complaint, Key, Wants};
use crate::declare::nearest::nearest_word;
use crate::declare::text::quote;
use crate::read::problems::LineIndex;
use crate::read::problems::{Origin, SettingProblem, Spot};
use crate::read::recovery::SyntaxFault;
use crate::read::redact::redact_url;

/// One place where the text is not TOML.
pub(crate) struct SyntaxError {
    /// Byte offset.
    pub(crate) at: usize,
    line: usize,
    problem: SettingProblem,
    /// The problem with the name of its key, once it is known.
    of_key: Option<SettingProblem>,
}

impl SyntaxError {
    /// The syntax errors of a text, in its order, one a line at most.
    pub(crate) fn all(faults: &[SyntaxFault], lines: &LineIndex<'_>) -> Vec<Self> {
        let mut syntax_errors: Vec<Self> =
            faults.iter().map(|fault| Self::of(fault, lines)).collect();
        syntax_errors.sort_by_key(|error| error.at);
        syntax_errors.dedup_by_key(|error| error.line);
        syntax_errors
    }

    fn of(fault: &SyntaxFault, lines: &LineIndex<'_>) -> Self {
        let at = fault.span.start;
        let (line, column) = lines.position(at);
        let (why, instead) = explain(&fault.message, lines.slice(fault.span.clone()));
        let place = Origin::File { line, column };
        let problem = SettingProblem { place, text: format!("{why}; {instead}") };
        Self { at, line, problem, of_key: None }
    }

    pub(crate) fn into_problem(self) -> SettingProblem {
        self.of_key.unwrap_or(self.problem)
    }

    /// The error is in the value of this key: now the message can name it, and knows what was meant.
    pub(crate) fn concerns(&mut self, key: &Key, spot: &Spot, raw: &str) {
        let problem = match missing_quotes(key, raw) {
            Some(complaint) if raw.trim().is_empty() => spot.bare().problem(complaint),
            Some(complaint) => spot.problem(complaint),
            None => {
                let text = format!("{}: {}", spot.path, self.problem.text);
                SettingProblem { text, ..self.problem.clone() }
            }
        };
        self.of_key = Some(problem);
    }
}

/// Quotation marks of word processors, which TOML does not know.
const TYPOGRAPHIC: [char; 7] =
    ['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}'];

/// A bare word, or one in typographic quotes, where a quoted one is expected: the commonest syntax errors, and the parser's text
/// for them depends on the word's first letter (`info` is taken for a misspelt `inf`).
fn missing_quotes(key: &Key, raw: &str) -> Option<Complaint> {
    if !key.is_quoted() {
        return None;
    }
    let raw = raw.trim();
    if raw.is_empty() {
        return Some(Complaint::write(
            format!("expected {}, found nothing", key.expected()),
            key.example(),
        ));
    }
    if raw.starts_with(['"', '\'', '[', '{']) {
        return None;
    }
    let bare = raw.trim_matches(TYPOGRAPHIC);
    let why = if bare.len() == raw.len() {
        format!("expected {}", key.expected())
    } else {
        "expected straight quotes (\") instead of typographic ones".to_owned()
    };
    let has_credentials = matches!(key.spec.wants, Wants::Url) && redact_url(bare) != bare;
    let is_shown = !key.is_secret() && !has_credentials;
    let meant = if let Wants::Word(words) = key.spec.wants {
        nearest_word(bare, words).map(quote)
    } else {
        Some(quote(bare)).filter(|_| is_shown && !bare.contains(['"', '\\']))
    };
    Some(Complaint::write(why, meant.unwrap_or_else(|| key.example())))
}

/// The parser's message in plain words, and what to do.
fn explain(message: &str, snippet: &str) -> (String, String) {
    let (why, instead) = match message {
        "duplicate key" => {
            let why = format!("`{snippet}` is set twice in this table");
            return (why, "keep one of the two".to_owned());
        }
        _ if snippet.contains(TYPOGRAPHIC) => {
            ("expected straight quotes (\") instead of typographic ones", "write: key = \"text\"")
        }
        text if text.starts_with("string values must be quoted") => {
            ("expected a value, with quotes around a text", "write: key = \"text\"")
        }
        text if text.starts_with("key with no value") => {
            ("expected `=` and a value after the key", "write: key = value")
        }
        text if text.starts_with("unexpected key or value") => {
            ("expected the end of the line", "remove what follows, or put a `#` before it")
        }
        text if text.starts_with("missing comma") => {
            ("expected a comma", "put a `,` between the entries")
        }
        text if text.starts_with("invalid multi-line") => {
            ("a text of several lines is not closed", "close it with three quotes, as it begins")
        }
        text if text.starts_with("unclosed table") || text.starts_with("unclosed array table") => {
            let header = text.split_once(": ").map_or("[table]", |(_, header)| header);
            let why = "expected a `]` at the end of the header".to_owned();
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
            let why = format!("not TOML: {other}");
            return (why, "write: key = value, one a line, texts in quotes (\")".to_owned());
        }
    };
    (why.to_owned(), instead.to_owned())
}
