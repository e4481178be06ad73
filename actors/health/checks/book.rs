//! Which findings last: what appeared, what changed its severity, what is over. Pure.
//!
//! What goes away is over at once, the first time. What comes again soon has to stay away longer each
//! time before it counts as over, so that a thousand flaps are one issue.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::spoken;
use crate::message::moment::Moment;
use crate::status::issue::{Finding, Issue, Severity};

/// Returns within so long count.
const RETURNS_COUNT_FOR: Duration = Duration::from_secs(3_600);
/// How long something must stay away after its first return; doubled with each further one.
const HOLD_MIN: Duration = Duration::from_secs(10);
/// The longest that anything must stay away.
const HOLD_MAX: Duration = Duration::from_secs(300);
/// More returns make the hold no longer.
const RETURNS_MAX: usize = 6;

/// What a look has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// New issues.
    pub appeared: Vec<Issue>,
    /// Issues that became worse or milder, as they are now.
    pub changed: Vec<Issue>,
    /// Issues that are over, as they were last.
    pub resolved: Vec<Issue>,
}

/// What is known of one id.
#[derive(Debug, Clone, Default)]
struct BookEntry {
    /// While it is an issue.
    issue: Option<Issue>,
    /// The severity at the last look; `None`: it was not there.
    seen: Option<Severity>,
    /// The worst that it has been.
    peak: Option<Severity>,
    /// Since when it has been away, or milder than its issue says.
    better_since: Option<Moment>,
    /// When it came again.
    returns: VecDeque<Instant>,
    /// When it was last over.
    over_at: Option<Instant>,
    /// Its last sentence, without what the book adds.
    summary: String,
}

/// The open issues, and what is remembered of those that are over.
#[derive(Debug, Clone, Default)]
pub struct IssueBook {
    entries: BTreeMap<String, BookEntry>,
}

impl IssueBook {
    /// Takes what a look has found.
    pub fn look(&mut self, now: Moment, findings: &[Finding]) -> Changes {
        for finding in findings {
            self.entries.entry(finding.id.clone()).or_default();
        }
        let mut changes = Changes::default();
        for (id, entry) in &mut self.entries {
            let found = findings.iter().filter(|finding| finding.id == *id);
            entry.look(now, found.max_by_key(|finding| finding.severity), &mut changes);
        }
        self.entries.retain(|_, entry| !entry.is_forgotten(now));
        changes
    }

    /// The open issues: the worst first, of equals the oldest.
    pub fn issues(&self) -> Vec<Issue> {
        let open = self.entries.values().filter_map(|entry| entry.issue.clone());
        let mut issues: Vec<Issue> = open.collect();
        issues.sort_by_key(|issue| (Reverse(issue.severity), issue.since));
        issues
    }
}

impl BookEntry {
    fn look(&mut self, now: Moment, found: Option<&Finding>, changes: &mut Changes) {
        if self.is_forgotten(now) {
            *self = Self::default();
        }
        let severity = found.map(|finding| finding.severity);
        self.count_return(now, severity);
        if let Some(finding) = found {
            self.summary.clone_from(&finding.summary);
        }
        if severity < self.issue.as_ref().map(|issue| issue.severity) {
            let since = *self.better_since.get_or_insert(now);
            if now.since(since) < self.hold() {
                return self.say_that_it_is_watched(since, found.is_some());
            }
        }
        self.better_since = None;
        match found {
            Some(finding) => self.show(now, finding, changes),
            None => self.resolve(now, changes),
        }
    }

    /// It got worse, and had been as bad before.
    fn count_return(&mut self, now: Moment, severity: Option<Severity>) {
        let counts = |at: &Instant| now.steady.saturating_duration_since(*at) < RETURNS_COUNT_FOR;
        self.returns.retain(counts);
        if severity > self.seen && severity <= self.peak && self.returns.len() < RETURNS_MAX {
            self.returns.push_back(now.steady);
        }
        self.seen = severity;
        self.peak = self.peak.max(severity);
    }

    /// How long it must have been better before that is believed.
    fn hold(&self) -> Duration {
        match u32::try_from(self.returns.len()) {
            Ok(0) | Err(_) => Duration::ZERO,
            Ok(returns) => (HOLD_MIN * 2_u32.pow(returns - 1)).min(HOLD_MAX),
        }
    }

    fn show(&mut self, now: Moment, finding: &Finding, changes: &mut Changes) {
        let Finding { id, severity, summary, hint } = finding.clone();
        let before = self.issue.take();
        let since = before.as_ref().map_or(now.wall, |issue| issue.since);
        let issue = Issue { id, severity, since, summary, hint };
        match before {
            None => changes.appeared.push(issue.clone()),
            Some(before) if before.severity != severity => changes.changed.push(issue.clone()),
            Some(_) => {}
        }
        self.issue = Some(issue);
    }

    fn resolve(&mut self, now: Moment, changes: &mut Changes) {
        if let Some(over) = self.issue.take() {
            self.over_at = Some(now.steady);
            changes.resolved.push(Issue { summary: self.summary.clone(), ..over });
        }
    }

    /// It stays an issue for now, and its sentence must not claim more than is true.
    fn say_that_it_is_watched(&mut self, since: Moment, is_there: bool) {
        let (how, hold) = (if is_there { "better" } else { "away" }, spoken(self.hold()));
        if let Some(issue) = &mut self.issue {
            issue.summary = format!(
                "{} (it comes and goes: {how} since {} UTC, and believed when that has lasted {hold})",
                self.summary, since.wall
            );
        }
    }

    fn is_forgotten(&self, now: Moment) -> bool {
        let long_ago = |at: Instant| now.steady.saturating_duration_since(at) >= RETURNS_COUNT_FOR;
        self.issue.is_none() && self.over_at.is_none_or(long_ago)
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
