//! `barograph gaps`: when something may be missing, and why.

use std::time::Duration;

use serde_json::Value;

use crate::support::publisher::publish_one;
use crate::support::recorder::{command, json};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings};
use crate::support::wait;

/// For a gap to be written, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_recorder_that_was_not_running_is_a_gap_with_the_reason() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    assert_eq!(gaps(&settings, None), [Value::Null; 0], "the first run of all");
    let outcome = command(&["gaps", "--since", "2h"], &settings);
    assert!(outcome.code == Some(0) && outcome.stdout.starts_with("No gaps since "), "{outcome:?}");
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    recorder.kill();
    let mut recorder = scene.recorder(&settings);
    let gap = newest(&settings, "process_down", 1);
    assert!(gap["detail"].as_str().is_some_and(|told| told.contains("killed")), "{gap}");
    assert!(gap["from"].as_str() < gap["to"].as_str(), "{gap}");
    recorder.stop();
    let _recorder = scene.recorder(&settings);
    let gap = newest(&settings, "process_down", 2);
    assert!(gap["detail"].as_str().is_some_and(|told| told.contains("stopped")), "{gap}");

    let text = command(&["gaps"], &settings).stdout;
    assert!(text.contains("2 gaps since") && text.contains("2 process_down ("), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_broker_that_is_away_is_a_gap_that_is_open_until_it_is_back() {
    let mut scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    scene.broker.stop();
    recorder.event("broker_unreachable");
    let open = newest(&settings, "broker_unreachable", 1);
    assert_eq!(open["to"], Value::Null, "{open}");
    let text = command(&["gaps"], &settings).stdout;
    assert!(text.contains("still open"), "{text}");
    scene.broker.start_again();
    wait::until_true("the gap is closed", PATIENCE, || {
        gaps(&settings, Some("broker_unreachable")).iter().all(|gap| gap["to"].is_string())
    });
    let _recorder = recorder;
}

#[test]
fn a_broker_that_forgot_us_is_a_gap() {
    let mut scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    scene.broker.stop();
    scene.broker.forget_everything();
    scene.broker.start_again();
    newest(&settings, "broker_forgot_session", 1);
}

#[test]
fn a_silent_sensor_is_a_gap_of_its_route() {
    let scene = Scene::new();
    let silent = LOAD.replace("qos = 2", "qos = 2\nsilent_after = \"1s\"");
    let settings = scene.settings().routes(&silent);
    let recorder = scene.recorder(&settings);
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    let gap = newest(&settings, "route_silent", 1);
    assert_eq!(gap["route"], "load", "{gap}");
    let text = command(&["gaps", "--cause", "route_silent"], &settings).stdout;
    assert!(text.contains("route load"), "{text}");
    publish_one(scene.broker.port(), "load/n", br#"{"n":2}"#, false);
    wait::until_true("the first silence ends", PATIENCE, || {
        gaps(&settings, Some("route_silent")).first().is_some_and(|gap| gap["to"].is_string())
    });
}

#[test]
fn only_gaps_that_were_asked_for_are_shown() {
    let scene = Scene::new();
    let settings = scene.settings();
    scene.recorder(&settings).stop();
    let old = "INSERT INTO barograph_gaps (from_at, to_at, cause, detail) VALUES ('2020-01-01 \
               00:00:00.000', '2020-01-01 01:00:00.000', 'holding', 'a test')";
    scene.database.writer().execute_batch(old).expect("our table");
    assert_eq!(gaps(&settings, Some("holding")).len(), 1);
    assert_eq!(gaps(&settings, Some("clock_jump")).len(), 0);
    for (since, shown) in [("2019-12-31", true), ("2020-01-03 00:00", false), ("30days", false)] {
        let outcome = command(&["gaps", "--since", since], &settings);
        assert_eq!(outcome.stdout.contains("1 h "), shown, "{since}: {outcome:?}");
    }
    assert_eq!(command(&["gaps", "--cause", "boredom"], &settings).code, Some(64));
    assert_eq!(command(&["gaps", "--since", "yesterday"], &settings).code, Some(64));
}

fn gaps(settings: &Settings, cause: Option<&str>) -> Vec<Value> {
    let mut words = vec!["gaps"];
    words.extend(cause.iter().flat_map(|cause| ["--cause", cause]));
    let (code, json) = json(&words, settings);
    assert_eq!(code, Some(0), "{json}");
    json["gaps"].as_array().cloned().unwrap_or_default()
}

/// Waits until there are so many gaps of a cause, and gives the newest.
fn newest(settings: &Settings, cause: &str, number: usize) -> Value {
    let complaint = || format!("gap {number} of {cause}: {:?}", gaps(settings, None));
    wait::until_or(PATIENCE, || gaps(settings, Some(cause)).get(number - 1).cloned(), complaint)
}
