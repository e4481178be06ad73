//! Stretches in which nothing can be recorded: each is noted, wherever that can be written first.

use std::time::Duration;

use barograph_config::Qos;
use tokio::time::{Instant, advance, sleep};

use crate::message::delivery::UnixMillis;
use crate::message::event;
use crate::message::note::{GapCause, GapChange, GapStep, Note};
use crate::message::write::WriteCause;
use crate::ports::{OpenError, Outlook};
use crate::supervisor::Fault;
use crate::testing::broker::{FakeBroker, Meets};
use crate::testing::harness::{House, WORLD, eventually, settings, with_paused_time};
use crate::testing::journal::Disk;

/// The gaps of a cause, as they were opened and closed one after the other: from, to, in milliseconds. What is
/// opened twice or closed without having been opened changes nothing.
pub(super) fn bounds(house: &House, cause: GapCause) -> Vec<(i64, Option<i64>)> {
    let mut bounds: Vec<(i64, Option<i64>)> = Vec::new();
    for GapChange { step, .. } in house.disk.platter().gaps.iter().filter(|gap| gap.cause == cause)
    {
        let open = bounds.last_mut().filter(|(_, to)| to.is_none());
        match (step, open) {
            (GapStep::Opened { from, .. }, None) => bounds.push((from.0, None)),
            (GapStep::Closed { to }, Some(open)) => open.1 = Some(to.0),
            (GapStep::Opened { .. }, Some(_)) | (GapStep::Closed { .. }, None) => {}
        }
    }
    bounds
}

/// The notes in the spool, in order.
fn spooled(house: &House) -> Vec<Note> {
    let platter = house.disk.platter();
    let entries = platter.spool.iter().flat_map(|(_, entries)| entries);
    entries.flat_map(|entry| entry.notes.clone()).collect()
}

fn locked() -> OpenError {
    OpenError { cause: WriteCause::Locked, message: "locked".to_owned(), outlook: Outlook::MayPass }
}

#[test]
fn a_process_notes_its_beginning_before_anything_else_wherever_it_can_write() {
    with_paused_time(async {
        let disk = Disk::default();
        disk.platter().open_faults.extend(vec![locked(); 100]);
        let broker = FakeBroker::new(disk);
        let house = House::start(&broker, settings());
        eventually(1, "it is in the spool", || !spooled(&house).is_empty()).await;
        assert!(matches!(spooled(&house)[0], Note::RunBegins(run) if run.spool_seen.is_none()));
        house.disk.platter().open_faults.clear();
        house.settle().await;
        eventually(60, "the database knows", || house.disk.platter().runs.len() == 1).await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(house.disk.platter().runs.len(), 1, "once in a process");
    });
}

/// The incident: a process whose database was locked took the signs of life that it had just left in the spool itself for
/// those of an earlier one.
#[test]
fn the_sign_of_life_that_a_process_finds_in_the_spool_is_the_one_of_before_its_own() {
    let broker = FakeBroker::new(Disk::default());
    broker.disk.platter().open_faults.extend(vec![locked(); 1_000]);
    with_paused_time(async {
        let house = House::start(&broker, settings());
        eventually(1, "ready", || house.seen.has("ready")).await;
        sleep(Duration::from_secs(30)).await;
    });
    broker.client_died();
    let left = broker.disk.platter().spool_seen;
    assert!(left.is_some_and(|seen| seen >= UnixMillis(20_000)), "heartbeats: {left:?}");
    with_paused_time(async {
        let house = House::start(&broker, settings());
        eventually(1, "ready", || house.seen.has("ready")).await;
        sleep(Duration::from_secs(30)).await;
        assert!(house.disk.platter().runs.is_empty(), "the database is locked");
        assert!(house.inject("db_writer", Fault::Panic).await);
        house.disk.platter().open_faults.clear();
        house.settle().await;
        eventually(60, "both are known", || house.disk.platter().runs.len() == 2).await;
        let runs = house.disk.platter().runs.clone();
        assert_eq!((runs[0].spool_seen, runs[1].spool_seen), (None, left));
    });
}

#[test]
fn a_start_whose_first_connection_takes_its_time_is_a_gap_from_the_start_on() {
    with_paused_time(async {
        let broker = FakeBroker::new(Disk::default());
        broker.state().meets.push_back(Meets::Silence(Duration::from_secs(10)));
        let house = House::start(&broker, settings());
        let started = || house.published.tree.get().started.expect("it runs").0;
        let gap = || bounds(&house, GapCause::BrokerUnreachable);
        eventually(3, "it is noted while it lasts", || !gap().is_empty()).await;
        assert_eq!(gap(), [(started(), None)]);
        eventually(60, "it ends", || gap()[0].1.is_some()).await;
        assert!(gap()[0].1.is_some_and(|to| to - started() >= 10_000), "{:?}", gap());
        assert_eq!(gap().len(), 1);
    });
}

#[test]
fn a_start_that_is_connected_at_once_is_no_gap() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        sleep(Duration::from_secs(60)).await;
        assert!(
            house.disk.platter().gaps.iter().all(|gap| matches!(gap.step, GapStep::Closed { .. }))
        );
        assert_eq!(bounds(&house, GapCause::BrokerUnreachable), []);
    });
}

/// The clock goes on, and no thread runs.
#[test]
fn a_process_that_stood_still_notes_it_with_the_first_write_after() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.settle().await;
        sleep(Duration::from_secs(15)).await;
        advance(Duration::from_secs(20)).await;
        eventually(1, "it is noted", || house.disk.events(event::FROZEN) == 1).await;
        let [(from, Some(to))] = bounds(&house, GapCause::Frozen)[..] else {
            panic!("{:?}", bounds(&house, GapCause::Frozen))
        };
        assert!((20_000..=20_600).contains(&(to - from)), "{from} to {to}");
        sleep(Duration::from_secs(60)).await;
        assert_eq!(house.disk.events(event::FROZEN), 1);
        assert_eq!(house.disk.events(event::CLOCK_JUMP), 0, "both clocks went on");
        assert_eq!(bounds(&house, GapCause::Deaf), [], "nor does an old echo");
    });
}

#[test]
fn a_process_that_stood_still_for_minutes_is_not_ended_as_stuck() {
    for phase in 0..20 {
        with_paused_time(async {
            let house = House::new(settings()).await;
            house.settle().await;
            sleep(Duration::from_millis(phase * 25)).await;
            advance(Duration::from_secs(600)).await;
            sleep(Duration::from_secs(60)).await;
            assert_eq!(
                house.disk.events(event::ISSUE_APPEARED),
                0,
                "old signs of life say nothing"
            );
            assert_eq!(house.seen.in_order(&["restarting", "stopping"]), Vec::<String>::new());
            assert!(house.seen.look().outcome.is_none());
        });
    }
}

/// It may die right after it was woken, and whichever thread runs first must not hide the freeze.
#[test]
fn no_sign_of_life_is_written_after_a_freeze_before_the_freeze_is_noted() {
    for phase in 0..20 {
        with_paused_time(async {
            let house = House::new(settings()).await;
            house.settle().await;
            sleep(Duration::from_millis(15_000 + phase * 25)).await;
            let known = house.disk.platter().gaps.len();
            if phase % 2 == 0 {
                house.broker.publish(3, Qos::AtLeastOnce);
            }
            let frozen = Instant::now();
            advance(Duration::from_secs(20)).await;
            let after = || {
                let platter = house.disk.platter();
                platter.signs_of_life.iter().find(|(at, _)| *at > frozen).copied()
            };
            eventually(15, "a sign of life", || after().is_some()).await;
            assert!(after().is_some_and(|(_, gaps)| gaps > known), "{phase}");
        });
    }
}

#[test]
fn an_actor_that_hangs_or_is_dead_is_no_process_that_stands_still() {
    for name in ["health", "mqtt", "stats"] {
        with_paused_time(async {
            let mut slow = settings();
            slow.supervisor.backoff_min = Duration::from_secs(30);
            let house = House::new(slow).await;
            house.settle().await;
            assert!(house.inject(name, Fault::Panic).await);
            sleep(Duration::from_secs(60)).await;
            assert_eq!(house.disk.events(event::FROZEN), 0, "{name}");
        });
    }
}

/// Nothing is received from the death of the broker session to its next connection.
#[test]
fn a_broker_session_that_dies_is_a_gap_until_the_next_one_is_connected() {
    for fault in [Fault::Panic, Fault::Stop] {
        with_paused_time(async {
            let mut slow = settings();
            slow.supervisor.backoff_min = Duration::from_secs(30);
            let house = House::new(slow).await;
            house.settle().await;
            assert!(house.inject("mqtt", fault.clone()).await);
            let gap = || bounds(&house, GapCause::BrokerUnreachable);
            eventually(2, "it is noted", || gap().len() == 1).await;
            assert_eq!(gap()[0].1, None, "{fault:?}");
            eventually(60, "it ends", || gap()[0].1.is_some()).await;
            let (from, to) = (gap()[0].0, gap()[0].1.expect("just seen"));
            assert!((10_000..=40_000).contains(&(to - from)), "{fault:?}: {from} to {to}");
        });
    }
}

#[test]
fn an_orderly_stop_is_noted_when_receiving_ends() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.settle().await;
        house.shut_down().await;
        assert!(matches!(bounds(&house, GapCause::ProcessDown)[..], [(_, None)]));
        assert_eq!(bounds(&house, GapCause::BrokerUnreachable), []);
    });
}

#[test]
fn an_orderly_stop_is_noted_in_the_spool_when_the_database_does_not_take_it() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.settle().await;
        sleep(Duration::from_secs(5)).await;
        house.disk.platter().failing = Some(WriteCause::Locked);
        house.shut_down().await;
        let down =
            |note: &Note| matches!(note, Note::Gap(gap) if gap.cause == GapCause::ProcessDown);
        assert!(spooled(&house).iter().any(down), "{:?}", spooled(&house));
    });
}

/// Proven by an echo, so that the connection is known to answer.
async fn hearing() -> House {
    let house = House::new(settings()).await;
    let echoed = || house.published.broker.get().hearing.last_echo.is_some();
    eventually(60, "an echo", echoed).await;
    house.settle().await;
    house
}

#[test]
fn a_connection_that_stands_still_while_an_echo_is_under_way_is_a_gap_while_it_lasts() {
    with_paused_time(async {
        let house = hearing().await;
        sleep(Duration::from_secs(30)).await;
        house.broker.state().stalled = true;
        let gap = || bounds(&house, GapCause::Deaf);
        eventually(64, "it is noted after the next echo", || gap().len() == 1).await;
        assert_eq!(gap()[0].1, None, "it lasts");
        house.broker.state().stalled = false;
        house.broker.publish(1, Qos::AtLeastOnce);
        eventually(2, "it ends", || gap()[0].1.is_some()).await;
        let (from, to) = (gap()[0].0, gap()[0].1.expect("just seen"));
        assert!(to - from >= 32_000, "from the last thing that came: {from} to {to}");
        sleep(Duration::from_secs(300)).await;
        assert_eq!((gap().len(), house.broker.state().connects.len()), (1, 1), "not renewed");
    });
}

/// Without echoes, and with a broker that answers 10 s late.
async fn owing() -> House {
    let mut silent = settings();
    silent.mqtt.echo = false;
    let house = House::new(silent).await;
    house.settle().await;
    house.broker.state().lag = Duration::from_secs(10);
    house.broker.publish(1, Qos::AtLeastOnce);
    house
}

/// The requests of a connection show it as well.
#[test]
fn a_connection_that_stands_still_without_an_echo_is_a_gap_while_an_answer_is_owed() {
    with_paused_time(async {
        let house = owing().await;
        let gap = || bounds(&house, GapCause::Deaf);
        eventually(5, "it is noted", || gap().len() == 1).await;
        assert_eq!(gap()[0].1, None, "it lasts");
        eventually(15, "it ends with the answer", || gap()[0].1.is_some()).await;
    });
}

/// A broker that owes an answer for one second, which alone is no gap.
async fn owing_for_a_second() -> (House, i64) {
    let house = owing().await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bounds(&house, GapCause::Deaf), [], "too short to be noted");
    let now = (WORLD.now)().0;
    (house, now)
}

#[test]
fn an_orderly_stop_while_the_broker_owes_an_answer_is_a_gap_from_the_last_byte() {
    with_paused_time(async {
        let (house, now) = owing_for_a_second().await;
        house.shut_down().await;
        let from = bounds(&house, GapCause::ProcessDown)[0].0;
        assert!((now - 1_500..=now - 900).contains(&from), "stopped at {now}, gap from {from}");
    });
}

#[test]
fn a_pause_while_the_broker_owes_an_answer_is_a_gap_from_the_last_byte() {
    with_paused_time(async {
        let (house, now) = owing_for_a_second().await;
        house.orders.pause().await.expect("it is there");
        let noted = || !bounds(&house, GapCause::Paused).is_empty();
        eventually(60, "the pause is noted", noted).await;
        let from = bounds(&house, GapCause::Paused)[0].0;
        assert!((now - 1_500..=now - 900).contains(&from), "paused at {now}, gap from {from}");
    });
}

#[test]
fn a_connection_that_is_lost_while_it_stands_still_is_unreachable_from_then_on() {
    with_paused_time(async {
        let house = hearing().await;
        house.broker.state().stalled = true;
        eventually(64, "it is noted", || !bounds(&house, GapCause::Deaf).is_empty()).await;
        house.broker.state().stalled = false;
        house.broker.state().meets.push_back(Meets::Silence(Duration::from_secs(5)));
        house.broker.cut(crate::ports::DownKind::Network);
        let closed = |cause| matches!(bounds(&house, cause)[..], [(_, Some(_))]);
        eventually(30, "both end", || {
            closed(GapCause::Deaf) && closed(GapCause::BrokerUnreachable)
        })
        .await;
        let deaf = bounds(&house, GapCause::Deaf)[0].1.expect("just seen");
        assert!(bounds(&house, GapCause::BrokerUnreachable)[0].0 <= deaf + 600, "no hole between");
    });
}

/// A broker that never lets an echo back proves nothing by keeping it.
#[test]
fn an_idle_connection_on_which_no_echo_ever_came_back_does_not_stand_still() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.broker.state().mute = true;
        sleep(Duration::from_secs(600)).await;
        assert_eq!(bounds(&house, GapCause::Deaf), []);
    });
}

#[test]
fn a_recorder_that_holds_the_broker_back_is_not_told_that_the_connection_stands_still() {
    with_paused_time(async {
        let house = hearing().await;
        house.disk.platter().lock(true);
        house.broker.publish(100, Qos::AtLeastOnce);
        sleep(Duration::from_secs(600)).await;
        house.disk.platter().lock(false);
        house.settle().await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(bounds(&house, GapCause::Deaf), []);
    });
}

#[test]
fn events_that_no_place_takes_are_kept_for_the_next_process_and_written_once() {
    let broker = FakeBroker::new(Disk::default());
    broker.disk.platter().lock(true);
    with_paused_time(async {
        let house = House::start(&broker, settings());
        eventually(1, "ready", || house.seen.has("ready")).await;
        house.broker.publish(1, Qos::AtLeastOnce);
        let kept =
            |name| house.disk.platter().kept_events.iter().filter(|it| it.name == name).count();
        eventually(5, "they are kept", || kept(event::MODE_CHANGED) > 0).await;
        assert_eq!(kept(event::BROKER_CONNECTED), 1);
    });
    broker.client_died();
    assert!(broker.disk.platter().events.is_empty());
    broker.disk.platter().lock(false);
    with_paused_time(async {
        let house = House::start(&broker, settings());
        house.settle().await;
        eventually(5, "they are written", || house.disk.events(event::BROKER_CONNECTED) == 2).await;
        assert!(house.disk.platter().kept_events.is_empty(), "and are no longer kept");
        assert!(house.disk.events(event::MODE_CHANGED) > 0);
        house.shut_down().await;
        assert_eq!(house.disk.events(event::BROKER_CONNECTED), 2);
    });
}

#[test]
fn the_reason_why_a_process_ended_at_its_start_is_kept() {
    with_paused_time(async {
        let disk = Disk::default();
        let clash = OpenError {
            cause: WriteCause::SchemaClash,
            message: "the table does not fit".to_owned(),
            outlook: Outlook::NeedsAPerson,
        };
        disk.platter().open_faults.push_back(clash);
        let house = House::start(&FakeBroker::new(disk), settings());
        assert_eq!(house.seen.outcome(5).await.code, 65);
        let platter = house.disk.platter();
        assert!(platter.kept_events.iter().any(|event| event.detail == "the table does not fit"));
    });
}
