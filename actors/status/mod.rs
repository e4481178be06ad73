//! Published state: what the recorder does now, for the page, the metrics, the operator socket and the
//! log. Its parts are written by one actor each and read alone; a reader is never waited for.

pub mod arrivals;
pub mod feed;
pub(crate) mod freeze;
pub mod histogram;
pub mod issue;
pub mod last_seen;
pub mod measures;
pub mod mode;
mod notes;
mod parts;
pub mod readings;
pub mod route_faults;
pub mod settings;
pub mod severity;
pub mod summary;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

pub use self::notes::TakenNotes;
pub use self::parts::{
    ArrivedRow, BrokerState, ChildState, Connection, Deafness, Destination, HealthState, Hearing,
    NewestRows, StatePart, StorageState, TreeState, Unsettled,
};
use crate::message::account::{Account, Tally};
use crate::message::delivery::UnixMillis;
use crate::message::moment::Moment;
use crate::message::note::{Event, Note};
use crate::status::arrivals::Arrivals;
use crate::status::feed::Feeds;
use crate::status::freeze::FreezeWatch;
use crate::status::issue::{Acknowledgement, Finding, Issue};
use crate::status::last_seen::LastSeen;
use crate::status::measures::Measures;
use crate::status::readings::Readings;
use crate::status::route_faults::RouteFaults;
use crate::supervisor::Pulse;

/// A copy of the parts that say how the recorder is, for readers that need most of them.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The process and its actors.
    pub tree: TreeState,
    /// The connection to the broker.
    pub broker: BrokerState,
    /// What database and spool hold.
    pub storage: StorageState,
    /// Mode and issues.
    pub health: HealthState,
    /// What a reload of the settings could not do.
    pub unsettled: Unsettled,
    /// What is wrong outside of the actors (the listener of the metrics), by who found it.
    pub findings: BTreeMap<&'static str, Finding>,
    /// Deliveries taken from the broker since the process began, by route.
    pub arrivals: Arrivals,
    /// Deliveries in memory, without a place on disk yet.
    pub held: u64,
}

impl Snapshot {
    /// What became of the deliveries since the process began.
    pub fn tally(&self) -> Tally {
        let mut tally = self.storage.tally.clone();
        tally.merge(&self.broker.lost_at_stop);
        tally
    }

    /// Where every delivery is. What an earlier process left in the spool, and what came out of a
    /// damaged database, came to this process without a broker.
    pub fn account(&self) -> Account {
        let received = self.arrivals.deliveries() + self.received_before();
        let (spooled, held) = (self.storage.spooled, self.held);
        Account { received, sums: self.tally().sums(), spooled, held }
    }

    /// Of the deliveries of the account: those that an earlier process received.
    pub fn received_before(&self) -> u64 {
        self.storage.spooled_before + self.storage.salvaged
    }
}

/// The one place of published state. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// The process and its actors.
    pub tree: StatePart<TreeState>,
    /// The connection to the broker.
    pub broker: StatePart<BrokerState>,
    /// What database and spool hold.
    pub storage: StatePart<StorageState>,
    /// Where the writer puts new batches.
    pub destination: StatePart<Destination>,
    /// The last two rows of each route.
    pub rows: StatePart<NewestRows>,
    /// Mode and issues.
    pub health: StatePart<HealthState>,
    /// What a reload of the settings could not do.
    pub unsettled: StatePart<Unsettled>,
    findings: StatePart<BTreeMap<&'static str, Finding>>,
    /// Written by the data path with every turn, as `held` is.
    arrivals: StatePart<Arrivals>,
    held: Arc<AtomicU64>,
    notes: Arc<Mutex<VecDeque<Note>>>,
    /// When something last became durable, and when each route last said something.
    last_seen: LastSeen,
    /// Readings that are wrong in themselves.
    readings: Readings,
    /// What messages show to be wrong with the routes.
    route_faults: RouteFaults,
    /// The signs of life of those that run, by name; the supervisor's too.
    pulses: Arc<Mutex<BTreeMap<&'static str, Pulse>>>,
    feeds: Feeds,
    measures: Measures,
    /// Whether the process stood still.
    freezes: Arc<Mutex<FreezeWatch>>,
}

impl Published {
    /// A copy of what says how the recorder is.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            tree: self.tree.get(),
            broker: self.broker.get(),
            storage: self.storage.get(),
            health: self.health.get(),
            unsettled: self.unsettled.get(),
            findings: self.findings.get(),
            arrivals: self.arrivals.get(),
            held: self.held(),
        }
    }

    /// A person acknowledges an issue; returns it, or `None` where there is none with this id.
    pub fn acknowledge(&self, id: &str, at: UnixMillis, by: &str) -> Option<Issue> {
        self.health.update(|health| {
            let issue = health.issues.iter().find(|issue| issue.id == id)?.clone();
            let (since, severity) = (issue.since, issue.severity);
            let known = Acknowledgement { since, severity, at, by: by.to_owned() };
            health.acknowledged.insert(issue.id.clone(), known);
            Some(issue)
        })
    }

    /// The ids of the issues that a person has acknowledged.
    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        self.health.read(|health| {
            let known = health.issues.iter().filter(|it| health.acknowledgement(it).is_some());
            known.map(|issue| issue.id.clone()).collect()
        })
    }

    /// Says how many deliveries are in memory without a place on disk.
    pub fn set_held(&self, held: u64) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// How many deliveries are in memory without a place on disk.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Publishes what is wrong outside of the actors; `None`: nothing any more. It becomes an issue at
    /// the next look of `HealthActor`.
    pub fn found(&self, by: &'static str, finding: Option<Finding>) {
        self.findings.update(|findings| match finding {
            Some(finding) => findings.insert(by, finding),
            None => findings.remove(by),
        });
    }

    /// Counts deliveries taken from the broker; `arrived` begins anew.
    pub fn count_arrivals(&self, arrived: &mut Arrivals) {
        if !arrived.is_empty() {
            self.arrivals.update(|arrivals| arrivals.take(arrived));
        }
    }

    /// Deliveries taken from the broker since the process began.
    pub fn received(&self) -> u64 {
        self.arrivals.read(Arrivals::deliveries)
    }

    /// What is measured, for the metrics.
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// Live feeds of events and of committed rows.
    pub fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// A child (or the supervisor) begins a life with this sign of life.
    pub fn set_pulse(&self, name: &'static str, pulse: Pulse) {
        self.pulses.lock().insert(name, pulse);
    }

    /// The sign of life of each, by name.
    pub fn pulses(&self) -> BTreeMap<&'static str, Pulse> {
        self.pulses.lock().clone()
    }

    /// Readings that are wrong in themselves.
    pub fn readings(&self) -> &Readings {
        &self.readings
    }

    /// What messages show to be wrong with the routes.
    pub fn route_faults(&self) -> &RouteFaults {
        &self.route_faults
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
