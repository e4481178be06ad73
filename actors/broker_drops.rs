//! The broker's own count of messages that it dropped. What is lost there at QoS 0, or because a
//! queue was full, never reaches us: only the broker can tell.

use crate::delivery::Delivery;

/// Where Mosquitto publishes the count, since the broker's start, every `sys_interval` (10 s).
pub const DROPPED_TOPIC: &str = "$SYS/broker/publish/messages/dropped";

/// The count as it was last seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BrokerDrops {
    last: Option<u64>,
}

impl BrokerDrops {
    /// Looks at a delivery. `None`: it is none of the broker's counts. Else how much the count rose
    /// in our time; a count that falls is one of a broker that began anew.
    pub(crate) fn look(&mut self, delivery: &Delivery) -> Option<u64> {
        if delivery.topic != DROPPED_TOPIC {
            return None;
        }
        let text = std::str::from_utf8(&delivery.payload).ok();
        let Some(count) = text.and_then(|text| text.trim().parse::<u64>().ok()) else {
            return Some(0);
        };
        let last = self.last.replace(count);
        Some(match last {
            None => 0,
            Some(last) if count >= last => count - last,
            Some(_) => count,
        })
    }
}

#[cfg(test)]
mod tests {
    use barograph_config::Qos;
    use bytes::Bytes;

    use super::*;
    use crate::delivery::UnixMillis;

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
        }
    }

    #[test]
    fn only_a_rise_in_our_time_counts() {
        let mut drops = BrokerDrops::default();
        let rises = ["100", "100", "107", "3", "4"].map(|count| drops.look(&says(count)));
        assert_eq!(rises, [Some(0), Some(0), Some(7), Some(3), Some(1)]);
        assert_eq!(drops.look(&says("many")), Some(0));
        let elsewhere = Delivery { topic: "a/b".to_owned(), ..says("9") };
        assert_eq!(drops.look(&elsewhere), None);
    }
}
