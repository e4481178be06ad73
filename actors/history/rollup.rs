//! History summed up: what a bucket of time holds of a series, and how rows become values of series. The
//! recorder's writer sums up in the background, and a reader of history sums up what is newer; both by
//! what is here.

use crate::history::derived::{Base, Earlier};

/// A row from so far in the future was stamped by a clock that was wrong.
const AHEAD_MS_MAX: i64 = 60_000;

/// How wide the stored buckets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A minute.
    Minute,
    /// A quarter of an hour.
    Quarter,
    /// An hour.
    Hour,
    /// A day of UTC.
    Day,
}

impl Level {
    /// From the narrowest to the widest; each is a multiple of the one before.
    pub const ALL: [Self; 4] = [Self::Minute, Self::Quarter, Self::Hour, Self::Day];

    /// Its width.
    pub fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Quarter => 900,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// Its width.
    pub fn ms(self) -> i64 {
        self.seconds() * 1_000
    }

    /// The widest one that a width is a multiple of.
    pub fn for_width(ms: i64) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|level| ms > 0 && ms % level.ms() == 0)
    }
}

/// The start of the bucket that a moment is in.
#[inline]
pub fn start_of(ms: i64, width_ms: i64) -> i64 {
    ms.div_euclid(width_ms) * width_ms
}

/// What a bucket holds of a series. There is none without a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// How many values.
    pub count: i64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The one that arrived first.
    pub first: f64,
    /// When, in milliseconds since 1970.
    pub first_ms: i64,
    /// The one that arrived last.
    pub last: f64,
    /// When, in milliseconds since 1970.
    pub last_ms: i64,
}

impl Bucket {
    /// Of one value.
    #[inline]
    pub fn of(ms: i64, value: f64) -> Self {
        let (first, last) = (value, value);
        let (min, max) = (value, value);
        Self { count: 1, sum: value, min, max, first, first_ms: ms, last, last_ms: ms }
    }

    /// Takes the other one in. Where both have a value of the same moment, those of rows with higher ids
    /// came later: `after` says that the other's have.
    #[inline]
    pub fn merge(&mut self, other: &Self, after: bool) {
        let earlier = (other.first_ms, after) < (self.first_ms, true);
        let later = (other.last_ms, after) > (self.last_ms, false);
        if earlier {
            (self.first, self.first_ms) = (other.first, other.first_ms);
        }
        if later {
            (self.last, self.last_ms) = (other.last, other.last_ms);
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Rows of a table, in the order of their ids, become values of series.
///
/// A row that arrived before one in front of it is *late*: it was replayed from quarantine, or the clock
/// was set back. It says nothing about how far a counter went, and the row behind it is compared with the
/// one in front of it. A row from the future does not count either.
#[derive(Debug, Clone)]
pub struct Sequence {
    series: Vec<SeriesState>,
    /// The newest arrival.
    lead: Option<i64>,
    of: Vec<Option<f64>>,
}

#[derive(Debug, Clone)]
struct SeriesState {
    base: Base,
    /// Where its columns are in a row; `None`: the rows do not have it.
    places: Vec<Option<usize>>,
    /// The counter's last value, and when.
    before: Option<(i64, f64)>,
}

impl Sequence {
    /// Of these series, from rows of these columns.
    pub fn new(bases: &[Base], columns: &[String]) -> Self {
        let place = |name: &String| columns.iter().position(|c| c.eq_ignore_ascii_case(name));
        let of_base = |base: &Base| SeriesState {
            base: base.clone(),
            places: base.columns().iter().map(place).collect(),
            before: None,
        };
        Self { series: bases.iter().map(of_base).collect(), lead: None, of: Vec::new() }
    }

    /// Whether rows in front matter.
    pub fn has_counters(&self) -> bool {
        self.series.iter().any(|series| series.base.is_of_counter())
    }

    /// The next row: calls `each` with the position and value of each series that it has a value of. Gives
    /// whether the row is not late. `now`: what the clock says when this is done.
    pub fn row(
        &mut self,
        ms: i64,
        values: &[Option<f64>],
        now: i64,
        mut each: impl FnMut(usize, f64),
    ) -> bool {
        let limit = now.saturating_add(AHEAD_MS_MAX);
        if self.lead.is_some_and(|lead| lead > limit) {
            self.lead = None;
            self.series.iter_mut().for_each(|series| series.before = None);
        }
        let in_order = ms <= limit && self.lead.is_none_or(|lead| lead <= ms);
        if in_order {
            self.lead = Some(ms);
        }
        for (number, series) in self.series.iter_mut().enumerate() {
            self.of.clear();
            let value = |place: &Option<usize>| place.and_then(|place| values[place]);
            self.of.extend(series.places.iter().map(value));
            let before = series.before.filter(|_| in_order);
            let earlier = before.map(|(at, count)| Earlier { count, ms: ms - at });
            if let Some(value) = series.base.value(&self.of, earlier) {
                each(number, value);
            }
            if in_order
                && series.base.is_of_counter()
                && let Some(count) = self.of.first().copied().flatten()
            {
                series.before = Some((ms, count));
            }
        }
        in_order
    }
}

/// `YYYY-MM-DD HH:MM:SS`, with or without a fraction, as milliseconds since 1970; `None` for what is
/// anything else.
pub fn parse_time(text: &[u8]) -> Option<i64> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.iter().try_fold(0_i64, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
        })
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| text.get(*at) != Some(mark)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_time = hour < 24 && minute < 60 && second < 60;
    if !is_time || !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let fraction = match text.get(19) {
        None => 0,
        Some(b'.') => fraction(&text[20..])?,
        Some(_) => return None,
    };
    let seconds = (days_since_1970(year, month, day) * 24 + hour) * 3_600 + minute * 60 + second;
    Some(seconds * 1_000 + fraction)
}

/// Digits behind the point, in thousandths.
fn fraction(digits: &[u8]) -> Option<i64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digit = |at: usize| i64::from(digits.get(at).map_or(0, |digit| digit - b'0'));
    all.then(|| digit(0) * 100 + digit(1) * 10 + digit(2))
}

fn days_of(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// By counting from March, so that the odd day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let before = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    before + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::delivery::UnixMillis;
    use barograph_config::{Derived, DerivedKind};

    #[test]
    fn a_time_is_read_as_it_is_written() {
        let days =
            [0, 1, 58, 59, 60, 364, 365, 11_016, 11_017, 20_000, 25_508, 47_540, -1, -719_000];
        for day in days {
            for rest in [0, 1, 59_999, 43_200_123, 86_399_999] {
                let ms = day * 86_400_000 + rest;
                let text = UnixMillis(ms).to_string();
                assert_eq!(parse_time(text.as_bytes()), Some(ms), "{text}");
            }
        }
        let table = [
            ("2025-10-03 08:24:05", Some(1_759_479_845_000)),
            ("2025-10-03 08:24:05.5", Some(1_759_479_845_500)),
            ("2025-10-03 08:24:05.123456", Some(1_759_479_845_123)),
            ("2024-02-29 00:00:00", Some(1_709_164_800_000)),
            ("2025-02-29 00:00:00", None),
            ("2025-13-01 00:00:00", None),
            ("2025-10-03 24:00:00", None),
            ("2025-10-03T08:24:05", None),
            ("2025-10-03 08:24:05.", None),
            ("2025-10-03 08:24:05Z", None),
            ("2025-10-03", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_time(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_came_at_the_same_moment_is_ordered_by_ids() {
        let mut both = Bucket::of(5, 1.0);
        both.merge(&Bucket::of(5, 2.0), true);
        assert_eq!((both.first, both.last), (1.0, 2.0));
        both.merge(&Bucket::of(5, 0.0), false);
        assert_eq!((both.first, both.last, both.count, both.sum), (0.0, 2.0, 3, 3.0));
        both.merge(&Bucket::of(4, 9.0), true);
        assert_eq!((both.first, both.last, both.max), (9.0, 2.0, 9.0));
    }

    #[test]
    fn a_late_row_says_nothing_about_a_counter() {
        let delta = Derived {
            name: "d".to_owned(),
            kind: DerivedKind::CounterDelta,
            of: vec!["c".to_owned()],
            unit: None,
            per: 1.0,
            factor: 1.0,
            offset: 0.0,
        };
        let bases = [Base::of(&delta), Base::column("c")];
        let mut sequence = Sequence::new(&bases, &["C".to_owned()]);
        let now = 10_000_000;
        let mut next = |ms, value: Option<f64>, now| {
            let mut found = [None; 2];
            let in_order = sequence.row(ms, &[value], now, |at, value| found[at] = Some(value));
            (in_order, found[0])
        };
        let table = [
            (1_000, Some(10.0), (true, None)),
            (2_000, Some(12.0), (true, Some(2.0))),
            (500, Some(3.0), (false, None)), // late
            (600, Some(4.0), (false, None)), // late, too
            (3_000, Some(15.0), (true, Some(3.0))),
            (4_000, None, (true, None)),
            (5_000, Some(1.0), (true, Some(1.0))), // a reset, since the last one that was known
            (now * 2, Some(50.0), (false, None)),  // from the future
            (6_000, Some(2.0), (true, Some(1.0))),
        ];
        for (ms, value, expected) in table {
            assert_eq!(next(ms, value, now), expected, "{ms}");
        }
        // The clock was set back: the newest row is from the future now.
        assert_eq!(next(7_000, Some(3.0), 7_000), (true, Some(1.0)));
        let early = -1_000_000;
        assert_eq!(next(early, Some(4.0), early), (true, None));
        assert_eq!(next(early + 1, Some(6.0), early), (true, Some(2.0)));
    }

    #[test]
    fn a_width_takes_the_widest_level_that_divides_it() {
        let table = [
            (1_000, None),
            (60_000, Some(Level::Minute)),
            (900_000, Some(Level::Quarter)),
            (1_200_000, Some(Level::Minute)),
            (7_200_000, Some(Level::Hour)),
            (86_400_000 * 7, Some(Level::Day)),
        ];
        for (ms, expected) in table {
            assert_eq!(Level::for_width(ms), expected, "{ms}");
        }
        assert_eq!(start_of(-1, 60_000), -60_000);
    }
}
