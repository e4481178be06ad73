//! What arrives: one message as the broker delivered it.

use std::fmt;

use barograph_config::Qos;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01 00:00 UTC, by the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// As programs read it: RFC 3339, in UTC.
    pub fn rfc3339(self) -> String {
        self.to_string().replace(' ', "T") + "Z"
    }
}

impl fmt::Display for UnixMillis {
    /// `YYYY-MM-DD HH:MM:SS.sss` in UTC: the form of `created_at`, which sorts and compares as
    /// text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        let t = jiff::tz::TimeZone::UTC.to_datetime(time);
        write!(
            f,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.millisecond()
        )
    }
}

/// Names one connection to a broker, for ever: a packet id means something only together with it.
/// Drawn at random, so that it needs no counter that a lost database could reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub i64);

/// One message as the broker delivered it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Topic name.
    pub topic: String,
    /// The payload, or its first bytes where `whole_size` is larger.
    pub payload: Bytes,
    /// Size of the whole payload in bytes.
    pub whole_size: u64,
    /// Size of the whole MQTT packet in bytes: what `max_packet_size` limits.
    pub packet_size: u64,
    /// Quality of service of this delivery.
    pub qos: Qos,
    /// The broker's RETAIN flag: a message from before the subscription.
    pub retain: bool,
    /// The broker's DUP flag: it may have delivered this before.
    pub dup: bool,
    /// Packet id; 0 at QoS 0.
    pub packet_id: u16,
    /// When it arrived here.
    pub received_at: UnixMillis,
    /// MQTT 5 user properties, names and values.
    pub properties: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_utc_with_milliseconds() {
        let table = [
            (0, "1970-01-01 00:00:00.000"),
            (1_759_479_845_007, "2025-10-03 08:24:05.007"),
            (-1, "1969-12-31 23:59:59.999"),
        ];
        for (ms, text) in table {
            assert_eq!(UnixMillis(ms).to_string(), text);
        }
    }
}
