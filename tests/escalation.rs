//! What restarting cannot heal ends the process with exit code 70, and the next process loses nothing.

use std::time::Duration;

use crate::support::publisher::{Load, Publisher};
use crate::support::recorder::{Recorder, STOP_MAX};
use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::wait;

#[test]
fn a_restart_storm_escalates_and_the_next_process_loses_nothing() {
    let scene = Scene::new();
    let settings = scene.settings().set("supervisor", "intensity", "3");
    let escalated = escalates(&scene, &settings, STOP_MAX, |recorder| {
        wait::until_true("the end of the patience", Duration::from_secs(20), || {
            scene.faults.say("panic stats");
            !recorder.process.is_running()
        });
    });
    assert_eq!(escalated.events("actor_restarted").len(), 3, "as many as were allowed");
}

#[test]
fn a_stuck_writer_escalates_in_time_and_the_next_process_loses_nothing() {
    is_judged_stuck("db_writer");
}

#[test]
fn a_stuck_mqtt_actor_escalates_in_time_and_the_next_process_loses_nothing() {
    is_judged_stuck("mqtt");
}

/// They own nothing: another life takes their place, and the recording does not notice.
#[test]
fn a_stuck_observer_is_replaced() {
    for actor in ["health", "stats"] {
        let scene = Scene::new();
        let settings = scene.settings().text("supervisor", "stuck_after", "1s");
        let recorder = scene.recorder(&settings);
        let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(1_000));
        publisher.has_sent(300);
        scene.faults.inject(&format!("hang {actor} 60s"));
        let restarted = recorder.event("actor_restarted");
        assert_eq!((&restarted["actor"], &restarted["exit"]), (&actor.into(), &"stuck".into()));
        scene.settle(recorder, &publisher.finish());
    }
}

#[test]
fn a_panic_of_the_supervisor_ends_the_process_and_the_next_one_loses_nothing() {
    let scene = Scene::new();
    escalates(&scene, &scene.settings(), STOP_MAX, |_| {
        scene.faults.say("panic supervisor");
    });
}

fn is_judged_stuck(actor: &str) {
    let scene = Scene::new();
    let settings = scene.settings().text("supervisor", "stuck_after", "1s");
    // the limit, an orderly stop of the others, and a busy machine
    let within = Duration::from_secs(1) + STOP_MAX;
    let recorder = escalates(&scene, &settings, within, |_| {
        scene.faults.inject(&format!("hang {actor} 60s"));
    });
    let event = recorder.event("escalated");
    assert!(event.to_string().contains(actor), "the one waited for is the suspect: {event}");
}

/// Brings a recorder under load to give up, and starts another one, which must find everything.
fn escalates(
    scene: &Scene,
    settings: &Settings,
    within: Duration,
    mut trouble: impl FnMut(&mut Recorder),
) -> Recorder {
    let mut recorder = scene.recorder(settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(1_000));
    publisher.has_sent(300);
    trouble(&mut recorder);
    assert_eq!(recorder.exit_code(within), Some(70), "the log:\n{}", recorder.process.tail());
    let next = Recorder::start(settings);
    next.event("broker_connected");
    scene.settle(next, &publisher.finish());
    recorder
}
