//! What happened and what happens is shown once, rows are shown when they are stored, and a running recorder does as it is
//! told.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::locker::Locker;
use crate::support::operator::Operator;
use crate::support::process::{self, Process, Stream};
use crate::support::publisher::{self, Load, publish_one};
use crate::support::recorder::{barograph, command, command_line, json};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings};
use crate::support::wait::{self, Enough};

/// For something to happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn events_are_listed_without_a_recorder_and_by_actor_time_and_number() {
    let scene = Scene::new();
    let settings = scene.settings();
    assert_eq!(command(&["events"], &settings).code, Some(65), "there is no database yet");
    let mut recorder = scene.recorder(&settings);
    assert_eq!(command(&["restart-actor", "stats"], &settings).code, Some(0));
    recorder.stop();
    let names = |more: &[&str]| -> Vec<String> {
        let (code, json) = json(&[&["events"], more].concat(), &settings);
        assert_eq!(code, Some(0), "{json}");
        let events = json["events"].as_array().expect("a list").iter();
        events.map(|event| event["event"].as_str().expect("a name").to_owned()).collect()
    };
    let all = names(&[]);
    for name in ["ready", "broker_connected", "operator_command", "actor_renewed", "stopping"] {
        assert!(all.iter().any(|it| it == name), "no {name} in {all:?}");
    }
    assert_eq!(names(&["--actor", "stats"]), ["actor_renewed"]);
    assert_eq!(names(&["--actor", "mqtt"]), ["broker_connected"]);
    assert_eq!(names(&["--limit", "1"]), ["stopping"]);
    assert_eq!(names(&["--since", "2020-01-01"]), all);
    let old = "UPDATE barograph_events SET at = '2020-01-01 00:00:00.000' WHERE event = 'ready'";
    scene.database.writer().execute_batch(old).expect("our table");
    assert!(!names(&["--since", "1h"]).contains(&"ready".to_owned()));
    let text = command(&["events"], &settings).stdout;
    assert!(text.contains("supervisor  stopping") && !text.contains('\u{1b}'), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// Events come all the time while somebody begins to follow; each is shown once, from history, the socket or the database.
#[test]
fn whoever_follows_sees_each_event_once_also_at_the_seam_and_over_a_restart() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let enough = AtomicBool::new(false);
    let socket = scene.folder.path("barograph.sock");
    let mut follower = thread::scope(|scope| {
        let _enough = Enough(&enough);
        scope.spawn(|| {
            let mut operator = Operator::connect(&socket);
            while !enough.load(Ordering::Relaxed) {
                operator.ask("checkpoint");
                thread::sleep(Duration::from_millis(3)); // two in a millisecond would be the same event
            }
        });
        wait::until_true("there is history", PATIENCE, || count(&scene) > 20);
        let follower = follow(&settings, &["--since", "1h"]);
        let begun = count(&scene);
        wait::until_true("it shows history and present", PATIENCE, || {
            shown(&follower).len() as i64 > begun + 20
        });
        follower
    });
    recorder.stop();
    let recorder = scene.recorder(&settings);
    wait::until_true("both beginnings are shown", PATIENCE, || {
        shown(&follower).iter().filter(|event| event["event"] == "ready").count() == 2
    });
    assert_all_shown_once(&scene, &follower);
    assert!(follower.is_running());
    drop(recorder);
}

#[test]
fn events_are_shown_at_once_while_the_database_is_locked_and_not_again_afterwards() {
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal();
    let recorder = scene.recorder(&settings);
    let follower = follow(&settings, &[]);
    let locker = Locker::hold(&scene.database);
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    let has = |name: &str| shown(&follower).iter().any(|event| event["event"] == name);
    wait::until_true("the change of mode is shown", PATIENCE, || has("mode_changed"));
    wait::until_true("history has it from the spool", PATIENCE, || {
        let (_, json) = json(&["events"], &settings);
        json["events"].to_string().contains("mode_changed")
    });
    locker.release();
    scene.fills_to(&recorder, "load", 1);
    recorder.is_in_mode("normal");
    assert_all_shown_once(&scene, &follower);
}

#[test]
fn tail_shows_what_is_stored_and_ends_with_the_recorder() {
    let scene = Scene::new();
    let unique = LOAD.replace("qos = 2", "qos = 2\nunique = [\"n\"]");
    let settings = scene.settings().routes(&unique);
    let mut recorder = scene.recorder(&settings);
    let mut lines = Process::spawn(command_line(&["tail", "load", "--json"], &settings));
    let mut text = Process::spawn(command_line(&["tail"], &settings));
    let port = scene.broker.port();
    // They are there when they show something.
    wait::until_true("both watch", PATIENCE, || {
        let n = 1_000 + scene.database.count("load");
        publish_one(port, "load/n", format!("{{\"n\":{n}}}").as_bytes(), false);
        [&lines, &text].iter().all(|it| it.text(Stream::Stdout).contains("1"))
    });
    for payload in [r#"{"n":1}"#, r#"{"n":1}"#, r#"{"n":"x"}"#, r#"{"n":2}"#] {
        publish_one(port, "load/n", payload.as_bytes(), false);
    }
    wait::until_true("the last row is shown", PATIENCE, || values(&lines).contains(&2));
    let ours: Vec<i64> = values(&lines).into_iter().filter(|n| *n < 1_000).collect();
    assert_eq!(ours, [1, 2], "a repeat and a message in quarantine are no rows");
    recorder.stop();
    for tail in [&mut lines, &mut text] {
        assert_eq!(tail.ended(PATIENCE).code(), Some(0), "{}", tail.tail());
        assert!(tail.text(Stream::Stderr).contains("the recorder has stopped"), "{}", tail.tail());
    }
    let shown = text.text(Stream::Stdout);
    assert!(shown.starts_with("arrived") && !shown.contains('\u{1b}'), "{shown}");

    let mut recorder = scene.recorder(&settings);
    let mut tail = Process::spawn(command_line(&["tail"], &settings));
    wait::until_true("it watches", PATIENCE, || {
        let n = 2_000 + scene.database.count("load");
        publish_one(port, "load/n", format!("{{\"n\":{n}}}").as_bytes(), false);
        !tail.text(Stream::Stdout).is_empty()
    });
    recorder.kill();
    assert_eq!(tail.ended(PATIENCE).code(), Some(3), "{}", tail.tail());
    assert_eq!(command(&["tail", "nothing"], &settings).code, Some(3));
}

#[test]
fn a_checkpoint_names_whoever_holds_it_back() {
    let scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    publisher::publish(scene.broker.port(), Load::numbered(1).count(100));
    scene.fills_to(&recorder, "load", 100);
    let reader = scene.database.reader();
    reader.execute_batch("BEGIN; SELECT count(*) FROM load").expect("a read transaction");
    publisher::publish(scene.broker.port(), Load::numbered(1).first(100).count(100));
    scene.fills_to(&recorder, "load", 200);
    let (code, told) = json(&["checkpoint"], &settings);
    assert_eq!((code, &told["wholly"]), (Some(0), &false.into()), "{told}");
    let us = format!("pid {},", std::process::id());
    assert!(told["held_by"].to_string().contains(&us), "no {us:?} in {told}");
    reader.execute_batch("COMMIT").expect("our own transaction");
    let (_, told) = json(&["checkpoint"], &settings);
    assert_eq!(told["wholly"], true, "{told}");
    let wal = fs::metadata(scene.folder.path("data.db-wal")).expect("it is open");
    // The event that tells of it may have come behind it.
    assert!(wal.len() < 100_000, "{}", wal.len());
}

#[test]
fn an_actor_is_started_anew_under_load_and_nothing_is_lost() {
    let scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    let load = Load::numbered(1).rate(2_000);
    let publisher = publisher::Publisher::start(scene.broker.port(), load);
    publisher.has_sent(1_000);
    for actor in ["db_writer", "health", "stats", "mqtt"] {
        let (code, told) = json(&["restart-actor", actor], &settings);
        assert_eq!((code, &told["state"]), (Some(0), &"running".into()), "{actor}: {told}");
        assert_eq!(recorder.events("actor_renewed").pop().expect("an event")["actor"], actor);
    }
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn a_paused_recorder_receives_nothing_until_it_is_told_to_and_loses_nothing() {
    let scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    let publisher = publisher::Publisher::start(scene.broker.port(), Load::numbered(1).rate(1_000));
    publisher.has_sent(500);
    let (code, told) = json(&["pause"], &settings);
    assert_eq!((code, &told["paused"]), (Some(0), &true.into()), "{told}");
    let stored = scene.database.count("load");
    let sent = publisher.sent();
    publisher.has_sent(sent + 500);
    assert_eq!(scene.database.count("load"), stored, "nothing is received");
    let (_, status) = json(&["status"], &settings);
    assert!(status["paused_since"].is_string(), "{status}");
    assert_eq!(json(&["resume"], &settings).1["paused"], false);
    scene.settle(recorder, &publisher.finish());
    let commands = "SELECT count(*) FROM barograph_events WHERE event = 'operator_command'";
    assert_eq!(scene.database.one::<i64>(commands), 2);
}

#[test]
fn the_log_says_more_when_it_is_told_to() {
    let scene = Scene::new();
    let settings = scene.settings().text("log", "level", "warn");
    let mut recorder = crate::support::recorder::Recorder::start(&settings);
    wait::until_true("stats is running", PATIENCE, || {
        let (_, status) = json(&["status"], &settings);
        let mut actors = status["actors"].as_array().into_iter().flatten();
        actors.any(|actor| actor["actor"] == "stats" && actor["state"] == "running")
    });
    assert!(recorder.events("ready").is_empty(), "{}", recorder.log());
    assert_eq!(command(&["log-level", "info"], &settings).code, Some(0));
    assert_eq!(command(&["restart-actor", "stats"], &settings).code, Some(0));
    recorder.event("actor_renewed");
    assert_eq!(command(&["log-level", "loud"], &settings).code, Some(64));
    recorder.stop();
}

#[test]
fn completions_and_manual_pages_are_those_of_the_program() {
    let scene = Scene::new();
    for shell in ["bash", "zsh", "fish"] {
        let outcome = process::outcome(barograph(&["completions", shell]), PATIENCE);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(outcome.stdout.contains("restart-actor"), "{shell}");
    }
    let script = scene.folder.path("completions");
    let outcome = process::outcome(barograph(&["completions", "bash"]), PATIENCE);
    fs::write(&script, outcome.stdout).expect("our own folder");
    let mut bash = Command::new("bash");
    bash.arg("-n").arg(&script);
    assert_eq!(process::outcome(bash, PATIENCE).code, Some(0), "bash reads it");
    let pages = scene.folder.path("man");
    let folder = pages.to_str().expect("our paths are UTF-8");
    assert_eq!(process::outcome(barograph(&["man", folder]), PATIENCE).code, Some(0));
    for page in ["barograph.1", "barograph-status.1", "barograph-quarantine-replay.1"] {
        let text = fs::read_to_string(pages.join(page)).expect(page);
        assert!(text.contains(".TH barograph"), "{page}: {text}");
    }
}

fn count(scene: &Scene) -> i64 {
    scene.database.count("barograph_events")
}

/// `events --follow --json`, at work.
fn follow(settings: &Settings, more: &[&str]) -> Process {
    let words = [&["events", "--follow", "--json"], more].concat();
    let follower = Process::spawn(command_line(&words, settings));
    wait::until_true("it shows history", PATIENCE, || !shown(&follower).is_empty());
    follower
}

fn shown(follower: &Process) -> Vec<Value> {
    let text = follower.text(Stream::Stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Waits until all events of the database have been shown; none twice.
fn assert_all_shown_once(scene: &Scene, follower: &Process) {
    let query = "SELECT at || ' ' || event || ' ' || detail FROM barograph_events ORDER BY 1";
    let key = |event: &Value| {
        let text = |key: &str| event[key].as_str().expect("a text").to_owned();
        format!("{} {} {}", text("at"), text("event"), text("detail"))
    };
    let both = || {
        let mut told: Vec<String> = shown(follower).iter().map(key).collect();
        told.sort();
        (scene.database.all::<String>(query), told)
    };
    wait::until_or(
        PATIENCE,
        || {
            let (there, told) = both();
            (there == told).then_some(())
        },
        || {
            let (there, told) = both();
            let missing: Vec<_> = there.iter().filter(|event| !told.contains(event)).collect();
            let repeated: Vec<_> = told.windows(2).filter(|pair| pair[0] == pair[1]).collect();
            format!(
                "{} events, {} shown; missing {missing:?}; twice {repeated:?}",
                there.len(),
                told.len()
            )
        },
    );
}

/// The numbers of the rows that were shown.
fn values(tail: &Process) -> Vec<i64> {
    let text = tail.text(Stream::Stdout);
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    rows.map(|row| row["values"][0].as_i64().expect("a number")).collect()
}
