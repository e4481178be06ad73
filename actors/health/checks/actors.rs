//! The tree: actors without a sign of life, actors that are restarted again and again.

use std::time::Duration;

use super::memory::RESTARTS_COUNT_FOR;
use super::{CheckInput, critical, spoken, warning};
use crate::message::children::OBSERVERS;
use crate::status::TreeState;
use crate::status::issue::Finding;

/// Everyone beats twice a second; a slow disk can hold a commit for seconds.
pub(crate) const PULSE_MAX: Duration = Duration::from_secs(5);

/// So many restarts within [`RESTARTS_COUNT_FOR`] are more than one accident.
const RESTARTS_MIN: usize = 3;

/// A child that is restarted is dead for moments; one whose restarts are put off is dead for longer.
const DEAD_MAX: Duration = Duration::from_secs(2);

/// Those that live, and whose last sign of life is too old; with its age.
pub(crate) fn without_pulse(look: &CheckInput<'_>) -> Vec<(&'static str, Duration)> {
    let pulses = look.published.pulses().into_iter();
    let ages = pulses.map(|(name, pulse)| (name, pulse.since_last_beat()));
    ages.filter(|(name, age)| *age > PULSE_MAX && should_beat(&look.state.tree, name)).collect()
}

/// The dead are not stuck, and those that stop have better things to do. (The supervisor is not in the
/// list of children.)
fn should_beat(tree: &TreeState, name: &str) -> bool {
    let child = tree.children.get(name);
    child.is_none_or(|child| matches!(child.state.as_str(), "starting" | "running"))
}

/// Alive, and without a sign of it.
pub(super) fn stuck(look: &CheckInput<'_>) -> Vec<Finding> {
    let finding = |(name, age): (&'static str, Duration)| {
        let age = spoken(age);
        let summary = format!("actor {name} has given no sign of life for {age}");
        let after = spoken(look.settings.supervisor.stuck_after);
        let id = format!("actor_stuck:{name}");
        if OBSERVERS.contains(&name) {
            let hint = format!(
                "it observes, and recording goes on without it; after {after} it is replaced. On a busy machine its \
                 threads wait for the processor: look at what else runs there"
            );
            return warning(id, summary, hint);
        }
        let hint = format!(
            "after {after} it is replaced, or a fresh process starts; nothing acknowledged is lost. If it \
             happens again, look at the disk"
        );
        critical(id, summary, hint)
    };
    without_pulse(look).into_iter().map(finding).collect()
}

/// Again and again dead.
pub(super) fn restarting(look: &CheckInput<'_>) -> Vec<Finding> {
    let finding = |(name, restarts): (&&'static str, &super::memory::ChildRestarts)| {
        let dead = restarts.dead_since.filter(|since| look.now.since(*since) >= DEAD_MAX);
        let child = look.state.tree.children.get(name)?;
        // At an ordered stop every actor ends, and none is restarted.
        let dead = dead.filter(|_| child.state != "stopped");
        let often = restarts.recent() >= RESTARTS_MIN;
        let last = child.last_exit.as_deref().unwrap_or("the cause is unknown");
        let summary = match (dead, often) {
            (Some(since), _) => format!("actor {name} is dead since {} UTC: {last}", since.wall),
            (None, true) => format!(
                "actor {name} was restarted {} times within {}, the last time because: {last}",
                restarts.recent(),
                spoken(RESTARTS_COUNT_FOR)
            ),
            (None, false) => return None,
        };
        let hint = "it is started again by itself, and nothing acknowledged is lost; the log has \
             the cause: please report it";
        Some(warning(format!("actor_restarting:{name}"), summary, hint))
    };
    look.memory.restarts.iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids};
    use crate::supervisor::Pulse;
    use crate::testing::harness::with_paused_time;

    #[test]
    fn a_pulse_that_stands_still_for_more_than_five_seconds_is_told_of() {
        with_paused_time(async {
            let mut scene = Scene::new();
            let (writer, supervisor) = (Pulse::new(), Pulse::new());
            scene.published.set_pulse("db_writer", writer.clone());
            scene.published.set_pulse("supervisor", supervisor.clone());
            scene.child("db_writer", "running", 0);
            tokio::time::sleep(PULSE_MAX).await;
            assert!(scene.finds(stuck).is_empty());
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(
                ids(&scene.finds(stuck)),
                ["critical actor_stuck:db_writer", "critical actor_stuck:supervisor"]
            );
            supervisor.beat();
            scene.child("db_writer", "restarting", 1);
            assert!(scene.finds(stuck).is_empty(), "the dead are not stuck");
            scene.child("db_writer", "running", 1);
            writer.beat();
            assert!(scene.finds(stuck).is_empty());
        });
    }

    #[test]
    fn an_observer_without_a_pulse_is_a_warning() {
        with_paused_time(async {
            let scene = Scene::new();
            for name in OBSERVERS {
                scene.published.set_pulse(name, Pulse::new());
            }
            tokio::time::sleep(PULSE_MAX + Duration::from_secs(1)).await;
            assert_eq!(
                ids(&scene.finds(stuck)),
                [
                    "warning actor_stuck:health",
                    "warning actor_stuck:stats",
                    "warning actor_stuck:watchtower"
                ]
            );
        });
    }

    #[test]
    fn three_restarts_within_ten_minutes_are_told_of_until_they_are_old() {
        let mut scene = Scene::new();
        for (restarts, wanted) in [(0, 0), (1, 0), (2, 0), (3, 1)] {
            scene.child("mqtt", "running", restarts);
            scene.passes(100);
            assert_eq!(scene.finds(restarting).len(), wanted, "{restarts} restarts");
        }
        scene.passes(399);
        assert_eq!(ids(&scene.finds(restarting)), ["warning actor_restarting:mqtt"]);
        scene.passes(1);
        assert!(scene.finds(restarting).is_empty(), "the first of them is ten minutes old");
    }

    #[test]
    fn an_actor_that_stays_dead_is_an_issue() {
        let mut scene = Scene::new();
        scene.child("stats", "restarting", 1);
        scene.passes(0);
        assert!(scene.finds(restarting).is_empty());
        scene.passes(2);
        assert!(scene.finds(restarting)[0].summary.starts_with("actor stats is dead since"));
        scene.child("stats", "running", 1);
        scene.passes(0);
        assert!(scene.finds(restarting).is_empty());
    }
}
