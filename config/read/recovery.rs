//! Reads on after a syntax error.
//!
//! The parser recovers from most syntax errors, but some make it skip what follows: after a key without a value it
//! finds nothing more, and a list that is never closed takes the rest of the file for its entries. So the lines
//! of such an error are blanked, the error is kept, and the text is read again. Blanks keep every offset in place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most readings of one text: a limit, for a file that is no settings file at all.
const READINGS_MAX: usize = 30;

/// Most syntax errors of one reading that are looked into: each may walk the whole tree.
const FAULTS_MAX: usize = 100;

/// A syntax error: where, and the message of the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxFault {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
}

impl SyntaxFault {
    /// What the parser found.
    pub(crate) fn of(error: &toml::de::Error) -> Self {
        Self { span: error.span().unwrap_or(0..0), message: error.message().to_owned() }
    }

    /// The line's key has no value.
    fn is_bare_key(&self) -> bool {
        self.message.starts_with("key with no value")
    }

    /// A table's header has no `]`.
    fn is_open_header(&self) -> bool {
        self.message.starts_with("unclosed table")
            || self.message.starts_with("unclosed array table")
    }

    /// Something within brackets, braces or triple quotes.
    fn is_enclosed(&self) -> bool {
        let signs = ["in array", "missing comma", "inline table", "multi-line", "unclosed array,"];
        signs.iter().any(|sign| self.message.contains(sign))
    }
}

/// The text with the lines blanked that nothing can be made of, and the syntax errors that were in them. What else is
/// wrong with the syntax is found by parsing the rest.
pub(crate) fn blank_broken_lines(text: &str) -> (String, Vec<SyntaxFault>) {
    let mut text = text.to_owned();
    let mut faults = Vec::new();
    for _ in 0..READINGS_MAX {
        let Some((fault, lines)) = first_skipping_error(&text) else { break };
        let before = text.len();
        text = blanked(&text, &lines);
        debug_assert_eq!(before, text.len(), "offsets stay in place");
        faults.push(fault);
    }
    (text, faults)
}

/// The first error that makes the parser skip what follows, and the lines to blank.
fn first_skipping_error(text: &str) -> Option<(SyntaxFault, Range<usize>)> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<SyntaxFault> = errors.iter().map(SyntaxFault::of).collect();
    faults.sort_by_key(|fault| fault.span.start);
    let culprits = faults.into_iter().take(FAULTS_MAX).filter_map(|fault| {
        let at = fault.span.start;
        if fault.is_bare_key() {
            return Some((fault, line_around(text, at..at)));
        }
        if fault.is_open_header() {
            return Some(header_culprit(text, fault));
        }
        if !fault.is_enclosed() {
            return None;
        }
        let value = enclosing(&tree, text, at)?;
        Some(enclosed_culprit(text, fault, value))
    });
    let mut culprits = culprits.filter(|(_, lines)| !text[lines.clone()].trim().is_empty());
    culprits.next()
}

/// An unclosed value is reported where it begins, and only its first line is blanked: the rest was not meant to be in
/// it. A closed one of several lines is blanked as a whole.
fn enclosed_culprit(
    text: &str,
    fault: SyntaxFault,
    value: Range<usize>,
) -> (SyntaxFault, Range<usize>) {
    let raw = &text[value.clone()];
    let (closing, message) = match raw.chars().next() {
        Some('[') => ("]", "unclosed array"),
        Some('{') => ("}", "unclosed inline table"),
        Some(_) | None => ("", "invalid multi-line string"),
    };
    let is_closed = !closing.is_empty() && raw.len() > 1 && raw.ends_with(closing);
    let first_line = value.start..value.start;
    if is_closed && fault.span.start < value.end {
        return (fault, line_around(text, value));
    }
    let fault = SyntaxFault { span: first_line.clone(), message: message.to_owned() };
    (fault, line_around(text, first_line))
}

/// The outermost list, inline table or multi-line text of more than one line that an error lies in.
fn enclosing(tree: &Spanned<DeTable<'_>>, text: &str, at: usize) -> Option<Range<usize>> {
    let mut waiting: Vec<&Spanned<DeValue<'_>>> = tree.get_ref().iter().map(|(_, v)| v).collect();
    while let Some(value) = waiting.pop() {
        let span = value.span();
        let raw = text.get(span.clone()).unwrap_or_default();
        let is_header = value.get_ref().is_table() && !raw.starts_with('{');
        let is_headers =
            value.get_ref().is_array() && raw.starts_with("[[") && is_line_start(text, span.start);
        if !is_header && !is_headers {
            if raw.contains('\n') && span.start <= at && at <= span.end {
                return Some(span);
            }
            continue;
        }
        match value.get_ref() {
            DeValue::Table(table) => waiting.extend(table.iter().map(|(_, value)| value)),
            DeValue::Array(array) => waiting.extend(array.iter()),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
    None
}

fn is_line_start(text: &str, at: usize) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[line..at].trim().is_empty()
}

/// The whole lines that a stretch touches, without the last newline.
fn line_around(text: &str, span: Range<usize>) -> Range<usize> {
    let start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |newline| span.end + newline);
    start..end
}

/// A header's line and all up to the next table that is not one of its own: without its header, a key would be
/// taken for one of the table before.
fn header_culprit(text: &str, fault: SyntaxFault) -> (SyntaxFault, Range<usize>) {
    let header = line_around(text, fault.span.start..fault.span.start);
    let name = text[header.clone()].trim().trim_start_matches(['[', ' ']);
    let name = name.split([']', '#']).next().unwrap_or_default().trim();
    let own = format!("[{name}.");
    let mut end = header.end;
    for line in text[header.end..].split_inclusive('\n') {
        let trimmed = line.trim_start();
        if trimmed.starts_with('[') && !trimmed.starts_with(&own) {
            break;
        }
        end += line.len();
    }
    let is_list = text[header.clone()].trim().starts_with("[[");
    let meant = if is_list { format!("[[{name}]]") } else { format!("[{name}]") };
    let message = format!("unclosed table: {meant}");
    (SyntaxFault { message, ..fault }, header.start..end)
}

/// The text with these bytes made blanks, line ends excepted.
fn blanked(text: &str, stretch: &Range<usize>) -> String {
    let blanks = text[stretch.clone()].bytes().map(|byte| match byte {
        b'\n' | b'\r' => char::from(byte),
        _ => ' ',
    });
    let mut result = text[..stretch.start].to_owned();
    result.extend(blanks);
    result.push_str(&text[stretch.end..]);
    result
}
