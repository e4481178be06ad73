//! `config/barograph.service`, as systemd's own tools judge it. Nothing here starts systemd.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::folder::Folder;
use crate::support::needs::{self, Need};
use crate::support::publisher::{Load, publish};
use crate::support::recorder::{PROGRAM, Recorder, STOP_MAX, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::Settings;

const UNIT: &str = "config/barograph.service";
/// What `systemd-analyze security` may say at most, in tenths.
const EXPOSURE_MAX: &str = "15";

/// SQLite gives its files to the owner of the database when it runs as root; the unit does not.
const MADE_BY_ROOT_ONLY: [&str; 1] = ["fchown"];

/// The recorder asks the kernel whether the clock is synchronised; where it may not, systemd-timesyncd's file answers.
const REFUSAL_IS_BORNE: [&str; 2] = ["adjtimex", "clock_adjtime"];

fn analyze(arguments: &[&str]) -> Output {
    let output = Command::new("systemd-analyze").args(arguments).output();
    output.expect("the tests need systemd-analyze: apt install systemd")
}

#[test]
fn the_unit_leaves_a_recorder_as_little_as_it_needs() {
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let judged = analyze(&["security", "--offline=yes", "--no-pager", &threshold, UNIT]);
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}

#[test]
fn the_units_say_nothing_that_systemd_does_not_understand() {
    let folder = Folder::new();
    let text = fs::read_to_string(UNIT).expect("it is shipped");
    let ours = folder.path("barograph.service");
    fs::write(&ours, text.replace("/usr/local/bin/barograph", PROGRAM)).expect("our own folder");
    let socket = folder.path("barograph.socket");
    fs::copy("config/barograph.socket", &socket).expect("our own folder");
    let names = [&ours, &socket].map(|path| path.to_str().expect("UTF-8"));
    let verified = analyze(&[&["verify", "--man=no"][..], &names].concat());
    let said = String::from_utf8_lossy(&verified.stderr);
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("barograph")).collect();
    assert!(verified.status.success() && about_us.is_empty(), "{said}");
}

/// The filter of the unit answers EPERM to what a recorder does not do: so it must not do it.
#[test]
fn a_recorder_makes_no_system_call_that_the_unit_forbids() {
    if !needs::are_met(&[Need::Strace]) {
        return;
    }
    let unit = fs::read_to_string(UNIT).expect("it is shipped");
    let forbidden = unit.lines().find_map(|line| line.strip_prefix("SystemCallFilter=~"));
    let forbidden = forbidden.expect("the unit forbids some");
    let scene = Scene::new();
    let trace = scene.folder.path("trace");
    let settings = scene.settings().text("watchtower", "listen", "127.0.0.1:0");
    let made = calls_made_while_recording(&scene, &settings, &trace);
    assert!(made.contains("fsync") && made.contains("connect"), "the trace sees nothing: {made:?}");
    let mut allowed = calls_of("@system-service");
    let given_back = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter="));
    let given_back: BTreeSet<String> = given_back
        .filter(|line| !line.starts_with(['~', '@']))
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect();
    let forbidden: BTreeSet<String> = forbidden.split_whitespace().flat_map(calls_of).collect();
    let forbidden = &forbidden - &given_back;
    allowed.extend(given_back);
    let is_fine =
        |call: &str| MADE_BY_ROOT_ONLY.contains(&call) || REFUSAL_IS_BORNE.contains(&call);
    let made: BTreeSet<String> = made.into_iter().filter(|call| !is_fine(call)).collect();
    let odd: Vec<&String> =
        made.iter().filter(|call| !allowed.contains(*call) || forbidden.contains(*call)).collect();
    assert!(odd.is_empty(), "EPERM under systemd: {odd:?}");
}

fn calls_made_while_recording(
    scene: &Scene,
    settings: &Settings,
    trace: &std::path::Path,
) -> BTreeSet<String> {
    let recorder = barograph_with("run", settings);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(trace).arg(recorder.get_program());
    command.args(recorder.get_args());
    command.current_dir(recorder.get_current_dir().expect("it has one"));
    let mut traced = Recorder::spawn(command);
    traced.event_within(Duration::from_secs(60), 1, "broker_connected");
    scene.broker.has_subscriber(settings.first_filter());
    let published = publish(scene.broker.port(), Load::numbered(2).count(100));
    scene.drain(&traced, &published);
    // strace keeps a signal to itself.
    let pid = traced.event("starting")["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    kill(Pid::from_raw(pid.expect("a process id")), Signal::SIGTERM).expect("it runs");
    assert_eq!(traced.exit_code(STOP_MAX), Some(0));
    let text = fs::read_to_string(trace).expect("strace wrote it");
    let call = |line: &str| {
        let (_, rest) = line.split_once(' ')?;
        let (name, _) = rest.trim_start().split_once('(')?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.chars().all(is_name).then(|| name.to_owned())
    };
    // The program is started by systemd, before the filter holds.
    text.lines().filter_map(call).filter(|name| name != "execve").collect()
}

/// The system calls of a set, those of the sets within it included.
fn calls_of(set: &str) -> BTreeSet<String> {
    let output = analyze(&["syscall-filter", "--no-pager", set]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut calls = BTreeSet::new();
    for word in words.filter(|word| !word.starts_with('#') && *word != set) {
        match word.starts_with('@') {
            true => calls.extend(calls_of(word)),
            false => drop(calls.insert(word.to_owned())),
        }
    }
    calls
}
