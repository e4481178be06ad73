//! Whether the service manager may count us as alive. A ping that another thread sends while the
//! recording hangs is worse than none.
//!
//! A disk that is full or a database that is locked is no reason to be restarted: the writer answers,
//! with an error, and does all that can be done; a fresh process could do no more, every minute anew.
//! Only a recorder that makes no step is.

use super::HealthActor;
use crate::health::checks::{CheckInput, without_pulse};
use crate::message::children::WATCHTOWER;

impl HealthActor {
    pub(super) fn feed_the_watchdog(&mut self) {
        let state = self.setup.published.snapshot();
        if is_alive(&self.look(&state)) {
            self.manager.alive();
        }
    }
}

/// Every actor of the recording gives signs of life, the supervisor too (the page is no reason to be
/// restarted); and if messages wait, they become durable, or at least the writer says that they do not.
fn is_alive(look: &CheckInput<'_>) -> bool {
    let limit = look.settings.health.no_write_issue_after;
    let stalled = look.memory.stall.since().is_some_and(|since| look.now.since(since) >= limit);
    let answered = look.memory.answered.is_some_and(|at| look.now.since(at) < limit);
    let recording = |(name, _): &(&str, _)| *name != WATCHTOWER;
    !without_pulse(look).iter().any(recording) && (!stalled || answered)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::checks::testing::Scene;
    use crate::supervisor::Pulse;
    use crate::testing::harness::with_paused_time;

    #[test]
    fn an_actor_without_a_sign_of_life_ends_the_pings() {
        with_paused_time(async {
            for name in ["supervisor", "db_writer", "mqtt", "stats"] {
                let scene = Scene::new();
                let pulse = Pulse::new();
                scene.published.set_pulse(name, pulse.clone());
                tokio::time::sleep(Duration::from_secs(5)).await;
                assert!(is_alive(&scene.look()), "{name}: a slow disk takes as long");
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert!(!is_alive(&scene.look()), "{name}");
                pulse.beat();
                assert!(is_alive(&scene.look()), "{name}");
            }
            let scene = Scene::new();
            scene.published.set_pulse(WATCHTOWER, Pulse::new());
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(is_alive(&scene.look()), "the page observes");
        });
    }

    #[test]
    fn what_waits_ends_the_pings_only_when_the_writer_says_nothing_either() {
        let mut scene = Scene::new();
        let limit = scene.settings.health.no_write_issue_after;
        let began = scene.now();
        scene.memory.stall.look(began, true, None, limit);
        scene.at(59);
        assert!(is_alive(&scene.look()));
        scene.at(60);
        assert!(!is_alive(&scene.look()), "nothing is durable, and no cause was reported");
        scene.memory.answered = Some(scene.now());
        scene.at(119);
        assert!(is_alive(&scene.look()), "a known cause that lasts is no reason for a restart");
        scene.at(120);
        assert!(!is_alive(&scene.look()));
        let now = scene.now();
        scene.memory.stall.look(now, true, Some(now), limit);
        assert!(is_alive(&scene.look()));
    }
}
