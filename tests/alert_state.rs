//! The channel of type `mqtt`: a state that the broker keeps, `offline` when we are gone, and a device for Home
//! Assistant.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::locker::Locker;
use crate::support::publisher::{Load, Publisher};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings};
use crate::support::wire::{Packet, Wire};

const WITHIN: Duration = Duration::from_secs(40);
const STATE: &str = "barograph/recorder/health";
const DEVICE: &str = "homeassistant/device/barograph_recorder/config";

fn settings(scene: &Scene) -> Settings {
    let alert = "[[alert]]\nname = \"house\"\ntype = \"mqtt\"\n";
    let settings = scene.settings().quick_to_heal().set("health", "clock_sync", "false");
    settings.routes(&format!("{LOAD}\n{alert}"))
}

/// Somebody who comes now, and hears what is kept and what comes.
fn spy(scene: &Scene, name: &str, filter: &str) -> Wire {
    let mut spy = Wire::connect(scene.broker.port(), name).expect("the broker is there");
    spy.put_subscribe(filter, 0);
    spy.send().expect("the broker is there");
    spy
}

/// The next payload that is wanted.
fn hears(spy: &mut Wire, what: &str, wanted: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + WITHIN;
    let mut heard = Vec::new();
    while Instant::now() < deadline {
        let Ok(Some(packet)) = spy.receive(Duration::from_secs(1)) else { continue };
        let Packet::Publish { payload, .. } = packet else { continue };
        let text = String::from_utf8(payload).expect("UTF-8");
        if wanted(&text) {
            return text;
        }
        heard.push(text);
    }
    panic!("{what}; heard: {heard:#?}")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_state_follows_the_health_and_is_offline_after_a_stop_and_after_a_kill() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&settings(&scene));
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(100));
    scene.fills_to(&recorder, "load", 1);
    let mut watcher = spy(&scene, "watcher", STATE);
    let state = json(&hears(&mut watcher, "well", |text| text.contains("\"health\":\"ok\"")));
    assert_eq!((&state["mode"], &state["issues"]), (&"normal".into(), &serde_json::json!([])));
    assert!(state["summary"].as_str().is_some_and(|it| it.starts_with("recording; connected")));

    let locker = Locker::hold(&scene.database);
    let state = json(&hears(&mut watcher, "trouble", |text| text.contains("database_failing")));
    assert_eq!((&state["health"], &state["mode"]), (&"degraded".into(), &"degraded".into()));
    // Who comes later hears it at once.
    hears(&mut spy(&scene, "late", STATE), "kept", |text| text.contains("database_failing"));
    locker.release();
    hears(&mut watcher, "well again", |text| text.contains("\"health\":\"ok\""));

    recorder.kill();
    hears(&mut watcher, "the last will", |text| text == "offline");
    hears(&mut spy(&scene, "after the kill", STATE), "kept", |text| text == "offline");
    let recorder = scene.recorder(&settings(&scene));
    hears(&mut watcher, "back", |text| text.contains("\"health\":\"ok\""));
    let published = publisher.finish();
    scene.settle(recorder, &published);
    hears(&mut watcher, "the farewell", |text| text == "offline");
    hears(&mut spy(&scene, "after the stop", STATE), "kept", |text| text == "offline");
}

#[test]
fn the_recorder_is_a_device_of_home_assistant_and_comes_again_with_a_forgetful_broker() {
    let mut scene = Scene::new();
    let mut recorder = scene.recorder(&settings(&scene));
    let described =
        |spy: &mut Wire| json(&hears(spy, "the device", |text| text.contains("\"device\"")));
    let device = described(&mut spy(&scene, "house", DEVICE));
    assert_eq!(device["device"]["name"], "Barograph recorder");
    assert_eq!(device["state_topic"], STATE);
    assert_eq!(device["availability"][0]["topic"], STATE);
    assert_eq!(device["components"]["problem"]["device_class"], "problem");
    scene.broker.stop();
    scene.broker.forget_everything();
    scene.broker.start_again();
    recorder.event_number(2, "broker_connected");
    assert_eq!(described(&mut spy(&scene, "house again", DEVICE)), device);
    hears(&mut spy(&scene, "and the state", STATE), "the state", |text| {
        text.contains("\"health\"")
    });
    recorder.stop();
}
