//! The broker goes and comes back: stopped, killed and rolled back, or without its memory.
//!
//! The incident behind it: every peer measured stores one to three rows twice over a broker restart, because the
//! redelivery of what it had committed but not yet acknowledged looks like a new message to it.

use std::thread;
use std::time::Duration;

use crate::support::publisher::{self, Load, Publisher};
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::settings::LOAD;

#[test]
fn a_broker_stopped_and_started_under_qos_1_load_loses_and_doubles_nothing() {
    survives_restarts_of_the_broker(1);
}

#[test]
fn a_broker_stopped_and_started_under_qos_2_load_loses_and_doubles_nothing() {
    survives_restarts_of_the_broker(2);
}

#[test]
fn messages_published_while_the_recorder_is_off_are_fetched() {
    let scene = Scene::new();
    scene.recorder(&scene.settings()).stop();
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(3_000));
    scene.settle(scene.recorder(&scene.settings()), &published);
}

#[test]
fn a_recorder_started_before_its_broker_waits_for_it() {
    let mut scene = Scene::new();
    scene.recorder(&scene.settings()).stop(); // the session is known to the broker
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(500));
    scene.broker.stop();
    let recorder = Recorder::start(&scene.settings());
    recorder.event("ready");
    recorder.event("broker_unreachable");
    scene.broker.start_again();
    scene.settle(recorder, &published);
}

/// Stock autosave saves every half hour: what was acknowledged since then comes again, and without the DUP flag.
#[test]
fn a_broker_that_was_killed_and_rolled_back_is_noticed_and_recorded() {
    let mut scene = Scene::new();
    let recorder = roll_back(&mut scene, LOAD);
    recorder.event("broker_rolled_back");
    let recorded = "SELECT count(*) FROM barograph_events WHERE event = 'broker_rolled_back'";
    scene.database.wait_for_one(recorded, 1);
    let gap = "SELECT count(*) FROM barograph_gaps WHERE cause = 'broker_rolled_back'";
    scene.database.wait_for_one(gap, 1);
}

#[test]
fn a_natural_key_survives_even_a_broker_that_was_rolled_back() {
    let mut scene = Scene::new();
    let keyed = LOAD.replace("qos = 2", "qos = 2\nunique = [\"n\"]");
    let recorder = roll_back(&mut scene, &keyed);
    let later = publisher::publish(scene.broker.port(), Load::numbered(1).first(300).count(100));
    let all = publisher::Published { first: 0, ..later };
    scene.settle(recorder, &all);
}

#[test]
fn a_broker_that_forgot_the_session_is_noticed_and_recording_goes_on() {
    let mut scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let first = publisher::publish(scene.broker.port(), Load::numbered(1).count(200));
    scene.drain(&recorder, &first);
    assert!(recorder.events("broker_forgot_session").is_empty(), "a first session is not lost");
    scene.broker.stop();
    scene.broker.forget_everything();
    scene.broker.start_again();
    recorder.event("broker_forgot_session");
    scene.broker.has_subscriber("load/#");
    let more = publisher::publish(scene.broker.port(), Load::numbered(1).first(200).count(200));
    scene.settle(recorder, &publisher::Published { first: 0, ..more });
}

fn survives_restarts_of_the_broker(qos: u8) {
    let mut scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(qos).rate(5_000));
    for restart in 1..=5 {
        publisher.has_sent(restart * 3_000);
        scene.broker.stop();
        recorder.event_number(usize::try_from(restart).expect("small"), "broker_disconnected");
        scene.broker.start_again();
        let back = usize::try_from(restart + 1).expect("small");
        recorder.event_within(Duration::from_secs(10), back, "broker_connected");
    }
    scene.settle(recorder, &publisher.finish());
}

/// Lets the broker deliver 300 messages a second time: they are in its last snapshot, and it is killed after they
/// were delivered and acknowledged.
fn roll_back(scene: &mut Scene, routes: &str) -> Recorder {
    let settings = scene.settings().routes(routes);
    scene.recorder(&settings).stop();
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(300));
    scene.broker.save();
    let recorder = scene.recorder(&settings);
    scene.drain(&recorder, &published);
    scene.broker.kill();
    recorder.event("broker_disconnected");
    scene.broker.start_again();
    recorder.event_number(2, "broker_connected");
    recorder
}

/// A second recorder that is away leaves a queue that overflows: only the broker can tell.
#[test]
fn what_the_broker_drops_is_told_of_with_its_number() {
    let scene = Scene::with_broker(|_| {
        "allow_anonymous true\nmax_queued_messages 10\nsys_interval 1".to_owned()
    });
    let mut recorder = scene.recorder(&scene.settings());
    let away = scene
        .settings()
        .file(scene.folder.path("away.toml"))
        .text("mqtt", "client_id", "away")
        .path("database", "path", &scene.folder.path("away.db"))
        .path("instance", "lock_file", &scene.folder.path("away.lock"));
    let mut second = Recorder::start(&away);
    second.event("broker_connected");
    second.stop();
    thread::sleep(Duration::from_secs(2)); // the broker's count as it was before, twice
    publisher::publish(scene.broker.port(), Load::numbered(1).count(500));
    let event = recorder.event("broker_dropped");
    assert!(event["count"].as_u64().is_some_and(|count| count > 0), "{event}");
    recorder.has_issue("broker_dropped", "warning");
    let told = "SELECT min(count(*), 1) FROM barograph_events WHERE event = 'broker_dropped'";
    scene.database.wait_for_one(told, 1);
    recorder.stop();
    let account = scene.database.assert_account_equals(&["load"]);
    assert_eq!(account.quarantined, 0, "the broker's count is no message");
}
