//! Published state: what the recorder is doing, for whoever looks (the five-minute line, the demo's
//! terminal, the page). Written by the actors, read by anyone, never waited for: each lock is
//! held for the copy of a few fields.

pub mod arrivals;
pub mod feed;
pub(crate) mod freeze;
pub mod histogram;
pub mod issue;
pub mod last_seen;
pub mod measures;
pub mod mode;
mod notes;
pub mod readings;
pub mod settings;
pub mod severity;
pub mod summary;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use barograph_config::Qos;
use parking_lot::Mutex;

pub use self::notes::TakenNotes;
use crate::message::account::{Account, RouteId, Tally};
use crate::message::batch::Value;
use crate::message::delivery::UnixMillis;
use crate::message::moment::Moment;
use crate::message::note::{Event, Note};
use crate::ports::Progress;
use crate::status::arrivals::Arrivals;
use crate::status::feed::Feeds;
use crate::status::freeze::FreezeWatch;
use crate::status::issue::{Acknowledgement, Finding, Issue, Standing};
use crate::status::last_seen::LastSeen;
use crate::status::measures::Measures;
use crate::status::mode::Mode;
use crate::status::readings::Readings;
use crate::supervisor::Pulse;

/// Our standing with the broker.
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

/// Where a child of the tree is.
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

/// Whether the broker's messages reach us, as far as our own echo tells.
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

/// A snapshot of everything.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// What became of the deliveries since the process began.
    pub tally: Tally,
    /// What the database's account said when the process began.
    pub base: Option<Tally>,
    /// Routes whose counts `base` knows: those of later ones begin when they do.
    pub routes_counted: usize,
    /// Deliveries taken from the broker since the process began.
    pub received: u64,
    /// The same by route.
    pub arrivals: Arrivals,
    /// Connections that the broker accepted, since the process began.
    pub connections: u64,
    /// Deliveries in memory, without a place on disk yet.
    pub held: u64,
    /// Deliveries in the spool.
    pub spooled: u64,
    /// Deliveries that the spool held when the process began.
    pub spooled_before: u64,
    /// How it stands with the durable places.
    pub mode: Mode,
    /// Messages that the broker says it dropped, since the process began.
    pub broker_dropped: u64,
    /// When the process began.
    pub started: Option<UnixMillis>,
    /// The database knows of this process.
    pub run_begun: bool,
    /// The beginning of this process is noted ([`Note::RunBegins`]).
    pub run_noted: bool,
    /// The events that an earlier process could not write were taken over.
    pub kept_events_taken: bool,
    /// No spool has been looked into since the process began.
    pub spool_unseen: bool,
    /// Copied out of a damaged database since the process began: not received by this process.
    pub salvaged: u64,
    /// The last commit.
    pub last_commit: Option<UnixMillis>,
    /// Writes that failed since the last success.
    pub consecutive_failures: u32,
    /// Why the last one failed.
    pub last_failure: Option<String>,
    /// The broker.
    pub connection: Connection,
    /// Whether its messages reach us.
    pub hearing: Hearing,
    /// What it last granted for each route; empty before its first answer.
    pub granted: BTreeMap<RouteId, Result<Qos, String>>,
    /// The tree, by name.
    pub children: BTreeMap<&'static str, ChildState>,
    /// The ordered stop has begun.
    pub stopping: bool,
    /// The newest row of each route, with the time of its arrival.
    pub latest: BTreeMap<RouteId, (UnixMillis, Vec<Value>)>,
    /// The row before it, of those that this process has stored.
    pub previous: BTreeMap<RouteId, (UnixMillis, Vec<Value>)>,
    /// What is wrong now, the worst first.
    pub issues: Vec<Issue>,
    /// Of which somebody knows, by id.
    pub acknowledged: BTreeMap<String, Acknowledgement>,
    /// Since when the instance's lock keeps nobody out any more, and why.
    pub lock_lost: Option<(UnixMillis, String)>,
    /// Since when a person has paused the recorder.
    pub paused: Option<UnixMillis>,
    /// The broker still had our session when it last accepted us; `None`: it has not yet.
    pub session_present: Option<bool>,
    /// What those find wrong who are no actors (the listener of the metrics), by who found it.
    pub findings: BTreeMap<&'static str, Finding>,
    /// What a reload could not do.
    pub unsettled: Unsettled,
    /// Routes whose history from before is still being summed up, and how far that is.
    pub rollups: BTreeMap<RouteId, Progress>,
}

/// What a reload of the settings could not do, until another one can.
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

impl State {
    /// The worst issue, as one word.
    pub fn standing(&self) -> Standing {
        Standing::of(&self.issues)
    }

    /// Who knows of an issue.
    pub fn acknowledgement(&self, issue: &Issue) -> Option<&Acknowledgement> {
        self.acknowledged.get(&issue.id).filter(|known| known.holds_for(issue))
    }

    /// Where every delivery is. What an earlier process left in the spool, and what came out of a
    /// damaged database, came to this process without a broker.
    pub fn account(&self) -> Account {
        Account {
            received: self.received + self.spooled_before + self.salvaged,
            sums: self.tally.sums(),
            spooled: self.spooled,
            held: self.held,
        }
    }
}

/// The one place of published state. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Published {
    state: Arc<Mutex<State>>,
    notes: Arc<Mutex<VecDeque<Note>>>,
    /// Apart from the state: they change with every delivery.
    arrivals: Arc<Mutex<Arrivals>>,
    held: Arc<AtomicU64>,
    /// Neither database nor spool takes a batch.
    holding: Arc<AtomicBool>,
    /// When something last became durable, and when each route last said something.
    last_seen: LastSeen,
    /// Readings that are wrong in themselves.
    readings: Readings,
    /// The signs of life of those that run, by name; the supervisor's too.
    pulses: Arc<Mutex<BTreeMap<&'static str, Pulse>>>,
    feeds: Feeds,
    measures: Measures,
    /// Whether the process stood still.
    freezes: Arc<Mutex<FreezeWatch>>,
}

impl Published {
    /// How we stand with the broker.
    pub fn connection(&self) -> Connection {
        self.state.lock().connection.clone()
    }

    /// Whether the broker's messages reach us.
    pub fn hearing(&self) -> Hearing {
        self.state.lock().hearing.clone()
    }

    /// What is wrong now, the worst first.
    pub fn issues(&self) -> Vec<Issue> {
        self.state.lock().issues.clone()
    }

    /// Somebody knows of an issue; gives it, or `None` where there is none with this id.
    pub fn acknowledge(&self, id: &str, at: UnixMillis, by: &str) -> Option<Issue> {
        let mut state = self.state.lock();
        let issue = state.issues.iter().find(|issue| issue.id == id)?.clone();
        let (since, severity) = (issue.since, issue.severity);
        let known = Acknowledgement { since, severity, at, by: by.to_owned() };
        state.acknowledged.insert(issue.id.clone(), known);
        Some(issue)
    }

    /// What is wrong now and somebody knows of, by id.
    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        let state = self.state.lock();
        let known = state.issues.iter().filter(|issue| state.acknowledgement(issue).is_some());
        known.map(|issue| issue.id.clone()).collect()
    }

    /// A write succeeded after all.
    pub fn all_is_well(&self) {
        let mut state = self.state.lock();
        state.consecutive_failures = 0;
        state.last_failure = None;
    }

    /// A write, or a probe of the database, failed.
    pub fn failed(&self, message: String) {
        let mut state = self.state.lock();
        state.consecutive_failures = state.consecutive_failures.saturating_add(1);
        state.last_failure = Some(message);
    }

    /// Says how many deliveries are in memory without a place on disk.
    pub fn set_held(&self, held: u64) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// How many deliveries are in memory without a place on disk.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Changes the state.
    pub fn update(&self, change: impl FnOnce(&mut State)) {
        self.change(change);
    }

    /// Changes the state, and gives what that says.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock())
    }

    /// A copy of the state.
    pub fn snapshot(&self) -> State {
        let mut state = self.state.lock().clone();
        state.arrivals = self.arrivals.lock().clone();
        state.received = state.arrivals.deliveries();
        state.held = self.held();
        state
    }

    /// Says what somebody who is no actor finds wrong; `None`: nothing any more. It becomes an issue at
    /// the next look of the judge.
    pub fn found(&self, by: &'static str, finding: Option<Finding>) {
        let findings = &mut self.state.lock().findings;
        match finding {
            Some(finding) => findings.insert(by, finding),
            None => findings.remove(by),
        };
    }

    /// Counts deliveries taken from the broker; `arrived` begins anew.
    pub fn count_arrivals(&self, arrived: &mut Arrivals) {
        if !arrived.is_empty() {
            self.arrivals.lock().take(arrived);
        }
    }

    /// What is measured, for the metrics.
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// Says whether neither database nor spool takes a batch.
    pub fn set_holding(&self, holding: bool) {
        self.holding.store(holding, Ordering::Relaxed);
    }

    /// Whether neither database nor spool takes a batch.
    pub fn is_holding(&self) -> bool {
        self.holding.load(Ordering::Relaxed)
    }

    /// Live feeds of events and of committed rows.
    pub fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// A child (or the supervisor) begins a life with this sign of life.
    pub fn set_pulse(&self, name: &'static str, pulse: Pulse) {
        self.pulses.lock().insert(name, pulse);
    }

    /// The process begins.
    pub(crate) fn begins(&self, at: UnixMillis) {
        self.update(|state| {
            state.started = Some(at);
            state.spool_unseen = true;
        });
    }

    /// The sign of life of each, by name.
    pub fn pulses(&self) -> BTreeMap<&'static str, Pulse> {
        self.pulses.lock().clone()
    }

    /// Readings that are wrong in themselves.
    pub fn readings(&self) -> &Readings {
        &self.readings
    }

    /// Looks whether the process stood still until just now. What is told of it is noted before any other thread
    /// has looked; gives the event.
    pub(crate) fn look_for_freeze(&self, now: Moment) -> Option<Event> {
        let mut freezes = self.freezes.lock();
        let (event, gap) = freezes.look(now)?.notes();
        gap.into_iter().for_each(|note| self.remember(note));
        self.note(event.name, event.at, event.detail.clone());
        Some(event)
    }

    /// Whether the process stood still until just now: signs of life are as old as that, and say nothing.
    pub(crate) fn is_waking(&self, now: Moment) -> bool {
        self.freezes.lock().is_waking(now)
    }

    /// When what was last seen.
    pub fn last_seen(&self) -> &LastSeen {
        &self.last_seen
    }
}
