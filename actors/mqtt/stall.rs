//! A connection that stands still below the keep-alive: the broker owes an answer (to a ping, a request, our
//! echo), and nothing at all comes. Pure: the broker session looks at each turn of its loop.

use std::time::Duration;

use tokio::time::Instant;

use crate::ports::Liveness;
use crate::status::freeze::FREEZE_MIN;

/// For so long nothing came although something should have.
const STALL_MIN: Duration = Duration::from_millis(1_500);

/// An answer that is owed for so long when the connection ends: it stood still before it broke.
const OWED_MIN: Duration = Duration::from_millis(500);

/// What is read within this time after our loop hung was waiting for it.
const WOKE_WITHIN: Duration = Duration::from_millis(500);

/// Whether the connection in force stands still.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stall {
    looked: Option<Instant>,
    /// Since when we have been reading without a break.
    reading_since: Option<Instant>,
    /// Since when an answer has been owed, as far as the looks have seen: what is owed does not count while it is we
    /// who hold the broker back.
    owed_since: Option<Instant>,
    /// It stands still, and this is when the last byte came.
    since: Option<Instant>,
    /// Our loop did not look from then until then.
    hung: Option<(Instant, Instant)>,
    /// When it will count as standing still, if nothing comes until then.
    due: Option<Instant>,
}

/// What a look shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StallChange {
    /// It stands still; the last byte came then.
    Began(Instant),
    /// Something came again then.
    Ended(Instant),
}

/// How a connection was when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StallEnd {
    /// As far as can be told, it brought what there was.
    Alive,
    /// Nothing is known to have come since then: an answer was owed, or our loop did not look.
    Silent(Instant),
    /// It stood still, and that was told.
    StoodStill,
}

impl Stall {
    /// Looks. `reading`: nothing on our side keeps us from reading.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        Liveness { heard, asked }: Liveness,
        reading: bool,
    ) -> Option<StallChange> {
        let (looked, late) = self.note_look(now);
        self.owed_since = asked.map(|asked| self.owed_since.unwrap_or(asked.max(looked)));
        self.due = None;
        if let Some(since) = self.since {
            if heard <= since {
                return None;
            }
            self.since = None;
            self.reading_since = Some(now);
            return Some(StallChange::Ended(heard));
        }
        if late || !reading {
            self.reading_since = reading.then_some(now);
        }
        let reading_since = reading.then(|| *self.reading_since.get_or_insert(now))?;
        let due = heard.max(self.owed_since?).max(reading_since) + STALL_MIN;
        if now < due {
            self.due = Some(due);
            return None;
        }
        self.since = Some(heard);
        Some(StallChange::Began(heard))
    }

    /// When to look again, if that is soon.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The previous look, and whether our own loop hung since then. It looks twice a second; up to `FREEZE_MIN` a pause
    /// counts as one of the connection's, a longer one is a gap of its own.
    fn note_look(&mut self, now: Instant) -> (Instant, bool) {
        let looked = self.looked.replace(now).unwrap_or(now);
        let late = now - looked > FREEZE_MIN;
        if late {
            self.hung = Some((looked, now));
        }
        (looked, late)
    }

    /// The connection is gone.
    pub(crate) fn end(&mut self, now: Instant, last: Option<Liveness>) -> StallEnd {
        let mut stall = std::mem::take(self);
        stall.note_look(now);
        if stall.since.is_some() {
            return StallEnd::StoodStill;
        }
        let is_owed = |last: &Liveness| {
            let since = last.asked.map(|asked| stall.owed_since.unwrap_or(asked));
            since.is_some_and(|since| now.saturating_duration_since(since) >= OWED_MIN)
        };
        let silent_since = last.filter(is_owed).map(|last| last.heard);
        // What was read just after the loop hung may have come at any time before.
        let hung = stall.hung.filter(|(_, woke)| now - *woke < WOKE_WITHIN);
        let hung_since = hung.map(|(since, _)| since);
        silent_since.or(hung_since).map_or(StallEnd::Alive, StallEnd::Silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks each half second from one moment to another, in tenths of a second; gives the changes and when they
    /// were seen.
    fn watch(
        stall: &mut Stall,
        zero: Instant,
        (from, to): (u64, u64),
        seen: impl Fn(u64) -> (u64, Option<u64>, bool),
    ) -> Vec<(u64, StallChange)> {
        let at = |tenths| zero + Duration::from_millis(tenths * 100);
        let looks = (from..=to).step_by(5);
        let look = |tenths| {
            let (heard, asked, reading) = seen(tenths);
            let liveness = Liveness { heard: at(heard), asked: asked.map(at) };
            Some((tenths, stall.look(at(tenths), liveness, reading)?))
        };
        looks.filter_map(look).collect()
    }

    #[test]
    fn a_second_and_a_half_without_a_byte_while_the_broker_owes_an_answer_is_a_stall() {
        use StallChange::{Began, Ended};
        let zero = Instant::now();
        let at = |tenths: u64| zero + Duration::from_millis(tenths * 100);
        let mut stall = Stall::default();
        let seen = |tenths| (if tenths < 95 { 10 } else { 93 }, Some(30), true);
        let changes = watch(&mut stall, zero, (10, 100), seen);
        assert_eq!(changes, [(45, Began(at(10))), (95, Ended(at(93)))]);
    }

    #[test]
    fn a_broker_that_owes_nothing_or_is_not_read_does_not_stall() {
        let zero = Instant::now();
        let none: [(u64, StallChange); 0] = [];
        assert_eq!(watch(&mut Stall::default(), zero, (0, 600), |_| (0, None, true)), none);
        assert_eq!(watch(&mut Stall::default(), zero, (0, 600), |_| (0, Some(0), false)), none);
        let talks = |tenths| (tenths, Some(0), true);
        assert_eq!(watch(&mut Stall::default(), zero, (0, 600), talks), none, "answers come later");
        // Reading begins again at 20 s, and something comes 1.5 s after that.
        let seen = |tenths| (if tenths < 215 { 0 } else { tenths }, Some(0), tenths >= 200);
        assert_eq!(watch(&mut Stall::default(), zero, (0, 600), seen), none);
    }

    #[test]
    fn what_passed_while_we_stood_still_ourselves_is_not_the_brokers() {
        let zero = Instant::now();
        let at = |tenths: u64| zero + Duration::from_millis(tenths * 100);
        let mut stall = Stall::default();
        assert_eq!(watch(&mut stall, zero, (0, 10), |_| (0, Some(0), true)), []);
        let seen = |tenths| (if tenths < 115 { 0 } else { tenths }, Some(0), true);
        assert_eq!(watch(&mut stall, zero, (100, 200), seen), [], "10 s later, all is answered");
        assert_eq!(stall.end(at(200), None), StallEnd::Alive);
    }

    #[test]
    fn an_answer_that_was_held_back_by_us_is_owed_only_from_then_on() {
        let zero = Instant::now();
        let seen = |tenths| {
            let asked = (tenths >= 100).then_some(5);
            (if tenths < 105 { 0 } else { tenths }, asked, true)
        };
        assert_eq!(watch(&mut Stall::default(), zero, (0, 200), seen), []);
    }

    /// Each part alone is too short to be told of.
    #[test]
    fn a_pause_of_our_own_that_is_too_short_for_a_freeze_adds_to_the_stall() {
        let zero = Instant::now();
        let at = |tenths: u64| zero + Duration::from_millis(tenths * 100);
        let mut stall = Stall::default();
        assert_eq!(watch(&mut stall, zero, (0, 5), |_| (0, Some(0), true)), []);
        let changes = watch(&mut stall, zero, (23, 23), |_| (0, Some(0), true));
        assert_eq!(changes, [(23, StallChange::Began(at(0)))]);
    }

    #[test]
    fn a_connection_that_ends_while_an_answer_is_owed_was_silent_before() {
        let zero = Instant::now();
        let at = |tenths: u64| zero + Duration::from_millis(tenths * 100);
        let last = |asked: Option<u64>| Some(Liveness { heard: at(3), asked: asked.map(at) });
        let ends = [
            (None, StallEnd::Alive),
            (last(None), StallEnd::Alive),
            (last(Some(16)), StallEnd::Alive),
            (last(Some(15)), StallEnd::Silent(at(3))),
        ];
        for (last, expected) in ends {
            assert_eq!(Stall::default().end(at(20), last), expected, "{last:?}");
        }
        let mut hung = Stall::default();
        assert_eq!(watch(&mut hung, zero, (0, 10), |tenths| (tenths, None, true)), []);
        assert_eq!(hung.clone().end(at(30), last(None)), StallEnd::Alive);
        assert_eq!(hung.clone().end(at(31), last(None)), StallEnd::Silent(at(10)));
        assert_eq!(watch(&mut hung, zero, (31, 31), |tenths| (tenths, None, true)), []);
        assert_eq!(hung.clone().end(at(35), last(None)), StallEnd::Silent(at(10)));
        assert_eq!(hung.end(at(36), last(None)), StallEnd::Alive);
        let mut stall = Stall::default();
        let changes = watch(&mut stall, zero, (0, 20), |_| (0, Some(0), true));
        assert_eq!(changes, [(15, StallChange::Began(at(0)))]);
        assert_eq!(stall.end(at(25), last(Some(0))), StallEnd::StoodStill);
    }

    #[test]
    fn the_next_look_is_due_when_the_stall_would_begin() {
        let zero = Instant::now();
        let mut stall = Stall::default();
        stall.look(zero, Liveness { heard: zero, asked: Some(zero) }, true);
        assert_eq!(stall.due(), Some(zero + STALL_MIN));
        stall.look(zero, Liveness { heard: zero, asked: None }, true);
        assert_eq!(stall.due(), None);
    }
}
