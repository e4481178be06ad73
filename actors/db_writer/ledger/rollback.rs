//! A broker that comes back with an old snapshot of its state.

use std::collections::HashSet;
use std::sync::Arc;

use barograph_config::Qos;

use super::{LedgerEntry, LedgerRow};
use crate::message::batch::Record;
use crate::message::delivery::UnixMillis;

/// Repeated deliveries in order, with this many different digests among them, prove that the broker
/// rolled back.
const ROLLBACK_DISTINCT_MIN: usize = 3;

/// A broker that was killed may come back with an old snapshot and deliver again, without DUP, what
/// we had acknowledged. No MQTT identity survives that, but the sequence of (packet id, digest)
/// does.
///
/// A clone costs little: what it compares with is shared.
#[derive(Debug, Clone, Default)]
pub enum RollbackWatch {
    /// Nothing to look for (any more).
    #[default]
    Off,
    /// Every fresh delivery so far repeats the history in order.
    Watching {
        /// Every delivery that the ledger has, once.
        history: Arc<[(LedgerEntry, UnixMillis)]>,
        /// Place in the history of the next expected delivery, once the first was found.
        next: Option<usize>,
        /// When the first one was delivered before.
        began: UnixMillis,
        /// Those repeated so far.
        digests: HashSet<u64>,
    },
}

impl RollbackWatch {
    pub(super) fn watch(session_present: bool, stored: &[LedgerRow]) -> Self {
        if !session_present || stored.is_empty() {
            return Self::Off;
        }
        let mut seen = HashSet::new();
        let entries =
            stored.iter().flat_map(|row| row.entries.iter().map(|entry| (*entry, row.at)));
        let history = entries.filter(|(entry, _)| seen.insert(*entry)).collect();
        Self::Watching { history, next: None, began: UnixMillis(0), digests: HashSet::new() }
    }

    /// Looks at a delivery for signs that the broker rolled back; answers once, with the time of the first
    /// message repeated.
    pub fn observe(&mut self, record: &Record) -> Option<UnixMillis> {
        if !is_fresh(record) {
            return None;
        }
        LedgerEntry::of(record).and_then(|entry| self.observe_entry(entry))
    }

    fn observe_entry(&mut self, entry: LedgerEntry) -> Option<UnixMillis> {
        let Self::Watching { history, next, began, digests } = self else { return None };
        let place = match *next {
            Some(next) => (history.get(next).map(|(e, _)| e) == Some(&entry)).then_some(next),
            None => history.iter().position(|(e, _)| *e == entry),
        };
        let Some(place) = place else {
            *self = Self::Off;
            return None;
        };
        if next.is_none() {
            *began = history[place].1;
        }
        *next = Some(place + 1);
        digests.insert(entry.digest);
        if digests.len() < ROLLBACK_DISTINCT_MIN {
            return None;
        }
        let began = *began;
        *self = Self::Off;
        Some(began)
    }
}

/// A first delivery, as far as the broker's flags tell. A retained message is sent out of the
/// session's order.
fn is_fresh(record: &Record) -> bool {
    record.qos != Qos::AtMostOnce && !record.dup && !record.retain
}
