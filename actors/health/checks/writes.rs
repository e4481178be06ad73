//! Whether what arrives becomes durable.

use super::{CheckInput, critical, spoken, warning};
use crate::message::event;
use crate::status::issue::Finding;
use crate::status::mode::Mode;
use crate::status::summary::mode_summary;

/// The database does not take what arrives; the mode says what follows.
pub(super) fn failing_database(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some(summary) = mode_summary(look.state) else { return Vec::new() };
    let id = "database_failing";
    let found = match look.state.health.mode {
        Mode::Normal => return Vec::new(),
        Mode::Retrying { .. } => {
            warning(id, summary, "it is retried; nothing is lost, and it usually ends by itself")
        }
        Mode::Degraded { .. } => {
            let hint = "nothing is lost while the spool has room: remove the cause that the \
                 summary names, and the spool empties into the database by itself";
            warning(id, summary, hint)
        }
        Mode::Recovering { .. } => warning(id, summary, "nothing: it ends by itself"),
        Mode::Holding { .. } => {
            let hint = "remove the cause that the summary names (make room, end the process that \
                        locks it): recording goes on by itself; what QoS 0 loses meanwhile is \
                        counted";
            critical(id, summary, hint)
        }
    };
    vec![found]
}

/// The second place does not take anything either.
pub(super) fn failing_spool(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some((since, why)) = &look.memory.spool_failed else { return Vec::new() };
    let summary = format!("the spool cannot be written since {since} UTC: {why}");
    let hint = "make room there or give it more ([spool] max_size, min_free), or put it on another disk \
                ([spool] dir)";
    let id = "spool_failing";
    let holds = matches!(look.state.health.mode, Mode::Holding { .. });
    vec![if holds { critical(id, summary, hint) } else { warning(id, summary, hint) }]
}

/// Messages wait, and nothing becomes durable.
pub(super) fn stalled(look: &CheckInput<'_>) -> Vec<Finding> {
    let limit = look.settings.health.no_write_issue_after;
    let Some(since) = look.memory.stall.since() else { return Vec::new() };
    let lasted = look.now.since(since);
    if lasted < limit {
        return Vec::new();
    }
    let (held, lasted) = (look.published.held(), spoken(lasted));
    let summary = format!(
        "{held} messages wait in memory, and for {lasted}, since {} UTC, nothing has become durable",
        since.wall
    );
    let hint = "nothing is acknowledged meanwhile, so the broker keeps QoS 1 and 2; look at the disk, and \
                at the process that locks the database";
    vec![critical(event::NO_WRITES, summary, hint)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids};
    use crate::message::delivery::UnixMillis;
    use crate::message::write::WriteCause;

    #[test]
    fn each_mode_is_as_bad_as_what_it_does_to_messages() {
        let (since, cause) = (UnixMillis(0), WriteCause::Full);
        let table = [
            (Mode::Normal, None),
            (Mode::Retrying { since, cause, failures: 1 }, Some("warning database_failing")),
            (Mode::Degraded { since, cause }, Some("warning database_failing")),
            (Mode::Recovering { since, cause }, Some("warning database_failing")),
            (Mode::Holding { since, cause }, Some("critical database_failing")),
        ];
        let mut scene = Scene::new();
        scene.state.health.last_failure = Some("the disk is full".to_owned());
        for (mode, wanted) in table {
            scene.state.health.mode = mode;
            assert_eq!(ids(&scene.finds(failing_database)).first().copied(), wanted, "{mode}");
        }
        assert!(scene.finds(failing_database)[0].summary.contains("the disk is full"));
    }

    #[test]
    fn a_spool_that_fails_is_told_of_until_it_takes_something() {
        let mut scene = Scene::new();
        assert!(scene.finds(failing_spool).is_empty());
        scene.memory.spool_failed = Some((UnixMillis(0), "it is full".to_owned()));
        assert_eq!(ids(&scene.finds(failing_spool)), ["warning spool_failing"]);
        scene.state.health.mode = Mode::Holding { since: UnixMillis(0), cause: WriteCause::Full };
        assert_eq!(ids(&scene.finds(failing_spool)), ["critical spool_failing"]);
    }

    #[test]
    fn what_waits_too_long_is_an_issue_until_it_is_durable() {
        let mut scene = Scene::new();
        let limit = scene.settings.health.no_write_issue_after;
        scene.published.set_held(7);
        for (second, wanted) in [(0, 0), (59, 0), (60, 1), (70, 1)] {
            scene.at(second);
            let now = scene.now();
            scene.memory.stall.look(now, true, None, limit);
            assert_eq!(scene.finds(stalled).len(), wanted, "after {second} s");
        }
        let now = scene.now();
        scene.memory.stall.look(now, true, Some(now), limit);
        assert!(scene.finds(stalled).is_empty());
    }
}
