//! Published state: what the recorder is doing, for whoever looks (the five-minute line, the demo's
//! terminal, later the page). Written by the actors, read by anyone, never waited for: each lock is
//! held for the copy of a few fields.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::account::{RouteId, Tally};
use crate::batch::Value;
use crate::delivery::UnixMillis;

/// Events that may wait for the database; beyond it the oldest are only in the log.
const EVENTS_WAITING_MAX: usize = 1_000;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// One of [`crate::event`].
    pub name: &'static str,
    /// When.
    pub at: UnixMillis,
    /// A sentence.
    pub detail: String,
}

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
}

/// A snapshot of everything.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// What became of the deliveries since the process began.
    pub tally: Tally,
    /// What the database's account said when the process began.
    pub base: Option<Tally>,
    /// Deliveries taken from the broker since the process began.
    pub received: u64,
    /// The last commit.
    pub last_commit: Option<UnixMillis>,
    /// Writes that failed since the last success.
    pub consecutive_failures: u32,
    /// Why the last one failed.
    pub last_failure: Option<String>,
    /// The broker.
    pub connection: Connection,
    /// The tree, by name.
    pub children: BTreeMap<&'static str, ChildState>,
    /// The newest row of each route, if somebody watches.
    pub latest: BTreeMap<RouteId, (UnixMillis, Vec<Value>)>,
    /// Rows are only copied for somebody.
    pub watched: bool,
}

/// The one place of published state. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Published {
    state: Arc<Mutex<State>>,
    events: Arc<Mutex<VecDeque<Event>>>,
    /// Apart from the state: it changes with every delivery.
    received: Arc<AtomicU64>,
}

impl Published {
    /// Changes the state.
    pub fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
    }

    /// A copy of the state.
    pub fn snapshot(&self) -> State {
        let mut state = lock(&self.state).clone();
        state.received = self.received.load(Ordering::Relaxed);
        state
    }

    /// Counts one delivery taken from the broker.
    pub fn count_received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes an event for `barograph_events`: the writer takes it with its next transaction. (The
    /// log has it at once.)
    pub fn note(&self, name: &'static str, at: UnixMillis, detail: impl Into<String>) {
        let mut events = lock(&self.events);
        if events.len() == EVENTS_WAITING_MAX {
            events.pop_front();
        }
        events.push_back(Event { name, at, detail: detail.into() });
    }

    /// Takes the events that wait for the database.
    pub fn take_events(&self) -> TakenEvents {
        TakenEvents { events: lock(&self.events).drain(..).collect(), published: self.clone() }
    }

    fn put_back_events(&self, unwritten: Vec<Event>) {
        let mut events = lock(&self.events);
        for event in unwritten
            .into_iter()
            .rev()
            .take(EVENTS_WAITING_MAX - events.len().min(EVENTS_WAITING_MAX))
        {
            events.push_front(event);
        }
    }
}

/// Events taken for a transaction. Unless they became durable they go back to the front of those
/// that wait, also when the writer dies over them.
#[derive(Debug)]
pub struct TakenEvents {
    events: Vec<Event>,
    published: Published,
}

impl TakenEvents {
    /// The events, oldest first.
    pub fn as_slice(&self) -> &[Event] {
        &self.events
    }

    /// They are in the database.
    pub fn are_durable(mut self) {
        self.events.clear();
    }
}

impl Drop for TakenEvents {
    fn drop(&mut self) {
        self.published.put_back_events(std::mem::take(&mut self.events));
    }
}

/// A panic while the lock was held leaves at worst one field old: the state stays readable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
