//! Whether and when a dead child is started again: a pure function of the deaths so far.

use std::collections::VecDeque;
use std::time::Duration;

use barograph_config::Supervision;
use tokio::time::Instant;

/// The limits, from `[supervisor]` of the settings.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Pause before the first restart of a child.
    pub backoff_min: Duration,
    /// Longest pause before a restart.
    pub backoff_max: Duration,
    /// Restarts, of all children together, allowed within `intensity_period`.
    pub intensity: u32,
    /// Length of the sliding window.
    pub intensity_period: Duration,
    /// After this long without a death a child's pauses begin at `backoff_min` again.
    pub stable_after: Duration,
}

impl From<&Supervision> for Policy {
    fn from(s: &Supervision) -> Self {
        Self {
            backoff_min: s.backoff_min,
            backoff_max: s.backoff_max,
            intensity: s.intensity,
            intensity_period: s.intensity_period,
            stable_after: s.stable_after,
        }
    }
}

/// What to do about a death.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Start the child again after a pause; `attempt` counts its deaths since it was last stable,
    /// from 1.
    Restart {
        /// Deaths since the child was last stable, this one included.
        attempt: u32,
        /// Pause before the start.
        backoff: Duration,
    },
    /// Too many restarts: stop everything and let the service manager start a fresh process.
    Escalate {
        /// Restarts within the window, this one included.
        restarts: u32,
    },
}

/// The deaths that are remembered: one sliding window for the tree, one streak for each child.
#[derive(Debug)]
pub struct Restarts {
    policy: Policy,
    recent: VecDeque<Instant>,
    streaks: Vec<u32>,
}

impl Restarts {
    /// Remembers nothing yet of `children` children.
    pub fn new(policy: Policy, children: usize) -> Self {
        Self { policy, recent: VecDeque::new(), streaks: vec![0; children] }
    }

    /// Other limits hold from now on, also for what has been.
    pub fn adjust(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Judges the death of `child`, which had lived for `lived`. `jitter` is in 0..=1 and spreads
    /// the pause over its upper half, so that children that died together do not come back
    /// together.
    pub fn judge(&mut self, child: usize, lived: Duration, now: Instant, jitter: f64) -> Verdict {
        self.recent.push_back(now);
        let period = self.policy.intensity_period;
        while self.recent.front().is_some_and(|first| now.duration_since(*first) > period) {
            self.recent.pop_front();
        }
        let restarts = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if restarts > self.policy.intensity {
            return Verdict::Escalate { restarts };
        }
        let streak = &mut self.streaks[child];
        *streak = if lived >= self.policy.stable_after { 1 } else { streak.saturating_add(1) };
        let attempt = *streak;
        Verdict::Restart { attempt, backoff: self.policy.backoff(attempt, jitter) }
    }
}

impl Policy {
    /// `backoff_min` doubled for each further attempt, at most `backoff_max`, of which the upper
    /// half is left to `jitter`.
    fn backoff(&self, attempt: u32, jitter: f64) -> Duration {
        backoff(self.backoff_min, self.backoff_max, attempt, jitter)
    }
}

/// Exponential back-off: `min * 2^(attempt - 1)`, at most `max`, of which the upper half is left to
/// `jitter` in 0..=1. Restarts, reconnects and repeated writes all wait by this one rule.
pub fn backoff(min: Duration, max: Duration, attempt: u32, jitter: f64) -> Duration {
    let doubled = min.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(31)));
    let whole = doubled.min(max);
    whole.div_f64(2.0) + whole.div_f64(2.0).mul_f64(jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            intensity: 3,
            intensity_period: Duration::from_secs(60),
            stable_after: Duration::from_secs(60),
        }
    }

    /// (seconds after the first death, seconds lived, expected)
    #[test]
    fn the_fourth_death_within_the_window_escalates_and_old_deaths_are_forgotten() {
        let start = Instant::now();
        let restart =
            |attempt, ms| Verdict::Restart { attempt, backoff: Duration::from_millis(ms) };
        let table = [
            (0, 1, restart(1, 100)),
            (1, 1, restart(2, 200)),
            (2, 1, restart(3, 400)),
            (63, 61, restart(1, 100)),
            (64, 1, restart(2, 200)),
            (65, 1, restart(3, 400)),
            (66, 1, Verdict::Escalate { restarts: 4 }),
        ];
        let mut restarts = Restarts::new(policy(), 1);
        for (at, lived, expected) in table {
            let now = start + Duration::from_secs(at);
            assert_eq!(
                restarts.judge(0, Duration::from_secs(lived), now, 1.0),
                expected,
                "at {at} s"
            );
        }
    }

    #[test]
    fn the_window_is_shared_but_the_pauses_are_each_childs_own() {
        let now = Instant::now();
        let mut restarts = Restarts::new(policy(), 2);
        let first = Verdict::Restart { attempt: 1, backoff: Duration::from_millis(100) };
        assert_eq!(restarts.judge(0, Duration::ZERO, now, 1.0), first);
        assert_eq!(restarts.judge(1, Duration::ZERO, now, 1.0), first);
        restarts.judge(1, Duration::ZERO, now, 1.0);
        assert_eq!(restarts.judge(0, Duration::ZERO, now, 1.0), Verdict::Escalate { restarts: 4 });
    }

    #[test]
    fn a_pause_never_leaves_its_bounds() {
        for attempt in 0..200 {
            for jitter in [0.0, 0.3, 1.0] {
                let pause = policy().backoff(attempt, jitter);
                assert!(pause >= Duration::from_millis(50) && pause <= Duration::from_secs(30));
            }
        }
    }
}
