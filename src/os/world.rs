//! Time and chance, the real ones.

use std::time::{SystemTime, UNIX_EPOCH};

use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::ports::Environment;

/// The wall clock and the system's randomness.
pub const REAL: Environment =
    Environment { now, jitter: rand::random::<f64>, random, minute_of_day };

/// The wall clock. Before 1970 it is 1970.
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn random() -> i64 {
    rand::random::<i64>() & i64::MAX
}

fn minute_of_day() -> u16 {
    let now = jiff::tz::TimeZone::system().to_datetime(jiff::Timestamp::now());
    u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).unwrap_or(0)
}
