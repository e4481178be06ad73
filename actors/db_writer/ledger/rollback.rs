//! A broker that comes back with an old snapshot of its state.

use std::collections::HashSet;

use super::{Entry, Row};
use crate::message::delivery::UnixMillis;

/// Repeated deliveries in order, with this many different digests among them, prove that the broker
/// rolled back.
const ROLLBACK_DISTINCT_MIN: usize = 3;

/// A broker that was killed may come back with an old snapshot and deliver again, without DUP, what
/// we had acknowledged. No MQTT identity survives that, but the sequence of (packet id, digest)
/// does.
#[derive(Debug, Clone, Default)]
pub(super) enum Rollback {
    /// Nothing to look for (any more).
    #[default]
    Off,
    /// Every fresh delivery so far repeats the history in order.
    Watching {
        history: Vec<(Entry, UnixMillis)>,
        /// Place in the history of the next expected delivery, once the first was found.
        next: Option<usize>,
        began: UnixMillis,
        digests: HashSet<u64>,
    },
}

impl Rollback {
    pub(super) fn watch(session_present: bool, stored: &[Row]) -> Self {
        if !session_present || stored.is_empty() {
            return Self::Off;
        }
        let mut seen = HashSet::new();
        let entries =
            stored.iter().flat_map(|row| row.entries.iter().map(|entry| (*entry, row.at)));
        let history = entries.filter(|(entry, _)| seen.insert(*entry)).collect();
        Self::Watching { history, next: None, began: UnixMillis(0), digests: HashSet::new() }
    }

    pub(super) fn observe(&mut self, entry: Entry) -> Option<UnixMillis> {
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
