//! A password never reaches a log, an error, a lock file or another instance's refusal.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::process::{self, Stream};
use crate::support::recorder::{Recorder, barograph, barograph_with, command};
use crate::support::scene::Scene;

const SECRET: &str = "hunter2-Zaphod";

#[test]
fn a_password_on_the_command_line_is_in_no_log_no_lock_and_no_refusal() {
    let scene = Scene::new();
    let settings = scene.settings().text("log", "level", "trace");
    let start = || {
        let mut command = barograph_with("run", &settings);
        command.arg("--mqtt");
        command.arg(format!("mqtt://station:{SECRET}@127.0.0.1:{}", scene.broker.port()));
        command
    };
    let mut recorder = Recorder::spawn(start());
    recorder.event("broker_connected");
    let refused = process::outcome(start(), Duration::from_secs(20));
    assert_eq!(refused.code, Some(75), "{refused:?}");
    assert_silent("the refusal", &(refused.stdout + &refused.stderr));
    recorder.stop();
    assert_silent("the log", &recorder.log());
    assert_silent("standard output", &recorder.process.text(Stream::Stdout));
    for entry in fs::read_dir(scene.folder.root()).expect("our own folder").flatten() {
        let bytes = fs::read(entry.path()).unwrap_or_default(); // a folder has none
        assert_silent(&entry.path().display().to_string(), &String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_password_in_the_environment_is_in_no_log() {
    let scene = Scene::new();
    let mut command = barograph_with("run", &scene.settings().text("log", "level", "trace"));
    command.env("BAROGRAPH_MQTT__USERNAME", "station");
    command.env("BAROGRAPH_MQTT__PASSWORD", SECRET);
    let mut recorder = Recorder::spawn(command);
    recorder.event("broker_connected");
    recorder.stop();
    assert_silent("the log", &recorder.log());
}

#[test]
fn a_token_of_the_page_is_in_no_log_and_no_check() {
    let scene = Scene::new();
    let settings = scene.settings().text("log", "level", "trace");
    let file = scene.folder.path("token");
    fs::write(&file, format!("{SECRET}-{SECRET}\n")).expect("our own folder");
    let only_ours = Permissions::from_mode(0o600);
    fs::set_permissions(&file, only_ours).expect("our own file");
    let settings = settings.path("watchtower", "admin_token_file", &file);
    let mut recorder = Recorder::start(&settings);
    recorder.event("broker_connected");
    let checked = command(&["check", "--show"], &settings);
    assert!(checked.stdout.contains("admin_token_file = \"***\""), "{checked:?}");
    assert_silent("the check", &(checked.stdout + &checked.stderr));
    fs::write(&file, format!("{SECRET}\n")).expect("our own folder");
    recorder.process.signal(Signal::SIGHUP);
    recorder.event("reload_failed");
    recorder.stop();
    assert_silent("the log", &recorder.log());
}

#[test]
fn a_mistake_in_a_secret_is_reported_without_it() {
    let scene = Scene::new();
    for (key, value) in [
        ("password", format!("[\"{SECRET}\"]")),
        ("pasword", format!("\"{SECRET}\"")),
        ("url", format!("\"mqtt://station:{SECRET}@:x\"")),
        ("url", format!("\"http://station:{SECRET}@localhost\"")),
    ] {
        let settings = scene.settings().set("mqtt", key, &value);
        let outcome = process::outcome(barograph_with("run", &settings), Duration::from_secs(20));
        assert_eq!(outcome.code, Some(78), "{key}: {outcome:?}");
        assert_silent(&format!("{key} = {value}"), &(outcome.stdout + &outcome.stderr));
    }
}

#[test]
fn a_mistake_on_the_command_line_is_reported_without_the_password() {
    let url = format!("http://station:{SECRET}@localhost");
    let outcome = process::outcome(barograph(&["run", "--mqtt", &url]), Duration::from_secs(20));
    assert_ne!(outcome.code, Some(0));
    assert_silent("the error", &(outcome.stdout + &outcome.stderr));
}

fn assert_silent(place: &str, text: &str) {
    assert!(!text.contains(SECRET), "the password is in {place}:\n{text}");
}
