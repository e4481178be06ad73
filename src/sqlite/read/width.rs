//! How wide the buckets of an answer are.

use barograph_actors::history::rollup::start_of;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Widths that are chosen, in milliseconds: what a person would. Each takes few stored buckets, so that there
/// is none between a half and a whole hour.
const WIDTHS: [i64; 36] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    20 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    3 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    4 * HOUR,
    6 * HOUR,
    8 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    4 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
];

/// How many buckets of a width a range touches.
pub(super) fn touched(from_ms: i64, to_ms: i64, width_ms: i64) -> i64 {
    (start_of(to_ms - 1, width_ms) - start_of(from_ms, width_ms)) / width_ms + 1
}

/// The narrowest one of which the range touches at most so many.
pub(super) fn for_points(from_ms: i64, to_ms: i64, points: i64) -> i64 {
    let fits = |width: &i64| touched(from_ms, to_ms, *width) <= points;
    WIDTHS.into_iter().find(fits).unwrap_or_else(|| {
        // One more than the range needs, because its ends need not be those of buckets.
        let days = (to_ms - from_ms) / DAY / (points - 1).max(1) + 1;
        let width = days * DAY;
        if fits(&width) { width } else { to_ms.abs().max(from_ms.abs()) / DAY * DAY + DAY }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_never_touches_more_buckets_than_were_asked_for() {
        for points in [1, 2, 3, 7, 60, 500, 1_000, 5_000] {
            for length in [1, 999, 60_000, 3_600_000, 86_400_000, 31_536_000_000, 315_576_000_000] {
                for from in [0, 1, 1_759_479_845_123, 1_759_449_600_000] {
                    let width = for_points(from, from + length, points);
                    let touched = touched(from, from + length, width);
                    assert!(
                        touched <= points.max(2),
                        "{points} of {length} from {from}: {touched}"
                    );
                }
            }
        }
    }

    #[test]
    fn widths_are_what_a_person_would_choose() {
        let from = 1_759_449_600_000;
        let of = |length| for_points(from, from + length, 1_000);
        let table = [
            (HOUR, 5 * SECOND),
            (DAY, 2 * MINUTE),
            (7 * DAY, 15 * MINUTE),
            (30 * DAY, HOUR),
            (365 * DAY, 12 * HOUR),
            (3_652 * DAY, 4 * DAY),
        ];
        for (length, width) in table {
            assert_eq!(of(length), width, "{length}");
        }
    }
}
