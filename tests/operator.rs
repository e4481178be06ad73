//! The operator's socket, and `status` through it: told within a second, whatever happens; no client disturbs the recorder.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::locker::Locker;
use crate::support::operator::Operator;
use crate::support::publisher::{self, Load, publish_one};
use crate::support::recorder::{Recorder, command, json};
use crate::support::scene::Scene;
use crate::support::wait;

/// For something to happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What scripts rely on.
const STATUS_KEYS: [&str; 17] = [
    "account",
    "actors",
    "broker",
    "database",
    "flow",
    "health",
    "issues",
    "mode",
    "now",
    "paused_since",
    "pid",
    "rates",
    "routes",
    "spool",
    "started",
    "summary",
    "version",
];

#[test]
fn status_tells_on_one_screen_how_the_recorder_is() {
    let scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    publish_one(scene.broker.port(), "load/n", br#"{"n":4711}"#, false);
    scene.fills_to(&recorder, "load", 1);
    wait::until_true("the reading is published", PATIENCE, || {
        json(&["status"], &settings).1["routes"][0]["latest"].is_object()
    });

    let outcome = command(&["status"], &settings);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let text = outcome.stdout;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.lines().count() <= 25 && !text.contains('\u{1b}'), "{text}");
    let pid = format!("pid {}", recorder.process.pid());
    let beginning = "ok: recording; connected since";
    for words in
        [beginning, &pid, "data.db", "since the start: 1 received = 1", "n 4711", "db_writer"]
    {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }

    let (code, status) = json(&["status"], &settings);
    assert_eq!(code, Some(0));
    let keys: Vec<&String> = status.as_object().expect("an object").keys().collect();
    assert_eq!(keys, STATUS_KEYS, "new keys may come: then add them here and to docs/api.md");
    assert_eq!(status["pid"], recorder.process.pid(), "{status}");
    assert_eq!(status["account"]["stored"], 1, "{status}");
    assert_eq!(status["routes"][0]["latest"]["values"][0]["value"], 4711, "{status}");
    let mut actors = status["actors"].as_array().expect("a list").iter();
    let writer = actors.find(|actor| actor["actor"] == "db_writer").expect("it runs");
    assert_eq!((&writer["state"], &writer["restarts"]), (&"running".into(), &0.into()), "{status}");
    assert!(writer["pulse_age_ms"].as_u64().is_some_and(|age| age < 10_000), "{status}");
}

#[test]
fn status_of_a_recorder_that_does_not_run_tells_what_the_lock_says() {
    let scene = Scene::new();
    let settings = scene.settings();
    let outcome = command(&["status"], &settings);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(outcome.stdout.contains("no recorder ever had the lock"), "{outcome:?}");

    let mut recorder = scene.recorder(&settings);
    let pid = recorder.process.pid();
    recorder.kill();
    assert!(socket(&scene).exists(), "a killed one leaves it behind");
    let outcome = command(&["status"], &settings);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let told = format!("the last run did not end in order: pid {pid}, since ");
    assert!(outcome.stdout.replace('\n', " ").contains(&told), "{outcome:?}");
    let (code, status) = json(&["status"], &settings);
    assert_eq!((code, &status["health"]), (Some(3), &"not_running".into()), "{status}");
    assert_eq!(status["lock"]["pid"], pid, "{status}");

    scene.recorder(&settings).stop();
    let outcome = command(&["status"], &settings);
    assert!(outcome.stdout.contains("it was stopped at "), "{outcome:?}");
    for words in [&["checkpoint"][..], &["log-level", "debug"], &["tail"], &["pause"]] {
        assert_eq!(command(words, &settings).code, Some(3), "{words:?}");
    }
}

#[test]
fn status_shows_the_id_that_acknowledge_takes() {
    let scene = Scene::new();
    let settings = scene.settings().watchful();
    let mut recorder = scene.recorder(&settings);
    assert_eq!(command(&["pause"], &settings).code, Some(0));
    recorder.has_issue("paused", "warning");
    let outcome = command(&["status"], &settings);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let text = outcome.stdout;
    assert!(text.starts_with("degraded: 1 issue\n"), "{text}");
    let issue = text.lines().find_map(|line| line.strip_prefix("  warning ")).expect("it is told");
    let id = issue.split(' ').next().expect("an id");
    let known = command(&["acknowledge", id], &settings);
    assert_eq!((id, known.code), ("paused", Some(0)), "{known:?}");
    recorder.stop();
}

#[test]
fn status_counts_what_an_earlier_run_received_as_such() {
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal();
    let mut recorder = scene.recorder(&settings);
    let locker = Locker::hold(&scene.database);
    publisher::publish(scene.broker.port(), Load::numbered(1).count(3));
    recorder.is_in_mode("degraded");
    wait::until_true("they are in the spool", PATIENCE, || {
        json(&["status"], &settings).1["account"]["spooled"] == 3
    });
    recorder.kill();
    locker.release();
    let mut recorder = scene.recorder(&settings);
    scene.fills_to(&recorder, "load", 3);
    wait::until_true("they are counted", PATIENCE, || {
        json(&["status"], &settings).1["account"]["stored"] == 3
    });
    let (_, status) = json(&["status"], &settings);
    assert_eq!(status["account"]["received_before"], 3, "{status}");
    let text = command(&["status"], &settings).stdout;
    let words: Vec<&str> = text.split_whitespace().collect();
    let told = "since the start: 3 received (3 of them by an earlier run) = 3 stored";
    assert!(words.join(" ").contains(told), "{text}");
    recorder.stop();
}

/// The writer waits, in SQLite, for as long as busy_timeout says; nobody who asks waits with it.
#[test]
fn status_is_told_within_a_second_while_the_writer_waits_for_a_locked_database() {
    let scene = Scene::new();
    let settings = scene.settings().text("database", "busy_timeout", "8s");
    let recorder = scene.recorder(&settings);
    let locker = Locker::hold(&scene.database);
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    let pulse = |status: &Value| {
        let mut actors = status["actors"].as_array().expect("a list").iter();
        actors.find(|actor| actor["actor"] == "db_writer").expect("it runs")["pulse_age_ms"].clone()
    };
    let mut operator = Operator::connect(&socket(&scene));
    wait::until_true("the writer's pulse stands still", PATIENCE, || {
        pulse(&operator.ask("status")["ok"]).as_u64().is_some_and(|age| age > 1_500)
    });
    let begun = Instant::now();
    let (code, status) = json(&["status"], &settings);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    assert!(pulse(&status).as_u64().is_some_and(|age| age > 1_500), "it is stuck: {status}");
    assert!(code.is_some_and(|code| code < 3), "{status}");
    let begun = Instant::now();
    let outcome = command(&["checkpoint"], &settings);
    assert_eq!(outcome.code, Some(1), "the writer cannot answer now: {outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(7), "{outcome:?}");
    locker.release();
    scene.fills_to(&recorder, "load", 1);
}

#[test]
fn the_socket_is_for_its_owner_alone_and_goes_with_the_recorder() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let meta = fs::metadata(socket(&scene)).expect("it is there");
    assert!(meta.file_type().is_socket() && meta.mode() & 0o7777 == 0o600, "{:o}", meta.mode());
    recorder.kill();
    let recorder = scene.recorder(&settings);
    assert_eq!(
        json(&["status"], &settings).1["pid"],
        recorder.process.pid(),
        "a stale one gave way"
    );
    drop(Operator::connect(&socket(&scene)));
    let mut recorder = recorder;
    recorder.stop();
    assert!(!socket(&scene).exists(), "an ordered stop takes it away");
    assert_eq!(scene.files("", ".").len(), 0, "nothing is left behind");
}

#[test]
fn a_socket_may_have_a_long_path() {
    let scene = Scene::new();
    let deep = scene.folder.path(&"deep/".repeat(30));
    fs::create_dir_all(&deep).expect("our own folder");
    let settings = scene.settings().path("instance", "lock_file", &deep.join("my.lock"));
    let recorder = scene.recorder(&settings);
    assert!(deep.join("my.sock").exists());
    assert_eq!(json(&["status"], &settings).1["pid"], recorder.process.pid());
}

#[test]
fn a_socket_that_cannot_be_made_is_a_warning_and_the_recording_goes_on() {
    let scene = Scene::new();
    fs::create_dir(socket(&scene)).expect("our own folder");
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    recorder.says("operator's socket");
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    let outcome = command(&["status"], &settings);
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let holder = format!("(pid {}, since ", recorder.process.pid());
    assert!(outcome.stdout.replace('\n', " ").contains(&holder), "{outcome:?}");
}

#[test]
fn garbage_and_huge_requests_are_refused_in_words() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let mut operator = Operator::connect(&socket(&scene));
    for (request, message) in [
        (&b"hello\n"[..], "not JSON"),
        (b"\xff\xfe\0\n", "not JSON"),
        (b"{\"barograph\":7,\"command\":\"status\"}\n", "version 1"),
        (b"{\"barograph\":1,\"command\":\"dance\"}\n", "no command \"dance\""),
        (b"{\"barograph\":1,\"command\":\"tail\",\"route\":\"x\"}\n", "no route"),
        (b"{\"barograph\":1,\"command\":\"restart-actor\",\"actor\":\"x\"}\n", "no actor"),
        (b"{\"barograph\":1,\"command\":\"log-level\",\"level\":\"x\"}\n", "no level"),
    ] {
        operator.send(request);
        let answer = operator.line().expect("an answer");
        let told = answer["error"]["message"].as_str().expect("a refusal");
        assert!(told.contains(message), "{answer}");
        assert!(answer["error"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{answer}");
    }
    assert_eq!(operator.ask("status")["ok"]["health"], "ok", "the connection goes on");

    let mut huge = Operator::connect(&socket(&scene));
    huge.send(&[b'['; 70_000]);
    let answer = huge.line().expect("an answer");
    assert!(answer["error"]["message"].to_string().contains("longer than 65536"), "{answer}");
    assert!(huge.rest().is_empty(), "and that is the end");
    let deep = format!("{}\n", "[".repeat(60_000));
    operator.send(deep.as_bytes());
    assert!(operator.line().expect("an answer")["error"].is_object(), "nested too deep");
    assert!(recorder.events("actor_restarted").is_empty());
}

#[test]
fn more_connections_than_are_served_are_told_so() {
    let scene = Scene::new();
    let settings = scene.settings();
    let _recorder = scene.recorder(&settings);
    let mut open: Vec<Operator> = (0..16).map(|_| Operator::connect(&socket(&scene))).collect();
    for operator in &mut open {
        operator.ask("status");
    }
    let mut refused = Operator::connect(&socket(&scene));
    let told = refused.line().expect("an answer");
    assert!(told["error"]["message"].to_string().contains("16 connections"), "{told}");
    let outcome = command(&["status"], &settings);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("16 connections"), "{outcome:?}");
    open.pop();
    wait::until_true("there is room again", PATIENCE, || {
        command(&["status"], &settings).code == Some(0)
    });
}

#[test]
fn a_client_that_reads_nothing_is_given_up_and_holds_up_nobody() {
    let scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    let mut deaf = Operator::connect(&socket(&scene));
    deaf.ask("tail");
    wait::until_true("it has a place", PATIENCE, || connections(&recorder) == 1);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(30_000));
    scene.drain(&recorder, &published);
    let begun = Instant::now();
    assert_eq!(command(&["status"], &settings).code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // On a busy machine it was given up long ago.
    wait::until_true("its place is free", PATIENCE, || connections(&recorder) == 0);
    let got = deaf.rest();
    let rows = got.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")).count();
    assert!(rows < 30_000, "all {rows} rows fit the buffers: the test shows nothing");
    scene.stop_and_check(recorder, &published);
}

/// How many connections the recorder's own socket has, by the kernel's list (state 3: connected). Each bears the name
/// under which the socket was made, before it got its place.
fn connections(recorder: &Recorder) -> usize {
    let list = fs::read_to_string("/proc/net/unix").expect("it is Linux");
    let name = format!("/.{}.sock", recorder.process.pid());
    let is_connection = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.get(5) == Some(&"03") && columns.last().is_some_and(|path| path.ends_with(&name))
    };
    list.lines().filter(is_connection).count()
}

/// Where the scene's recorders listen.
fn socket(scene: &Scene) -> PathBuf {
    scene.folder.path("barograph.sock")
}
