//! How the recorder stands with its durable places, as one pure function of what is heard from the
//! writer. `HealthActor` keeps the mode and tells what follows from it; the writer's own reflex (to
//! the spool when the database fails it) needs no permission, so each message says where
//! things really are, and the mode follows.
//!
//! ```text
//! Normal -> Retrying -> Degraded -> Recovering -> Normal
//!                          └-> Holding -> Recovering
//! ```

use std::fmt;
use std::time::Duration;

use barograph_config::Health;

use crate::message::delivery::UnixMillis;
use crate::message::write::{Decision, WriteCause};

/// How it stands. Each state has only what it needs; `since` is when the trouble began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Batches go to the database.
    #[default]
    Normal,
    /// The batch in hand failed and is tried again; nothing is acknowledged, the broker holds the rest.
    Retrying {
        /// When the trouble began.
        since: UnixMillis,
        /// Why the last try failed.
        cause: WriteCause,
        /// Tries that failed in a row.
        failures: u32,
    },
    /// Batches go to the spool, and are acknowledged from there.
    Degraded {
        /// When the trouble began.
        since: UnixMillis,
        /// What is wrong with the database.
        cause: WriteCause,
    },
    /// The database takes what the spool holds, in order; new batches queue behind it.
    Recovering {
        /// When the trouble began.
        since: UnixMillis,
        /// What was wrong with the database.
        cause: WriteCause,
    },
    /// Neither place takes a batch; no acknowledgement leaves.
    Holding {
        /// When the trouble began.
        since: UnixMillis,
        /// What is wrong with the place that failed last.
        cause: WriteCause,
    },
}

/// What the judge hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A batch is in the database, and no spool is in front of it.
    Stored,
    /// A batch is in the spool.
    Spooled,
    /// The database refused a batch, or did not answer a probe.
    DatabaseFailed(WriteCause),
    /// The spool refused a batch.
    SpoolFailed(WriteCause),
    /// The database took something of the spool, and more is left.
    Draining,
    /// The database took the last of the spool.
    Drained,
    /// Messages arrive, and for `no_write_issue_after` nothing has become durable.
    Stalled,
}

/// When the judge gives the database up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureLimits {
    /// Failures in a row, of causes that often pass by themselves.
    pub max_write_failures: u32,
    /// Messages arrive and nothing becomes durable.
    pub no_write_issue_after: Duration,
}

impl From<&Health> for FailureLimits {
    fn from(settings: &Health) -> Self {
        Self {
            max_write_failures: settings.max_write_failures,
            no_write_issue_after: settings.no_write_issue_after,
        }
    }
}

impl FailureLimits {
    /// Whether so many failures in a row, the last of this cause, are reason enough for the spool.
    pub fn are_exceeded(self, cause: WriteCause, failures: u32) -> bool {
        cause.is_lasting() || failures >= self.max_write_failures
    }
}

impl Mode {
    /// The words of all modes.
    pub const WORDS: [&'static str; 5] =
        ["normal", "retrying", "degraded", "recovering", "holding"];

    /// The word that the log and published state use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Retrying { .. } => "retrying",
            Self::Degraded { .. } => "degraded",
            Self::Recovering { .. } => "recovering",
            Self::Holding { .. } => "holding",
        }
    }

    /// When the trouble began, and its cause; `None` when there is none.
    pub fn trouble(self) -> Option<(UnixMillis, WriteCause)> {
        match self {
            Self::Normal => None,
            Self::Retrying { since, cause, .. }
            | Self::Degraded { since, cause }
            | Self::Recovering { since, cause }
            | Self::Holding { since, cause } => Some((since, cause)),
        }
    }

    /// What happens to messages meanwhile.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::Normal => "messages go to the database and are acknowledged from there",
            Self::Retrying { .. } => {
                "nothing is acknowledged until the database takes it: the broker keeps the messages"
            }
            Self::Degraded { .. } => {
                "messages are safe in the spool and acknowledged from there; they follow into the \
                 database, in order, when it can be written"
            }
            Self::Recovering { .. } => {
                "what the spool holds goes into the database, in order; new messages queue behind it"
            }
            Self::Holding { .. } => {
                "no place is left to write to, so nothing is acknowledged: QoS 1 and 2 wait at the \
                 broker, QoS 0 waits in memory as far as it fits, and what does not is counted"
            }
        }
    }

    /// The mode that follows from what is heard at `now`.
    #[must_use]
    pub fn after(self, heard: Heard, now: UnixMillis, limits: FailureLimits) -> Self {
        let (since, cause) = self.trouble().unwrap_or((now, WriteCause::Other));
        match (self, heard) {
            (
                Self::Normal
                | Self::Retrying { .. }
                | Self::Degraded { .. }
                | Self::Recovering { .. }
                | Self::Holding { .. },
                Heard::Stored | Heard::Drained,
            ) => Self::Normal,
            (Self::Recovering { .. }, Heard::Spooled | Heard::Stalled) => self,
            (
                Self::Normal | Self::Retrying { .. } | Self::Degraded { .. } | Self::Holding { .. },
                Heard::Spooled,
            ) => Self::Degraded { since, cause },
            (Self::Normal, Heard::DatabaseFailed(cause)) => judge_failure(now, cause, 1, limits),
            (Self::Retrying { since, failures, .. }, Heard::DatabaseFailed(cause)) => {
                judge_failure(since, cause, failures.saturating_add(1), limits)
            }
            (
                Self::Degraded { since, .. } | Self::Recovering { since, .. },
                Heard::DatabaseFailed(cause),
            ) => Self::Degraded { since, cause },
            (Self::Holding { since, .. }, Heard::DatabaseFailed(cause)) => {
                Self::Holding { since, cause }
            }
            (
                Self::Normal
                | Self::Retrying { .. }
                | Self::Degraded { .. }
                | Self::Recovering { .. }
                | Self::Holding { .. },
                Heard::SpoolFailed(cause),
            ) => Self::Holding { since, cause },
            (
                Self::Normal
                | Self::Retrying { .. }
                | Self::Degraded { .. }
                | Self::Recovering { .. }
                | Self::Holding { .. },
                Heard::Draining,
            ) => Self::Recovering { since, cause },
            (Self::Normal | Self::Retrying { .. }, Heard::Stalled) => {
                Self::Degraded { since, cause }
            }
            (Self::Degraded { .. } | Self::Holding { .. }, Heard::Stalled) => self,
        }
    }

    /// What the writer is told when the mode has become this one.
    pub fn decision(self) -> Option<Decision> {
        match self {
            Self::Normal => Some(Decision::UseDatabase),
            Self::Degraded { .. } => Some(Decision::UseSpool),
            Self::Retrying { .. } | Self::Recovering { .. } | Self::Holding { .. } => None,
        }
    }
}

fn judge_failure(
    since: UnixMillis,
    cause: WriteCause,
    failures: u32,
    limits: FailureLimits,
) -> Mode {
    if limits.are_exceeded(cause, failures) {
        Mode::Degraded { since, cause }
    } else {
        Mode::Retrying { since, cause, failures }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
#[path = "mode_tests.rs"]
mod tests;
