//! What others publish through the broker session.

use bytes::Bytes;

use crate::ports::requests::{KEPT_TOPICS_MAX, NotPublished, RetainedMessage};
use crate::ports::{DownKind, Publication};
use crate::supervisor::Fault;
use crate::testing::harness::{House, eventually, settings, with_paused_time};

fn message(topic: &str) -> Publication {
    Publication {
        topic: topic.to_owned(),
        payload: Bytes::from_static(b"news"),
        qos: barograph_config::Qos::AtLeastOnce,
        retain: false,
    }
}

fn retained(topic: &str) -> RetainedMessage {
    RetainedMessage {
        topic: topic.to_owned(),
        payload: Bytes::from_static(b"online"),
        farewell: Some(Bytes::from_static(b"offline")),
    }
}

/// What was published on a topic, in order.
fn said(house: &House, topic: &str) -> Vec<Bytes> {
    let state = house.broker.state();
    let here = state.published.iter().filter(|message| message.topic == topic);
    here.map(|message| message.payload.clone()).collect()
}

#[test]
fn a_message_is_published_once_and_its_end_is_told() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        assert_eq!(house.orders.publish(message("t")).await, Ok(()));
        assert_eq!(said(&house, "t").len(), 1);
        house.broker.state().deaf = true;
        let lost = house.orders.publish(message("t"));
        let (outcome, ()) = tokio::join!(lost, async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            house.broker.cut(DownKind::Network);
        });
        assert_eq!(outcome, Err(NotPublished::Lost));
        assert_eq!(house.orders.publish(message("t")).await, Err(NotPublished::NotConnected));
        eventually(600, "connected again", || house.broker.state().connection.is_some()).await;
        assert_eq!(said(&house, "t").len(), 1, "what may have arrived is not sent again");
    });
}

#[test]
fn a_last_word_is_said_at_each_connection_by_each_life_and_another_one_at_the_goodbye() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        assert_eq!(house.orders.retain(retained("t")).await, Ok(()));
        house.broker.cut(DownKind::Network);
        eventually(600, "said again", || said(&house, "t").len() == 2).await;
        assert!(house.inject("mqtt", Fault::Panic).await);
        eventually(600, "said by the next life", || said(&house, "t").len() == 3).await;
        house.shut_down().await;
        let said = said(&house, "t");
        assert_eq!(said, ["online", "online", "online", "offline"]);
        assert!(house.broker.state().published.iter().all(|message| message.retain));
    });
}

#[test]
fn what_is_kept_is_bounded() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        for n in 0..KEPT_TOPICS_MAX {
            assert_eq!(house.orders.retain(retained(&format!("t/{n}"))).await, Ok(()));
        }
        assert_eq!(house.orders.retain(retained("more")).await, Err(NotPublished::TooMany));
        assert_eq!(house.orders.retain(retained("t/0")).await, Ok(()), "that one is there");
        house.orders.forget("t/1");
        assert_eq!(house.orders.retain(retained("more")).await, Ok(()));
        house.shut_down().await;
    });
}
