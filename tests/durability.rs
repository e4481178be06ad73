//! A committed row is on the disk before it is acknowledged: at `synchronous = "full"` each commit is an fsync.

use std::fs;
use std::process::Command;

use crate::support::publisher::publish_one;
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;

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

/// How often a recorder calls fsync while it records messages that come one after the other.
fn syncs_of_single_messages(synchronous: &str) -> usize {
    let scene = Scene::new();
    let settings = scene.settings().text("database", "synchronous", synchronous);
    let trace = scene.folder.path("trace");
    let program = barograph_with("run", &settings);
    let mut command = Command::new("strace");
    // -D: the recorder is our own child, and strace only looks on
    command.args(["-D", "-f", "-q", "-e", "trace=fsync,fdatasync", "-o"]).arg(&trace);
    command.arg(program.get_program()).args(program.get_args()).current_dir(scene.folder.root());
    let mut recorder = Recorder::spawn(command);
    recorder.event("broker_connected");
    scene.broker.has_subscriber("load/#");
    let calls = || {
        let text = fs::read_to_string(&trace).expect("strace writes it");
        text.lines().filter(|line| line.contains("sync(") && !line.contains("resumed")).count()
    };
    let before = calls();
    for n in 0..MESSAGES {
        publish_one(scene.broker.port(), "load/n", format!(r#"{{"n":{n}}}"#).as_bytes(), false);
        scene.fills_to(&recorder, "load", i64::try_from(n).expect("small") + 1);
    }
    let calls = calls() - before;
    if synchronous == "normal" {
        recorder.says("power");
    }
    recorder.stop();
    calls
}
