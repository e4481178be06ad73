//! What the judge remembers from look to look. It is published, so that the judge's next life goes on
//! where the one before ended: an issue does not begin anew because the judge did.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{IssueBook, Trend};
use crate::health::probes::SystemSnapshot;
use crate::health::watch::{ClockJump, ClockWatch, Silence, StallWatch};
use crate::message::account::RouteId;
use crate::message::delivery::UnixMillis;
use crate::message::moment::Moment;
use crate::message::route::Router;
use crate::status::Snapshot;

/// A child's restarts within this time count.
pub(super) const RESTARTS_COUNT_FOR: Duration = Duration::from_secs(600);
/// More are not remembered.
const RESTARTS_MAX: usize = 32;

/// See above.
#[derive(Debug, Clone, Default)]
pub struct HealthMemory {
    /// The issues.
    pub book: IssueBook,
    /// The silence of each route that has a `silent_after`, by its table.
    pub silences: BTreeMap<String, (RouteId, Silence)>,
    /// Both clocks.
    pub clock: ClockWatch,
    /// The last jump of the wall clock.
    pub jump: Option<(Moment, ClockJump)>,
    /// Messages that wait.
    pub stall: StallWatch,
    /// The broker session makes no step, and a gap is open for it.
    pub session_hangs: bool,
    /// What the broker says it dropped, and when it last said that there are more.
    pub drops: Drops,
    /// When the spool failed, and why; until it takes something again.
    pub spool_failed: Option<(UnixMillis, String)>,
    /// When the writer last said how a write went, well or not.
    pub answered: Option<Moment>,
    /// Restarts of each child.
    pub restarts: BTreeMap<&'static str, ChildRestarts>,
    /// Room on the database's disk.
    pub database_disk: Trend,
    /// Room on the spool's disk.
    pub spool_disk: Trend,
    /// When the database was last reopened for a bad survey, and how often.
    pub reopened: Option<(Instant, u32)>,
}

/// The memory of the health actor, kept outside of it: its next life goes on with it, and the page reads it. Clones
/// share it.
#[derive(Debug, Clone, Default)]
pub struct KeptMemory(Arc<Mutex<Option<HealthMemory>>>);

impl KeptMemory {
    /// As of the last look.
    pub fn get(&self) -> Option<HealthMemory> {
        self.0.lock().clone()
    }

    pub(crate) fn keep(&self, memory: HealthMemory) {
        *self.0.lock() = Some(memory);
    }
}

/// The broker's own count of what it dropped.
#[derive(Debug, Clone, Copy, Default)]
pub struct Drops {
    known: u64,
    /// When it last rose, and by how much within what is reported now.
    pub rose: Option<(Moment, u64)>,
}

/// One child's restarts.
#[derive(Debug, Clone, Default)]
pub struct ChildRestarts {
    known: u32,
    recent: VecDeque<Instant>,
    /// Since when it has not been alive.
    pub(super) dead_since: Option<Moment>,
}

impl ChildRestarts {
    /// How many were seen lately.
    pub(super) fn recent(&self) -> usize {
        self.recent.len()
    }
}

impl HealthMemory {
    /// That of a first life.
    pub fn new(router: &Router) -> Self {
        let mut memory = Self::default();
        memory.follow(router);
        memory
    }

    /// Fits it to the routes in force; of those that are as they were nothing is forgotten. Gives the
    /// silences that are no longer watched.
    pub fn follow(&mut self, router: &Router) -> BTreeMap<String, (RouteId, Silence)> {
        let mut known = std::mem::take(&mut self.silences);
        for (id, route) in router.recording() {
            let Some(after) = route.silent_after else { continue };
            let silence = match known.get(&route.table) {
                Some((_, silence)) if silence.after() == after => *silence,
                Some(_) | None => Silence::new(after),
            };
            known.remove(&route.table);
            self.silences.insert(route.table.clone(), (id, silence));
        }
        known
    }

    /// Notices what has changed in published state.
    pub fn look(&mut self, now: Moment, state: &Snapshot) {
        self.drops.look(now, state.broker.dropped);
        for (name, child) in &state.tree.children {
            let alive = matches!(child.state.as_str(), "starting" | "running" | "stopping");
            self.restarts.entry(name).or_default().look(now, child.restarts, alive);
        }
    }

    /// Notices what a survey says.
    pub fn survey(&mut self, now: Moment, survey: &SystemSnapshot) {
        if let Some(disk) = survey.database {
            self.database_disk.sample(now.steady, disk.free);
        }
        if let Some(disk) = survey.spool {
            self.spool_disk.sample(now.steady, disk.free);
        }
    }
}

impl Drops {
    /// A report ends so long after the last rise.
    pub(super) const TOLD_FOR: Duration = Duration::from_secs(3_600);

    fn look(&mut self, now: Moment, count: u64) {
        if self.rose.is_some_and(|(at, _)| now.since(at) >= Self::TOLD_FOR) {
            self.rose = None;
        }
        let more = count.saturating_sub(self.known);
        self.known = count;
        if more > 0 {
            self.rose = Some((now, more + self.rose.map_or(0, |(_, before)| before)));
        }
    }
}

impl ChildRestarts {
    fn look(&mut self, now: Moment, count: u32, alive: bool) {
        let more = count.saturating_sub(self.known);
        self.known = count;
        self.recent.extend((0..more).map(|_| now.steady));
        let counts = |at: &Instant| now.steady.saturating_duration_since(*at) < RESTARTS_COUNT_FOR;
        self.recent.retain(counts);
        while self.recent.len() > RESTARTS_MAX {
            self.recent.pop_front();
        }
        self.dead_since = if alive { None } else { self.dead_since.or(Some(now)) };
    }
}
