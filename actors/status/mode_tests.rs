//! Every mode meets everything that can be heard; and whatever was heard, trouble that has ended is over.

use proptest::prelude::*;

use super::*;

const LIMITS: FailureLimits =
    FailureLimits { max_write_failures: 3, no_write_issue_after: Duration::from_secs(60) };
const BEGAN: UnixMillis = UnixMillis(1_000);
const NOW: UnixMillis = UnixMillis(2_000);

fn modes() -> [Mode; 5] {
    let (since, cause) = (BEGAN, WriteCause::Io);
    [
        Mode::Normal,
        Mode::Retrying { since, cause, failures: 1 },
        Mode::Degraded { since, cause },
        Mode::Recovering { since, cause },
        Mode::Holding { since, cause },
    ]
}

/// Row: what is heard. Column: the mode before, in the order of [`modes`]. Entry: the mode after.
#[test]
fn every_mode_answers_everything_heard_as_the_table_says() {
    use Heard::{DatabaseFailed, Drained, Draining, SpoolFailed, Spooled, Stalled, Stored};
    let passing = DatabaseFailed(WriteCause::Io);
    let lasting = DatabaseFailed(WriteCause::Full);
    let no_spool = SpoolFailed(WriteCause::Full);
    let table = [
        (Stored, ["normal", "normal", "normal", "normal", "normal"]),
        (Drained, ["normal", "normal", "normal", "normal", "normal"]),
        (Spooled, ["degraded", "degraded", "degraded", "recovering", "degraded"]),
        (passing, ["retrying", "retrying", "degraded", "degraded", "holding"]),
        (lasting, ["degraded", "degraded", "degraded", "degraded", "holding"]),
        (no_spool, ["holding", "holding", "holding", "holding", "holding"]),
        (Draining, ["recovering", "recovering", "recovering", "recovering", "recovering"]),
        (Stalled, ["degraded", "degraded", "degraded", "recovering", "holding"]),
    ];
    for (heard, expected) in table {
        for (before, word) in modes().into_iter().zip(expected) {
            let after = before.after(heard, NOW, LIMITS);
            assert_eq!(after.word(), word, "{before} hears {heard:?}");
            if let (Some((since, _)), Some(_)) = (after.trouble(), before.trouble()) {
                assert_eq!(since, BEGAN, "{before} hears {heard:?}: the trouble began then");
            } else if let Some((since, _)) = after.trouble() {
                assert_eq!(since, NOW, "{before} hears {heard:?}: the trouble begins now");
            }
        }
    }
}

#[test]
fn failures_are_counted_up_to_the_limit_and_a_success_forgets_them() {
    let failed = Heard::DatabaseFailed(WriteCause::Io);
    let mut mode = Mode::Normal;
    for word in ["retrying", "retrying", "degraded"] {
        mode = mode.after(failed, NOW, LIMITS);
        assert_eq!(mode.word(), word);
    }
    let mode = Mode::Normal.after(failed, NOW, LIMITS).after(failed, NOW, LIMITS);
    let mode = mode.after(Heard::Stored, NOW, LIMITS).after(failed, NOW, LIMITS);
    assert_eq!(mode, Mode::Retrying { since: NOW, cause: WriteCause::Io, failures: 1 });
}

#[test]
fn the_cause_is_the_latest_one_and_the_decision_follows_the_mode() {
    let mode = modes()[2].after(Heard::DatabaseFailed(WriteCause::Locked), NOW, LIMITS);
    assert_eq!(mode, Mode::Degraded { since: BEGAN, cause: WriteCause::Locked });
    let told: Vec<_> = modes().into_iter().map(Mode::decision).collect();
    let expected = [Some(Decision::UseDatabase), None, Some(Decision::UseSpool), None, None];
    assert_eq!(told, expected);
}

fn cause() -> impl Strategy<Value = WriteCause> {
    prop::sample::select(WriteCause::ALL.to_vec())
}

fn heard() -> impl Strategy<Value = Heard> {
    prop_oneof![
        Just(Heard::Stored),
        Just(Heard::Spooled),
        cause().prop_map(Heard::DatabaseFailed),
        cause().prop_map(Heard::SpoolFailed),
        Just(Heard::Draining),
        Just(Heard::Drained),
        Just(Heard::Stalled),
    ]
}

/// What a writer says whose database works: it drains what there is, and then stores.
fn healthy() -> impl Strategy<Value = Vec<Heard>> {
    let spool =
        prop::collection::vec(prop_oneof![Just(Heard::Draining), Just(Heard::Spooled)], 0..6);
    let end = prop_oneof![Just(Heard::Drained), Just(Heard::Stored)];
    (spool, end).prop_map(|(mut spool, end)| {
        spool.push(end);
        spool
    })
}

proptest! {
    #[test]
    fn whatever_was_heard_the_mode_is_normal_once_failures_stop(
        history in prop::collection::vec(heard(), 0..60),
        healthy in healthy(),
        max_write_failures in 1_u32..20,
    ) {
        let limits = FailureLimits { max_write_failures, ..LIMITS };
        let mut mode = Mode::Normal;
        for heard in history.into_iter().chain(healthy) {
            let before = mode;
            mode = mode.after(heard, NOW, limits);
            prop_assert_eq!(mode.after(heard, NOW, limits).word() == "normal", mode.word() == "normal",
                "{} hears {:?} twice", before, heard);
        }
        prop_assert_eq!(mode, Mode::Normal);
    }
}
