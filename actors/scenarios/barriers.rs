//! The broker's proof that it took our acknowledgements: rarely asked for, soon enough, and the ledger stays small.

use std::time::Duration;

use barograph_config::Qos;
use tokio::time::{Instant, sleep};

use crate::testing::harness::{House, settings, with_paused_time};

/// Publishes one message after the other, at a fixed pace.
async fn stream(house: &House, count: u32, pause: Duration) {
    for _ in 0..count {
        house.broker.publish(1, Qos::AtLeastOnce);
        sleep(pause).await; // the pace is the point
    }
    house.settle().await;
}

/// The first connection has asked for what it must know of its subscriptions.
async fn start() -> House {
    let house = House::new(settings()).await;
    stream(&house, 1, Duration::from_secs(1)).await;
    house.broker.state().barriers.clear();
    house
}

#[test]
fn a_stream_of_a_hundred_messages_a_second_costs_a_barrier_a_second() {
    with_paused_time(async {
        let house = start().await;
        stream(&house, 500, Duration::from_millis(10)).await;
        let barriers = house.broker.state().barriers.len();
        assert!((4..=6).contains(&barriers), "{barriers} barriers in five seconds");
        house.broker.assert_nothing_lost_and_nothing_twice();
    });
}

#[test]
fn the_last_deliveries_of_a_stream_are_confirmed_soon_after_it_ends() {
    with_paused_time(async {
        let house = start().await;
        stream(&house, 100, Duration::from_millis(1)).await;
        let ended = Instant::now();
        sleep(Duration::from_millis(200)).await; // nothing is published meanwhile
        let last = house.broker.state().barriers.last().copied().expect("a barrier");
        assert!(last <= ended + Duration::from_millis(100), "{:?}", last - ended);
        // The next batch takes the confirmation along.
        stream(&house, 1, Duration::from_millis(1)).await;
        assert_eq!(house.disk.unconfirmed(), 1);
    });
}

#[test]
fn a_fast_stream_leaves_no_more_than_some_thousand_deliveries_unconfirmed() {
    with_paused_time(async {
        let house = start().await;
        for _ in 0..20 {
            house.broker.publish(1_000, Qos::AtLeastOnce);
            house.settle().await;
            let unconfirmed = house.disk.unconfirmed();
            assert!(unconfirmed <= 1_100, "{unconfirmed} unconfirmed");
        }
        let barriers = house.broker.state().barriers.len();
        assert!(barriers <= 25, "{barriers} barriers for 20,000 deliveries");
    });
}
