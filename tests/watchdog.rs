//! systemd's watchdog, seen from a manager that listens as systemd does. A recorder that hangs anywhere must not be
//! counted as alive; one that waits for a disk must not be restarted for it.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::locker::Locker;
use crate::support::notify::Manager;
use crate::support::publisher::{Load, Publisher};
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::wait;

/// systemd's patience in these tests.
const WATCHDOG: Duration = Duration::from_secs(6);

/// A recorder under the eyes of a manager, with a socket for faults.
fn watched(scene: &Scene, manager: &Manager, settings: &Settings) -> Recorder {
    let mut command = manager.watches(barograph_with("run", settings), WATCHDOG);
    command.arg("--fault-injection").arg(&scene.faults.0);
    let recorder = Recorder::spawn(command);
    recorder.event("ready");
    recorder.event("broker_connected");
    scene.broker.has_subscriber(settings.first_filter());
    recorder
}

#[test]
fn a_recorder_pings_in_time_whether_messages_come_or_not() {
    let scene = Scene::new();
    let manager = Manager::listen(&scene.folder);
    let recorder = watched(&scene, &manager, &scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    thread::sleep(WATCHDOG * 2); // time itself
    scene.settle(recorder, &publisher.finish());
    let pings = manager.pings();
    assert!((5..=12).contains(&pings.len()), "each third of the time: {}", pings.len());
    let longest = pings.windows(2).map(|two| two[1] - two[0]).max().expect("several");
    assert!(longest < WATCHDOG / 2, "{longest:?}");
    assert!(!manager.times("EXTEND_TIMEOUT_USEC=").is_empty(), "a start may take its time");
}

#[test]
fn a_hanging_writer_ends_the_pings_until_it_goes_on() {
    a_hang_ends_the_pings("db_writer");
}

#[test]
fn a_hanging_mqtt_actor_ends_the_pings_until_it_goes_on() {
    a_hang_ends_the_pings("mqtt");
}

#[test]
fn a_hanging_health_actor_ends_the_pings_until_it_goes_on() {
    a_hang_ends_the_pings("health");
}

#[test]
fn a_hanging_stats_actor_ends_the_pings_until_it_goes_on() {
    a_hang_ends_the_pings("stats");
}

#[test]
fn a_hanging_supervisor_ends_the_pings_until_it_goes_on() {
    a_hang_ends_the_pings("supervisor");
}

fn a_hang_ends_the_pings(actor: &str) {
    const HANG: Duration = Duration::from_secs(15);
    let scene = Scene::new();
    let manager = Manager::listen(&scene.folder);
    let recorder = watched(&scene, &manager, &scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(500));
    manager.is_pinged(WATCHDOG);
    let hung = Instant::now();
    scene.faults.say_without_waiting(&format!("hang {actor} {}s", HANG.as_secs()));
    thread::sleep(HANG.saturating_sub(hung.elapsed())); // time itself
    let last = manager.pings().into_iter().filter(|at| *at < hung + HANG).max().expect("pinged");
    let went_on = last.saturating_duration_since(hung);
    assert!(went_on < Duration::from_secs(8), "it pinged for {went_on:?} while {actor} hung");
    manager.is_pinged(WATCHDOG);
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn a_writer_that_hangs_for_ever_is_aborted_and_the_next_process_loses_nothing() {
    is_aborted("db_writer");
}

#[test]
fn an_mqtt_actor_that_hangs_for_ever_is_aborted_and_the_next_process_loses_nothing() {
    is_aborted("mqtt");
}

#[test]
fn a_supervisor_that_hangs_for_ever_is_aborted_and_the_next_process_loses_nothing() {
    is_aborted("supervisor");
}

fn is_aborted(actor: &str) {
    let scene = Scene::new();
    let manager = Manager::listen(&scene.folder);
    let mut recorder = watched(&scene, &manager, &scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(500));
    publisher.has_sent(300);
    scene.faults.say_without_waiting(&format!("hang {actor} 600s"));
    manager.aborts_when_overdue(&recorder, WATCHDOG);
    assert_eq!(recorder.exit_code(Duration::from_secs(10)), None, "a signal ended it");
    let next = watched(&scene, &manager, &scene.settings());
    manager.is_pinged(WATCHDOG);
    scene.settle(next, &publisher.finish());
}

/// A fresh process could do no more: it would only be started again every minute.
#[test]
fn a_place_that_cannot_be_written_is_no_reason_for_a_restart() {
    let scene = Scene::new();
    let manager = Manager::listen(&scene.folder);
    let settings = scene.settings().quick_to_heal().without_a_spool_to_speak_of();
    let settings = settings.text("health", "no_write_issue_after", "1s");
    let recorder = watched(&scene, &manager, &settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    publisher.has_sent(300);
    let lock = Locker::hold(&scene.database);
    recorder.is_in_mode("holding");
    recorder.has_issue("no_writes", "critical");
    wait::while_true("pinged in time", WATCHDOG * 2, || {
        manager.pings().last().is_some_and(|at| at.elapsed() < WATCHDOG)
    });
    manager.hears("STATUS=not recording since ");
    lock.release();
    recorder.is_rid_of("no_writes");
    scene.settle(recorder, &publisher.finish());
}
