//! `barograph check`: reports what is right and what is wrong, with its exit code, and writes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::support::ports::free_port;
use crate::support::process::{self, Outcome};
use crate::support::publisher::{self, Load};
use crate::support::recorder::{barograph, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::Settings;

#[test]
fn check_of_a_good_setup_says_so_and_writes_nothing() {
    let scene = Scene::new();
    let settings = scene.settings();
    settings.write();
    let before = contents(&scene);
    let outcome = check(&settings);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(contents(&scene), before, "a file was written");
    for word in ["recorder", "data.db", "load/#"] {
        assert!(outcome.stdout.contains(word), "no {word} in: {}", outcome.stdout);
    }
    assert_eq!(outcome.stdout.lines().last(), Some("result: ok, `barograph run` can record"));
}

#[test]
fn check_of_a_topic_says_which_route_takes_it_and_what_comes_of_a_payload() {
    let scene = Scene::new();
    let route = |topic: &str, rest: &str| format!("\n[[route]]\ntopic = \"{topic}\"\n{rest}\n");
    let columns = "table = \"t\"\n[route.columns]\nn = { type = \"integer\", max = 9 }";
    let routes = [
        route("zigbee2mqtt/bridge/#", "ignore = true"),
        route("zigbee2mqtt/{device}", columns),
        route("+/x", columns),
    ];
    let settings = scene.settings().routes(&routes.concat());
    let file = settings.write();
    let payload = scene.folder.path("payload");
    let run = |topic: &str, text: Option<&str>| {
        let mut command = barograph(&["check", "--topic", topic]);
        command.arg(file).current_dir(scene.folder.root());
        if let Some(text) = text {
            fs::write(&payload, text).unwrap();
            command.arg("--payload").arg(&payload);
        }
        let outcome = process::outcome(command, Duration::from_secs(20));
        (outcome.code, outcome.stdout)
    };
    let (code, told) = run("zigbee2mqtt/kitchen", None);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("route: route[2], zigbee2mqtt/{device} -> table t"), "{told}");
    let (code, told) = run("zigbee2mqtt/kitchen", Some(r#"{"n": 5}"#));
    assert_eq!((code, told.contains("  n = 5\n")), (Some(0), true), "{told}");
    let (code, told) = run("zigbee2mqtt/kitchen", Some(r#"{"n": 10}"#));
    assert_eq!((code, told.contains("quarantined: out_of_range: ")), (Some(65), true), "{told}");
    let (code, told) = run("zigbee2mqtt/bridge/state", Some("online"));
    assert!(told.contains("route: route[1], zigbee2mqtt/bridge/# -> ignored"), "{told}");
    assert_eq!(code, Some(0), "{told}");
    assert!(run("a/b", None).1.contains("filtered: not_wanted (+/+/# is subscribed to"));
    assert_eq!(run("a/+", None).0, Some(64));
}

#[test]
fn check_takes_the_file_as_an_argument_and_prints_settings_only_if_asked() {
    let scene = Scene::new();
    let settings = scene.settings();
    let file = settings.write();
    let run = |words: &[&str]| {
        let mut command = barograph(words);
        command.arg(file).current_dir(scene.folder.root());
        process::outcome(command, Duration::from_secs(20))
    };
    let (brief, full) = (run(&["check"]), run(&["check", "--show"]));
    assert_eq!((brief.code, full.code), (Some(0), Some(0)), "{brief:?}\n{full:?}");
    assert!(!brief.stdout.contains("[mqtt]") && full.stdout.contains("\n[mqtt]\n"), "{full:?}");
    let twice = run(&["check", "--config", "other.toml"]);
    assert_eq!(twice.code, Some(64), "{twice:?}");
}

#[test]
fn check_says_that_no_username_is_set_where_the_broker_requires_one() {
    let scene = Scene::with_broker(|_| "allow_anonymous false".to_owned());
    let outcome = check(&scene.settings());
    assert_eq!(outcome.code, Some(69), "{outcome:?}");
    assert!(outcome.stdout.contains("no username is set"), "{outcome:?}");
    let verdict = outcome.stdout.lines().last();
    assert_eq!(verdict, Some("result: not ok (broker), exit code 69"), "{outcome:?}");
}

/// Mosquitto grants its SUBSCRIBE, and delivers nothing.
#[test]
fn check_finds_an_account_that_may_subscribe_and_not_read() {
    let scene = Scene::with_broker(|folder| {
        let file = folder.path("acl");
        let rules = "topic write load/#\ntopic write barograph/#\n";
        fs::write(&file, rules).expect("our own folder");
        format!("allow_anonymous true\nacl_file {}", file.display())
    });
    let outcome = check(&scene.settings());
    assert_eq!(outcome.code, Some(69), "{outcome:?}");
    assert!(outcome.stdout.contains("perhaps it may not read"), "{outcome:?}");
    assert!(outcome.stdout.contains("barograph/recorder/echo"), "{outcome:?}");
    let without = check(&scene.settings().set("mqtt", "echo", "false"));
    assert_eq!(without.code, Some(0), "it cannot be known: {without:?}");
    let other = Scene::with_broker(|folder| {
        let file = folder.path("acl");
        let rules = "topic read load/#\npattern readwrite barograph/%c/#\n";
        fs::write(&file, rules).expect("our own folder");
        format!("allow_anonymous true\nacl_file {}", file.display())
    });
    assert_eq!(check(&other.settings()).code, Some(0), "by the client id of the check");
}

#[test]
fn check_beside_a_running_recorder_disturbs_neither_its_session_nor_its_database() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(1_234));
    scene.drain(&recorder, &published);
    let other = scene.settings().file(scene.folder.path("other.toml"));
    let outcome = check(&other);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("load"), "what it holds: {}", outcome.stdout);
    let more = publisher::publish(scene.broker.port(), Load::numbered(1).first(1_234).count(100));
    assert!(recorder.events("broker_disconnected").is_empty(), "check took its session");
    scene.settle(recorder, &publisher::Published { first: 0, ..more });
}

/// The session keeps messages for the recorder; a look at the broker must not fetch them.
#[test]
fn check_takes_no_message_that_waits_for_the_recorder() {
    let scene = Scene::new();
    scene.recorder(&scene.settings()).stop();
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(100));
    assert_eq!(check(&scene.settings()).code, Some(0));
    scene.settle(scene.recorder(&scene.settings()), &published);
}

#[test]
fn check_without_a_broker_is_69_and_tells_why() {
    let scene = Scene::new();
    let url = format!("mqtt://127.0.0.1:{}", free_port());
    let outcome = check(&scene.settings().text("mqtt", "url", &url));
    assert_eq!(outcome.code, Some(69), "{outcome:?}");
    assert!((outcome.stdout + &outcome.stderr).contains("refused"));
}

#[test]
fn check_of_a_file_that_is_no_database_is_65() {
    let scene = Scene::new();
    fs::write(scene.database.path(), "no database ".repeat(500)).expect("our own folder");
    assert_eq!(check(&scene.settings()).code, Some(65));
}

#[test]
fn check_of_bad_settings_ends_with_a_verdict_too() {
    let scene = Scene::new();
    let outcome = check(&scene.settings().set("mqtt", "keep_alive", "60"));
    assert_eq!(outcome.code, Some(78), "{outcome:?}");
    assert_eq!(outcome.stdout, "result: not ok (settings), exit code 78\n", "{outcome:?}");
}

#[test]
fn check_hides_secrets() {
    let scene = Scene::new();
    let settings = scene.settings().text("mqtt", "username", "station");
    let mut command = barograph_with("check", &settings.text("mqtt", "password", "hunter2"));
    command.arg("--show");
    let Outcome { stdout, stderr, .. } = process::outcome(command, Duration::from_secs(20));
    assert!(stdout.contains("password = \"***\""), "{stdout}");
    assert!(!(stdout + &stderr).contains("hunter2"));
}

fn check(settings: &Settings) -> Outcome {
    process::outcome(barograph_with("check", settings), Duration::from_secs(20))
}

/// Every file of the folder, but those of the broker and the harness: size and time of the last change.
fn contents(scene: &Scene) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let files = fs::read_dir(scene.folder.root()).expect("our own folder").map(|entry| {
        let entry = entry.expect("our own folder");
        let about = entry.metadata().expect("a file");
        (entry.path(), (about.len(), about.modified().expect("a time")))
    });
    let not_ours = ["mosquitto", "barograph.toml"]; // the harness writes the settings anew for each command
    files.filter(|(path, _)| !not_ours.iter().any(|name| path.ends_with(name))).collect()
}
