//! What the page's admin orders: each order has its reply and its event, with who asked from where; nobody else gives any.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::operator::Operator;
use crate::support::ports::free_port;
use crate::support::publisher::{self, Load, publish_one};
use crate::support::recorder::{Recorder, json as ask_for_json};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, NARROW, Settings};
use crate::support::sinks::http::HttpSink;
use crate::support::wait;
use crate::support::websocket::Socket;

const ADMIN: &str = "the-admin-token-of-this-test";
const COMMAND: &str = "/ws/command";
/// For what should come soon, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A page with an admin.
fn with_admin(scene: &Scene, port: u16) -> Settings {
    let token = scene.folder.path("admin-token");
    fs::write(&token, ADMIN).expect("our own folder");
    fs::set_permissions(&token, Permissions::from_mode(0o600)).expect("our own file");
    let settings = scene.settings().text("watchtower", "listen", &format!("127.0.0.1:{port}"));
    settings.path("watchtower", "admin_token_file", &token)
}

/// The admin's line.
fn admin(port: u16) -> Socket {
    let bearer = ("Authorization", format!("Bearer {ADMIN}"));
    Socket::connect_with(port, COMMAND, &[bearer])
}

/// Gives an order, and sees the event that tells of it.
fn order(recorder: &Recorder, line: &mut Socket, order: &Value) -> Value {
    let before = recorder.events("operator_command").len();
    let answer = line.ask(order);
    let event = recorder.event_number(before + 1, "operator_command");
    let (told, word) = (event["command"].as_str().unwrap_or_default(), &order["command"]);
    assert!(told.starts_with(word.as_str().expect("a word")), "{event}");
    let message = recorder.log();
    assert!(message.contains("asked for on the page, from 127.0.0.1"), "{message}");
    answer
}

#[test]
fn each_order_is_carried_out_answered_and_told_of() {
    let (scene, port) = (Scene::new(), free_port());
    let sink = HttpSink::start();
    let hook =
        format!("[[alert]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"{}\"\n", sink.url("/h"));
    let settings = with_admin(&scene, port).routes(&format!("{LOAD}\n{hook}"));
    let recorder = scene.recorder(&settings);
    let mut line = admin(port);
    let mut say = |asked: Value| order(&recorder, &mut line, &asked);
    let answer = say(json!({ "id": 1, "command": "restart-actor", "actor": "stats" }));
    assert_eq!(answer["ok"], json!({ "actor": "stats", "state": "running" }), "{answer}");
    let answer = say(json!({ "id": "two", "command": "checkpoint" }));
    assert!(answer["ok"]["wholly"].is_boolean(), "{answer}");
    let answer = say(json!({ "id": 3, "command": "log-level", "level": "debug" }));
    assert_eq!(answer["ok"]["level"], "debug");
    let answer = say(json!({ "id": 4, "command": "pause" }));
    assert_eq!(answer["ok"]["paused"], true);
    recorder.has_issue("paused", "warning");
    let answer = say(json!({ "id": 5, "command": "acknowledge-issue", "issue": "paused" }));
    assert_eq!(answer["ok"]["acknowledged"]["by"], "on the page, from 127.0.0.1");
    recorder.event("issue_acknowledged");
    let (_, status) = ask_for_json(&["status"], &settings);
    let paused =
        status["issues"].as_array().expect("a list").iter().find(|it| it["id"] == "paused");
    assert_eq!(paused.expect("it is there")["acknowledged"]["by"], "on the page, from 127.0.0.1");
    let answer = say(json!({ "id": 6, "command": "resume" }));
    assert_eq!(answer["ok"]["paused"], false);
    let answer = say(json!({ "id": 7, "command": "alert-test", "channel": "hook" }));
    assert_eq!(answer["ok"]["hook"], "took it: 200 OK: ok", "{answer}");
    let answer = say(json!({ "id": 8, "command": "alert-test" }));
    assert_eq!(answer["ok"]["hook"], "took it: 200 OK: ok", "{answer}");
    let answer = say(json!({ "id": 9, "command": "quarantine-replay" }));
    assert_eq!(answer["ok"], json!({ "stored": 0, "there_already": 0, "stay": 0 }));
    let answer = say(json!({ "id": 10, "command": "fault", "actor": "stats", "fault": "panic" }));
    assert_eq!(answer["ok"], json!({ "actor": "stats", "fault": "panic" }), "{answer}");
    recorder.event("actor_restarted");
    scene.database.wait_for_one(
        "SELECT count(*) >= 8 FROM barograph_events WHERE event = 'operator_command' \
         AND detail LIKE '%, asked for on the page, from 127.0.0.1'",
        1,
    );
    // ten in a second are the limit of a line
    let mut line = admin(port);
    let mut say = |asked: Value| order(&recorder, &mut line, &asked);
    let answer = say(json!({ "id": 11, "command": "restart-actor", "actor": "watchtower" }));
    assert_eq!(answer["ok"]["state"], "restarting", "it is told before the page is gone");
    assert_eq!(line.end().0, 1012);
    drop(recorder);
}

#[test]
fn what_is_no_order_is_refused_with_a_hint_and_changes_nothing() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&with_admin(&scene, port));
    let mut line = admin(port);
    for (asked, message) in [
        (json!({ "id": 1, "command": "stop" }), "no command \"stop\""),
        (json!({ "id": 2 }), "lacks \"command\""),
        (json!({ "id": 3, "command": "restart-actor", "actor": "nobody" }), "no actor \"nobody\""),
        (json!({ "id": 4, "command": "acknowledge-issue", "issue": "x" }), "no issue \"x\""),
        (json!({ "id": 5, "command": "log-level", "level": "loud" }), "no level \"loud\""),
        (json!({ "id": 6, "command": "fault", "actor": "x", "fault": "panic" }), "no actor x"),
        (json!({ "id": 7, "command": "alert-test" }), "no [[alert]]"),
    ] {
        let answer = line.ask(&asked);
        let error = &answer["error"];
        assert!(error["message"].as_str().is_some_and(|it| it.contains(message)), "{answer}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{answer}");
    }
    line.say("nonsense");
    let answer = line.frame();
    assert!(answer["id"].is_null() && answer["error"].is_object(), "{answer}");
    std::thread::sleep(Duration::from_secs(1)); // the second that the limit is about
    let answers: Vec<Value> = (0..15)
        .map(|n| line.ask(&json!({ "id": n, "command": "log-level", "level": "info" })))
        .collect();
    let refused = answers.iter().filter(|it| it["error"].is_object()).count();
    assert!(refused >= 1, "some of 15 commands in a second are refused");
    let more: Vec<_> = (0..3).map(|_| admin(port)).collect();
    let (code, reason) = admin(port).end();
    assert_eq!(code, 1013, "{reason}");
    drop((more, recorder));
}

#[test]
fn nobody_gives_orders_without_the_admin_token() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&with_admin(&scene, port));
    let (code, reason) = Socket::connect(port, COMMAND).end();
    assert_eq!((code, &*reason), (1008, "commands need the admin token"));
    let wrong = ("Authorization", "Bearer wrong".to_owned());
    assert_eq!(Socket::connect_with(port, COMMAND, &[wrong]).end().0, 1008);
    let elsewhere = ("Origin", "http://elsewhere.example".to_owned());
    let right = ("Authorization", format!("Bearer {ADMIN}"));
    assert_eq!(Socket::connect_with(port, COMMAND, &[right, elsewhere]).end().0, 1008);
    assert!(recorder.events("operator_command").is_empty());
    drop(recorder);
}

#[test]
fn without_the_flag_there_are_no_faults() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = Recorder::start(&with_admin(&scene, port));
    recorder.event("ready");
    let answer = admin(port)
        .ask(&json!({ "id": 1, "command": "fault", "actor": "stats", "fault": "panic" }));
    let error = &answer["error"];
    assert_eq!(error["message"], "this recorder takes no faults on purpose", "{answer}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--fault-injection")));
    assert!(recorder.events("actor_restarted").is_empty());
}

#[test]
fn the_quarantine_is_replayed_beside_our_own_writer() {
    let (scene, port) = (Scene::new(), free_port());
    let mut narrow = scene.recorder(&with_admin(&scene, port).routes(NARROW));
    publisher::publish(scene.broker.port(), Load::numbered(1).count(1_010));
    publish_one(scene.broker.port(), "load/bad", b"no number", false);
    scene.fills_to(&narrow, "barograph_quarantine", 1_001);
    narrow.stop();
    let recorder = scene.recorder(&with_admin(&scene, port));
    let load = Load::numbered(1).first(1_010).rate(500);
    let load = publisher::Publisher::start(scene.broker.port(), load);
    load.has_sent(100);
    let answer = admin(port).ask(&json!({ "id": 1, "command": "quarantine-replay" }));
    assert_eq!(answer["ok"], json!({ "stored": 1_000, "there_already": 0, "stay": 1 }), "{answer}");
    let published = load.finish();
    wait::until_true("all rows are there", PATIENCE, || {
        scene.database.count("load") >= published.next
    });
    let mut recorder = recorder;
    recorder.stop();
    let distinct: i64 = scene.database.one("SELECT count(DISTINCT n) FROM load");
    assert_eq!((distinct, scene.database.count("load")), (published.next, published.next));
    scene.database.assert_account_equals(&["load"]);
}

#[test]
fn an_issue_is_acknowledged_on_the_command_line_too() {
    let (scene, port) = (Scene::new(), free_port());
    let settings = with_admin(&scene, port);
    let recorder = scene.recorder(&settings);
    let mut operator = Operator::connect(&scene.folder.path("barograph.sock"));
    operator.ask("pause");
    recorder.has_issue("paused", "warning");
    let (code, answer) = ask_for_json(&["acknowledge", "paused"], &settings);
    assert_eq!(code, Some(0), "{answer}");
    let by = answer["acknowledged"]["by"].as_str().expect("somebody");
    assert!(by.starts_with("by uid "), "{by}");
    let status = operator.ask("status");
    assert!(status["ok"]["issues"].to_string().contains("by uid "), "{status}");
    operator.ask("resume");
    recorder.is_rid_of("paused");
    operator.ask("pause");
    let again = || {
        let status = operator.ask("status");
        let issues = status["ok"]["issues"].as_array().expect("a list").clone();
        issues.into_iter().find(|issue| issue["id"] == "paused")
    };
    let issue = wait::until_or(PATIENCE, again, || "it is an issue again".to_owned());
    assert!(issue["acknowledged"].is_null(), "another one, of which nobody knows: {issue}");
    drop(recorder);
}
