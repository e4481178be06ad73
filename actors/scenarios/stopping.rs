//! The order of starts and stops of the real tree, and what a stop leaves.

use std::time::Duration;

use barograph_config::Qos;
use tokio::time::{Instant, sleep};

use crate::exit_code;
use crate::message::account::Sums;
use crate::supervisor::Shutdown;
use crate::testing::broker::{FakeBroker, Meets};
use crate::testing::harness::{House, eventually, settings, with_paused_time};
use crate::testing::journal::Disk;

#[test]
fn children_start_in_order_and_stop_in_reverse_each_after_the_one_before() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        let mut expected = Vec::new();
        for child in ["db_writer", "health", "stats", "mqtt", "watchtower"] {
            expected.extend([format!("{child} starting"), format!("{child} running")]);
        }
        expected.push("ready".to_owned());
        let said = |house: &House| {
            house.seen.look().said.iter().map(|(_, said)| said.clone()).collect::<Vec<_>>()
        };
        assert_eq!(said(&house), expected);
        assert_eq!(house.shut_down().await.code, exit_code::OK);
        let mut expected = Vec::new();
        for child in ["watchtower", "mqtt", "stats", "health", "db_writer"] {
            expected.extend([format!("{child} stopping"), format!("{child} stopped")]);
        }
        assert_eq!(house.seen.in_order(&[" stopping", " stopped"]), expected);
    });
}

#[test]
fn a_stop_stores_and_acknowledges_what_has_arrived() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.broker.publish(100, Qos::AtLeastOnce);
        house.broker.publish(100, Qos::AtMostOnce);
        eventually(5, "some have arrived", || house.published.received() > 0).await;
        assert_eq!(
            house.shut_down().await,
            crate::supervisor::TreeOutcome { code: exit_code::OK, reason: None }
        );
        let account = house.published.snapshot().account();
        assert_eq!(account.received, account.sums.total());
        assert_eq!(account.sums.dropped, 0);
        let next = House::start(&house.broker, settings());
        next.settle().await;
        assert_eq!(house.broker.assert_nothing_lost_and_nothing_twice(), 0);
    });
}

#[test]
fn a_stop_waits_for_a_database_that_is_blocked_for_a_moment() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.disk.platter().lock(true);
        house.broker.publish(10, Qos::AtMostOnce);
        house.broker.publish(10, Qos::AtLeastOnce);
        eventually(5, "they have arrived", || house.published.received() == 20).await;
        house.supervisor.do_send(Shutdown);
        sleep(Duration::from_secs(1)).await; // the moment
        house.disk.platter().lock(false);
        assert_eq!(house.seen.outcome(5).await.code, exit_code::OK);
        assert_eq!(house.published.storage.get().spooled, 20);
        assert!(house.broker.is_settled(), "acknowledged before the goodbye");
        let next = House::start(&house.broker, settings());
        next.settle().await;
        let (storage, received) = (next.published.storage.get(), next.published.received());
        assert_eq!(storage.tally.sums(), Sums { stored: 20, rows: 20, ..Sums::default() });
        assert_eq!((storage.spooled_before, received, storage.spooled), (20, 0, 0));
        assert_eq!(house.broker.assert_nothing_lost_and_nothing_twice(), 0);
    });
}

#[test]
fn a_stop_while_the_database_is_blocked_ends_in_time_and_counts_what_nobody_will_send_again() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        eventually(5, "the opening is written", || !house.disk.platter().commits.is_empty()).await;
        house.disk.platter().lock(true);
        house.broker.publish(5, Qos::AtMostOnce);
        house.broker.publish(5, Qos::AtLeastOnce);
        eventually(5, "they have arrived", || house.published.received() == 10).await;
        let began = Instant::now();
        assert_eq!(house.shut_down().await.code, exit_code::OK);
        assert!(began.elapsed() < Duration::from_millis(4_500), "{:?}", began.elapsed());
        let sums = house.published.snapshot().account().sums;
        assert_eq!(sums, Sums { dropped: 5, ..Sums::default() });
        assert!(house.broker.state().acknowledged.is_empty());
        house.disk.platter().lock(false);
        House::start(&house.broker, settings()).settle().await;
        assert_eq!(house.broker.assert_nothing_lost_and_nothing_twice(), 5);
    });
}

#[test]
fn a_stop_that_comes_before_the_recorder_is_ready_is_heeded() {
    with_paused_time(async {
        let broker = FakeBroker::new(Disk::default());
        broker.state().meets.push_back(Meets::Silence(Duration::from_secs(3_600)));
        let house = House::start(&broker, settings());
        eventually(5, "it tries to connect", || !broker.state().connects.is_empty()).await;
        let began = Instant::now();
        assert_eq!(house.shut_down().await.code, exit_code::OK);
        assert!(began.elapsed() < Duration::from_millis(100));
        assert!(!house.seen.has("ready"));
    });
}

#[test]
fn a_second_request_to_stop_changes_nothing() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.supervisor.do_send(Shutdown);
        house.supervisor.do_send(Shutdown);
        assert_eq!(house.shut_down().await.code, exit_code::OK);
        assert_eq!(house.seen.in_order(&["asked to stop"]).len(), 1);
        assert_eq!(house.seen.in_order(&[" stopped"]).len(), 5);
    });
}
