//! Actors, the clock, the lock, the sensors.

use std::fs;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::support::needs::{self, Need};
use crate::support::publisher::publish_one;
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::LOAD;

#[test]
fn an_actor_that_hangs_is_an_issue_until_it_goes_on() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    for (actor, severity) in
        [("mqtt", "critical"), ("stats", "warning"), ("supervisor", "critical")]
    {
        scene.faults.say_without_waiting(&format!("hang {actor} 8s"));
        let id = format!("actor_stuck:{actor}");
        let issue = recorder.has_issue(&id, severity);
        assert!(issue.to_string().contains("no sign of life for 5s"), "{issue}");
        recorder.is_rid_of(&id);
    }
}

#[test]
fn a_stuck_observer_is_replaced_and_that_is_told_of() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().text("supervisor", "stuck_after", "7s"));
    scene.faults.inject("hang stats 60s");
    recorder.has_issue("actor_stuck:stats", "warning");
    let attempt = recorder.event("recovery_attempted");
    assert_eq!(attempt["what"], "replace_actor", "{attempt}");
    recorder.is_rid_of("actor_stuck:stats");
}

#[test]
fn an_actor_that_dies_again_and_again_is_an_issue() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    for time in 1..=3 {
        assert!(recorder.issue("actor_restarting:stats").is_none(), "{time}: twice may be chance");
        scene.faults.inject("panic stats");
        recorder.event_number(time, "actor_restarted");
    }
    let issue = recorder.has_issue("actor_restarting:stats", "warning");
    assert!(issue.to_string().contains("restarted 3 times within 10m"), "{issue}");
}

#[test]
fn a_lock_file_that_goes_is_critical_until_the_recorder_is_started_anew() {
    let scene = Scene::new();
    let settings = scene.settings().watchful();
    let mut recorder = scene.recorder(&settings);
    let lock = scene.folder.path("barograph.lock");
    fs::remove_file(&lock).expect("it is held");
    let issue = recorder.has_issue("lock_lost", "critical");
    assert!(issue.to_string().contains("barograph.lock was removed or replaced"), "{issue}");
    recorder.stop();
    let next = scene.recorder(&settings);
    next.event("ready");
    assert!(lock.exists() && next.issue("lock_lost").is_none());
}

#[test]
fn a_silent_sensor_is_an_issue_until_it_speaks() {
    let scene = Scene::new();
    let routes = LOAD.replace("qos = 2", "qos = 2\nsilent_after = \"2s\"");
    let recorder = scene.recorder(&scene.settings().routes(&routes));
    recorder.has_issue("route_silent:load", "warning");
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    recorder.is_rid_of("route_silent:load");
}

#[test]
fn a_clock_that_is_set_is_told_of() {
    if !needs::are_met(&[Need::FakeTime]) {
        return;
    }
    let scene = Scene::new();
    let offset = scene.folder.path("offset");
    fs::write(&offset, "+0").expect("our own folder");
    let mut command = barograph_with("run", &scene.settings());
    command
        .env("LD_PRELOAD", needs::fake_time().expect("asked for"))
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let recorder = Recorder::spawn(command);
    recorder.event("broker_connected");
    assert!(recorder.issue("clock_jumped").is_none());
    fs::write(&offset, "+3600").expect("our own folder");
    let issue = recorder.has_issue("clock_jumped", "warning");
    assert!(issue.to_string().contains("forward by 1h"), "{issue}");
}

/// What the kernel says of its clock is the machine's own business: here strace answers in its place.
#[test]
fn a_clock_that_nothing_keeps_right_is_an_issue_where_that_is_wanted() {
    if !needs::are_met(&[Need::Strace]) {
        return;
    }
    let scene = Scene::new();
    let settings = scene.settings().watchful().set("health", "clock_sync", "true");
    let recorder = scene.recorder(&settings);
    let unsynchronised = Answer::of_the_kernel(&recorder, 5);
    recorder.has_issue("clock_unsynchronised", "warning");
    drop(unsynchronised);
    let _synchronised = Answer::of_the_kernel(&recorder, 0);
    recorder.is_rid_of("clock_unsynchronised");
}

/// strace, which answers each question for the state of the clock; until it is dropped.
struct Answer(Child);

impl Answer {
    fn of_the_kernel(recorder: &Recorder, state: u8) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-p", &recorder.process.pid().to_string()]);
        command.args(["-e", "trace=adjtimex,clock_adjtime"]);
        command.args(["-e", &format!("inject=adjtimex,clock_adjtime:retval={state}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("asked for"))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // It lets go of what it traces before it ends.
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a pid is an i32"));
        let _ = signal::kill(pid, Signal::SIGTERM);
        let _ = self.0.wait();
    }
}
