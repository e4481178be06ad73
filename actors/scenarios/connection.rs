//! The line to a broker that refuses, hangs up, or prefers another client.

use std::time::Duration;

use barograph_config::Qos;
use tokio::time::{Instant, sleep};

use crate::message::event;
use crate::ports::DownKind;
use crate::status::Connection;
use crate::testing::broker::{FakeBroker, Meets};
use crate::testing::harness::{House, eventually, settings, with_paused_time};
use crate::testing::journal::Disk;

/// Seconds from each try to connect to the next.
fn pauses(broker: &FakeBroker) -> Vec<u64> {
    let connects = broker.state().connects.clone();
    connects.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
}

#[test]
fn a_broker_out_of_reach_is_tried_after_doubling_pauses_and_told_of_once_for_each_reason() {
    with_paused_time(async {
        let broker = FakeBroker::new(Disk::default());
        broker.state().meets.extend([Meets::Refusal(DownKind::Refused); 6]);
        broker.state().meets.extend([Meets::Refusal(DownKind::Dns); 3]);
        let house = House::start(&broker, settings());
        eventually(5, "a broker out of reach does not keep the recorder from being ready", || {
            house.seen.has("ready")
        })
        .await;
        eventually(600, "it connects", || broker.state().connects.len() == 10).await;
        assert_eq!(pauses(&broker), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        eventually(5, "the notes are stored", || house.disk.events(event::BROKER_CONNECTED) == 1)
            .await;
        assert_eq!(house.disk.events(event::BROKER_UNREACHABLE), 2);
        assert!(matches!(house.published.broker.get().connection, Connection::Up(_)));
    });
}

#[test]
fn a_session_taken_over_is_left_to_the_other_client_for_a_minute() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.broker.publish(10, Qos::AtLeastOnce);
        house.settle().await;
        let cut = Instant::now();
        house.broker.cut(DownKind::TakenOver);
        house.broker.publish(10, Qos::AtLeastOnce);
        eventually(90, "it connects again", || house.broker.state().connects.len() == 2).await;
        assert!(cut.elapsed() >= Duration::from_secs(60), "{:?}", cut.elapsed());
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
        assert_eq!(house.disk.events(event::SESSION_TAKEN_OVER), 1);
        assert_eq!(house.disk.events(event::BROKER_DISCONNECTED), 0);
    });
}

#[test]
fn only_a_connection_that_lasted_lets_the_pauses_begin_anew() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        for connection in 1..=4 {
            eventually(60, "it is connected", || connected(&house, connection)).await;
            house.broker.cut(DownKind::Network);
        }
        eventually(60, "it is connected", || connected(&house, 5)).await;
        sleep(Duration::from_secs(6)).await; // longer than what proves a connection
        house.broker.cut(DownKind::Network);
        eventually(60, "it is connected", || connected(&house, 6)).await;
        assert_eq!(pauses(&house.broker), [1, 2, 4, 8, 7], "6 s of connection and 1 s of pause");
        eventually(5, "it is noted", || house.disk.events(event::BROKER_DISCONNECTED) == 5).await;
    });
}

fn connected(house: &House, connections: usize) -> bool {
    house.broker.state().connects.len() == connections
        && matches!(house.published.broker.get().connection, Connection::Up(_))
}

/// Mosquitto 2.0.11, seen on a busy machine: what had been answered with PUBREC was not delivered again on
/// the next connection, fresh messages were; and on the connection after that one it came again, with
/// DUP. So a fresh delivery proves nothing of what is only half answered.
#[test]
fn what_is_half_answered_at_qos_2_may_come_again_two_connections_later_and_is_known() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.broker.state().holds_releases = true;
        house.broker.publish(5, Qos::ExactlyOnce);
        eventually(60, "half answered", || house.broker.state().half_answered.len() == 5).await;
        house.broker.cut(DownKind::Network);
        eventually(60, "again", || house.broker.state().connects.len() == 2).await;
        house.broker.publish(3, Qos::ExactlyOnce);
        eventually(60, "fresh ones", || house.disk.rows() == 8).await;
        house.broker.cut(DownKind::Network);
        house.broker.state().holds_releases = false;
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
    });
}
