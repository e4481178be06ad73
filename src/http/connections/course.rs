//! The progress of a connection, and its time limits. Pure: takes the time as an argument.

use std::time::{Duration, Instant};

/// How long a head may take, from its first byte.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long the first byte may take: some browsers connect ahead.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// How long a client may read nothing of an answer.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);
/// How long there may be neither a request nor more of an answer. (hyper limits the time between two requests.)
const QUIET_WITHIN: Duration = Duration::from_secs(120);

/// The progress of a connection.
#[derive(Debug)]
pub(super) struct Course {
    /// When a part of an answer was last written; before the first, when the connection began.
    written_at: Instant,
    has_written: bool,
    /// Bytes that were read since the last request or answer: those of an unfinished head.
    head_bytes: usize,
    head_since: Option<Instant>,
    /// A request waits for its answer.
    is_answering: bool,
    /// Since when the client reads nothing of the answer.
    stalled_since: Option<Instant>,
    is_upgraded: bool,
}

impl Course {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            written_at: now,
            has_written: false,
            head_bytes: 0,
            head_since: None,
            is_answering: false,
            stalled_since: None,
            is_upgraded: false,
        }
    }

    /// Counts bytes that were read.
    pub(super) fn read(&mut self, bytes: usize, now: Instant) {
        if bytes > 0 && !self.is_upgraded {
            self.head_bytes += bytes;
            self.head_since.get_or_insert(now);
        }
    }

    /// A head is complete, and its request is being answered.
    pub(super) fn requested(&mut self) {
        self.is_answering = true;
        (self.head_bytes, self.head_since) = (0, None);
    }

    /// A part of an answer was written.
    pub(super) fn wrote(&mut self, now: Instant) {
        (self.written_at, self.has_written) = (now, true);
        (self.head_bytes, self.head_since) = (0, None);
        (self.is_answering, self.stalled_since) = (false, None);
    }

    /// A write is pending: the client does not read.
    pub(super) fn stalls(&mut self, now: Instant) {
        self.stalled_since.get_or_insert(now);
    }

    /// The connection is a WebSocket from now on: frames have limits of their own.
    pub(super) fn upgraded(&mut self) {
        self.is_upgraded = true;
    }

    /// Bytes of the unfinished head.
    pub(super) fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    /// Since when the connection has been idle; `None`: it is in use.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_busy = self.is_upgraded || self.is_answering || self.stalled_since.is_some();
        (!is_busy).then_some(self.written_at)
    }

    /// Since when the client reads nothing of the answer.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    /// Whether a time limit is exceeded. (The guard limits how long an answer may take to begin.)
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        let longer = |since: Option<Instant>, than: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) > than)
        };
        let quiet_within = if self.has_written { QUIET_WITHIN } else { FIRST_WITHIN };
        let waits_for_us = self.is_upgraded || self.is_answering;
        longer(self.stalled_since, TAKEN_WITHIN)
            || !waits_for_us && longer(self.head_since, HEAD_WITHIN)
            || longer(self.idle_since(), quiet_within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a connection does.
    type CourseChange = fn(&mut Course, Instant);

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn each_wait_has_its_limit() {
        let start = Instant::now();
        let table: [(&str, CourseChange, u64); 6] = [
            ("sends nothing", |_, _| {}, 10),
            ("half a head", |it, now| it.read(8, now), 5),
            (
                "half of the next",
                |it, now| {
                    it.read(8, now);
                    it.requested();
                    it.wrote(now);
                    it.read(3, now);
                },
                5,
            ),
            ("within an answer", |it, now| it.wrote(now), 120),
            (
                "does not read",
                |it, now| {
                    it.wrote(now);
                    it.stalls(now);
                },
                20,
            ),
            (
                "a WebSocket that does not read",
                |it, now| {
                    it.upgraded();
                    it.stalls(now);
                },
                20,
            ),
        ];
        for (what, change, limit) in table {
            let mut course = Course::new(start);
            change(&mut course, start);
            assert!(!course.is_overdue(after(start, limit)), "{what} at {limit} s");
            assert!(course.is_overdue(after(start, limit + 1)), "{what} after {limit} s");
        }
        let unlimited: [CourseChange; 2] = [|it, _| it.upgraded(), |it, _| it.requested()];
        for change in unlimited {
            let mut course = Course::new(start);
            change(&mut course, start);
            course.read(100, start);
            assert!(!course.is_overdue(after(start, 100_000)));
            assert_eq!(course.idle_since(), None);
        }
    }

    #[test]
    fn dripping_wins_no_time() {
        let start = Instant::now();
        let mut course = Course::new(start);
        for second in 0..5 {
            course.read(6, after(start, second));
        }
        assert!(course.is_overdue(after(start, 6)));
    }

    #[test]
    fn a_head_counts_until_it_is_complete() {
        let start = Instant::now();
        let mut course = Course::new(start);
        course.read(100, start);
        course.read(50, start);
        assert_eq!(course.head_bytes(), 150);
        course.requested();
        assert_eq!(course.head_bytes(), 0);
        course.wrote(start);
        course.upgraded();
        course.read(50, start);
        assert_eq!(course.head_bytes(), 0, "frames have limits of their own");
    }
}
