//! When a database that was given up is tried again: exponential back-off with jitter.

use std::time::Duration;

use barograph_config::Health;
use tokio::time::Instant;

use crate::supervisor::restart::backoff;

/// The back-off of probes.
#[derive(Debug)]
pub(crate) struct ProbeSchedule {
    min: Duration,
    max: Duration,
    attempt: u32,
    at: Instant,
}

impl ProbeSchedule {
    /// Due at once.
    pub(crate) fn new(settings: &Health) -> Self {
        let (min, max) = (settings.probe_min, settings.probe_max);
        Self { min, max, attempt: 0, at: Instant::now() }
    }

    /// One failed: the next is due after a longer pause. `jitter` is in 0..=1.
    pub(crate) fn put_off(&mut self, jitter: f64) {
        self.attempt = self.attempt.saturating_add(1);
        self.at = Instant::now() + backoff(self.min, self.max, self.attempt, jitter);
    }

    /// One succeeded.
    pub(crate) fn begin_anew(&mut self) {
        self.attempt = 0;
    }

    /// Zero: it is due.
    pub(crate) fn due_in(&self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }
}
