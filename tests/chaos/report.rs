//! What a run found, as text.

use std::fmt::{self, Write as _};

use super::schedule::Schedule;
use crate::support::folder::Folder;

/// Most findings of one kind that are shown in full.
const SHOWN_MAX: usize = 6;

/// What kind of check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// A message is in no database.
    Lost,
    /// A message is stored more often than the broker gave it.
    Twice,
    /// As many rows of the repeated reading as the broker gave.
    Repeated,
    /// A moved file cannot be read.
    Moved,
    /// `barograph account`.
    Account,
    /// `barograph verify`.
    Verify,
    /// `PRAGMA integrity_check`.
    Integrity,
    /// A stretch without recording that no gap covers.
    Gap,
    /// A gap for a clock that was never set.
    ClockJump,
    /// The peak of the resident set.
    Memory,
    /// How a process ended.
    Exit,
    /// How long an ordered stop took.
    Stop,
    /// The way back to mode normal.
    Drain,
}

/// One failed check.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) check: Check,
    /// In one line.
    pub(super) what: String,
    /// What led to it, in lines.
    pub(super) history: String,
}

/// The report of a run.
#[derive(Default)]
pub(super) struct Report {
    /// Seed, QoS, MQTT version and broker.
    pub(super) words: String,
    pub(super) schedule: Schedule,
    pub(super) published: i64,
    pub(super) stored: i64,
    pub(super) lost: usize,
    pub(super) twice: usize,
    pub(super) uncovered_ms: i64,
    pub(super) rss_kib: u64,
    pub(super) findings: Vec<Finding>,
    /// What is no finding, and worth to be known.
    pub(super) notes: Vec<String>,
    /// What the run did, and when.
    pub(super) journal: String,
    /// Databases, logs and packets of a run that found something: kept when the test fails before this is dropped.
    pub(super) found: Option<Folder>,
}

impl Report {
    pub(super) fn find(&mut self, check: Check, what: impl Into<String>) {
        self.explain(check, what, String::new());
    }

    pub(super) fn explain(&mut self, check: Check, what: impl Into<String>, history: String) {
        self.findings.push(Finding { check, what: what.into(), history });
    }

    /// The kinds of checks that failed.
    pub(super) fn failed(&self) -> Vec<Check> {
        let mut failed: Vec<Check> = self.findings.iter().map(|finding| finding.check).collect();
        failed.sort();
        failed.dedup();
        failed
    }

    /// The row of the table: `seed qos mqtt broker strikes published stored lost twice uncovered_s rss_mib`.
    pub(super) fn row(&self) -> String {
        let Self { words, published, stored, lost, twice, .. } = self;
        let uncovered = self.uncovered_ms as f64 / 1_000.0;
        let rss = self.rss_kib as f64 / 1_024.0;
        let strikes = self.schedule.len();
        format!("{words} {strikes} {published} {stored} {lost} {twice} {uncovered:.1} {rss:.1}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "schedule (begins at, lasts, in seconds):\n{}", self.schedule)?;
        if !self.findings.is_empty() {
            writeln!(f, "what the run did:\n{}", self.journal)?;
        }
        for check in self.failed() {
            let all: Vec<&Finding> = self.findings.iter().filter(|it| it.check == check).collect();
            writeln!(f, "{check:?}: {} findings", all.len())?;
            for finding in all.iter().take(SHOWN_MAX) {
                writeln!(f, "  {check:?}: {}", finding.what)?;
                f.write_str(&indented(&finding.history))?;
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))?;
        let heads = "seed qos mqtt broker strikes published stored lost twice uncovered_s rss_mib";
        write!(f, "{heads}\n{}", self.row())
    }
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "      {line}");
        all
    })
}
