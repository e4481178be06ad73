//! How much there was to do in the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Over how long a rate is taken.
const OVER: Duration = Duration::from_secs(60);

/// Between two looks that are kept.
const STEP: Duration = Duration::from_secs(5);

/// Rates of late.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rates {
    /// Deliveries taken from the broker, a second.
    pub received: f64,
    /// Batches made durable, a second.
    pub commits: f64,
    /// Over how long; zero: not known yet.
    pub over: Duration,
}

/// What the counters were at a moment.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    received: u64,
    commits: u64,
}

/// A look every few seconds, for a minute.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<Look>);

impl Recent {
    /// A look at the counters; gives new rates now and then.
    pub(crate) fn look(&mut self, at: Instant, received: u64, commits: u64) -> Option<Rates> {
        let look = Look { at, received, commits };
        if self.0.back().is_some_and(|last| at.duration_since(last.at) < STEP) {
            return None;
        }
        self.0.push_back(look);
        while self.0.get(1).is_some_and(|second| at.duration_since(second.at) >= OVER) {
            self.0.pop_front();
        }
        let first = self.0.front()?;
        let over = at.duration_since(first.at);
        (!over.is_zero()).then(|| Rates {
            received: rate(received.saturating_sub(first.received), over),
            commits: rate(commits.saturating_sub(first.commits), over),
            over,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(count: u64, over: Duration) -> f64 {
    count as f64 / over.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_minute() {
        let (mut recent, began) = (Recent::default(), Instant::now());
        let mut rates = None;
        for second in 0..=180_u64 {
            // 10/s in the first two minutes, 1/s in the third.
            let received = if second <= 120 { second * 10 } else { 1_200 + (second - 120) };
            let at = began + Duration::from_secs(second);
            rates = recent.look(at, received, second / 2).or(rates);
            if second == 60 {
                let so_far = rates.expect("there were looks");
                assert!((so_far.received - 10.0).abs() < 0.01, "{so_far:?}");
            }
        }
        let rates = rates.expect("there were looks");
        assert_eq!(rates.over, OVER);
        assert!((rates.received - 1.0).abs() < 0.01, "{rates:?}");
        assert!((rates.commits - 0.5).abs() < 0.01, "{rates:?}");
        assert!(recent.0.len() <= 14, "{}", recent.0.len());
    }
}
