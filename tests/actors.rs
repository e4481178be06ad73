//! Each actor panics, stops and hangs under load: nothing is lost, nothing is twice, the others do not notice.

use std::thread;

use crate::support::publisher::{Load, Publisher};
use crate::support::random::Random;
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;

/// How often each fault strikes.
const TIMES: usize = 3;

#[test]
fn panicking_writer_loses_no_acked_row() {
    is_restarted_after("panic", "db_writer", "panicked");
}

#[test]
fn panicking_mqtt_actor_loses_and_doubles_nothing() {
    is_restarted_after("panic", "mqtt", "panicked");
}

#[test]
fn panicking_health_actor_disturbs_nobody() {
    is_restarted_after("panic", "health", "panicked");
}

#[test]
fn panicking_stats_actor_disturbs_nobody_and_the_account_stays_true() {
    is_restarted_after("panic", "stats", "panicked");
}

#[test]
fn stopped_writer_loses_no_acked_row() {
    is_restarted_after("stop", "db_writer", "done");
}

#[test]
fn stopped_mqtt_actor_loses_and_doubles_nothing() {
    is_restarted_after("stop", "mqtt", "done");
}

#[test]
fn stopped_health_actor_disturbs_nobody() {
    is_restarted_after("stop", "health", "done");
}

#[test]
fn stopped_stats_actor_disturbs_nobody_and_the_account_stays_true() {
    is_restarted_after("stop", "stats", "done");
}

#[test]
fn hanging_writer_is_waited_for() {
    is_waited_for("db_writer");
}

#[test]
fn hanging_mqtt_actor_is_waited_for() {
    is_waited_for("mqtt");
}

#[test]
fn hanging_health_actor_is_waited_for() {
    is_waited_for("health");
}

#[test]
fn hanging_stats_actor_is_waited_for() {
    is_waited_for("stats");
}

fn is_restarted_after(fault: &str, actor: &str, exit: &str) {
    let mut random = Random::new();
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    for time in 1..=TIMES {
        thread::sleep(random.between(50, 300)); // the random moment
        scene.faults.inject(&format!("{fault} {actor}"));
        let event = recorder.event_number(time, "actor_restarted");
        assert_eq!(event["actor"], actor, "{event}");
        assert_eq!(event["exit"], exit, "{event}");
        for field in ["cause", "attempt", "backoff"] {
            assert!(!event[field].is_null(), "no {field} in {event}");
        }
    }
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    assert_eq!(restarts(&recorder), vec![actor; TIMES], "nobody else was restarted");
    scene.stop_and_check(recorder, &published);
}

fn is_waited_for(actor: &str) {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    publisher.has_sent(200);
    scene.faults.inject(&format!("hang {actor} 2s"));
    publisher.has_sent(6_000);
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    assert_eq!(restarts(&recorder), Vec::<String>::new(), "waiting is not being stuck");
    scene.stop_and_check(recorder, &published);
}

fn restarts(recorder: &Recorder) -> Vec<String> {
    let events = recorder.events("actor_restarted");
    events.iter().map(|event| event["actor"].as_str().unwrap_or_default().to_owned()).collect()
}
