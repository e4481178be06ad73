//! A pause loses nothing, outlives the broker session, and is told apart from a broker that is away.

use std::time::Duration;

use barograph_config::Qos;
use tokio::time::sleep;

use crate::message::event;
use crate::message::note::{GapCause, GapStep};
use crate::ports::DownKind;
use crate::status::Connection;
use crate::supervisor::Fault;
use crate::testing::broker::Meets;
use crate::testing::harness::{House, eventually, settings, with_paused_time};

/// The steps of the gaps of this cause: `+` opened, `-` closed (also what was not open).
fn gaps(house: &House, cause: GapCause) -> String {
    let platter = house.disk.platter();
    let steps = platter.gaps.iter().filter(|gap| gap.cause == cause);
    steps.map(|gap| if matches!(gap.step, GapStep::Opened { .. }) { '+' } else { '-' }).collect()
}

fn connected(house: &House) -> bool {
    house.broker.state().connection.is_some()
}

#[test]
fn a_pause_commits_what_is_in_hand_and_says_goodbye_and_the_broker_keeps_the_rest() {
    with_paused_time(async {
        let mut slow = settings();
        slow.database.commit_interval = Duration::from_secs(30);
        let house = House::new(slow).await;
        house.broker.publish(100, Qos::AtLeastOnce);
        house.broker.publish(3, Qos::AtMostOnce);
        sleep(Duration::from_millis(100)).await;
        assert_eq!(house.orders.pause().await, Ok(()));
        assert!(!connected(&house));
        let rows = house.disk.rows();
        assert!(rows > 0 && house.published.held() == 0);
        assert!(house.published.broker.get().paused.is_some());
        house.broker.publish(100, Qos::ExactlyOnce);
        sleep(Duration::from_secs(3_600)).await;
        assert!(!connected(&house) && house.broker.state().connects.len() == 1);
        assert_eq!(house.orders.pause().await, Ok(()), "it is paused already");
        assert_eq!(house.orders.resume().await, Ok(()));
        house.settle().await;
        assert_eq!(house.broker.assert_nothing_lost_and_nothing_twice(), 0);
        assert!(house.published.broker.get().paused.is_none());
        house.shut_down().await;
        for name in [event::PAUSED, event::RESUMED] {
            assert_eq!(house.disk.events(name), 1, "{name}");
        }
        let paused = gaps(&house, GapCause::Paused);
        assert!(paused.ends_with("+-") && paused.matches('+').count() == 1, "{paused}");
        assert!(!gaps(&house, GapCause::BrokerUnreachable).contains('+'));
    });
}

#[test]
fn a_pause_outlives_the_broker_session_and_ends_only_by_being_ended() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.orders.pause().await.expect("it is there");
        assert!(house.inject("mqtt", Fault::Panic).await);
        sleep(Duration::from_secs(600)).await;
        assert!(!connected(&house));
        house.orders.resume().await.expect("it is there again");
        eventually(5, "it is connected", || connected(&house)).await;
        assert!(matches!(house.published.broker.get().connection, Connection::Up(_)));
        house.shut_down().await;
    });
}

#[test]
fn a_broker_that_is_away_after_the_pause_is_a_gap_of_its_own_from_there() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.orders.pause().await.expect("it is there");
        house.broker.state().meets.extend([Meets::Refusal(DownKind::Refused); 3]);
        house.orders.resume().await.expect("it is there");
        eventually(60, "it is connected", || connected(&house)).await;
        house.shut_down().await;
        assert_eq!(gaps(&house, GapCause::BrokerUnreachable).matches('+').count(), 1);
        assert!(gaps(&house, GapCause::BrokerUnreachable).ends_with("+-"));
    });
}

/// Nobody waits for a database that is locked for hours; what is in memory stays there.
#[test]
fn a_pause_does_not_wait_for_ever_for_the_database() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.disk.platter().lock(true);
        house.broker.publish(10, Qos::AtLeastOnce);
        sleep(Duration::from_secs(5)).await;
        house.orders.pause().await.expect("it is there");
        assert!(!connected(&house) && house.published.held() > 0);
        house.disk.platter().lock(false);
        eventually(120, "written all the same", || house.disk.rows() == 10).await;
        house.orders.resume().await.expect("it is there");
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
        house.shut_down().await;
    });
}
