//! What is worth remembering besides the messages: events (what happened), gaps (stretches in which
//! something may be missing, and why) and counts (how much, every few minutes). The writer takes them along with its next transaction,
//! to the database or, while that cannot be written, to the spool.

use serde::{Deserialize, Serialize};

use crate::message::delivery::UnixMillis;
use crate::message::event;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// One of [`crate::message::event`].
    pub name: &'static str,
    /// When.
    pub at: UnixMillis,
    /// A sentence.
    pub detail: String,
}

/// Why something may be missing: the column `cause` of `barograph_gaps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapCause {
    /// No recorder was running.
    ProcessDown,
    /// There was no connection to the broker.
    BrokerUnreachable,
    /// The connection lived and delivered nothing, or stood still.
    Deaf,
    /// The broker no longer knew the session that it kept for us.
    BrokerForgotSession,
    /// The broker came back with an old copy of its state.
    BrokerRolledBack,
    /// Neither database nor spool could be written.
    Holding,
    /// A route's sensor said nothing, while broker and recorder were there to hear it.
    RouteSilent,
    /// The wall clock was set, or the machine slept.
    ClockJump,
    /// A person paused the recorder.
    Paused,
    /// The process was there and made no step: it was stopped, or the machine did not let it run.
    Frozen,
    /// The broker dropped messages, by its own count.
    BrokerDropped,
}

/// Every cause, so that stored words can be read back.
const CAUSES: [GapCause; 11] = [
    GapCause::ProcessDown,
    GapCause::BrokerUnreachable,
    GapCause::Deaf,
    GapCause::BrokerForgotSession,
    GapCause::BrokerRolledBack,
    GapCause::Holding,
    GapCause::RouteSilent,
    GapCause::ClockJump,
    GapCause::Paused,
    GapCause::Frozen,
    GapCause::BrokerDropped,
];

impl GapCause {
    /// Every cause.
    pub fn all() -> [Self; 11] {
        CAUSES
    }

    /// The word of the column `cause`.
    pub fn word(self) -> &'static str {
        match self {
            Self::ProcessDown => "process_down",
            Self::BrokerUnreachable => "broker_unreachable",
            Self::Deaf => "deaf",
            Self::BrokerForgotSession => event::BROKER_FORGOT_SESSION,
            Self::BrokerRolledBack => event::BROKER_ROLLED_BACK,
            Self::Holding => "holding",
            Self::RouteSilent => event::ROUTE_SILENT,
            Self::ClockJump => event::CLOCK_JUMP,
            Self::Paused => event::PAUSED,
            Self::Frozen => event::FROZEN,
            Self::BrokerDropped => event::BROKER_DROPPED,
        }
    }

    /// The cause that [`GapCause::word`] wrote.
    pub fn from_word(word: &str) -> Option<Self> {
        CAUSES.into_iter().find(|cause| cause.word() == word)
    }
}

/// A change to the list of gaps. Of one cause and route at most one gap is open at a time: opening
/// it again, or closing what is not open, changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapChange {
    /// Why something may be missing.
    pub cause: GapCause,
    /// Of which route; `None`: of all.
    pub route: Option<String>,
    /// What changes.
    pub step: GapStep,
}

/// What changes about a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GapStep {
    /// It begins.
    Opened {
        /// The last moment at which all was well.
        from: UnixMillis,
        /// What may be missing, and what to do about it.
        detail: String,
    },
    /// It ends.
    Closed {
        /// From here on all is well.
        to: UnixMillis,
    },
}

/// What was counted in a period: a row of `barograph_stats`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// The end of the period.
    #[serde(skip)]
    pub at: UnixMillis,
    /// Its length, in milliseconds.
    pub period_ms: u64,
    /// Deliveries that came in it: from the broker, from the spool of an earlier process, out of a
    /// damaged database.
    pub received: u64,
    /// Of those that came to an end in it: rows.
    pub stored: u64,
    /// Not stored again.
    pub duplicate: u64,
    /// Not wanted by the settings.
    pub filtered: u64,
    /// Kept with their bytes.
    pub quarantined: u64,
    /// Not kept.
    pub dropped: u64,
    /// In the spool at its end.
    pub spooled: u64,
    /// In memory, unacknowledged, at its end.
    pub held: u64,
    /// Batches that became durable.
    pub commits: u64,
    /// Writes that failed.
    pub failed_writes: u64,
    /// The longest commit, in milliseconds.
    pub slowest_commit_ms: u64,
    /// Restarts of actors.
    pub restarts: u64,
    /// The mode at its end.
    pub mode: String,
}

/// A process begins to record. Where this note is applied to the list of gaps, everything that an
/// earlier process left open ends at that one's last sign of life, and the time from there to `started` is
/// a gap of its own (`process_down`); applied again it changes nothing. It is the first note of a process, in the place
/// that can be written first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunBegins {
    /// When it started.
    pub started: UnixMillis,
    /// The last sign of life of an earlier process in the spool, as it was before this process wrote to
    /// it; `None`: there was no spool.
    pub spool_seen: Option<UnixMillis>,
}

/// What a gap of `process_down` says of the messages; `how` the process before ended.
pub fn process_down_detail(how: &str) -> String {
    format!(
        "no recorder was running ({how}): what was published at QoS 0 meanwhile is missing; at QoS 1 \
         and 2 the broker keeps it for us, as far as its own settings go"
    )
}

/// What the writer takes along with its next transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A process begins to record.
    RunBegins(RunBegins),
    /// Something that happened.
    Event(Event),
    /// A stretch begins or ends in which something may be missing.
    Gap(GapChange),
    /// What was counted in a period.
    Stats(Box<Stats>),
}

impl Note {
    /// A gap that begins.
    pub fn gap_opened(
        cause: GapCause,
        route: Option<String>,
        from: UnixMillis,
        detail: impl Into<String>,
    ) -> Self {
        Self::Gap(GapChange { cause, route, step: GapStep::Opened { from, detail: detail.into() } })
    }

    /// A gap that ends.
    pub fn gap_closed(cause: GapCause, route: Option<String>, to: UnixMillis) -> Self {
        Self::Gap(GapChange { cause, route, step: GapStep::Closed { to } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_each_cause_is_read_back() {
        for cause in CAUSES {
            assert_eq!(GapCause::from_word(cause.word()), Some(cause));
        }
        assert_eq!(GapCause::from_word("boredom"), None);
    }
}
