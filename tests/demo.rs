//! The demo and the simulated station.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::database::Database;
use crate::support::folder::Folder;
use crate::support::ports::free_port;
use crate::support::process::{Process, Stream};
use crate::support::recorder::{Recorder, STOP_MAX, barograph};
use crate::support::scene::Scene;
use crate::support::wait;
use crate::support::wire::{Packet, Wire};

#[test]
fn the_demo_records_and_ends_with_a_balanced_account() {
    let folder = Folder::new();
    let port = free_port().to_string();
    let mut command = barograph(&["demo", "--past", "0s", "--port", &port, "--keep"]);
    command.arg(folder.root()).current_dir(folder.root());
    let mut demo = Process::spawn(command);
    let kept = || std::fs::read_dir(folder.root()).expect("ours").flatten().map(|e| e.path());
    let database = || kept().find(|path| path.extension().is_some_and(|end| end == "db"));
    let rows = |path| Database::at(path).count("weather_data");
    wait::until_true("rows of the demo", Duration::from_secs(20), || {
        database().is_some_and(|path| rows(path) >= 3)
    });
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.ended(STOP_MAX).code(), Some(0), "{}", demo.tail());

    let said = demo.text(Stream::Stdout);
    for word in ["received", "stored", "duplicate", "quarantined", "dropped"] {
        assert!(said.contains(word), "no {word} in:\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "no terminal, no control sequences:\n{said}");
    let database = Database::at(database().expect("seen before"));
    let account = database.assert_account_equals(&["weather_data", "magnetic_flux_data"]);
    assert!(said.contains(&account.received.to_string()), "{account:?} is not in:\n{said}");
}

#[test]
fn the_simulated_station_publishes_exactly_the_known_payloads() {
    let scene = Scene::new();
    let mut spy = Wire::connect(scene.broker.port(), "spy").expect("the broker accepts");
    spy.put_subscribe("#", 0);
    spy.send().expect("the broker listens");
    let url = format!("mqtt://127.0.0.1:{}", scene.broker.port());
    let arguments = ["simulate", "--mqtt", &url, "--interval", "100ms", "--stations", "2"];
    let mut station = Process::spawn(barograph(&[&arguments[..], &["--seed", "7"]].concat()));
    let (mut weather, mut field, mut topics) = (0, 0, std::collections::BTreeSet::new());
    while weather < 10 || field < 10 {
        let packet = spy.receive(Duration::from_secs(20)).expect("the broker lives");
        let Some(Packet::Publish { topic, payload, .. }) = packet else { continue };
        let text = String::from_utf8(payload).expect("UTF-8");
        match topic.split('/').nth(3) {
            Some("weathermeters") => (assert_is_weather(&text), weather += 1).1,
            Some("magneticfluxsensor") => (assert_is_field(&text), field += 1).1,
            other => panic!("an unknown sensor: {other:?} in {topic}"),
        }
        assert!(topic.ends_with('/'), "the trailing slash is real: {topic}");
        topics.insert(topic);
    }
    assert_eq!(topics.len(), 4, "two stations with two sensors: {topics:?}");
    station.signal(Signal::SIGTERM);
    assert_eq!(station.ended(STOP_MAX).code(), Some(0), "{}", station.tail());
}

#[test]
fn what_the_simulated_station_publishes_is_recorded_without_a_remark() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings().routes(""));
    let url = format!("mqtt://127.0.0.1:{}", scene.broker.port());
    let station = barograph(&["simulate", "--mqtt", &url, "--interval", "50ms"]);
    let station = Recorder::spawn(station);
    scene.fills_to(&recorder, "weather_data", 20);
    scene.fills_to(&recorder, "magnetic_flux_data", 20);
    drop(station);
    recorder.stop();
    let tables = ["weather_data", "magnetic_flux_data"];
    let account = scene.database.assert_account_equals(&tables);
    assert_eq!(account.quarantined, 0, "{account:?}");
}

fn assert_is_weather(text: &str) {
    let integers = ["utc", "sampleinterval", "winddirectionsensor", "raingaugecount"];
    let order = "utc sampleinterval temperature humidity pressure irradiance \
                 winddirectionsensor raingaugecount anemometercount";
    assert_form(text, order, &[&integers[..], &["anemometercount"]].concat());
}

fn assert_is_field(text: &str) {
    assert_form(text, "x y z", &["x", "y", "z"]);
}

/// The keys in this order, without blanks; these are integers, the others numbers.
fn assert_form(text: &str, order: &str, integers: &[&str]) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let mut rest = text;
    for key in order.split_whitespace() {
        let at = rest.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} in {text}"));
        rest = &rest[at..];
        let right =
            if integers.contains(&key) { value[key].is_i64() } else { value[key].is_number() };
        assert!(right, "{key} in {text}");
    }
    let count = value.as_object().expect("an object").len();
    assert_eq!(count, order.split_whitespace().count(), "{text}");
    assert!(!text.contains(' '), "blanks in {text}");
}
