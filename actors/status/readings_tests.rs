use barograph_config::{Kind as ColumnKind, OnBad};
use proptest::prelude::*;

use super::*;
use crate::message::batch::Rows;
use crate::testing::{column, record, route};

const ROUTE: RouteId = RouteId(Some(0));

/// Two columns of which only the first is watched for standing still.
fn watch(stuck_after: u32, shared: &Readings) -> ReadingWatch {
    let mut first = column("a", ColumnKind::Integer);
    first.stuck_after = Some(stuck_after);
    let mut second = column("b", ColumnKind::Integer);
    second.on_bad = OnBad::Null;
    ReadingWatch::new(&[route("a/b", "t", vec![first, second])], shared.clone())
}

fn row(at: i64, values: Vec<Value>) -> Record {
    Record { body: Body::Rows(Rows::one(values)), received_at: UnixMillis(at), ..record(1) }
}

fn integers(a: i64, b: i64) -> Vec<Value> {
    vec![Value::Integer(a), Value::Integer(b)]
}

fn troubles(shared: &Readings) -> Vec<(usize, Trouble)> {
    shared.troubles().into_iter().map(|(_, column, trouble)| (column, trouble)).collect()
}

#[test]
fn a_value_is_stuck_with_the_nth_identical_reading_until_it_moves() {
    let shared = Readings::default();
    let mut watch = watch(3, &shared);
    let stuck = |value, since| {
        vec![(0, Trouble::Stuck { value: Value::Integer(value), since: UnixMillis(since) })]
    };
    let table = [
        (1, 5, vec![]),
        (2, 7, vec![]),
        (3, 7, vec![]),
        (4, 7, stuck(7, 2)),
        (5, 7, stuck(7, 2)),
        (6, 8, vec![]),
        (7, 8, vec![]),
        (8, 8, stuck(8, 6)),
    ];
    for (at, value, expected) in table {
        watch.look(&row(at, integers(value, 1)));
        assert_eq!(troubles(&shared), expected, "after reading {at}");
    }
}

#[test]
fn what_is_no_new_reading_does_not_count() {
    let shared = Readings::default();
    let mut watch = watch(2, &shared);
    watch.look(&row(1, integers(7, 1)));
    watch.look(&Record { dup: true, ..row(2, integers(7, 1)) });
    watch.look(&Record { retain: true, ..row(3, integers(7, 1)) });
    watch.look(&row(4, vec![Value::Null, Value::Integer(1)]));
    watch.look(&Record { route: RouteId(None), ..row(5, integers(7, 1)) });
    assert_eq!(troubles(&shared), []);
    watch.look(&row(6, integers(7, 1)));
    assert_eq!(troubles(&shared).len(), 1, "a missing value is none that moved");
}

#[test]
fn a_bad_value_is_told_of_with_the_latest_until_a_good_one_comes() {
    let shared = Readings::default();
    let mut watch = watch(100, &shared);
    let bad = |detail: &str, since| {
        vec![(1, Trouble::Bad { detail: detail.into(), since: UnixMillis(since) })]
    };
    watch.notice(1, "900 is too hot");
    watch.look(&row(1, vec![Value::Integer(1), Value::Null]));
    assert_eq!(troubles(&shared), bad("900 is too hot", 1));
    watch.look(&row(2, vec![Value::Integer(1), Value::Null]));
    assert_eq!(troubles(&shared), bad("900 is too hot", 1), "a missing value says nothing");
    watch.notice(1, "901 is too hot");
    watch.look(&row(3, vec![Value::Integer(1), Value::Null]));
    assert_eq!(troubles(&shared), bad("901 is too hot", 1));
    watch.look(&row(4, integers(1, 20)));
    assert_eq!(troubles(&shared), []);
}

#[test]
fn the_next_life_ends_what_the_one_before_told_of() {
    let shared = Readings::default();
    let mut before = watch(2, &shared);
    before.look(&row(1, integers(7, 1)));
    before.look(&row(2, integers(7, 1)));
    before.notice(1, "bad");
    before.look(&row(3, vec![Value::Integer(7), Value::Null]));
    assert_eq!(troubles(&shared).len(), 2);
    let mut after = watch(2, &shared);
    after.look(&row(4, integers(7, 1)));
    let since = UnixMillis(1);
    let stuck = Trouble::Stuck { value: Value::Integer(7), since };
    assert_eq!(troubles(&shared), [(0, stuck)], "it still stands where it stood");
    after.look(&row(5, integers(8, 1)));
    assert_eq!(troubles(&shared), []);
}

proptest! {
    /// Against the definition: the last so many readings are the same.
    #[test]
    fn stuck_is_what_the_last_readings_say(
        readings in prop::collection::vec(0_i64..3, 1..60),
        stuck_after in 2_u32..6,
    ) {
        let shared = Readings::default();
        let mut watch = watch(stuck_after, &shared);
        for end in 1..=readings.len() {
            let value = readings[end - 1];
            watch.look(&row(1, integers(value, 1)));
            let run = readings[..end].iter().rev().take_while(|it| **it == value).count();
            let expected = run >= stuck_after as usize;
            let is = shared.troubles().iter().any(|(route, column, _)| (*route, *column) == (ROUTE, 0));
            prop_assert_eq!(is, expected, "{:?}", &readings[..end]);
        }
    }
}
