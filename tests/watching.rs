//! What a person, a script or systemd sees of a running recorder.

use std::fs;
use std::time::Duration;

use crate::support::notify::Manager;
use crate::support::ports::free_port;
use crate::support::publisher::{self, Load};
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::wait;

#[test]
fn the_stats_line_comes_at_its_interval_and_counts() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().text("log", "stats_interval", "1s"));
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(500));
    scene.drain(&recorder, &published);
    let so_far = recorder.events("stats").len();
    let line = recorder.event_number(so_far + 2, "stats");
    for (field, value) in [("received", 500), ("stored", 500), ("duplicate", 0), ("dropped", 0)] {
        assert_eq!(number(&line[field]), Some(value), "{field} in {line}");
    }
    for field in ["uptime", "quarantined", "received_per_second", "last_commit", "restarts"] {
        assert!(!line[field].is_null(), "no {field} in {line}");
    }
    scene.stop_and_check(recorder, &published);
}

#[test]
fn a_recorder_told_nothing_of_faults_opens_no_unix_socket() {
    let scene = Scene::new();
    let recorder = Recorder::start(&scene.settings());
    recorder.event("broker_connected");
    assert_eq!(listening_unix_sockets(recorder.process.pid()), Vec::<String>::new());
    drop(recorder);
    let faulty = scene.recorder(&scene.settings());
    let listening = listening_unix_sockets(faulty.process.pid());
    assert_eq!(listening.len(), 1, "the look itself must be able to see one");
    assert!(scene.faults.say("panic nobody").starts_with("error: "));
    assert!(scene.faults.say("dance mqtt").starts_with("error: "));
}

#[test]
fn restarts_and_connections_are_rows_of_the_database() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    scene.faults.inject("panic stats");
    recorder.event("actor_restarted");
    recorder.stop();
    for event in ["actor_restarted", "broker_connected"] {
        let query = format!("SELECT count(*) FROM barograph_events WHERE event = '{event}'");
        assert_eq!(scene.database.one::<i64>(&query), 1, "{event}");
    }
}

#[test]
fn the_log_goes_to_its_file_and_obeys_its_level() {
    let scene = Scene::new();
    let file = scene.folder.path("recorder.log");
    let settings = scene.settings().path("log", "file", &file).text("log", "format", "text");
    let started =
        || scene.database.one::<i64>("SELECT count(*) FROM barograph_events WHERE event = 'ready'");
    for (starts, level, is_told) in [(1, "info", true), (2, "error", false)] {
        let mut command = barograph_with("run", &settings);
        command.args(["--log-level", level]);
        let mut recorder = Recorder::spawn(command);
        scene.broker.has_subscriber("load/#");
        wait::until_true("it is ready", Duration::from_secs(20), || {
            scene.database.path().exists() && started() == starts
        });
        recorder.stop();
        let said = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(said.contains("connected"), is_told, "at level {level}: {said}");
        fs::write(&file, "").expect("our own folder");
    }
}

#[test]
fn systemd_is_told_when_it_is_ready_what_it_does_and_when_it_stops() {
    let scene = Scene::new();
    let manager = Manager::listen(&scene.folder);
    let command = manager.manages(barograph_with("run", &scene.settings()));
    let mut recorder = Recorder::spawn(command);
    manager.hears("READY=1");
    manager.hears("STATUS=");
    assert!(scene.database.path().exists(), "ready means: the database is open");
    recorder.stop();
    manager.hears("STOPPING=1");
}

/// Recording does not depend on the broker being up: a unit that waits for it would time out.
#[test]
fn systemd_is_told_ready_even_when_the_broker_is_away() {
    let scene = Scene::new();
    let manager = Manager::listen(&scene.folder);
    let url = format!("mqtt://127.0.0.1:{}", free_port());
    let settings = scene.settings().text("mqtt", "url", &url);
    let mut recorder = Recorder::spawn(manager.manages(barograph_with("run", &settings)));
    manager.hears("READY=1");
    recorder.stop();
}

/// The Unix sockets on which a process accepts connections.
fn listening_unix_sockets(pid: u32) -> Vec<String> {
    const ACCEPTS_CONNECTIONS: &str = "00010000";
    let open: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("it runs")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let sockets = fs::read_to_string(format!("/proc/{pid}/net/unix")).expect("it runs");
    let listens = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.len() > 6
            && fields[3] == ACCEPTS_CONNECTIONS
            && open.iter().any(|inode| inode == fields[6])
    };
    sockets.lines().skip(1).filter(listens).map(str::to_owned).collect()
}

/// A number, also one that the log writes as text.
fn number(value: &serde_json::Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
