//! A committed row is on the disk before it is acknowledged: at `synchronous = "full"` each commit is an fsync.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::publisher::publish_one;
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::wait;

const MESSAGES: usize = 30;

#[test]
fn every_commit_is_pressed_onto_the_disk_by_default() {
    let syncs = syncs_of_single_messages("full");
    assert!(syncs >= MESSAGES, "{syncs} fsyncs for {MESSAGES} messages one by one");
}

#[test]
fn normal_spares_the_disk_and_says_at_start_what_it_costs() {
    let syncs = syncs_of_single_messages("normal");
    assert!(syncs < MESSAGES, "{syncs} fsyncs for {MESSAGES} messages one by one");
}

/// The gap of a killed recorder is known to some ten seconds; that must not wear out a flash card.
#[test]
fn an_idle_recorder_leaves_signs_of_life_without_a_single_fsync() {
    let scene = Scene::new();
    let trace = scene.folder.path("trace");
    let mut recorder = traced(&scene, &scene.settings(), &trace);
    let seen = || {
        scene
            .database
            .one::<i64>("SELECT CAST(value AS INTEGER) FROM barograph_meta WHERE key = 'seen'")
    };
    let moves_on = |from: i64| {
        wait::until_true("another sign of life", Duration::from_secs(30), || seen() > from);
        seen()
    };
    scene.database.wait_for_one("SELECT count(*) FROM barograph_meta WHERE key = 'seen'", 1);
    let first = moves_on(seen()); // by then the events of the start are written
    let before = syncs(&trace);
    moves_on(moves_on(first));
    assert_eq!(syncs(&trace), before);
    recorder.stop();
}

/// How often a recorder calls fsync while it records messages that come one after the other.
fn syncs_of_single_messages(synchronous: &str) -> usize {
    let scene = Scene::new();
    let settings = scene.settings().text("database", "synchronous", synchronous);
    let trace = scene.folder.path("trace");
    let mut recorder = traced(&scene, &settings, &trace);
    let before = syncs(&trace);
    for n in 0..MESSAGES {
        publish_one(scene.broker.port(), "load/n", format!(r#"{{"n":{n}}}"#).as_bytes(), false);
        scene.fills_to(&recorder, "load", i64::try_from(n).expect("small") + 1);
    }
    let calls = syncs(&trace) - before;
    if synchronous == "normal" {
        recorder.says("power");
    }
    recorder.stop();
    calls
}

/// A connected recorder whose calls of fsync are written down.
fn traced(scene: &Scene, settings: &Settings, trace: &Path) -> Recorder {
    let program = barograph_with("run", settings);
    let mut command = Command::new("strace");
    // -D: the recorder is our own child, and strace only looks on
    command.args(["-D", "-f", "-q", "-e", "trace=fsync,fdatasync", "-o"]).arg(trace);
    command.arg(program.get_program()).args(program.get_args()).current_dir(scene.folder.root());
    let recorder = Recorder::spawn(command);
    recorder.event("broker_connected");
    scene.broker.has_subscriber("load/#");
    recorder
}

fn syncs(trace: &Path) -> usize {
    let text = fs::read_to_string(trace).expect("strace writes it");
    text.lines().filter(|line| line.contains("sync(") && !line.contains("resumed")).count()
}
