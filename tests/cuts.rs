//! The network between the recorder and the broker breaks: cut at a hundred random moments, half-open, refusing.
//!
//! The incident behind it: an acknowledgement made after the connection was lost was written to the next connection,
//! where the same packet id was a new message that had no commit behind it.

use std::thread;
use std::time::Duration;

use crate::support::heavy;
use crate::support::proxy::Proxy;
use crate::support::publisher::{Load, Published, Publisher};
use crate::support::random::Random;
use crate::support::scene::Scene;
use crate::support::settings::{MAGNETIC, Settings};

const CUTS: usize = 100;

#[test]
fn a_hundred_cuts_lose_and_double_no_qos_1_message() {
    numbered_messages_survive(CUTS, "3.1.1", Load::numbered(1).rate(9_000));
}

#[test]
fn a_hundred_cuts_lose_and_double_no_qos_2_message() {
    numbered_messages_survive(CUTS, "3.1.1", Load::numbered(2).rate(9_000));
}

#[test]
fn mqtt_5_loses_and_doubles_no_qos_1_message_when_cut() {
    numbered_messages_survive(25, "5", Load::numbered(1).rate(5_000));
}

#[test]
fn mqtt_5_loses_and_doubles_no_qos_2_message_when_cut() {
    numbered_messages_survive(25, "5", Load::numbered(2).rate(5_000));
}

#[test]
fn a_hundred_cuts_lose_and_double_no_identical_reading() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let proxy = Proxy::start(scene.broker.port());
    let settings = through(&proxy, &scene).routes(MAGNETIC);
    let mut recorder = scene.recorder(&settings);
    let published = cut(CUTS, &scene, &proxy, Load::identical(1).rate(9_000));
    let table = "magnetic_flux_data";
    scene.fills_to(&recorder, table, published.certain());
    recorder.stop();
    assert_eq!(scene.database.count(table), published.certain());
    println!("{:?}", scene.database.assert_account_equals(&[table]));
}

#[test]
fn a_half_open_connection_is_noticed_and_nothing_is_lost() {
    let scene = Scene::new();
    let proxy = Proxy::start(scene.broker.port());
    let recorder = scene.recorder(&through(&proxy, &scene).text("mqtt", "keep_alive", "5s"));
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(500));
    publisher.has_sent(200);
    proxy.blackhole();
    recorder.event_within(Duration::from_secs(20), 1, "broker_disconnected");
    recorder.event_number(2, "broker_connected");
    scene.settle(recorder, &publisher.finish());
}

/// One line says that it is away, not one for each attempt.
#[test]
fn a_refusing_broker_is_waited_for_without_a_busy_loop_or_a_flood_of_lines() {
    let scene = Scene::new();
    let proxy = Proxy::start(scene.broker.port());
    let settings = through(&proxy, &scene).text("mqtt", "reconnect_max", "1s");
    let recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(500));
    proxy.refuse(true);
    proxy.cut();
    recorder.event("broker_disconnected");
    let before = (proxy.attempts(), recorder.log().lines().count());
    thread::sleep(Duration::from_secs(4)); // the time in which a busy loop would try 40,000 times a second
    let tries = proxy.attempts() - before.0;
    assert!((2..60).contains(&tries), "{tries} attempts in 4 s, between 20 ms and 1 s apart");
    let lines = recorder.log().lines().count() - before.1;
    assert!(lines < 6, "{lines} lines in 4 s:\n{}", recorder.process.tail());
    proxy.refuse(false);
    recorder.event_number(2, "broker_connected");
    scene.settle(recorder, &publisher.finish());
}

fn numbered_messages_survive(cuts: usize, protocol: &str, load: Load) {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let proxy = Proxy::start(scene.broker.port());
    let settings = through(&proxy, &scene).text("mqtt", "protocol", protocol);
    let recorder = scene.recorder(&settings);
    let published = cut(cuts, &scene, &proxy, load);
    assert!(recorder.events("actor_restarted").is_empty(), "a cut connection is no one's death");
    scene.settle(recorder, &published);
}

/// Settings that reach the broker by way of the proxy.
fn through(proxy: &Proxy, scene: &Scene) -> Settings {
    let url = format!("mqtt://127.0.0.1:{}", proxy.port());
    let settings = scene.settings().text("mqtt", "url", &url);
    settings.text("mqtt", "reconnect_min", "20ms").text("mqtt", "reconnect_max", "50ms")
}

/// Publishes while the connection is cut again and again, each time once the broker has spoken on it.
fn cut(cuts: usize, scene: &Scene, proxy: &Proxy, load: Load) -> Published {
    let mut random = Random::new();
    let publisher = Publisher::start(scene.broker.port(), load);
    for _ in 0..cuts {
        proxy.is_used();
        thread::sleep(random.between(0, 150)); // the random moment
        proxy.cut();
    }
    publisher.finish()
}
