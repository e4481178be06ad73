//! The parts of published state. One actor writes a part; a reader copies the part it needs and no other.

use std::collections::BTreeMap;
use std::sync::Arc;

use barograph_config::Qos;
use parking_lot::Mutex;

use crate::message::account::{RouteId, Tally};
use crate::message::batch::Value;
use crate::message::delivery::UnixMillis;
use crate::ports::{BrokerRefusal, Progress};
use crate::status::issue::{Acknowledgement, HealthLevel, Issue};
use crate::status::mode::Mode;

/// A part of published state behind its own lock, which is held for a copy or a change of a few fields.
/// Clones share it.
#[derive(Debug, Default)]
pub struct StatePart<T>(Arc<Mutex<T>>);

impl<T> Clone for StatePart<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> StatePart<T> {
    /// Reads a few fields without a copy of the rest.
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0.lock())
    }

    /// Changes the part and returns the result of the change. For its writer only.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.0.lock())
    }

    /// Sets the part and returns its value before. For its writer only.
    pub fn replace(&self, value: T) -> T {
        self.update(|part| std::mem::replace(part, value))
    }
}

impl<T: Clone> StatePart<T> {
    /// A copy.
    pub fn get(&self) -> T {
        self.read(T::clone)
    }
}

/// The process and its actors. Written by the supervisor.
#[derive(Debug, Clone, Default)]
pub struct TreeState {
    /// When the process began.
    pub started: Option<UnixMillis>,
    /// The ordered stop has begun.
    pub stopping: bool,
    /// The actors, by name.
    pub children: BTreeMap<&'static str, ChildState>,
    /// Since when the instance's lock does not keep other instances out any more, and why.
    pub lock_lost: Option<(UnixMillis, String)>,
}

impl TreeState {
    /// Whether the actor of this name runs.
    pub fn is_running(&self, name: &str) -> bool {
        self.children.get(name).is_some_and(|child| child.state == "running")
    }
}

/// The state of one actor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChildState {
    /// `starting`, `running`, `restarting`, …
    pub state: String,
    /// Restarts since the process began.
    pub restarts: u32,
    /// How it last ended, as a sentence.
    pub last_exit: Option<String>,
    /// Since when it has been in this state.
    pub since: Option<UnixMillis>,
}

/// The connection to the broker. Written by `MqttActor`.
#[derive(Debug, Clone, Default)]
pub struct BrokerState {
    /// The connection now.
    pub connection: Connection,
    /// The last connection ended because another client has our client id.
    pub taken_over: bool,
    /// Connections that the broker accepted, since the process began.
    pub connections: u64,
    /// The broker still had our session when it last accepted us; `None`: it has not yet.
    pub session_present: Option<bool>,
    /// Whether the broker's messages reach us.
    pub hearing: Hearing,
    /// What the broker last granted for each route; empty before its first answer.
    pub granted: BTreeMap<RouteId, Result<Qos, BrokerRefusal>>,
    /// Messages that the broker reports as dropped, since the process began.
    pub dropped: u64,
    /// Since when a person has paused the recorder.
    pub paused: Option<UnixMillis>,
    /// Messages of QoS 0 that were in memory at the stop and could not be written.
    pub lost_at_stop: Tally,
}

/// Whether there is a connection to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Connection {
    /// Not tried yet.
    #[default]
    Starting,
    /// Accepted, since then.
    Up(UnixMillis),
    /// Not connected, since then, and why.
    Down(UnixMillis, String),
}

/// Whether the broker's messages reach us, as far as our own echo shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hearing {
    /// When an echo last came back.
    pub last_echo: Option<UnixMillis>,
    /// Set while we are connected and hear nothing.
    pub deaf: Option<Deafness>,
    /// Why there is no echo to judge by.
    pub off: Option<String>,
}

impl Hearing {
    /// What proves that the broker and we can hear each other: words to be put behind "there to hear
    /// it"; empty without a proof.
    pub(crate) fn proof(&self) -> String {
        let proof = |at| format!(" (our own echo came back at {at} UTC)");
        self.last_echo.filter(|_| self.deaf.is_none()).map(proof).unwrap_or_default()
    }
}

/// Connected, and nothing is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deafness {
    /// Since when.
    pub since: UnixMillis,
    /// How often the session was renewed because of it.
    pub renewals: u32,
}

/// What database and spool hold. Written by `DbWriterActor`.
#[derive(Debug, Clone, Default)]
pub struct StorageState {
    /// What became of the deliveries since the process began, as the database knows it.
    pub tally: Tally,
    /// Deliveries in the spool.
    pub spooled: u64,
    /// Deliveries that the spool held when the process began.
    pub spooled_before: u64,
    /// Deliveries copied out of a damaged database since the process began: not received by this process.
    pub salvaged: u64,
    /// The last commit.
    pub last_commit: Option<UnixMillis>,
    /// Routes whose history from before is still being summed up, and how far that is.
    pub rollups: BTreeMap<RouteId, Progress>,
}

/// Where `DbWriterActor` puts new batches. Whether that is a trouble, and which one, is the [`Mode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Destination {
    /// To the database.
    #[default]
    Database,
    /// To the end of the spool. The database is probed, and takes over the front of the spool.
    Spool,
    /// Neither takes them: the batch in hand is retried in both.
    Nowhere,
}

/// A row with the time of its arrival.
pub type ArrivedRow = (UnixMillis, Vec<Value>);

/// The last two rows of each route. Written by `DbWriterActor`.
#[derive(Debug, Clone, Default)]
pub struct NewestRows {
    /// The newest row of each route.
    pub latest: BTreeMap<RouteId, ArrivedRow>,
    /// The row before it, of those that this process has stored.
    pub previous: BTreeMap<RouteId, ArrivedRow>,
}

/// How the recorder is. Written by `HealthActor`; a person acknowledges issues.
#[derive(Debug, Clone, Default)]
pub struct HealthState {
    /// The mode.
    pub mode: Mode,
    /// Writes and probes that failed since the last success.
    pub consecutive_failures: u32,
    /// Why the last one failed.
    pub last_failure: Option<String>,
    /// What is wrong now, the worst first.
    pub issues: Vec<Issue>,
    /// Issues that a person has acknowledged, by id.
    pub acknowledged: BTreeMap<String, Acknowledgement>,
}

impl HealthState {
    /// The worst issue, as one word.
    pub fn level(&self) -> HealthLevel {
        HealthLevel::of(&self.issues)
    }

    /// The acknowledgement that holds for an issue.
    pub fn acknowledgement(&self, issue: &Issue) -> Option<&Acknowledgement> {
        self.acknowledged.get(&issue.id).filter(|known| known.holds_for(issue))
    }

    /// A write succeeded.
    pub(crate) fn write_succeeded(&mut self) {
        (self.consecutive_failures, self.last_failure) = (0, None);
    }

    /// A write, or a probe of the database, failed.
    pub(crate) fn write_failed(&mut self, message: String) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.last_failure = Some(message);
    }

    /// Other issues. The acknowledgement of one that is gone, or has become worse, ends.
    pub(crate) fn set_issues(&mut self, issues: Vec<Issue>) {
        self.issues = issues;
        let Self { issues, acknowledged, .. } = self;
        acknowledged.retain(|id, known| {
            issues.iter().any(|issue| issue.id == *id && known.holds_for(issue))
        });
    }
}

/// What a reload of the settings could not do, until another one can. Written by the reload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// The file cannot be used: since when, and every problem. Nothing of it is in force.
    pub invalid: Option<(UnixMillis, String)>,
    /// Settings that take effect at the next start, a sentence each.
    pub at_next_start: Vec<String>,
    /// Settings that could not be put in force, and why, a sentence each.
    pub refused: Vec<String>,
    /// Since when other routes wait for messages to become durable.
    pub routes_wait: Option<UnixMillis>,
}
