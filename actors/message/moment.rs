//! A moment by both clocks.

use std::time::Duration;

use tokio::time::Instant;

use super::delivery::UnixMillis;

/// A moment by both clocks: the wall's for people, the steady one for lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the wall clock.
    pub wall: UnixMillis,
    /// By the clock that cannot be set.
    pub steady: Instant,
}

impl Moment {
    /// How long ago another moment was, by the steady clock.
    pub fn since(self, earlier: Self) -> Duration {
        self.steady.saturating_duration_since(earlier.steady)
    }
}
