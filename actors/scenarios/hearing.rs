//! Our own echo: it disturbs nothing, and a connection that delivers nothing is found out.

use std::time::Duration;

use barograph_config::Qos;
use tokio::time::{Instant, sleep};

use super::gaps::bounds;
use crate::message::event;
use crate::message::note::GapCause;
use crate::status::Snapshot;
use crate::testing::harness::{House, eventually, settings, with_paused_time};

const MINUTE: Duration = Duration::from_secs(60);

fn state(house: &House) -> Snapshot {
    house.published.snapshot()
}

/// The first echo is back.
async fn hearing() -> House {
    let house = House::new(settings()).await;
    eventually(60, "an echo", || state(&house).broker.hearing.last_echo.is_some()).await;
    house
}

#[test]
fn an_idle_recorder_echoes_and_commits_nothing() {
    with_paused_time(async {
        let house = hearing().await;
        eventually(60, "the start is stored", || house.disk.knows_filters()).await;
        sleep(MINUTE).await;
        let commits = house.disk.platter().commits.len();
        let echoes = house.broker.state().published.len();
        sleep(60 * MINUTE).await;
        assert_eq!(house.disk.platter().commits.len(), commits);
        let published = house.broker.state().published.len() - echoes;
        assert!((59..=61).contains(&published), "{published} echoes in an hour");
        assert_eq!(state(&house).arrivals.deliveries(), 0, "an echo is no message");
        assert!(house.broker.is_settled(), "each was acknowledged");
        assert_eq!(house.broker.state().connects.len(), 1);
    });
}

#[test]
fn a_mute_connection_is_renewed_with_growing_patience_and_then_the_subscriptions_too() {
    with_paused_time(async {
        let house = hearing().await;
        house.broker.state().mute = true;
        let began = Instant::now();
        let connects = || house.broker.state().connects.len();
        eventually(200, "renewed", || connects() == 2).await;
        assert!(began.elapsed() >= 2 * MINUTE, "after {:?}", began.elapsed());
        assert_eq!(state(&house).broker.hearing.deaf.map(|deaf| deaf.renewals), Some(1));
        eventually(300, "renewed again", || connects() == 3).await;
        assert!(began.elapsed() >= 6 * MINUTE, "after {:?}", began.elapsed());
        assert!(house.broker.state().given_up.is_empty());
        eventually(600, "and again", || connects() == 4).await;
        eventually(5, "with the subscriptions", || {
            house.broker.state().given_up == ["a/#", "$SYS/broker/publish/messages/dropped", ECHO]
        })
        .await;
        house.broker.state().mute = false;
        house.broker.publish(3, Qos::AtLeastOnce);
        house.settle().await;
        eventually(60, "it hears", || state(&house).broker.hearing.deaf.is_none()).await;
        let is_closed = || bounds(&house, GapCause::Deaf).last().is_some_and(|gap| gap.1.is_some());
        eventually(60, "the gap is closed", is_closed).await;
        let gaps = bounds(&house, GapCause::Deaf);
        let hole = |pair: &[(i64, Option<i64>)]| pair[1].0 - pair[0].1.unwrap_or(pair[1].0);
        assert!(gaps.windows(2).all(|pair| hole(pair) <= 2), "holes: {gaps:?}");
        assert_eq!(house.disk.events(event::SESSION_RENEWED), 3);
        house.broker.assert_nothing_lost_and_nothing_twice();
    });
}

const ECHO: &str = "barograph/barograph-attic/echo";

/// Else whoever forbids us the topic would see us connect anew for ever.
#[test]
fn a_broker_that_never_lets_an_echo_back_is_not_taken_for_a_deaf_connection() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.broker.state().mute = true;
        sleep(30 * MINUTE).await;
        assert_eq!(house.broker.state().connects.len(), 1);
        assert!(state(&house).broker.hearing.off.is_some_and(|why| why.contains("not allow")));
        assert!(state(&house).broker.hearing.deaf.is_none());
    });
}

/// The broker sends no more than it may without an acknowledgement.
#[test]
fn a_recorder_that_cannot_write_is_not_deaf() {
    with_paused_time(async {
        let house = hearing().await;
        house.disk.platter().lock(true);
        house.broker.publish(100, Qos::AtLeastOnce);
        sleep(30 * MINUTE).await;
        assert_eq!(house.broker.state().connects.len(), 1, "the echo waits behind the messages");
        house.disk.platter().lock(false);
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
        sleep(10 * MINUTE).await;
        assert_eq!(house.broker.state().connects.len(), 1);
    });
}

#[test]
fn an_echo_that_is_not_wanted_is_not_sent() {
    with_paused_time(async {
        let mut settings = settings();
        settings.mqtt.echo = false;
        let house = House::new(settings).await;
        sleep(10 * MINUTE).await;
        assert!(house.broker.state().published.is_empty());
    });
}
