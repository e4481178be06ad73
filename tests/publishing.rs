//! What the recorder publishes itself: messages, last words, a last will.

use std::fs;
use std::time::{Duration, Instant};

use barograph::mqtt::{MqttBroker, MqttSession};
use barograph::os::world;
use barograph_actors::message::delivery::ConnectionId;
use barograph_actors::ports::{Broker, BrokerSession, Filter, Incoming, Publication};
use barograph_config::{Mqtt, Protocol, Qos};

use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::wire::{Packet, Wire};

const PATIENCE: Duration = Duration::from_secs(10);
const PROTOCOLS: [(&str, Protocol); 2] = [("3.1.1", Protocol::V311), ("5", Protocol::V5)];

fn message(topic: &str, payload: &'static str, qos: Qos, retain: bool) -> Publication {
    Publication { topic: topic.to_owned(), payload: payload.into(), qos, retain }
}

/// The program's own settings of the broker session.
fn settings_of(settings: &Settings, protocol: &str) -> Mqtt {
    let settings = settings.clone().text("mqtt", "protocol", protocol);
    let text = fs::read_to_string(settings.write()).expect("just written");
    let loaded = barograph_config::load_text(&text, &barograph_config::World::of_this_process());
    loaded.expect("good settings").settings.mqtt
}

async fn connect(broker: &MqttBroker) -> MqttSession {
    broker.connect(ConnectionId(1)).await.expect("the broker is there").0
}

/// The next answer that is not a delivery.
async fn answer(session: &mut MqttSession) -> Incoming {
    let next = tokio::time::timeout(PATIENCE, session.next()).await;
    next.expect("the broker answers").expect("the connection lives")
}

fn with_runtime(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

/// Waits for this payload on the topic.
fn hears(spy: &mut Wire, topic: &str, payload: &str) {
    let packet = spy.receive(PATIENCE).expect("the broker is there");
    let Some(Packet::Publish { topic: to, payload: words, .. }) = packet else {
        panic!("not a message: {packet:?}")
    };
    assert_eq!((to.as_str(), words.as_slice()), (topic, payload.as_bytes()));
}

fn spy(scene: &Scene, name: &str, filter: &str) -> Wire {
    let mut spy = Wire::connect(scene.broker.port(), name).expect("the broker is there");
    spy.put_subscribe(filter, 0);
    spy.send().expect("the broker is there");
    assert!(matches!(spy.receive(PATIENCE), Ok(Some(Packet::SubAck(_)))));
    spy
}

#[test]
fn what_we_publish_arrives_and_the_broker_keeps_what_is_retained() {
    let scene = Scene::new();
    for (word, protocol) in PROTOCOLS {
        let settings = settings_of(&scene.settings(), word);
        assert_eq!(settings.protocol, protocol);
        let (live, kept) = (format!("live/{word}"), format!("kept/{word}"));
        let mut early = spy(&scene, "early", &live);
        with_runtime(async {
            let mut session = connect(&MqttBroker::new(settings, world::now)).await;
            session.publish(&message(&live, "zero", Qos::AtMostOnce, false)).expect("room");
            let id = session.publish(&message(&kept, "one", Qos::AtLeastOnce, true));
            let id = id.expect("room").expect("QoS 1 has a number");
            let expected = format!("{:?}", Incoming::Published(id, Ok(())));
            assert_eq!(format!("{:?}", answer(&mut session).await), expected);
            session.disconnect().await;
        });
        hears(&mut early, &live, "zero");
        hears(&mut spy(&scene, "late", &kept), &kept, "one");
    }
}

/// Requests and messages under way at the same time are not taken for each other.
#[test]
fn each_answer_finds_its_question() {
    let scene = Scene::new();
    for (word, _) in PROTOCOLS {
        let settings = settings_of(&scene.settings(), word);
        with_runtime(async {
            let mut session = connect(&MqttBroker::new(settings, world::now)).await;
            let filter = |topic: &str| Filter::new(topic, Qos::AtLeastOnce);
            let first = session.subscribe(&[filter("a/#"), filter("b")]);
            let note = session.publish(&message("c", "x", Qos::AtLeastOnce, false));
            let note = note.expect("room").expect("QoS 1 has a number");
            session.barrier();
            let second = session.unsubscribe(&["a/#".to_owned()]);
            let granted = || vec![Ok(Qos::AtLeastOnce), Ok(Qos::AtLeastOnce)];
            let expected = [
                Incoming::Subscribed(first, granted()),
                Incoming::Published(note, Ok(())),
                Incoming::BarrierPassed,
                Incoming::Unsubscribed(second),
            ];
            for expected in expected {
                let answer = answer(&mut session).await;
                assert_eq!(format!("{answer:?}"), format!("{expected:?}"));
            }
            session.disconnect().await;
        });
    }
}

/// A broker without TCP_NODELAY holds a message back until our kernel has acknowledged the packet before it. We answer none
/// to the answer to a barrier, so the kernel would put that off for 40 ms.
#[test]
fn a_message_behind_an_answer_is_not_held_back() {
    let scene = Scene::with_delaying_broker("allow_anonymous true");
    let mut publisher = Wire::connect(scene.broker.port(), "publisher").expect("it listens");
    for (word, _) in PROTOCOLS {
        let settings = settings_of(&scene.settings(), word);
        let mut took = Vec::new();
        with_runtime(async {
            let mut session = connect(&MqttBroker::new(settings, world::now)).await;
            session.subscribe(&[Filter::new("held", Qos::AtLeastOnce)]);
            assert!(matches!(answer(&mut session).await, Incoming::Subscribed(..)));
            for _ in 0..40 {
                session.barrier();
                assert!(matches!(answer(&mut session).await, Incoming::BarrierPassed));
                let sent = Instant::now();
                publisher.put_publish("held", b"x", 1, false, 1);
                publisher.send().expect("it listens");
                let Incoming::Delivery(delivery, _) = answer(&mut session).await else {
                    panic!("a message")
                };
                took.push(sent.elapsed());
                session.acknowledge(delivery.qos, delivery.packet_id);
                publisher.receive(PATIENCE).expect("it answers");
            }
            session.disconnect().await;
        });
        // A new connection is hasty; and a busy machine makes some of them wait.
        let mut took = took.split_off(20);
        took.sort_unstable();
        assert!(took[5] < Duration::from_millis(20), "{word}: {took:?}");
    }
}

/// The last will is published when the recorder dies, and not when it says goodbye.
#[test]
fn the_will_is_published_when_the_connection_ends_without_a_goodbye() {
    let scene = Scene::new();
    for (word, _) in PROTOCOLS {
        let settings = settings_of(&scene.settings(), word);
        let topic = format!("will/{word}");
        let mut heir = spy(&scene, "heir", &topic);
        let will = message(&topic, "offline", Qos::AtLeastOnce, true);
        let broker = MqttBroker::new(settings, world::now).with_will(will);
        with_runtime(async {
            let mut session = connect(&broker).await;
            session.publish(&message(&topic, "gone", Qos::AtMostOnce, true)).expect("room");
            session.disconnect().await;
        });
        hears(&mut heir, &topic, "gone");
        with_runtime(async {
            drop(connect(&broker).await); // as a process that was killed: the socket closes
        });
        hears(&mut heir, &topic, "offline"); // the next word after the farewell: none at the goodbye
        hears(&mut spy(&scene, "late", &topic), &topic, "offline");
    }
}

/// MQTT 5 says so; 3.1.1 takes the message and throws it away.
#[test]
fn a_message_that_the_broker_refuses_is_told_with_its_reason() {
    let scene = Scene::with_broker(|folder| {
        let file = folder.path("acl");
        fs::write(&file, "topic read #\ntopic write allowed/#\n").expect("our own folder");
        format!("allow_anonymous true\nacl_file {}", file.display())
    });
    for (word, refused) in [("3.1.1", false), ("5", true)] {
        let settings = settings_of(&scene.settings(), word);
        with_runtime(async {
            let mut session = connect(&MqttBroker::new(settings, world::now)).await;
            session.publish(&message("forbidden", "x", Qos::AtLeastOnce, false)).expect("room");
            let Incoming::Published(_, outcome) = answer(&mut session).await else {
                panic!("no answer to the message");
            };
            assert_eq!(outcome.is_err(), refused, "{outcome:?}");
            let said = outcome.err().map(|refusal| refusal.to_string()).unwrap_or_default();
            assert_eq!(said.contains("NotAuthorized"), refused, "{said}");
            session.disconnect().await;
        });
    }
}
