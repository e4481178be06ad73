//! Issues: what is wrong now. (What happened is an event, what is missing is a gap.)

use std::fmt;

use serde::{Serialize, Serializer};

use crate::message::delivery::UnixMillis;

/// How bad an issue is. The order is that of the severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is lost; it should be looked at by day.
    Warning,
    /// Something is being lost, or soon will be: it should be looked at now.
    Critical,
}

impl Severity {
    /// The word that log, commands and alerts use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How the recorder is: its worst issue, as one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthLevel {
    /// No issue.
    #[default]
    Ok,
    /// Warnings only.
    Degraded,
    /// At least one critical issue.
    Critical,
}

impl HealthLevel {
    /// The level that these issues make.
    pub fn of(issues: &[Issue]) -> Self {
        match issues.iter().map(|issue| issue.severity).max() {
            None => Self::Ok,
            Some(Severity::Warning) => Self::Degraded,
            Some(Severity::Critical) => Self::Critical,
        }
    }

    /// `ok`, `degraded` or `critical`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }
}

/// What a check finds wrong at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable: the kind, and behind a colon what it is about (`route_silent:weather_data`). The same
    /// trouble has the same id for as long as it lasts, and when it comes again.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong and, where it is known, since when.
    pub summary: String,
    /// What to do about it.
    pub hint: String,
}

/// A finding that lasts. Serialized, it is what alerts have of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// As [`Finding::id`].
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// Since when.
    #[serde(serialize_with = "rfc3339")]
    pub since: UnixMillis,
    /// What is wrong.
    pub summary: String,
    /// What to do about it.
    pub hint: String,
}

/// A moment, or none, as programs read it.
pub(crate) fn rfc3339<T, S>(at: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Copy + Into<Option<UnixMillis>>,
    S: Serializer,
{
    let at: Option<UnixMillis> = (*at).into();
    at.map(UnixMillis::rfc3339).serialize(serializer)
}

/// A person has acknowledged an issue. It holds for as long as the issue lasts and does not become worse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Since when the issue was there: another one with the same id is another issue.
    pub since: UnixMillis,
    /// How bad it was.
    pub severity: Severity,
    /// When it was acknowledged.
    pub at: UnixMillis,
    /// By which person or client, in words.
    pub by: String,
}

impl Acknowledgement {
    /// Whether it is meant of this issue, as it is now.
    pub fn holds_for(&self, issue: &Issue) -> bool {
        self.since == issue.since && issue.severity <= self.severity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_issue_makes_the_level() {
        let issue = |severity| Issue {
            id: "x".into(),
            severity,
            since: UnixMillis(0),
            summary: String::new(),
            hint: String::new(),
        };
        let (warning, critical) = (issue(Severity::Warning), issue(Severity::Critical));
        assert_eq!(HealthLevel::of(&[]), HealthLevel::Ok);
        assert_eq!(HealthLevel::of(std::slice::from_ref(&warning)), HealthLevel::Degraded);
        assert_eq!(HealthLevel::of(&[warning, critical]), HealthLevel::Critical);
    }

    #[test]
    fn an_acknowledgement_ends_with_the_issue_and_when_it_becomes_worse() {
        let issue = |since, severity| Issue {
            id: "x".into(),
            severity,
            since: UnixMillis(since),
            summary: String::new(),
            hint: String::new(),
        };
        let known = |severity| Acknowledgement {
            since: UnixMillis(5),
            severity,
            at: UnixMillis(9),
            by: "me".into(),
        };
        let (warning, critical) = (Severity::Warning, Severity::Critical);
        assert!(known(warning).holds_for(&issue(5, warning)));
        assert!(known(critical).holds_for(&issue(5, warning)));
        assert!(!known(warning).holds_for(&issue(5, critical)));
        assert!(!known(critical).holds_for(&issue(6, critical)));
    }
}
