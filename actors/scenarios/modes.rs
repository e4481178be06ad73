//! The recorder over a database and a spool that fail, alone and together.

use std::time::Duration;

use barograph_config::Qos;
use tokio::time::{Instant, sleep};

use crate::message::event;
use crate::message::note::{GapCause, GapStep};
use crate::message::write::WriteCause;
use crate::status::Destination;
use crate::status::mode::Mode;
use crate::supervisor::Fault;
use crate::testing::harness::{House, eventually, settings, with_paused_time};

/// How it stands, by its word.
fn mode(house: &House) -> &'static str {
    house.published.health.get().mode.word()
}

async fn becomes(house: &House, word: &str) {
    eventually(600, word, || mode(house) == word).await;
}

#[test]
fn a_database_that_is_locked_for_a_minute_keeps_nobody_waiting_and_the_order_of_arrival() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.disk.platter().failing = Some(WriteCause::Locked);
        for _ in 0..60 {
            house.broker.publish(5, Qos::AtLeastOnce);
            sleep(Duration::from_secs(1)).await; // a minute of weather
            assert!(house.broker.is_settled(), "acknowledged from the spool");
        }
        assert_eq!((house.disk.rows(), house.disk.platter().spooled()), (0, 300));
        assert_eq!(mode(&house), "degraded");
        assert_eq!(house.published.storage.get().spooled, 300);
        house.disk.platter().failing = None;
        becomes(&house, "normal").await;
        house.broker.publish(5, Qos::AtLeastOnce);
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
        let order = house.disk.platter().order.clone();
        assert!(order.is_sorted(), "{order:?}");
        assert!(house.disk.platter().spool.is_none(), "an empty spool leaves no file");
        eventually(5, "it is noted", || house.disk.events(event::MODE_CHANGED) >= 3).await;
        let said: Vec<String> = house
            .disk
            .platter()
            .events
            .iter()
            .filter(|event| event.name == event::MODE_CHANGED)
            .map(|event| event.detail.split(',').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(said, ["degraded", "recovering", "normal"]);
    });
}

#[test]
fn failures_that_often_pass_are_tried_again_until_there_are_too_many() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.disk.platter().failing = Some(WriteCause::Io);
        let tries = house.disk.platter().tries.len();
        house.broker.publish(1, Qos::AtLeastOnce);
        becomes(&house, "retrying").await;
        assert!(!house.broker.is_settled(), "nothing is acknowledged yet");
        becomes(&house, "degraded").await;
        assert_eq!(house.disk.platter().tries.len() - tries, 10, "max_write_failures");
        eventually(1, "acknowledged from the spool", || house.broker.is_settled()).await;
    });
}

#[test]
fn where_neither_place_takes_anything_nothing_is_acknowledged_and_it_leaves_by_itself() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.disk.platter().lock(true);
        house.broker.publish(10, Qos::AtLeastOnce);
        becomes(&house, "holding").await;
        sleep(Duration::from_secs(3_600)).await; // as long as it takes
        assert!(house.broker.state().acknowledged.is_empty());
        let destination = || house.published.destination.get();
        assert_eq!(destination(), Destination::Nowhere);
        house.disk.platter().spool_failing = None;
        becomes(&house, "degraded").await;
        eventually(1, "acknowledged from the spool", || house.broker.is_settled()).await;
        assert_eq!(destination(), Destination::Spool);
        house.disk.platter().failing = None;
        becomes(&house, "normal").await;
        assert_eq!(destination(), Destination::Database);
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
        eventually(5, "the gap is written", || {
            let platter = house.disk.platter();
            let steps = platter.gaps.iter().filter(|gap| gap.cause == GapCause::Holding);
            steps.filter(|gap| matches!(gap.step, GapStep::Opened { .. })).count() == 1
        })
        .await;
    });
}

#[test]
fn a_full_spool_is_emptied_when_the_database_is_back_although_a_batch_waits_for_room() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.disk.platter().failing = Some(WriteCause::Locked);
        house.broker.publish(10, Qos::AtLeastOnce);
        eventually(5, "they are in the spool", || house.broker.is_settled()).await;
        house.disk.platter().spool_failing = Some(WriteCause::Full);
        house.broker.publish(10, Qos::AtLeastOnce);
        becomes(&house, "holding").await;
        house.disk.platter().failing = None;
        becomes(&house, "normal").await;
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
        assert!(house.disk.platter().order.is_sorted());
    });
}

#[test]
fn qos_0_waits_in_half_of_the_memory_and_every_drop_is_counted_by_its_reason() {
    with_paused_time(async {
        let mut small = settings();
        small.mqtt.max_unacked = 20_000;
        let house = House::new(small).await;
        house.settle().await;
        house.disk.platter().lock(true);
        house.broker.publish(1, Qos::AtLeastOnce);
        becomes(&house, "holding").await;
        house.broker.publish(500, Qos::AtMostOnce);
        house.broker.publish(5, Qos::AtLeastOnce);
        eventually(60, "all were read", || house.published.received() == 506).await;
        assert!(house.broker.state().connection.is_some(), "the connection is kept");
        house.disk.platter().lock(false);
        house.settle().await;
        eventually(60, "the account has all", || {
            house.published.storage.get().tally.sums().total() == 506
        })
        .await;
        let sums = house.published.storage.get().tally.sums();
        assert!((10..40).contains(&(sums.stored - 6)), "{sums}");
        let lost = house.broker.assert_nothing_lost_and_nothing_twice();
        assert_eq!(u64::try_from(lost).expect("small"), sums.dropped, "each drop is counted");
        let kept: Vec<i64> =
            house.disk.platter().order.iter().copied().filter(|n| *n < 0).collect();
        let oldest: Vec<i64> = kept.iter().rev().copied().collect();
        assert!(oldest.is_sorted(), "the oldest are kept: {kept:?}");
    });
}

#[test]
fn the_reflex_needs_no_judge_and_the_next_judge_knows_how_it_stands() {
    with_paused_time(async {
        let mut settings = settings();
        settings.supervisor.intensity = 1_000;
        settings.supervisor.backoff_min = Duration::from_secs(30);
        let house = House::new(settings).await;
        for round in 0..3 {
            assert!(house.inject("health", Fault::Panic).await);
            eventually(5, "it is dead", || house.seen.times("health restarting").len() > round)
                .await;
            house.disk.platter().failing = Some(WriteCause::Full);
            house.broker.publish(20, Qos::AtLeastOnce);
            eventually(5, "acknowledged from the spool", || house.broker.is_settled()).await;
            eventually(120, "it lives again", || {
                house.seen.times("health running").len() > round + 1
            })
            .await;
            house.broker.publish(1, Qos::AtLeastOnce);
            becomes(&house, "degraded").await;
            house.disk.platter().failing = None;
            becomes(&house, "normal").await;
        }
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
    });
}

#[test]
fn every_actor_may_die_in_every_mode() {
    let modes: [(&str, Option<WriteCause>, Option<WriteCause>); 4] = [
        ("normal", None, None),
        ("retrying", Some(WriteCause::Io), None),
        ("degraded", Some(WriteCause::Locked), None),
        ("holding", Some(WriteCause::Locked), Some(WriteCause::Full)),
    ];
    for (word, database, spool) in modes {
        for actor in ["db_writer", "health", "stats", "mqtt"] {
            for fault in [Fault::Panic, Fault::Stop] {
                with_paused_time(async {
                    let house = House::new(settings()).await;
                    house.settle().await;
                    house.disk.platter().failing = database;
                    house.disk.platter().spool_failing = spool;
                    house.broker.publish(10, Qos::AtLeastOnce);
                    becomes(&house, word).await;
                    assert!(house.inject(actor, fault.clone()).await);
                    house.broker.publish(10, Qos::AtLeastOnce);
                    sleep(Duration::from_secs(2)).await; // it dies and lives again
                    house.disk.platter().lock(false);
                    becomes(&house, "normal").await;
                    house.settle().await;
                    house.broker.assert_nothing_lost_and_nothing_twice();
                });
            }
        }
    }
}

#[test]
fn what_waits_without_becoming_durable_is_told_of_and_the_spool_is_tried() {
    with_paused_time(async {
        let mut settings = settings();
        settings.health.max_write_failures = 1_000_000;
        let house = House::new(settings).await;
        house.settle().await;
        house.disk.platter().failing = Some(WriteCause::Busy);
        let began = Instant::now();
        house.broker.publish(10, Qos::AtLeastOnce);
        becomes(&house, "degraded").await;
        let waited = began.elapsed().as_secs();
        assert!((60..=62).contains(&waited), "no_write_issue_after is 60 s, not {waited}");
        eventually(5, "acknowledged from the spool", || house.broker.is_settled()).await;
        house.disk.platter().failing = None;
        becomes(&house, "normal").await;
        eventually(5, "it is noted", || house.disk.events(event::NO_WRITES) == 1).await;
        assert_eq!(house.published.health.get().mode, Mode::Normal);
    });
}
