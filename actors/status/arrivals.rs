//! What arrived, by route: counted by the data path as it reads, and told once a turn.

use std::collections::HashMap;

use crate::message::account::RouteId;

/// Deliveries of one route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrived {
    /// How many.
    pub deliveries: u64,
    /// The sizes of their MQTT packets, in bytes.
    pub bytes: u64,
}

/// Deliveries by route, in the order of their first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrivals {
    counts: Vec<(RouteId, Arrived)>,
    places: HashMap<RouteId, usize>,
}

impl Arrivals {
    /// Counts.
    pub fn add(&mut self, route: RouteId, more: Arrived) {
        let next = self.counts.len();
        let place = *self.places.entry(route).or_insert(next);
        if place == next {
            self.counts.push((route, Arrived::default()));
        }
        let (_, count) = &mut self.counts[place];
        count.deliveries += more.deliveries;
        count.bytes += more.bytes;
    }

    /// Moves all that `other` counted over here; `other` begins anew, and keeps its memory.
    pub fn take(&mut self, other: &mut Self) {
        other.places.clear();
        for (route, more) in other.counts.drain(..) {
            self.add(route, more);
        }
    }

    /// The routes, and what came of each.
    pub fn iter(&self) -> impl Iterator<Item = (RouteId, Arrived)> + '_ {
        self.counts.iter().copied()
    }

    /// Deliveries of all routes.
    pub fn deliveries(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count.deliveries).sum()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_once() {
        let (a, b) = (RouteId(Some(0)), RouteId(None));
        let (mut here, mut there) = (Arrivals::default(), Arrivals::default());
        for (route, bytes) in [(a, 10), (b, 7), (a, 5)] {
            there.add(route, Arrived { deliveries: 1, bytes });
        }
        here.take(&mut there);
        here.take(&mut there);
        assert!(there.is_empty());
        let of_a = Arrived { deliveries: 2, bytes: 15 };
        assert_eq!(here.iter().next(), Some((a, of_a)));
        assert_eq!(here.deliveries(), 3);
    }
}
