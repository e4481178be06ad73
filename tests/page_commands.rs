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
use crate::support::web::{Reply, ask, post, raw, request};
use crate::support::websocket::Socket;

const ADMIN: &str = "the-admin-token-of-this-test";
const COMMANDS: &str = "/api/v1/commands/";
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

/// A command, as the admin gives it.
fn command(port: u16, name: &str, arguments: &Value) -> Reply {
    let bearer = format!("Authorization: Bearer {ADMIN}");
    post(port, &format!("{COMMANDS}{name}"), &[&bearer], &arguments.to_string())
}

/// Gives a command, and sees the event that tells of it.
fn order(recorder: &Recorder, port: u16, name: &str, arguments: Value) -> Value {
    let before = recorder.events("operator_command").len();
    let reply = command(port, name, &arguments);
    assert_eq!(reply.status, 200, "{reply:?}");
    let event = recorder.event_number(before + 1, "operator_command");
    let told = event["command"].as_str().unwrap_or_default();
    assert!(told.starts_with(name), "{event}");
    let message = recorder.log();
    assert!(message.contains("asked for on the page, from 127.0.0.1"), "{message}");
    reply.json()
}

#[test]
fn each_order_is_carried_out_answered_and_told_of() {
    let (scene, port) = (Scene::new(), free_port());
    let sink = HttpSink::start();
    let hook =
        format!("[[alert]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"{}\"\n", sink.url("/h"));
    let settings = with_admin(&scene, port).routes(&format!("{LOAD}\n{hook}"));
    let recorder = scene.recorder(&settings);
    recorder.event("page_served");
    let say = |name: &str, arguments: Value| order(&recorder, port, name, arguments);
    let answer = say("restart-actor", json!({ "actor": "stats" }));
    assert_eq!(answer, json!({ "actor": "stats", "state": "running" }));
    let answer = say("checkpoint", json!({}));
    assert!(answer["wholly"].is_boolean(), "{answer}");
    assert_eq!(say("log-level", json!({ "level": "debug" })), json!({ "level": "debug" }));
    assert_eq!(say("pause", json!({})), json!({ "paused": true }));
    recorder.has_issue("paused", "warning");
    let answer = say("acknowledge-issue", json!({ "issue": "paused" }));
    assert_eq!(answer["acknowledged"]["by"], "on the page, from 127.0.0.1");
    recorder.event("issue_acknowledged");
    let (_, status) = ask_for_json(&["status"], &settings);
    let paused =
        status["issues"].as_array().expect("a list").iter().find(|it| it["id"] == "paused");
    assert_eq!(paused.expect("it is there")["acknowledged"]["by"], "on the page, from 127.0.0.1");
    assert_eq!(say("resume", json!({})), json!({ "paused": false }));
    let took = json!({ "hook": "accepted: 200 OK: ok" });
    assert_eq!(say("alert-test", json!({ "channel": "hook" })), took);
    assert_eq!(say("alert-test", json!({})), took);
    let nothing = json!({ "stored": 0, "there_already": 0, "stay": 0 });
    assert_eq!(say("quarantine-replay", json!({})), nothing);
    let fault = json!({ "actor": "stats", "fault": "panic" });
    assert_eq!(say("fault", fault.clone()), fault);
    recorder.event("actor_restarted");
    scene.database.wait_for_one(
        "SELECT count(*) >= 8 FROM barograph_events WHERE event = 'operator_command' \
         AND detail LIKE '%, asked for on the page, from 127.0.0.1'",
        1,
    );
    let mut viewer = Socket::connect(port, "/ws/live");
    assert_eq!(viewer.frame()["type"], "snapshot");
    std::thread::sleep(Duration::from_secs(1)); // the second that the limit is about
    let answer = say("restart-actor", json!({ "actor": "watchtower" }));
    assert_eq!(answer["state"], "restarting", "it is told before the page is gone");
    assert_eq!(viewer.end().0, 1012);
    drop(recorder);
}

#[test]
fn what_is_no_order_is_refused_with_a_hint_and_changes_nothing() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&with_admin(&scene, port));
    recorder.event("page_served");
    for (name, arguments, status, message) in [
        ("stop", json!({}), 404, "no command \"stop\""),
        ("restart-actor", json!({}), 400, "missing field `actor`"),
        ("restart-actor", json!({ "actor": "nobody" }), 404, "no actor \"nobody\""),
        ("acknowledge-issue", json!({ "issue": "x" }), 404, "no issue \"x\""),
        ("log-level", json!({ "level": "loud" }), 400, "no level \"loud\""),
        ("fault", json!({ "actor": "x", "fault": "panic" }), 404, "no actor x"),
        ("alert-test", json!({}), 409, "no [[alert]]"),
        ("pause", json!("nonsense"), 400, "no JSON object"),
    ] {
        let reply = command(port, name, &arguments);
        let error = &reply.json()["error"];
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        assert!(error["message"].as_str().is_some_and(|it| it.contains(message)), "{reply:?}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{reply:?}");
    }
    let too_long = json!({ "level": "x".repeat(5_000) });
    assert_eq!(command(port, "log-level", &too_long).status, 413);
    std::thread::sleep(Duration::from_secs(1)); // the second that the limit is about
    let replies: Vec<Reply> =
        (0..15).map(|_| command(port, "log-level", &json!({ "level": "info" }))).collect();
    let refused: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert!(!refused.is_empty(), "some of 15 commands in a second are refused");
    assert!(refused.iter().all(|reply| reply.header("retry-after") == Some("1")), "{refused:?}");
    drop(recorder);
}

#[test]
fn at_most_four_commands_are_carried_out_at_a_time() {
    let (scene, port) = (Scene::new(), free_port());
    let slow = "[[alert]]\nname = \"slow\"\ntype = \"command\"\nargv = [\"/bin/sleep\", \"4\"]\n";
    let settings = with_admin(&scene, port).routes(&format!("{LOAD}\n{slow}"));
    let recorder = scene.recorder(&settings);
    recorder.event("page_served");
    std::thread::scope(|scope| {
        let test = || command(port, "alert-test", &json!({})).status;
        let tests: Vec<_> = (0..4).map(|_| scope.spawn(test)).collect();
        recorder.event_number(4, "operator_command");
        let fifth = command(port, "log-level", &json!({ "level": "info" }));
        assert_eq!(fifth.status, 429, "{fifth:?}");
        let carried_out = tests.into_iter().map(|test| test.join().expect("no panic"));
        assert_eq!(carried_out.collect::<Vec<_>>(), [200; 4]);
    });
    assert_eq!(recorder.events("operator_command").len(), 4);
    drop(recorder);
}

#[test]
fn nobody_gives_orders_without_the_admin_token() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&with_admin(&scene, port));
    recorder.event("page_served");
    let pause = &format!("{COMMANDS}pause");
    let reply = post(port, pause, &[], "{}");
    assert_eq!(reply.status, 401, "{reply:?}");
    assert_eq!(reply.json()["error"]["message"], "commands need the admin token");
    assert_eq!(post(port, pause, &["Authorization: Bearer wrong"], "{}").status, 401);
    let right = &*format!("Authorization: Bearer {ADMIN}");
    let elsewhere = [right, "Origin: http://elsewhere.example"];
    assert_eq!(post(port, pause, &elsewhere, "{}").status, 403);
    assert_eq!(post(port, pause, &[right, "Sec-Fetch-Site: cross-site"], "{}").status, 403);
    // What a form elsewhere can send.
    let form = [right, "Content-Type: text/plain"];
    let form = request(&format!("POST {pause}"), &form, "{}");
    assert_eq!(raw(port, &form).expect("an answer").status, 415);
    assert_eq!(ask(port, &format!("GET {pause}"), &[right]).status, 405);
    assert!(recorder.events("operator_command").is_empty());
    drop(recorder);
}

#[test]
fn without_the_flag_there_are_no_faults() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = Recorder::start(&with_admin(&scene, port));
    recorder.event("ready");
    recorder.event("page_served");
    let reply = command(port, "fault", &json!({ "actor": "stats", "fault": "panic" }));
    assert_eq!(reply.status, 403, "{reply:?}");
    let error = &reply.json()["error"];
    assert_eq!(error["message"], "fault injection is off in this recorder", "{reply:?}");
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
    let reply = command(port, "quarantine-replay", &json!({}));
    let expected = json!({ "stored": 1_000, "there_already": 0, "stay": 1 });
    assert_eq!(reply.json(), expected, "{reply:?}");
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
