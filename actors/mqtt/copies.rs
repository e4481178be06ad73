//! A message that the broker delivers once for each of two overlapping subscriptions, as MQTT 5 brokers may (Mosquitto
//! does). Ours never overlap, except for a moment: other routes are subscribed to before the old filters are given up, so
//! that nothing is missed in between; and what an earlier process subscribed to may still be there.
//!
//! The identifiers of the subscriptions tell the copies from a message that was published twice: copies come by different
//! ones, one right behind the other.

use std::collections::{HashMap, VecDeque};

use barograph_config::Qos;

use crate::message::batch::digest;
use crate::message::delivery::Delivery;

/// Deliveries after a change of subscriptions among which the two copies are looked for when one is delivered again: a
/// broker may put others between them then.
const WATCHED: u32 = 100_000;

/// Deliveries without a copy that are remembered meanwhile.
const SINGLE_MAX: usize = 2_000;

/// A delivery as its copy is known by: digest and subscription.
type CopyKey = (u64, u32);

/// What is known of copies.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// The delivery before, unless it was a copy.
    last: Option<CopyKey>,
    /// Copies that were passed over, by packet id: they may be delivered again.
    passed: HashMap<u16, u64>,
    /// Deliveries that are still watched after a change.
    watched: u32,
    /// Those of them whose copy has not come.
    single: VecDeque<CopyKey>,
}

impl Copies {
    /// Other subscriptions are asked for: what came before has no copy.
    pub(crate) fn change(&mut self) {
        self.last = None;
        self.single.clear();
        self.watched = WATCHED;
    }

    /// Whether a delivery is the second copy of one that was taken in; `subscription` is the identifier of the one
    /// that it came by, `None` if that is not known or it came by several.
    pub(crate) fn is_copy(&mut self, delivery: &Delivery, subscription: Option<u32>) -> bool {
        let Some(subscription) = subscription else {
            self.last = None;
            return false;
        };
        let digest = digest(&delivery.topic, &delivery.payload, delivery.whole_size);
        let is_copy = self.was_passed(delivery, digest)
            || !delivery.retain && self.has_other(delivery, (digest, subscription));
        if is_copy && delivery.qos != Qos::AtMostOnce {
            self.passed.insert(delivery.packet_id, digest);
        }
        is_copy
    }

    /// A copy that is delivered again: the broker did not get its acknowledgement.
    fn was_passed(&mut self, delivery: &Delivery, digest: u64) -> bool {
        if self.passed.is_empty() || delivery.qos == Qos::AtMostOnce {
            return false;
        }
        if delivery.dup {
            return self.passed.get(&delivery.packet_id) == Some(&digest);
        }
        self.passed.remove(&delivery.packet_id);
        false
    }

    fn has_other(&mut self, delivery: &Delivery, seen: CopyKey) -> bool {
        let is_other = |other: &CopyKey| other.0 == seen.0 && other.1 != seen.1;
        let is_behind_it = self.last.as_ref().is_some_and(is_other);
        self.last = (!is_behind_it).then_some(seen);
        if self.watched == 0 {
            return is_behind_it;
        }
        self.watched -= 1;
        let place = match (is_behind_it, delivery.dup) {
            (true, _) | (false, true) => self.single.iter().rposition(is_other),
            (false, false) => None,
        };
        if let Some(place) = place {
            self.single.remove(place);
            self.last = None;
        } else if !is_behind_it {
            self.single.push_back(seen);
            self.single.truncate(SINGLE_MAX);
        }
        if self.watched == 0 {
            self.single = VecDeque::new();
        }
        is_behind_it || place.is_some()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::delivery::UnixMillis;

    fn delivery(payload: &'static str, packet_id: u16, dup: bool) -> Delivery {
        Delivery {
            topic: "a/b".to_owned(),
            payload: Bytes::from_static(payload.as_bytes()),
            whole_size: payload.len() as u64,
            packet_size: 0,
            qos: Qos::AtLeastOnce,
            retain: false,
            dup,
            packet_id,
            received_at: UnixMillis(0),
            properties: Vec::new(),
        }
    }

    /// Which of these are copies: payload, and subscription.
    fn copies(known: &mut Copies, deliveries: &[(&'static str, Option<u32>)]) -> Vec<bool> {
        let judge = |(id, (payload, subscription)): (u16, &(&'static str, Option<u32>))| {
            known.is_copy(&delivery(payload, id, false), *subscription)
        };
        (1..).zip(deliveries).map(judge).collect()
    }

    #[test]
    fn only_what_comes_by_another_subscription_right_behind_is_a_copy() {
        let mut known = Copies::default();
        let (old, new) = (Some(1), Some(2));
        let came = [
            ("a", old),
            ("a", old),
            ("a", old),
            ("a", new),
            ("b", new),
            ("b", old),
            ("c", new),
            ("d", new),
            ("d", new),
            ("e", None),
            ("e", old),
        ];
        let expected = [false, false, false, true, false, true, false, false, false, false, false];
        assert_eq!(copies(&mut known, &came), expected);
        known.change();
        assert_eq!(copies(&mut known, &[("e", new), ("e", old)]), [false, true]);
    }

    #[test]
    fn copy_that_is_delivered_again_is_one_again() {
        let mut known = Copies::default();
        known.change();
        assert_eq!(copies(&mut known, &[("a", Some(1)), ("a", Some(2))]), [false, true]);
        assert!(!known.is_copy(&delivery("b", 9, false), Some(2)));
        assert!(known.is_copy(&delivery("a", 2, true), Some(2)), "the same packet id");
        assert!(!known.is_copy(&delivery("c", 2, false), Some(2)), "another message");
        assert!(!known.is_copy(&delivery("c", 2, true), Some(2)), "the ledger's to judge");
        // The broker put others between the two when it delivered again.
        let later = copies(&mut known, &[("d", Some(1)), ("e", Some(2)), ("f", Some(2))]);
        assert_eq!(later, [false; 3]);
        assert!(known.is_copy(&delivery("d", 7, true), Some(2)));
    }
}
