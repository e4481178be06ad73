//! What a connection did, and when; whether it takes too long. Pure: the time comes in.

use std::time::{Duration, Instant};

/// Largest head of a request (its body, if it has one, is smaller).
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Most that is read while nothing was said in between: requests one behind the other.
const UNANSWERED_BYTES_MAX: usize = 64 << 10;

/// How long a head may take, from its first byte; so may a body.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long the first head may take: some networks are slow, and some browsers connect ahead.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take to begin.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long nothing of an answer may be taken.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);
/// How long there may be neither a request nor more of an answer.
const QUIET_WITHIN: Duration = Duration::from_secs(120);

/// What becomes of bytes that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// They are read.
    Fine,
    /// It is a head that is too large.
    Head,
    /// It is too much altogether.
    Flood,
}

/// The course of a connection.
#[derive(Debug)]
pub(super) struct Course {
    /// When we last said something; before that, when it began.
    said: Instant,
    spoke: bool,
    /// Since when there is a part of a head (or of a body), and how large it is.
    part: Option<Instant>,
    part_bytes: usize,
    /// How much of the end of a head was seen.
    end: End,
    /// Since when a request waits for its answer.
    asked: Option<Instant>,
    unanswered_bytes: usize,
    /// Since when nothing of our answer is taken.
    stalled: Option<Instant>,
    upgraded: bool,
}

/// A head ends with an empty line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Within a line.
    Line,
    /// A line has just ended.
    Ended,
}

impl Course {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            said: now,
            spoke: false,
            part: None,
            part_bytes: 0,
            end: End::Line,
            asked: None,
            unanswered_bytes: 0,
            stalled: None,
            upgraded: false,
        }
    }

    /// These bytes came.
    pub(super) fn heard(&mut self, bytes: &[u8], now: Instant) -> Heard {
        if self.upgraded {
            return Heard::Fine;
        }
        self.unanswered_bytes += bytes.len();
        for byte in bytes {
            self.part_bytes += 1;
            self.end = match (byte, self.end) {
                (b'\n', End::Line) => End::Ended,
                (b'\r', End::Ended) => End::Ended,
                (b'\n', End::Ended) => {
                    (self.part, self.part_bytes) = (None, 0);
                    self.asked.get_or_insert(now);
                    End::Line
                }
                (_, End::Line | End::Ended) => End::Line,
            };
        }
        if self.part_bytes > 0 {
            self.part.get_or_insert(now);
        }
        if self.part_bytes > HEAD_BYTES_MAX {
            Heard::Head
        } else if self.unanswered_bytes > UNANSWERED_BYTES_MAX {
            Heard::Flood
        } else {
            Heard::Fine
        }
    }

    /// We said something, and it was taken.
    pub(super) fn said(&mut self, now: Instant) {
        (self.said, self.spoke) = (now, true);
        (self.part, self.part_bytes, self.end) = (None, 0, End::Line);
        (self.asked, self.unanswered_bytes, self.stalled) = (None, 0, None);
    }

    /// What we say is not taken.
    pub(super) fn stalls(&mut self, now: Instant) {
        self.stalled.get_or_insert(now);
    }

    /// It is a WebSocket now.
    pub(super) fn upgraded(&mut self) {
        self.upgraded = true;
        (self.part, self.asked) = (None, None);
    }

    /// How much there is of a head that is not whole.
    pub(super) fn part_bytes(&self) -> usize {
        self.part_bytes
    }

    /// Whether it is in the middle of an answer, that a word may not be put into.
    pub(super) fn is_in_an_answer(&self) -> bool {
        self.upgraded || self.stalled.is_some()
    }

    /// Since when it only is there, and nobody would miss it.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_busy = self.upgraded || self.asked.is_some() || self.stalled.is_some();
        (!is_busy).then_some(self.said)
    }

    /// Since when nothing of our answer is taken.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled
    }

    /// Whether it takes too long.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        let longer = |since: Option<Instant>, than: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) > than)
        };
        let quiet = if self.spoke { QUIET_WITHIN } else { FIRST_WITHIN };
        let waits = self.upgraded || self.asked.is_some();
        longer(self.stalled, TAKEN_WITHIN)
            || longer(self.part, HEAD_WITHIN)
            || longer(self.asked, ANSWER_WITHIN)
            || !waits && longer(Some(self.said), quiet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a connection does.
    type Change = fn(&mut Course, Instant);

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn each_wait_has_its_limit() {
        let start = Instant::now();
        let course = |change: Change| {
            let mut course = Course::new(start);
            change(&mut course, start);
            course
        };
        const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
        let table: [(&str, Change, u64); 7] = [
            ("says nothing", |_, _| {}, 10),
            ("half a head", |it, now| assert_eq!(it.heard(b"GET / HT", now), Heard::Fine), 5),
            ("a whole head", |it, now| assert_eq!(it.heard(GET, now), Heard::Fine), 60),
            (
                "half of the next",
                |it, now| {
                    it.said(now);
                    it.heard(b"GET", now);
                },
                5,
            ),
            ("between two requests", |it, now| it.said(now), 120),
            (
                "does not read",
                |it, now| {
                    it.said(now);
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
            let course = course(change);
            assert!(!course.is_overdue(after(start, limit)), "{what} at {limit} s");
            assert!(course.is_overdue(after(start, limit + 1)), "{what} after {limit} s");
        }
        let watches = course(|it, _| it.upgraded());
        assert!(!watches.is_overdue(after(start, 100_000)));
    }

    #[test]
    fn dripping_wins_no_time() {
        let start = Instant::now();
        let mut course = Course::new(start);
        for second in 0..5 {
            course.heard(b"X: y\r\n", after(start, second));
        }
        assert!(course.is_overdue(after(start, 6)));
        let mut course = Course::new(start);
        for (second, byte) in b"GET / HTTP/1.1\r\n\r\n".iter().enumerate().take(6) {
            course.heard(&[*byte], after(start, second as u64));
        }
        assert!(course.is_overdue(after(start, 6)));
    }

    #[test]
    fn heads_and_floods_are_bounded() {
        let start = Instant::now();
        let head = vec![b'x'; HEAD_BYTES_MAX];
        let mut course = Course::new(start);
        assert_eq!(course.heard(&head, start), Heard::Fine);
        assert_eq!(course.heard(b"x", start), Heard::Head);
        let mut course = Course::new(start);
        let flood = b"GET / HTTP/1.1\r\n\r\n".repeat(UNANSWERED_BYTES_MAX / 18);
        assert_eq!(course.heard(&flood, start), Heard::Fine);
        assert_eq!(course.heard(&flood[..36], start), Heard::Flood);
        let mut course = Course::new(start);
        course.heard(&flood, start);
        course.said(start);
        assert_eq!(course.heard(&flood, start), Heard::Fine, "they were answered");
        course.upgraded();
        assert_eq!(course.heard(&flood, start), Heard::Fine, "frames have limits of their own");
    }

    #[test]
    fn the_end_of_a_head_is_seen_in_pieces() {
        let start = Instant::now();
        for head in ["GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET / HTTP/1.1\nA: b\n\n"] {
            let mut course = Course::new(start);
            for byte in head.as_bytes() {
                assert!(course.asked.is_none());
                course.heard(&[*byte], start);
            }
            assert!(course.asked.is_some() && course.part.is_none(), "{head:?}");
        }
    }
}
