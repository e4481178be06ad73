//! What the judge tries against an issue. Each try is an event.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::HealthActor;
use crate::health::checks::needs_reopening;
use crate::message::event;
use crate::message::write::Reopen;
use crate::status::mode::Mode;

/// Pause after the first try that did not help; doubled after each further one.
const PAUSE_MIN: Duration = Duration::from_secs(60);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

impl HealthActor {
    /// A database that readers find gone or unreadable, while an idle writer has not noticed: it is asked
    /// to open it anew. One that writes notices by itself.
    pub(super) fn try_to_recover(&mut self) {
        let state = self.setup.published.snapshot();
        let Some(why) = needs_reopening(&self.look(&state)) else {
            self.memory.reopened = None;
            return;
        };
        let now = self.now();
        let is_busy = state.health.mode != Mode::Normal || state.held > 0;
        if is_busy || !is_due(self.memory.reopened, now.steady) {
            return;
        }
        let tries = self.memory.reopened.map_or(1, |(_, tries)| tries.saturating_add(1));
        self.memory.reopened = Some((now.steady, tries));
        let told = format!("the database is opened again: {why}");
        let what = "reopen_database";
        warn!(event = event::RECOVERY_ATTEMPTED, what, why, tries, "{told}");
        self.setup.published.note(event::RECOVERY_ATTEMPTED, now.wall, told);
        self.setup.reopen.tell(Reopen);
        self.look_outside_soon();
    }
}

fn is_due(tried: Option<(Instant, u32)>, now: Instant) -> bool {
    tried.is_none_or(|(at, tries)| {
        let pause = PAUSE_MIN.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
        now.saturating_duration_since(at) >= pause.min(PAUSE_MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_help_is_tried_ever_more_rarely() {
        let began = Instant::now();
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        assert!(is_due(None, began));
        for (tries, pause) in [(1, 60), (2, 120), (6, 1_920), (7, 3_600), (40, 3_600)] {
            assert!(!is_due(Some((began, tries)), at(pause - 1)), "{tries}");
            assert!(is_due(Some((began, tries)), at(pause)), "{tries}");
        }
    }
}
