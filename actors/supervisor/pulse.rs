//! A child's sign of life: a time, stored by the child, read by the supervisor, without a lock and
//! without a message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The time of the last beat. Clones share it.
///
/// Waiting for another actor is not being stuck: an actor that waits in steps beats at each step (the
/// writer at each attempt to get a lock), so that only a child that makes no step at all stands
/// still.
#[derive(Debug, Clone)]
pub struct Pulse {
    born: Instant,
    beat_ms: Arc<AtomicU64>,
}

impl Pulse {
    /// A pulse that beats now.
    pub fn new() -> Self {
        Self { born: Instant::now(), beat_ms: Arc::new(AtomicU64::new(0)) }
    }

    /// Says: a step was made.
    pub fn beat(&self) {
        let age_ms = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat_ms.store(age_ms, Ordering::Relaxed);
    }

    /// How long ago the last beat was.
    pub fn since_last_beat(&self) -> Duration {
        self.born
            .elapsed()
            .saturating_sub(Duration::from_millis(self.beat_ms.load(Ordering::Relaxed)))
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}
