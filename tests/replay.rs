//! What is in quarantine can be looked at, replayed when the settings are mended, exported and dropped; beside a running
//! recorder, and killed at any moment, the account stays true. A flood of bad messages is borne.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::Value;

use crate::support::heavy;
use crate::support::process::{Outcome, Process};
use crate::support::publisher::{self, Load, Publisher, publish_one};
use crate::support::random::Random;
use crate::support::recorder::{command, command_line, json};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, NARROW, Settings};

#[test]
fn replayed_messages_get_their_own_time_of_arrival_and_the_account_balances() {
    let scene = Scene::new();
    let narrow = scene.settings().routes(NARROW);
    let mut recorder = scene.recorder(&narrow);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(1_510));
    publish_one(scene.broker.port(), "load/bad", b"no number", false);
    scene.fills_to(&recorder, "barograph_quarantine", 1_501);
    recorder.stop();
    let arrivals = arrivals(&scene);
    assert_eq!(arrivals.len(), 1_500);

    let outcome = replay(&scene.settings(), &[]);
    assert!(outcome.stdout.contains("1500 messages are stored"), "{outcome:?}");
    assert!(outcome.stdout.contains("1 message stays"), "{outcome:?}");
    assert!(scene.database.compare("load", &published).is_exact());
    for (n, arrived) in arrivals {
        let stored: String =
            scene.database.one(&format!("SELECT created_at FROM load WHERE n = {n}"));
        assert_eq!(stored, arrived, "n = {n}");
    }
    all_is_well(&scene, &scene.settings());
    let told: String = scene
        .database
        .one("SELECT detail FROM barograph_events WHERE event = 'quarantine_changed'");
    assert!(told.contains("1500 messages are rows now") && told.contains("1 stay"), "{told}");
}

#[test]
fn a_replay_beside_a_running_recorder_disturbs_nobody() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    scene.recorder(&scene.settings().routes(NARROW)).stop();
    publisher::publish(scene.broker.port(), Load::numbered(1).count(5_000));
    let mut recorder = scene.recorder(&scene.settings().routes(NARROW));
    scene.fills_to(&recorder, "barograph_quarantine", 4_990);
    recorder.stop();
    let recorder = scene.recorder(&scene.settings());
    let load = Load::numbered(1).first(5_000).rate(2_000);
    let publisher = Publisher::start(scene.broker.port(), load);
    publisher.has_sent(500);
    let outcome = replay(&scene.settings(), &["--route", "load"]);
    assert!(outcome.stdout.contains("4990 messages are stored"), "{outcome:?}");
    let published = publisher::Published { first: 0, ..publisher.finish() };
    scene.drain(&recorder, &published);
    for event in ["write_failed", "actor_restarted", "broker_disconnected"] {
        assert!(recorder.events(event).is_empty(), "{:?}", recorder.events(event));
    }
    all_is_well(&scene, &scene.settings());
    scene.settle(recorder, &published);
}

#[test]
fn a_replay_killed_at_random_moments_leaves_rows_and_account_in_agreement() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings().routes(NARROW));
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(20_010));
    scene.fills_to(&recorder, "barograph_quarantine", 20_000);
    recorder.stop();
    let mut random = Random::new();
    let (mut kills, mut in_the_middle) = (0, 0);
    // Grows while nothing is replayed at all: on a busy machine the beginning alone takes longer.
    let mut longest = 60;
    while scene.database.count("barograph_quarantine") > 0 {
        let before = scene.database.count("barograph_quarantine");
        let words = ["quarantine", "replay"];
        let mut replay = Process::spawn(command_line(&words, &scene.settings()));
        thread::sleep(random.between(5, longest)); // the random moment
        replay.kill();
        kills += 1;
        let left = scene.database.count("barograph_quarantine");
        longest = if left < before { 60 } else { longest + 20 };
        in_the_middle += usize::from(left > 0 && left < before);
        all_is_well(&scene, &scene.settings());
    }
    println!("{kills} kills, {in_the_middle} of them between two steps");
    assert!(in_the_middle > 0, "none was killed in the middle");
    let comparison = scene.database.compare("load", &published);
    assert!(comparison.is_exact(), "{comparison}");
}

#[test]
fn what_is_still_bad_or_there_already_is_told_apart() {
    let scene = Scene::new();
    let keyed = NARROW.replace("qos = 1", "qos = 1\nunique = [\"n\"]");
    let mut recorder = scene.recorder(&scene.settings().routes(&keyed));
    for payload in [r#"{"n":5}"#, r#"{"n":50}"#, r#"{"n":50}"#, r#"{"n":5000}"#] {
        publish_one(scene.broker.port(), "load/n", payload.as_bytes(), false);
    }
    scene.fills_to(&recorder, "barograph_quarantine", 3);
    recorder.stop();
    let wider = scene.settings().routes(&keyed.replace("max = 9", "max = 999"));
    let outcome = replay(&wider, &[]);
    assert!(outcome.stdout.contains("1 was there already"), "{outcome:?}");
    let detail: Vec<String> = scene.database.all("SELECT detail FROM barograph_quarantine");
    assert!(detail.len() == 1 && detail[0].contains("max = 999"), "{detail:?}");
    all_is_well(&scene, &wider);
    // The same message is bad for another reason, then wanted by no route, and stays as it is, then by one of another name.
    let flag = keyed.replace("\"integer\"", "\"boolean\"").replace(", max = 9", "");
    let other = flag.replace("\"load\"", "\"other\"").replace("unique = [\"n\"]", "");
    let elsewhere = LOAD.replace("load/#", "elsewhere/#");
    let moved = LOAD.replace("\"load\"", "\"moved\"");
    for (routes, reasons) in
        [(&other, vec!["wrong_type"]), (&elsewhere, vec!["wrong_type"]), (&moved, vec![])]
    {
        let settings = scene.settings().routes(routes);
        replay(&settings, &[]);
        let there: Vec<String> = scene.database.all("SELECT reason FROM barograph_quarantine");
        assert_eq!(there, reasons, "{routes}");
        all_is_well(&scene, &settings);
    }
    assert_eq!(scene.database.all::<i64>("SELECT n FROM moved"), [5000]);
    let account = json(&["account"], &wider).1;
    assert_eq!(account["routes"]["moved"]["received"], 1, "{account}");
    assert_eq!(account["routes"]["load"]["received"], 3, "{account}");
}

#[test]
fn a_message_that_was_cut_stays() {
    let scene = Scene::new();
    let small = scene.settings().text("mqtt", "max_packet_size", "8 KiB");
    let mut recorder = scene.recorder(&small);
    let mut payload = br#"{"n":1}"#.to_vec();
    payload.resize(100_000, b' ');
    publish_one(scene.broker.port(), "load/n", &payload, false);
    scene.fills_to(&recorder, "barograph_quarantine", 1);
    recorder.stop();
    let outcome = replay(&scene.settings(), &[]);
    assert!(outcome.stdout.contains("1 message stays"), "{outcome:?}");
    let reason: String = scene.database.one("SELECT reason FROM barograph_quarantine");
    assert_eq!(reason, "too_large");
    all_is_well(&scene, &scene.settings());
}

#[test]
fn list_show_and_export_print_what_is_there_and_no_control_characters() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let payloads: [&[u8]; 3] = [b"\x1b[2Jtwenty\x07", &[0xff, 0xfe, 0x00], br#"{"n":"7 m"}"#];
    for payload in payloads {
        publish_one(scene.broker.port(), "load/n", payload, false);
    }
    scene.fills_to(&recorder, "barograph_quarantine", 3);
    recorder.stop();
    let list = command(&["quarantine", "list", "--limit", "2"], &settings);
    assert_eq!(list.code, Some(0), "{list:?}");
    assert!(list.stdout.contains("2 of 3 messages") && list.stdout.contains("not_utf8"));
    let (_, listed) = json(&["quarantine", "list", "--reason", "wrong_type"], &settings);
    assert_eq!(listed["messages"].as_array().map(Vec::len), Some(1), "{listed}");
    for id in ["1", "2", "3"] {
        let shown = command(&["quarantine", "show", id], &settings);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        let is_plain = |c: char| c == '\n' || !c.is_control();
        assert!(shown.stdout.chars().all(is_plain), "{shown:?}");
        assert!(list.stdout.chars().all(is_plain), "{list:?}");
    }
    assert!(command(&["quarantine", "show", "2"], &settings).stdout.contains("ff fe 00"));
    assert_eq!(command(&["quarantine", "show", "77"], &settings).code, Some(1));

    let file = scene.folder.path("export.jsonl");
    let path = file.to_str().expect("our paths are UTF-8");
    let words = ["quarantine", "export", "--output", path];
    assert_eq!(command(&words, &settings).code, Some(0));
    assert_eq!(command(&words, &settings).code, Some(73), "it overwrites nothing");
    let lines = fs::read_to_string(&file).expect("written just now");
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["payload"], "\u{1b}[2Jtwenty\u{7}");
    assert_eq!(lines[1]["payload_base64"], "//4A");
    assert_eq!(lines[2]["reason"], "wrong_type");
}

/// `mosquitto_pub -n`: of an empty blob SQLite's `substr` is NULL.
#[test]
fn an_empty_payload_is_listed_shown_and_exported() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    publish_one(scene.broker.port(), "load/empty", b"", false);
    publish_one(scene.broker.port(), "load/words", b"warm", false);
    scene.fills_to(&recorder, "barograph_quarantine", 2);
    recorder.stop();
    let list = command(&["quarantine", "list"], &settings);
    assert_eq!(list.code, Some(0), "{list:?}");
    assert!(list.stdout.contains("load/empty  (0 bytes)"), "{list:?}");
    let (code, listed) = json(&["quarantine", "list"], &settings);
    let begins = [0, 1].map(|at| listed["messages"][at]["begins"].as_str().unwrap_or("none"));
    assert_eq!((code, begins), (Some(0), ["warm", ""]), "{listed}");
    for words in [&["quarantine", "show", "1"][..], &["quarantine", "export"]] {
        let outcome = command(words, &settings);
        assert_eq!(outcome.code, Some(0), "{words:?}: {outcome:?}");
    }
}

#[test]
fn dropping_is_asked_for_twice_and_counted() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let bad = Load { payload: |_| b"bad".to_vec(), ..Load::numbered(1) };
    publisher::publish(scene.broker.port(), bad.count(1_200));
    publish_one(scene.broker.port(), "load/n", br#"{"n":"7 m"}"#, false);
    scene.fills_to(&recorder, "barograph_quarantine", 1_201);
    recorder.stop();
    let drop = |words: &[&str]| command(&[&["quarantine", "drop"], words].concat(), &settings);
    assert_eq!(drop(&["--yes"]).code, Some(64), "which?");
    let unasked = drop(&["--all"]);
    assert!(unasked.code == Some(64) && unasked.stderr.contains("--yes"), "{unasked:?}");
    assert_eq!(scene.database.count("barograph_quarantine"), 1_201);
    assert_eq!(drop(&["--reason", "not_json", "--yes"]).code, Some(0));
    assert_eq!(scene.database.count("barograph_quarantine"), 1);
    all_is_well(&scene, &settings);
    let text = command(&["account"], &settings).stdout;
    assert!(text.contains("1200 quarantine_dropped"), "{text}");
}

#[test]
fn the_quarantine_is_bounded_and_what_was_dropped_is_counted() {
    let scene = Scene::new();
    let settings = scene.settings().set("quarantine", "max_rows", "100");
    let recorder = scene.recorder(&settings);
    let bad = Load { payload: |_| b"bad".to_vec(), ..Load::numbered(1) };
    publisher::publish(scene.broker.port(), bad.count(1_000));
    let account = || json(&["account"], &settings).1;
    recorder.wait_for("1000 received, 100 kept", Duration::from_secs(30), || {
        let account = account();
        let load = &account["routes"]["load"];
        let is_trimmed = load["received"] == 1_000 && load["quarantined"] == 100;
        is_trimmed.then_some(())
    });
    let load = account()["routes"]["load"].clone();
    assert_eq!(load["dropped"]["quarantine_full"], 900, "{load}");
    all_is_well(&scene, &settings);
}

/// Figures are printed; what is asserted is that the log stays readable and nothing good is lost.
#[test]
fn a_flood_of_bad_messages_neither_floods_the_log_nor_loses_good_ones() {
    const GOOD: i64 = 20_000;
    let _turn = heavy::turn();
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let rate = |first: i64, flooded: bool| {
        let begun = Instant::now();
        let published =
            publisher::publish(scene.broker.port(), Load::numbered(1).first(first).count(GOOD));
        let complete = format!("SELECT count(*) FROM load WHERE n >= {first}");
        recorder.wait_for("all the good ones", Duration::from_secs(90), || {
            (scene.database.one::<i64>(&complete) >= published.certain()).then_some(())
        });
        let rate = GOOD as f64 / begun.elapsed().as_secs_f64();
        println!("good messages, flooded: {flooded}: {rate:.0} a second");
    };
    rate(0, false);
    let (begun, port) = (Instant::now(), scene.broker.port());
    let flood = |qos| Load { payload: |_| b"not a number".to_vec(), ..Load::numbered(qos) };
    let floods = [0, 1].map(|qos| Publisher::start(port, flood(qos).count(25_000)));
    rate(GOOD, true);
    floods.into_iter().for_each(|flood| drop(flood.finish()));
    let (_, account) = json(&["account"], &scene.settings());
    println!("{account}");
    let log = recorder.log().to_lowercase();
    let lines = log.lines().filter(|line| line.contains("quarantine")).count();
    let minutes = begun.elapsed().as_secs() / 60 + 1;
    println!("{lines} lines about the quarantine in {:?}", begun.elapsed());
    assert!((1..=12 * minutes as usize).contains(&lines), "{lines} lines in {minutes} min");
    all_is_well(&scene, &scene.settings());
    println!("{}", command(&["verify"], &scene.settings()).stdout);
}

fn replay(settings: &Settings, more: &[&str]) -> Outcome {
    let outcome = command(&[&["quarantine", "replay"], more].concat(), settings);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    outcome
}

/// Rows, digests and account agree.
fn all_is_well(scene: &Scene, settings: &Settings) {
    let (code, account) = json(&["account"], settings);
    assert_eq!(code, Some(0), "{account}");
    let (code, verified) = json(&["verify"], settings);
    assert_eq!(code, Some(0), "{verified}");
    assert!(scene.database.account().is_balanced());
}

/// By number, when the messages in quarantine arrived.
fn arrivals(scene: &Scene) -> BTreeMap<i64, String> {
    let reader = scene.database.reader();
    let query = "SELECT payload ->> '$.n', received_at FROM barograph_quarantine WHERE reason = \
                 'out_of_range'";
    let query = query.replace("payload", "CAST(payload AS TEXT)");
    let mut statement = reader.prepare(&query).expect("the table of the design");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.expect("no parameters").map(|row| row.expect("a number, a time")).collect()
}
