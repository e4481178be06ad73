//! A broker that says nothing any more is found within 1.5 keep-alives, however it came to that.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::needs::{self, Need};
use crate::support::network::Network;
use crate::support::ports::free_port;
use crate::support::proxy::Proxy;
use crate::support::publisher::{Load, Publisher, publish_one};
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::Settings;

/// The shortest that can be set.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const ID: &str = "broker_unreachable";

fn impatient(settings: Settings) -> Settings {
    settings.text("mqtt", "keep_alive", "5s").watchful()
}

/// Waits for the issue, and holds the recorder to 1.5 keep-alives; a busy machine may take half a second to write it.
fn is_found_in_time(recorder: &Recorder, since: Instant) {
    let issue = recorder.has_issue(ID, "critical");
    let took = since.elapsed();
    assert!(took <= KEEP_ALIVE * 3 / 2 + Duration::from_millis(500), "{took:?}: {issue}");
    let told = issue.to_string();
    assert!(told.contains("not connected to the broker since 20"), "since when: {told}");
    assert!(told.contains("not even an answer to a ping"), "why: {told}");
    assert!(told.contains("What to do: "), "what to do: {told}");
}

#[test]
fn a_frozen_broker_is_found_within_one_and_a_half_keep_alives() {
    let mut scene = Scene::new();
    let recorder = scene.recorder(&impatient(scene.settings()));
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(50));
    publisher.has_sent(20);
    scene.broker.freeze();
    is_found_in_time(&recorder, Instant::now());
    scene.broker.thaw();
    recorder.is_rid_of(ID);
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn a_half_open_connection_is_found_within_one_and_a_half_keep_alives() {
    let scene = Scene::new();
    let proxy = Proxy::start(scene.broker.port());
    let url = format!("mqtt://127.0.0.1:{}", proxy.port());
    let recorder = scene.recorder(&impatient(scene.settings()).text("mqtt", "url", &url));
    proxy.is_used();
    proxy.refuse(true);
    proxy.blackhole();
    is_found_in_time(&recorder, Instant::now());
    proxy.refuse(false);
    recorder.is_rid_of(ID);
}

#[test]
fn a_cut_network_is_found_within_one_and_a_half_keep_alives() {
    if !needs::are_met(&[Need::Network]) {
        return;
    }
    let (network, port) = (Network::new(), free_port());
    let listener = format!("allow_anonymous true\nlistener {port} {}", network.address());
    let scene = Scene::with_broker(|_| listener);
    let url = format!("mqtt://{}:{port}", network.address());
    let settings = impatient(scene.settings()).text("mqtt", "url", &url);
    let recorder = Recorder::spawn(network.inside(&barograph_with("run", &settings)));
    recorder.event("broker_connected");
    scene.broker.has_subscriber("load/#");
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(50));
    publisher.has_sent(20);
    network.cut();
    is_found_in_time(&recorder, Instant::now());
    network.mend();
    recorder.is_rid_of(ID);
    scene.settle(recorder, &publisher.finish());
}

/// The judge may die over it: the trouble is the same, and began when it began.
#[test]
fn an_issue_outlives_the_judge() {
    let mut scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().watchful());
    scene.broker.stop();
    let began = recorder.has_issue(ID, "critical");
    for time in 1..=3 {
        scene.faults.inject("panic health");
        recorder.event_number(time, "actor_restarted");
    }
    recorder.has_issue("actor_restarting:health", "warning");
    scene.broker.start_again();
    recorder.is_rid_of(ID);
    let told = |event: &str| {
        recorder.events(event).into_iter().filter(|told| told["id"] == ID).collect::<Vec<_>>()
    };
    assert_eq!(told("issue_appeared").len(), 1, "once for each trouble");
    let over = told("issue_resolved");
    assert_eq!(over.len(), 1, "{over:?}");
    let text = |told: &Value| told["message"].as_str().expect("a text").to_owned();
    let since =
        text(&began).split_once("since ").and_then(|(_, rest)| rest.get(..16)).map(str::to_owned);
    let since = since.expect("since when, to the minute");
    assert!(text(&over[0]).starts_with("resolved after "), "{over:?}");
    assert!(over[0]["since"].as_str().is_some_and(|at| at.starts_with(&since)), "{over:?}");
    let query = "SELECT count(*) FROM barograph_events WHERE event LIKE 'issue_%' AND detail LIKE \
                 'broker_unreachable (critical)%'";
    scene.database.wait_for_one(query, 2);
}

/// A broker that comes and goes is one issue that comes and goes, not hundreds.
#[test]
fn a_broker_that_flaps_is_told_of_twice() {
    let scene = Scene::new();
    let proxy = Proxy::start(scene.broker.port());
    let url = format!("mqtt://127.0.0.1:{}", proxy.port());
    let recorder = scene.recorder(&scene.settings().text("mqtt", "url", &url));
    for flap in 1..=20 {
        // A connection that brings nothing before it is cut looks like another client with our name.
        publish_one(scene.broker.port(), "load/n", format!(r#"{{"n":{flap}}}"#).as_bytes(), false);
        scene.fills_to(&recorder, "load", i64::try_from(flap).expect("small"));
        proxy.cut();
        recorder.event_number(flap + 1, "broker_connected");
    }
    let told = |event: &str| recorder.events(event).iter().filter(|told| told["id"] == ID).count();
    assert!(told("issue_appeared") <= 2, "{}", told("issue_appeared"));
}
