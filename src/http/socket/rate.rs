//! So many in a second, and no more.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The second.
const A_SECOND: Duration = Duration::from_secs(1);

/// Looks at the last second.
#[derive(Debug)]
pub(crate) struct Rate {
    most: usize,
    came: VecDeque<Instant>,
}

impl Rate {
    /// So many in a second.
    pub(crate) fn of(most: usize) -> Self {
        Self { most, came: VecDeque::new() }
    }

    /// One more, if it is not too many; those that are do not count.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        while self.came.front().is_some_and(|at| now.duration_since(*at) >= A_SECOND) {
            self.came.pop_front();
        }
        let has_room = self.came.len() < self.most;
        if has_room {
            self.came.push_back(now);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_are_allowed_may_come_each_second() {
        let (mut rate, start) = (Rate::of(20), Instant::now());
        for second in 0..3 {
            for place in 0..20 {
                let at = start + A_SECOND * second + Duration::from_millis(1) * place;
                assert!(rate.admits(at), "{second}.{place}");
            }
        }
        assert!(!rate.admits(start + A_SECOND * 2 + Duration::from_millis(900)));
    }
}
