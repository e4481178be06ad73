//! Routes may overlap: what is subscribed to is a cover of them, in which no two filters do. Whatever becomes of it, each
//! message is recorded once.

use std::thread;
use std::time::Duration;

use crate::reload::WITHIN;
use crate::support::heavy;
use crate::support::proxy::Proxy;
use crate::support::publisher::{Load, Published, Publisher, publish_one};
use crate::support::random::Random;
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::wait;

const RATE: u32 = 1_000;
const CUTS: usize = 30;

/// A route of numbers into the table `load`.
fn route(topic: &str) -> String {
    format!(
        "\n[[route]]\ntopic = \"{topic}\"\ntable = \"load\"\nqos = 2\n[route.columns]\n\
         n = {{ field = \"n\", type = \"integer\", required = true }}\n"
    )
}

fn routes(topics: &[&str]) -> String {
    topics.iter().map(|topic| route(topic)).collect()
}

/// Starts a recorder that subscribes to this filter.
fn start(scene: &Scene, settings: &Settings, filter: &str) -> Recorder {
    let recorder = Recorder::start_faulty(settings, &scene.faults);
    recorder.event("ready");
    scene.broker.has_subscriber(filter);
    recorder
}

#[test]
fn routes_that_overlap_partly_lose_and_double_nothing_when_cut() {
    overlapping_routes_survive("3.1.1");
}

#[test]
fn routes_that_overlap_partly_lose_and_double_nothing_when_cut_with_mqtt_5() {
    overlapping_routes_survive("5");
}

fn overlapping_routes_survive(protocol: &str) {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let proxy = Proxy::start(scene.broker.port());
    let url = format!("mqtt://127.0.0.1:{}", proxy.port());
    let settings = scene.settings().text("mqtt", "url", &url).text("mqtt", "protocol", protocol);
    let settings =
        settings.text("mqtt", "reconnect_min", "20ms").text("mqtt", "reconnect_max", "50ms");
    let settings = settings.routes(&routes(&["+/status/switch:0", "owntracks/+/+"]));
    let mut recorder = start(&scene, &settings, "+/+/+");
    let port = scene.broker.port();
    let topics =
        ["plug/status/switch:0", "owntracks/u/phone", "owntracks/status/switch:0", "x/y/z"];
    let publishers: Vec<Publisher> = (0..)
        .zip(topics)
        .map(|(number, topic)| {
            let load = Load { topic, ..Load::numbered(1 + number as u8 % 2) };
            Publisher::start(port, load.rate(RATE).first(number * 1_000_000))
        })
        .collect();
    let mut random = Random::new();
    for _ in 0..CUTS {
        proxy.is_used();
        thread::sleep(random.between(0, 150)); // the random moment
        proxy.cut();
    }
    let published: Vec<Published> = publishers.into_iter().map(Publisher::finish).collect();
    let (wanted, unwanted) = published.split_at(3);
    for one in wanted {
        arrives_once(&scene, one);
    }
    let filtered = "SELECT coalesce(sum(count), 0) FROM barograph_accounting WHERE outcome = 'filtered' AND \
        reason = 'not_wanted'";
    wait::until_true("what no route wants is counted", Duration::from_secs(60), || {
        scene.database.one::<i64>(filtered) >= unwanted[0].certain()
    });
    recorder.stop();
    let account = scene.database.assert_account_equals(&["load"]);
    println!("{CUTS} cuts, {account:?}");
}

/// Waits until each number is in the table, once.
fn arrives_once(scene: &Scene, published: &Published) {
    let (first, next) = (published.first, published.next);
    let numbers = format!("SELECT n FROM load WHERE n >= {first} AND n < {next} ORDER BY n");
    let there = format!("SELECT count(*) FROM load WHERE n >= {first} AND n < {next}");
    wait::until_true("all numbers have arrived", Duration::from_secs(90), || {
        scene.database.one::<i64>(&there) >= published.certain()
    });
    let numbers: Vec<i64> = scene.database.all(&numbers);
    let twice: Vec<_> = numbers.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{} numbers twice: {twice:?}", twice.len());
    let lost = (first..next).filter(|n| numbers.binary_search(n).is_err());
    let lost: Vec<i64> = lost.filter(|n| !published.doubtful.contains(n)).collect();
    assert!(lost.is_empty(), "{} numbers lost: {lost:?}", lost.len());
}

#[test]
fn covers_that_grow_and_shrink_under_load_lose_and_double_nothing() {
    changing_covers_survive("3.1.1");
}

#[test]
fn covers_that_grow_and_shrink_under_load_lose_and_double_nothing_with_mqtt_5() {
    changing_covers_survive("5");
}

/// The topics of routes, and the filter that is subscribed to for them.
const COVERS: [(&[&str], &str); 6] = [
    (&["load/n"], "load/n"),
    (&["load/+"], "load/+"),
    (&["load/+", "+/n"], "+/+"),
    (&["+/n", "load/#"], "#"),
    (&["#"], "#"),
    (&["other/+", "load/{rest}"], "load/+"),
];

fn changing_covers_survive(protocol: &str) {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings().text("mqtt", "protocol", protocol);
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(5 * RATE));
    scene.fills_to(&recorder, "load", 100);
    for (topics, filter) in COVERS.iter().chain(COVERS.iter().rev().skip(1)) {
        let logged = scene.broker.logged();
        let routes = routes(topics);
        recorder.reload(&settings.clone().routes(&routes), "route");
        let is_there = |line: &str| line.contains(" recorder ") && line.ends_with(filter);
        wait::until_true(&format!("a subscription to {filter}"), WITHIN, || {
            scene.broker.count_lines(logged, is_there) > 0
        });
        publisher.has_sent(publisher.sent() + 500);
    }
    assert!(recorder.events("actor_restarted").is_empty());
    assert_eq!(recorder.events("broker_connected").len(), 1, "the session is kept");
    let published = publisher.finish();
    scene.settle(recorder, &published);
}

/// The broker's session has them still, and Mosquitto delivers a message for each with MQTT 5.
#[test]
fn subscriptions_of_an_earlier_start_with_other_routes_double_nothing() {
    for protocol in ["3.1.1", "5"] {
        let _turn = heavy::turn();
        let scene = Scene::new();
        let proxy = Proxy::start(scene.broker.port());
        let url = format!("mqtt://127.0.0.1:{}", proxy.port());
        let settings =
            scene.settings().text("mqtt", "url", &url).text("mqtt", "protocol", protocol);
        let mut recorder = start(&scene, &settings.clone().routes(&route("load/n")), "load/n");
        recorder.stop();
        let recorder = start(&scene, &settings.routes(&routes(&["load/+", "+/n"])), "+/+");
        let load = Load::numbered(1).rate(2 * RATE).count(10_000);
        let publisher = Publisher::start(scene.broker.port(), load);
        for part in 1..5 {
            publisher.has_sent(part * 2_000);
            proxy.cut();
        }
        scene.settle(recorder, &publisher.finish());
    }
}

#[test]
fn retained_message_that_was_heard_is_not_recorded_again_by_another_cover() {
    retained_messages_are_recorded_once("3.1.1");
}

#[test]
fn retained_message_that_was_heard_is_not_recorded_again_by_another_cover_with_mqtt_5() {
    retained_messages_are_recorded_once("5");
}

fn retained_messages_are_recorded_once(protocol: &str) {
    let scene = Scene::new();
    let port = scene.broker.port();
    for (number, topic) in (1..).zip(["a/1", "a/2", "b/1", "a/2/3", "c/1"]) {
        publish_one(port, topic, format!("{{\"n\": {number}}}").as_bytes(), true);
    }
    let settings = scene.settings().text("mqtt", "protocol", protocol);
    let mut recorder = start(&scene, &settings.clone().routes(&route("a/+")), "a/+");
    scene.fills_to(&recorder, "load", 2);
    let count = |condition: &str| -> i64 {
        scene.database.one(&format!("SELECT count(*) FROM load WHERE {condition}"))
    };
    // Wider; wider for another route; a route on topics of another; another order; one that brings nothing; and one
    // within the subscription, whose topic was not recorded before.
    publish_one(port, "d/7/8", br#"{"n": 6}"#, true);
    for (topics, rows) in [
        (&["a/#"][..], 3),
        (&["a/#", "+/1"], 5),
        (&["a/2", "a/#", "+/1"], 5),
        (&["+/1", "a/2", "a/#"], 5),
        (&["+/1", "a/2", "a/#", "x/y"], 5),
        (&["+/1", "a/2", "a/#", "d/#"], 6),
    ] {
        recorder.reload(&settings.clone().routes(&routes(topics)), "route");
        let fresh = count("n = 1000");
        publish_one(port, "a/1", br#"{"n": 1000}"#, false);
        wait::until_true("a message behind them", WITHIN, || count("n = 1000") > fresh);
        wait::until_true(&format!("{rows} retained of {topics:?}"), WITHIN, || {
            count("n < 1000") >= rows
        });
    }
    recorder.stop();
    let twice =
        "SELECT count(*) FROM (SELECT n FROM load WHERE n < 1000 GROUP BY n HAVING count(*) > 1)";
    assert_eq!(scene.database.one::<i64>(twice), 0, "{}", recorder.log());
    assert_eq!(count("n < 1000"), 6);
}

#[test]
fn topics_of_the_broker_itself_are_taken_only_by_filters_that_name_them() {
    let scene = Scene::new();
    let version = "\n[[route]]\ntopic = \"$SYS/broker/version\"\ntable = \"version\"\n[route.columns]\n\
        v = { field = \"\", type = \"text\" }\n";
    let settings = scene.settings().routes(&(route("#") + version));
    let mut recorder = start(&scene, &settings, "$SYS/broker/version");
    publish_one(scene.broker.port(), "any/topic", br#"{"n": 1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    let told =
        "SELECT (SELECT count(*) FROM version) + (SELECT count(*) FROM barograph_quarantine)";
    scene.database.wait_for_one(told, 1);
    recorder.stop();
    let others = "SELECT count(*) FROM barograph_quarantine WHERE topic <> '$SYS/broker/version'";
    assert_eq!(scene.database.one::<i64>(others), 0);
    assert_eq!(scene.database.count("load"), 1);
}
