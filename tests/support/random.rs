//! Randomness that can be repeated: the seed is printed, and `BAROGRAPH_TEST_SEED` sets it.

use std::env;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The dice of one test.
pub(crate) struct Random(StdRng);

impl Random {
    /// Seeded from the environment, or freshly; a failed test shows the seed.
    pub(crate) fn new() -> Self {
        let seed = env::var("BAROGRAPH_TEST_SEED")
            .ok()
            .and_then(|word| word.parse().ok())
            .unwrap_or_else(rand::random::<u64>);
        println!("seed: BAROGRAPH_TEST_SEED={seed}");
        Self::seeded(seed)
    }

    /// The same sequence for the same seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A span between two others, in milliseconds.
    pub(crate) fn between(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_micros(self.0.random_range(least_ms * 1000..=most_ms * 1000))
    }

    /// A number from 0 to `end`, without it.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }
}
