//! A connection that stands still below the keep-alive: the broker owes an answer (to a ping, a request, our
//! echo), and nothing at all comes. Pure: the broker session looks at each turn of its loop.

use std::time::Duration;

use tokio::time::Instant;

use crate::ports::Liveness;

/// For so long nothing came although something should have.
const STALL_MIN: Duration = Duration::from_millis(1_500);

/// The loop looks twice a second: after a longer pause it is ourselves who stood still.
const LOOKS_WITHIN: Duration = Duration::from_secs(1);

/// Whether the connection in force stands still.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    looked: Option<Instant>,
    /// Since when we have been reading without a break.
    reading_since: Option<Instant>,
    /// Since when an answer has been owed, as far as the looks have seen: what is owed does not count while it is we
    /// who hold the broker back.
    owed_since: Option<Instant>,
    /// It stands still, and this is when the last byte came.
    since: Option<Instant>,
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

impl Stall {
    /// Looks. `reading`: nothing on our side keeps us from reading.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        Liveness { heard, asked }: Liveness,
        reading: bool,
    ) -> Option<StallChange> {
        let looked = self.looked.replace(now).unwrap_or(now);
        let late = now - looked >= LOOKS_WITHIN;
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

    /// The connection is gone; whether it stood still.
    pub(crate) fn end(&mut self) -> bool {
        std::mem::take(self).since.is_some()
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
        let mut stall = Stall::default();
        assert_eq!(watch(&mut stall, zero, (0, 10), |_| (0, Some(0), true)), []);
        let seen = |tenths| (if tenths < 115 { 0 } else { tenths }, Some(0), true);
        assert_eq!(watch(&mut stall, zero, (100, 200), seen), [], "10 s later, all is answered");
        assert!(!stall.end());
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
