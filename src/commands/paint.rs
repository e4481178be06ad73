//! Colours: for a terminal, unless its user wants none (`NO_COLOR`).

use std::env;
use std::io::{IsTerminal, stdout};

use barograph_actors::status::severity::EventSeverity;

/// Whether to colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    /// As standard output wants it.
    pub(super) fn for_stdout() -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self(stdout().is_terminal() && !unwanted && !dumb)
    }

    /// No colours.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self(false)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn warning(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }

    pub(super) fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    /// Lines that are of less interest.
    pub(super) fn faint_lines(self, lines: &str) -> String {
        if !self.0 {
            return lines.to_owned();
        }
        lines.lines().map(|line| self.faint(line) + "\n").collect()
    }

    /// As an event sounds.
    pub(super) fn toned(self, tone: EventSeverity, text: &str) -> String {
        match tone {
            EventSeverity::Good => self.good(text),
            EventSeverity::Plain => text.to_owned(),
            EventSeverity::Warning => self.warning(text),
            EventSeverity::Bad => self.bad(text),
        }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
