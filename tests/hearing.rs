//! Whether the recorder hears: its echo disturbs nothing, a deaf connection is found out and renewed, and wrong
//! readings are named.

use std::time::Duration;

use serde_json::Value;

use crate::support::proxy::Proxy;
use crate::support::publisher::{self, Load, publish_one};
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings};
use crate::support::wait;
use crate::support::wire::{Packet, Wire};

/// For an issue to appear, and for what was held to be damped.
const PATIENCE: Duration = Duration::from_secs(60);
const ECHO: &str = "barograph/recorder/echo";

/// Echoes and checks each second.
fn quick(scene: &Scene) -> Settings {
    let settings = scene.settings().text("mqtt", "echo_interval", "1s");
    settings.text("health", "check_interval", "1s")
}

/// Waits until so many echoes went by at the broker.
fn echoes(scene: &Scene, count: usize) {
    let mut spy = Wire::connect(scene.broker.port(), "spy").expect("the broker is there");
    spy.put_subscribe(ECHO, 0);
    spy.send().expect("the broker is there");
    let mut heard = 0;
    wait::until_true("echoes", PATIENCE, || {
        let packet = spy.receive(Duration::from_millis(500)).expect("the broker is there");
        heard += usize::from(matches!(packet, Some(Packet::Publish { .. })));
        heard >= count
    });
}

/// Waits until an event of this name tells of the issue.
fn issue(recorder: &Recorder, event: &str, id: &str) -> Value {
    recorder.wait_for(&format!("{event}: {id}"), PATIENCE, || {
        recorder.events(event).into_iter().find(|fields| fields["id"] == id)
    })
}

/// Pings are answered, messages do not come: nothing but our own echo can tell.
#[test]
fn a_deaf_connection_is_found_out_renewed_and_told_apart_from_a_silent_sensor() {
    let scene = Scene::new();
    let proxy = Proxy::start(scene.broker.port());
    let url = format!("mqtt://127.0.0.1:{}", proxy.port());
    let settings = quick(&scene).text("mqtt", "url", &url);
    let recorder = scene.recorder(&settings);
    echoes(&scene, 2);
    proxy.deafen(true);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(100));
    let renewed = recorder.event_within(PATIENCE, 2, "session_renewed");
    assert_eq!(renewed["attempt"], 2, "{renewed}");
    let deaf = issue(&recorder, "issue_appeared", "deaf");
    assert_eq!(deaf["severity"], "critical", "{deaf}");
    assert_eq!(scene.database.count("load"), 0, "it was deaf");
    proxy.deafen(false);
    scene.drain(&recorder, &published);
    issue(&recorder, "issue_resolved", "deaf");
    scene.stop_and_check(recorder, &published);
    let gaps = "SELECT count(*) FROM barograph_gaps WHERE cause = 'deaf' AND to_at IS NOT NULL";
    assert_eq!(scene.database.one::<i64>(gaps), 1);
}

#[test]
fn a_silent_sensor_is_told_apart_from_a_deaf_connection() {
    let scene = Scene::new();
    let routes = LOAD.replace("qos = 2", "qos = 2\nsilent_after = \"3s\"");
    let mut recorder = scene.recorder(&quick(&scene).routes(&routes));
    let silent = recorder.event_within(PATIENCE, 1, "route_silent");
    let told = silent["message"].as_str().expect("a sentence");
    assert!(told.contains("our own echo came back") && told.contains("sensor"), "{told}");
    assert_eq!(recorder.events("session_renewed").len(), 0);
    recorder.stop();
}

/// A route that takes everything takes the echo too, and the broker then delivers two of each.
#[test]
fn an_echo_is_never_recorded_and_never_counted() {
    for protocol in ["3.1.1", "5"] {
        let scene = Scene::new();
        let everything = LOAD.replace("load/#", "#");
        let settings = quick(&scene).routes(&everything).text("mqtt", "protocol", protocol);
        let mut recorder = scene.recorder(&settings);
        echoes(&scene, 3);
        recorder.stop();
        publish_one(scene.broker.port(), ECHO, b"one of an earlier life", false); // kept for us
        let recorder = scene.recorder(&settings);
        let load = Load::numbered(2).count(2_000).rate(1_000);
        let published = publisher::publish(scene.broker.port(), load);
        echoes(&scene, 2);
        let account = scene.settle(recorder, &published);
        assert_eq!((account.received, account.quarantined), (2_000, 0));
    }
}

/// Mosquitto's access lists let us subscribe, and then keep the messages from us without a word.
#[test]
fn a_broker_that_forbids_the_echo_is_no_deaf_connection() {
    let scene = Scene::with_broker(|folder| {
        let file = folder.path("acl");
        std::fs::write(&file, "topic readwrite load/#\n").expect("our own folder");
        format!("allow_anonymous true\nacl_file {}", file.display())
    });
    let recorder = scene.recorder(&quick(&scene));
    recorder.says("mqtt.echo = false");
    let quiet = Duration::from_secs(5); // more than two intervals
    wait::while_true("the connection is left alone", quiet, || {
        recorder.events("session_renewed").is_empty()
    });
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(10));
    scene.settle(recorder, &published);
}

/// Its subscriptions are granted, and all looks well.
#[test]
fn an_account_that_may_subscribe_and_not_read_is_an_issue_until_it_may() {
    let mut rules = None;
    let mut scene = Scene::with_broker(|folder| {
        let file = folder.path("acl");
        std::fs::write(&file, "topic write #\n").expect("our own folder");
        let line = format!("allow_anonymous true\nacl_file {}", file.display());
        rules = Some(file);
        line
    });
    let mut recorder = Recorder::start(&quick(&scene));
    recorder.event("broker_connected");
    let unheard = issue(&recorder, "issue_appeared", "echo_unheard");
    assert!(unheard.to_string().contains("perhaps not read"), "{unheard}");
    let rules = rules.expect("the broker was configured");
    std::fs::write(rules, "topic readwrite #\n").expect("our own folder");
    scene.broker.reload();
    issue(&recorder, "issue_resolved", "echo_unheard");
    recorder.stop();
}

#[test]
fn a_subscription_that_the_broker_lowers_is_an_issue() {
    let scene = Scene::with_broker(|_| "allow_anonymous true\nmax_qos 0".to_owned());
    let mut recorder = scene.recorder(&quick(&scene));
    let lowered = issue(&recorder, "issue_appeared", "subscription_lowered:load");
    assert_eq!(lowered["severity"], "warning", "{lowered}");
    recorder.stop();
}

#[test]
fn a_value_that_stands_still_or_is_out_of_bounds_is_an_issue_until_it_is_not() {
    const ROUTE: &str = r#"
[[route]]
topic = "load/#"
table = "load"
qos = 1
[route.columns]
n = { field = "n", type = "integer", required = true, stuck_after = 3 }
t = { field = "t", type = "real", min = -40, max = 60, on_bad = "null" }
"#;
    let scene = Scene::new();
    let mut recorder = scene.recorder(&quick(&scene).routes(ROUTE));
    let say = |payload: &str| publish_one(scene.broker.port(), "load/n", payload.as_bytes(), false);
    say(r#"{"n":7,"t":20}"#);
    say(r#"{"n":7,"t":61.5}"#);
    let bad = issue(&recorder, "issue_appeared", "value_out_of_bounds:load.t");
    assert!(bad.to_string().contains("61.5"), "the value: {bad}");
    assert!(recorder.events("issue_appeared").iter().all(|it| it["id"] != "value_stuck:load.n"));
    say(r#"{"n":7,"t":21}"#);
    let stuck = issue(&recorder, "issue_appeared", "value_stuck:load.n");
    assert!(stuck.to_string().contains("has been 7"), "the value: {stuck}");
    issue(&recorder, "issue_resolved", "value_out_of_bounds:load.t");
    say(r#"{"n":8,"t":22}"#);
    issue(&recorder, "issue_resolved", "value_stuck:load.n");
    recorder.stop();
}
