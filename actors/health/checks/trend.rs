//! When something will be full: its room, sampled over a day. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Between two samples. What comes and goes within it (a WAL, a spool) is no trend.
const SAMPLE_EVERY: Duration = Duration::from_secs(30 * 60);
/// "Today" is the last day.
const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// Nothing is foretold from less.
const SEEN_MIN: Duration = Duration::from_secs(60 * 60);
/// Samples of a window, and one more.
const SAMPLES_MAX: usize = 49;

/// Free bytes over the last day.
#[derive(Debug, Clone, Default)]
pub struct Trend {
    samples: VecDeque<(Instant, u64)>,
}

impl Trend {
    /// So many bytes are free now.
    pub fn sample(&mut self, now: Instant, free: u64) {
        let since_last = self.samples.back().map(|(at, _)| now.saturating_duration_since(*at));
        if since_last.is_some_and(|passed| passed < SAMPLE_EVERY) {
            return;
        }
        self.samples.push_back((now, free));
        while self.samples.len() > SAMPLES_MAX
            || self
                .samples
                .front()
                .is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// How long until nothing of `free` is left, when it goes on as it went; `None`: it does not become
    /// less, or too little has been seen. It must have gone so over the window and over its later half:
    /// a large copy in the morning is no trend in the evening.
    pub fn full_in(&self, now: Instant, free: u64) -> Option<Duration> {
        let began = self.samples.front()?.0;
        let half = now.saturating_duration_since(began) / 2;
        let later =
            self.samples.iter().find(|(at, _)| now.saturating_duration_since(*at) <= half)?;
        let whole = full_in(*self.samples.front()?, now, free)?;
        Some(full_in(*later, now, free)?.max(whole))
    }
}

fn full_in((began, before): (Instant, u64), now: Instant, free: u64) -> Option<Duration> {
    let passed = now.saturating_duration_since(began);
    let used = before.checked_sub(free).filter(|used| *used > 0)?;
    if passed < SEEN_MIN {
        return None;
    }
    let seconds = u128::from(free) * u128::from(passed.as_secs()) / u128::from(used);
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;
    const GIB: u64 = 1 << 30;

    fn trend(began: Instant, hourly: &[u64]) -> Trend {
        let mut trend = Trend::default();
        for (hour, free) in (0_u64..).zip(hourly) {
            trend.sample(began + Duration::from_secs(hour * HOUR), *free);
        }
        trend
    }

    #[test]
    fn what_becomes_less_is_full_when_its_rate_says_so() {
        let began = Instant::now();
        let hours = |n: u64| Duration::from_secs(n * HOUR);
        let table = [
            ("a GiB an hour", vec![10, 9, 8, 7, 6], Some(6)),
            ("half of it an hour", vec![20, 20, 19, 19, 18], Some(36)),
            ("slower now", vec![20, 16, 12, 11, 10], Some(10)),
            ("a large copy in the morning", vec![20, 10, 10, 10, 10], None),
            ("nothing", vec![5, 5, 5, 5, 5], None),
            ("it becomes more", vec![5, 5, 5, 6, 6], None),
            ("it became less, and more again", vec![5, 4, 3, 4, 5], None),
            ("full", vec![4, 3, 2, 1, 0], Some(0)),
            ("seen for too short", vec![4], None),
        ];
        for (what, hourly, wanted) in table {
            let free = hourly.last().expect("some") * GIB;
            let seen = hours(hourly.len() as u64 - 1);
            let hourly: Vec<u64> = hourly.iter().map(|gib| gib * GIB).collect();
            let is = trend(began, &hourly).full_in(began + seen, free);
            assert_eq!(is, wanted.map(hours), "{what}");
        }
    }

    #[test]
    fn what_was_more_than_a_day_ago_is_forgotten() {
        let began = Instant::now();
        // A large copy on the first day, nothing since.
        let mut hourly = vec![20 * GIB; 5];
        hourly.extend(vec![10 * GIB; 40]);
        let now = began + Duration::from_secs(44 * HOUR);
        let trend = trend(began, &hourly);
        assert_eq!(trend.full_in(now, 10 * GIB), None);
        assert!(trend.samples.len() <= SAMPLES_MAX);
    }

    #[test]
    fn samples_are_taken_rarely() {
        let began = Instant::now();
        let mut trend = Trend::default();
        for second in 0..3_599 {
            trend.sample(began + Duration::from_secs(second), GIB);
        }
        assert_eq!(trend.samples.len(), 2);
    }
}
