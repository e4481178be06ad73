//! Memory is bounded; what does not fit waits at the broker. And retained messages.

use std::time::Duration;

use barograph_config::{Qos, Settings};
use tokio::time::{Instant, sleep};

use crate::message::event;
use crate::ports::DownKind;
use crate::status::Connection;
use crate::testing::broker::FakeBroker;
use crate::testing::harness::{House, eventually, settings, with_paused_time};
use crate::testing::journal::Disk;

/// Room for some 14 messages.
fn small() -> Settings {
    let mut settings = settings();
    settings.mqtt.max_unacked = 5_000;
    settings
}

#[test]
fn a_window_that_stays_full_gives_the_connection_up_until_half_of_it_is_written() {
    with_paused_time(async {
        let house = House::new(small()).await;
        house.disk.platter().lock(true);
        let began = Instant::now();
        house.broker.publish(200, Qos::AtLeastOnce);
        eventually(60, "the connection is let go", || house.broker.state().connection.is_none())
            .await;
        let half_keep_alive = small().mqtt.keep_alive / 2;
        assert!(began.elapsed() >= half_keep_alive, "first it only stops reading");
        assert!(began.elapsed() < half_keep_alive + Duration::from_secs(1));
        assert!(house.published.received() < 20);
        sleep(Duration::from_secs(600)).await; // longer than any pause between two tries to connect
        assert_eq!(
            house.broker.state().connects.len(),
            1,
            "nobody connects to a window that is full"
        );
        let unlocked = Instant::now();
        house.disk.platter().lock(false);
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
        assert!(house.broker.state().connects[1] >= unlocked);
        eventually(5, "it is noted", || house.disk.events(event::WINDOW_FULL) == 1).await;
        assert_eq!(house.broker.state().connects.len(), 2);
    });
}

#[test]
fn a_window_that_is_full_for_a_moment_keeps_its_connection() {
    with_paused_time(async {
        let house = House::new(small()).await;
        house.disk.platter().lock(true);
        house.broker.publish(200, Qos::AtLeastOnce);
        sleep(Duration::from_secs(10)).await; // less than half the keep-alive
        house.disk.platter().lock(false);
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
        assert_eq!(house.broker.state().connects.len(), 1);
        assert_eq!(house.disk.events(event::WINDOW_FULL), 0);
    });
}

async fn reconnect(house: &House) {
    let before = house.broker.state().connects.len();
    eventually(60, "the filters are settled", || house.disk.knows_filters()).await;
    house.broker.cut(DownKind::Network);
    eventually(60, "it connects again", || house.broker.state().connects.len() > before).await;
    eventually(60, "it is up", || {
        matches!(house.published.broker.get().connection, Connection::Up(_))
    })
    .await;
}

#[test]
fn a_retained_message_is_stored_when_the_subscription_is_new_and_never_again() {
    with_paused_time(async {
        let broker = FakeBroker::new(Disk::default());
        broker.retain(7, Qos::AtMostOnce);
        let house = House::start(&broker, settings());
        eventually(5, "all are stored", || house.disk.rows() == 7).await;
        reconnect(&house).await;
        reconnect(&house).await;
        eventually(5, "they came again", || {
            house.published.storage.get().tally.sums().duplicate == 14
        })
        .await;
        house.broker.assert_nothing_lost_and_nothing_twice();
    });
}

#[test]
fn a_session_that_the_broker_forgot_makes_the_subscription_new() {
    with_paused_time(async {
        let broker = FakeBroker::new(Disk::default());
        broker.retain(7, Qos::AtMostOnce);
        let house = House::start(&broker, settings());
        eventually(60, "the filters are settled", || house.disk.knows_filters()).await;
        broker.forget();
        eventually(60, "the last words are recorded again", || house.disk.rows() == 14).await;
    });
}

/// Found by this test: the filters were noted as settled with the first batch of a flood of
/// retained messages, and those in its second batch were taken for repetitions.
#[test]
fn more_retained_messages_than_a_batch_holds_are_all_stored() {
    with_paused_time(async {
        let disk = Disk::default();
        let broker = FakeBroker::new(disk.clone());
        broker.retain(12_000, Qos::AtMostOnce);
        disk.platter().lock(true);
        let mut settings = settings();
        settings.mqtt.max_unacked = 64 << 20; // all of it may wait
        let house = House::start(&broker, settings);
        eventually(60, "all have arrived", || house.published.received() == 12_000).await;
        broker.publish(1, Qos::AtLeastOnce);
        eventually(5, "a live one, too", || house.published.received() == 12_001).await;
        disk.platter().lock(false);
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
    });
}

/// Found by this test: the answer to a barrier overtakes what the broker holds back until its first
/// messages are acknowledged.
#[test]
fn more_retained_messages_than_the_broker_sends_at_a_time_are_all_stored() {
    with_paused_time(async {
        let broker = FakeBroker::new(Disk::default());
        broker.state().lag = Duration::from_millis(50);
        broker.retain(100, Qos::AtLeastOnce);
        let house = House::start(&broker, settings());
        eventually(60, "the filters are settled", || house.disk.knows_filters()).await;
        house.settle().await;
        assert_eq!(house.disk.rows(), 100);
    });
}
