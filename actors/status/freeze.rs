//! A process that stood still: stopped by a signal, or by a machine that did not let it run. Both clocks go on
//! meanwhile, so that [`ClockWatch`](crate::health::watch::ClockWatch) sees nothing.
//!
//! The broker session, the judge and the writer look at least twice a second, each on a thread of its own; a stretch
//! in which none of them did is a stretch in which nothing was recorded. Which of them runs first after it
//! is chance, so the first one notes it, and the writer looks before each write: no sign of life reaches a
//! disk before the note of the freeze does.

use std::time::Duration;

use tracing::warn;

use crate::message::delivery::UnixMillis;
use crate::message::event;
use crate::message::moment::Moment;
use crate::message::note::{Event, GapCause, Note};
use crate::ports::Environment;
use crate::status::Published;

/// No thread looked for longer than this: the process stood still.
pub(crate) const FREEZE_MIN: Duration = Duration::from_secs(2);

/// The first look after a freeze finds signs of life that are as old as the freeze; those of the next second
/// are new ones.
const WAKES_WITHIN: Duration = Duration::from_secs(1);

/// When one of the threads last looked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FreezeWatch {
    last: Option<Moment>,
    woke: Option<Moment>,
}

/// The process stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freeze {
    /// The last look before it.
    pub(crate) from: UnixMillis,
    /// The first look after it, by the clock of before: a clock that was set meanwhile is another matter.
    pub(crate) to: UnixMillis,
}

impl FreezeWatch {
    /// Looks.
    pub(crate) fn look(&mut self, now: Moment) -> Option<Freeze> {
        // Two threads may read the clock in one order, and come here in the other.
        if self.last.is_some_and(|last| last.steady >= now.steady) {
            return None;
        }
        let last = self.last.replace(now)?;
        let stood = now.since(last);
        if stood <= FREEZE_MIN {
            return None;
        }
        self.woke = Some(now);
        let stood_ms = i64::try_from(stood.as_millis()).unwrap_or(i64::MAX);
        Some(Freeze { from: last.wall, to: UnixMillis(last.wall.0.saturating_add(stood_ms)) })
    }

    /// Whether it stood still until just now.
    pub(crate) fn is_waking(&self, now: Moment) -> bool {
        self.woke.is_some_and(|woke| now.since(woke) < WAKES_WITHIN)
    }
}

impl Freeze {
    /// What the database gets of it: an event and a gap.
    pub(crate) fn notes(self) -> (Event, [Note; 2]) {
        let Self { from, to } = self;
        let length_ms = u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0);
        let length = humantime::format_duration(Duration::from_millis(length_ms));
        let detail = format!(
            "the process made no step for {length}, since {from} UTC (it was stopped with SIGSTOP or in a \
             debugger, or the machine was too busy): what was published at QoS 0 meanwhile may be missing; at QoS \
             1 and 2 the broker keeps it"
        );
        let gap = [
            Note::gap_opened(GapCause::Frozen, None, from, detail.clone()),
            Note::gap_closed(GapCause::Frozen, None, to),
        ];
        (Event { name: event::FROZEN, at: to, detail }, gap)
    }
}

/// Looks, and tells of a freeze; whether there was one.
pub(crate) fn look(published: &Published, world: Environment) -> bool {
    let now = Moment { wall: (world.now)(), steady: tokio::time::Instant::now() };
    let Some(event) = published.look_for_freeze(now) else { return false };
    warn!(event = event.name, "{}", event.detail);
    true
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn only_a_stretch_of_more_than_two_seconds_without_a_look_of_anyone_is_a_freeze() {
        let began = Instant::now();
        let at = |ms: u64| Moment {
            wall: UnixMillis(i64::try_from(ms).expect("small")),
            steady: began + Duration::from_millis(ms),
        };
        let mut watch = FreezeWatch::default();
        let looks = [
            (60_000, None),
            (62_000, None),
            (64_001, Some((62_000, 64_001))),
            (64_002, None),
            (64_001, None),
            (74_002, Some((64_002, 74_002))),
        ];
        for (ms, expected) in looks {
            let expected =
                expected.map(|(from, to)| Freeze { from: UnixMillis(from), to: UnixMillis(to) });
            assert_eq!(watch.look(at(ms)), expected, "{ms}");
        }
        assert!(watch.is_waking(at(75_001)) && !watch.is_waking(at(75_002)));
    }

    #[test]
    fn a_clock_that_was_set_during_a_freeze_does_not_change_its_length() {
        let began = Instant::now();
        let at = |seconds: u64, wall| Moment {
            wall: UnixMillis(wall),
            steady: began + Duration::from_secs(seconds),
        };
        let mut watch = FreezeWatch::default();
        assert_eq!(watch.look(at(0, 1_000_000)), None);
        let freeze = watch.look(at(10, 5_000)).expect("10 s");
        assert_eq!(freeze, Freeze { from: UnixMillis(1_000_000), to: UnixMillis(1_010_000) });
    }
}
