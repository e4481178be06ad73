//! The wall clock: what rows and events are dated by.

use std::time::Duration;

use super::{CheckInput, spoken, warning};
use crate::status::issue::Finding;

/// How long a jump remains an issue.
const JUMP_TOLD_FOR: Duration = Duration::from_secs(600);

/// After a boot a clock takes a while to be set.
const SETS_ITSELF_WITHIN: Duration = Duration::from_secs(300);

/// It was set, or the machine slept.
pub(super) fn jumped(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some((at, jump)) = look.memory.jump else { return Vec::new() };
    if look.now.since(at) >= JUMP_TOLD_FOR {
        return Vec::new();
    }
    let by = spoken(Duration::from_millis(jump.expected.0.abs_diff(jump.shows.0)));
    let direction = if jump.shows > jump.expected { "forward" } else { "back" };
    let summary = format!(
        "the wall clock went {direction} by {by}, from {} to {} UTC: it was set, or the machine slept",
        jump.expected, jump.shows
    );
    let told_for = spoken(JUMP_TOLD_FOR);
    let hint = format!(
        "times of arrival before and after are not comparable (barograph gaps); if it was not set, \
         look at the time service. This is over {told_for} after the last jump"
    );
    vec![warning("clock_jumped", summary, hint)]
}

/// The kernel says that nothing keeps it right.
pub(super) fn unsynchronised(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some(survey) = look.outside.survey() else { return Vec::new() };
    let is_so = survey.clock == Some(false) && survey.up >= SETS_ITSELF_WITHIN;
    if !is_so || !look.settings.health.clock_sync {
        return Vec::new();
    }
    let summary =
        "the clock is not synchronised, according to the kernel: times of arrival may be wrong";
    let hint = "start a time service (systemd-timesyncd, chrony); where nothing can set the clock, write \
                clock_sync = false below [health]";
    vec![warning("clock_unsynchronised", summary, hint)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids, survey};
    use crate::health::watch::ClockJump;
    use crate::message::delivery::UnixMillis;

    #[test]
    fn a_jump_is_told_of_for_ten_minutes() {
        let mut scene = Scene::new();
        assert!(scene.finds(jumped).is_empty());
        let jump = ClockJump { expected: UnixMillis(3_600_000), shows: UnixMillis(0) };
        scene.memory.jump = Some((scene.now(), jump));
        scene.passes(599);
        assert!(scene.finds(jumped)[0].summary.contains("back by 1h"));
        scene.passes(1);
        assert!(scene.finds(jumped).is_empty());
    }

    #[test]
    fn an_unsynchronised_clock_is_told_of_when_it_had_time_and_where_it_is_wanted() {
        let (late, early) = (Duration::from_secs(300), Duration::from_secs(299));
        let table = [
            (Some(false), late, true, 1),
            (Some(false), early, true, 0),
            (Some(false), late, false, 0),
            (Some(true), late, true, 0),
            (None, late, true, 0),
        ];
        for (clock, up, wanted, count) in table {
            let mut scene = Scene::new();
            scene.settings.health.clock_sync = wanted;
            assert!(scene.finds(unsynchronised).is_empty(), "nothing is known yet");
            scene.surveyed(crate::health::probes::SystemSnapshot { clock, up, ..survey() });
            let found = scene.finds(unsynchronised);
            assert_eq!(ids(&found).len(), count, "{clock:?}, up {up:?}, wanted: {wanted}");
        }
    }
}
