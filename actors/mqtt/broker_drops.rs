//! The broker's own count of messages that it dropped. What is lost there at QoS 0, or because a
//! queue was full, never reaches us: only the broker can tell.

use crate::message::delivery::{Delivery, UnixMillis};

/// Where Mosquitto publishes the count, since the broker's start, every `sys_interval` (10 s).
pub const DROPPED_TOPIC: &str = "$SYS/broker/publish/messages/dropped";

/// The broker says a new count with its next interval: what it dropped, it dropped at most so long before.
/// (Mosquitto's default is 10 s.)
const INTERVAL_MAX_MS: i64 = 60_000;

/// Mosquitto's `sys_interval`, unless someone changed it.
const INTERVAL_MS: i64 = 10_000;

/// The count as it was last seen, and when.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BrokerDrops {
    last: Option<(u64, UnixMillis)>,
}

/// How much the count rose in our time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rise {
    pub(crate) messages: u64,
    /// Not before.
    pub(crate) since: UnixMillis,
}

impl BrokerDrops {
    /// Looks at a delivery. `None`: it is none of the broker's counts. Else how much the count rose
    /// in our time; a count that falls is one of a broker that began anew.
    pub(crate) fn look(&mut self, delivery: &Delivery) -> Option<Rise> {
        if delivery.topic != DROPPED_TOPIC {
            return None;
        }
        let now = delivery.received_at;
        let nothing = Rise { messages: 0, since: now };
        let text = std::str::from_utf8(&delivery.payload).ok();
        let Some(count) = text.and_then(|text| text.trim().parse::<u64>().ok()) else {
            return Some(nothing);
        };
        let Some((last, at)) = self.last else {
            self.last = Some((count, first_known(delivery)));
            return Some(nothing);
        };
        // A retained count is as old as its last change: it says nothing of the time since then.
        let known = if delivery.retain && count == last { at } else { now };
        self.last = Some((count, known));
        let messages = if count >= last { count - last } else { count };
        let since = at.max(UnixMillis(now.0.saturating_sub(INTERVAL_MAX_MS)));
        Some(Rise { messages, since })
    }
}

/// Since when the first count that we hear has held: a retained one is of the interval before.
fn first_known(delivery: &Delivery) -> UnixMillis {
    let age = if delivery.retain { INTERVAL_MS } else { 0 };
    UnixMillis(delivery.received_at.0.saturating_sub(age))
}

#[cfg(test)]
mod tests {
    use barograph_config::Qos;
    use bytes::Bytes;

    use super::*;

    fn says(payload: &'static str) -> Delivery {
        Delivery {
            topic: DROPPED_TOPIC.to_owned(),
            payload: Bytes::from_static(payload.as_bytes()),
            whole_size: 0,
            packet_size: 0,
            qos: Qos::AtMostOnce,
            retain: false,
            dup: false,
            packet_id: 0,
            received_at: UnixMillis(0),
            properties: Vec::new(),
        }
    }

    #[test]
    fn only_a_rise_in_our_time_counts() {
        let mut drops = BrokerDrops::default();
        let mut rise = |text| drops.look(&says(text)).map(|rise| rise.messages);
        let rises = ["100", "100", "107", "3", "4"].map(&mut rise);
        assert_eq!(rises, [Some(0), Some(0), Some(7), Some(3), Some(1)]);
        assert_eq!(rise("many"), Some(0));
        let elsewhere = Delivery { topic: "a/b".to_owned(), ..says("9") };
        assert_eq!(drops.look(&elsewhere), None);
    }

    #[test]
    fn what_was_dropped_was_dropped_since_the_count_before_or_within_the_interval() {
        let at =
            |received_at, text| Delivery { received_at: UnixMillis(received_at), ..says(text) };
        let mut drops = BrokerDrops::default();
        drops.look(&at(1_000, "5"));
        let rise = |messages, since| Some(Rise { messages, since: UnixMillis(since) });
        assert_eq!(drops.look(&at(11_000, "7")), rise(2, 1_000));
        assert_eq!(drops.look(&at(200_000, "8")), rise(1, 140_000));
        // Connected anew: the broker sends the count that it has, which may have been counted before.
        let retained = |received_at, text| Delivery { retain: true, ..at(received_at, text) };
        drops.look(&retained(205_000, "8"));
        assert_eq!(drops.look(&at(210_000, "9")), rise(1, 200_000));
        let mut drops = BrokerDrops::default();
        drops.look(&retained(300_000, "9"));
        assert_eq!(drops.look(&at(301_000, "10")), rise(1, 290_000));
    }
}
