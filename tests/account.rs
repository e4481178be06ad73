//! `barograph account`: what became of every message, and whether the tables agree.

use std::time::Duration;

use serde_json::Value;

use crate::support::publisher::{self, Load, Publisher, publish_one};
use crate::support::recorder::{Recorder, command, json};
use crate::support::scene::Scene;
use crate::support::settings::Settings;

#[test]
fn account_beside_a_running_recorder_balances_at_every_moment() {
    let scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(3_000));
    for number in 0..20 {
        publish_one(scene.broker.port(), &format!("load/{number}"), b"bad", false);
        let (code, account) = json(&["account"], &settings);
        assert_eq!(code, Some(0), "{account}");
        let running = account["running"].as_u64();
        assert_eq!(running, Some(u64::from(recorder.process.pid())), "{account}");
    }
    let published = publisher.finish();
    scene.fills_to(&recorder, "load", published.certain());
    let text = command(&["account"], &settings).stdout;
    assert!(text.contains("not acknowledged yet") && text.contains("(pid "), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    scene.settle(recorder, &published);
    let (code, account) = json(&["account"], &settings);
    assert_eq!((code, &account["running"]), (Some(0), &Value::Null), "{account}");
    assert_eq!(account["in_all"]["quarantined"], 20, "{account}");
    assert_eq!(account["routes"]["load"]["stored"], published.certain(), "{account}");
}

#[test]
fn what_waits_in_the_spool_is_received_and_spooled() {
    let scene = Scene::new();
    let settings = spooling(&scene);
    let mut recorder = scene.recorder(&settings);
    let before = publisher::publish(scene.broker.port(), Load::numbered(1).count(100));
    scene.drain(&recorder, &before);
    let writer = scene.database.writer();
    writer.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    let more = publisher::publish(scene.broker.port(), Load::numbered(1).first(100).count(250));
    let spooled = || json(&["account"], &settings).1["in_all"]["spooled"].as_i64();
    recorder
        .wait_for("250 in the spool", Duration::from_secs(20), || spooled().filter(|n| *n == 250));
    recorder.kill();
    drop(writer);
    let (code, account) = json(&["account"], &settings);
    assert_eq!(code, Some(0), "{account}");
    let load = &account["routes"]["load"];
    assert_eq!((&load["received"], &load["stored"]), (&350.into(), &100.into()), "{account}");
    let recorder = scene.recorder(&settings);
    recorder.event("spool_drained");
    let all = publisher::Published { first: 0, ..more };
    scene.settle(recorder, &all);
    let (code, account) = json(&["account"], &settings);
    assert_eq!((code, &account["in_all"]["spooled"]), (Some(0), &0.into()), "{account}");
}

/// Each check of the account, by the damage that only it sees.
#[test]
fn a_wrong_account_is_said_and_is_exit_code_1() {
    let scene = Scene::new();
    let settings = scene.settings();
    record_some(&scene, &settings);
    let damages = [
        (
            "UPDATE barograph_accounting SET count = count + 1 WHERE outcome = 'received'",
            "received",
        ),
        ("DELETE FROM barograph_quarantine", "barograph_quarantine"),
        ("DELETE FROM load WHERE id = 50", "verify"),
        (
            "UPDATE barograph_digests SET rows = rows - 1 WHERE first <= 50 AND last >= 50",
            "digests",
        ),
    ];
    for (damage, word) in damages {
        let copy = scene.folder.path("copy.db");
        std::fs::copy(scene.database.path(), &copy).expect("our own folder");
        rusqlite::Connection::open(&copy)
            .and_then(|conn| conn.execute_batch(damage))
            .unwrap_or_else(|error| panic!("{damage}: {error}"));
        let settings = settings.clone().path("database", "path", &copy);
        let outcome = command(&["account"], &settings);
        assert_eq!(outcome.code, Some(1), "{damage}: {outcome:?}");
        let wrong = outcome.stdout.split("WRONG").nth(1).unwrap_or_default();
        assert!(wrong.contains(word), "{damage}: {outcome:?}");
    }
}

/// What waits in a spool that cannot be read, or that belongs to no batch, is not passed over in silence.
#[test]
fn a_spool_that_cannot_be_taken_over_is_said_and_is_exit_code_1() {
    let scene = Scene::new();
    let settings = scene.settings();
    record_some(&scene, &settings);
    let folder = scene.folder.path("spool");
    std::fs::create_dir_all(&folder).expect("our own folder");
    let spool = folder.join("data.db.spool");
    std::fs::write(&spool, "no database ".repeat(500)).expect("our own folder");
    let (code, account) = json(&["account"], &settings);
    let wrong = account["wrong"].to_string();
    assert!(code == Some(1) && wrong.contains("cannot be read"), "{account}");
    std::fs::remove_file(&spool).expect("made just now");
    let tables = "CREATE TABLE barograph_meta (key TEXT, value TEXT); CREATE TABLE spool_entries \
                  (position INTEGER PRIMARY KEY, run INTEGER, dropped TEXT); CREATE TABLE \
                  spool_records (position INTEGER, route TEXT, topic TEXT, payload BLOB); INSERT INTO \
                  barograph_meta VALUES ('id', '7'); INSERT INTO spool_entries VALUES (1, 1, \
                  '[[\"load\",\"holding\",4]]'); INSERT INTO spool_records VALUES (1, 'load', 't', x''), \
                  (2, 'load', 't', x'')";
    let conn = rusqlite::Connection::open(&spool).expect("our own folder");
    conn.execute_batch(tables).expect("a spool, as far as the account looks");
    let (code, account) = json(&["account"], &settings);
    assert_eq!(code, Some(1), "{account}");
    assert!(
        account["wrong"][0].as_str().is_some_and(|told| told.contains("no batch")),
        "{account}"
    );
    let load = &account["routes"]["load"];
    assert_eq!((&load["received"], &load["spooled"]), (&107.into(), &2.into()), "{account}");
    assert_eq!(load["dropped"]["holding"], 4, "{account}");
    // The database has the first entry, and the spool has not forgotten it yet.
    let taken = "INSERT INTO barograph_meta VALUES ('taken_over', '7:1')";
    scene.database.writer().execute_batch(taken).expect("our own table");
    let (_, account) = json(&["account"], &settings);
    let load = &account["routes"]["load"];
    assert_eq!((&load["received"], &load["spooled"]), (&102.into(), &1.into()), "{account}");
    assert_eq!(load["dropped"]["holding"], Value::Null, "{account}");
}

/// Rows of other writers, before and between ours, are none of the account's business.
#[test]
fn rows_of_others_do_not_disturb_the_account() {
    let scene = Scene::new();
    let settings = scene.settings();
    record_some(&scene, &settings);
    let insert = "INSERT INTO load (n) VALUES (7), (8), (9)";
    scene.database.writer().execute_batch(insert).expect("a row of somebody else");
    let recorder = scene.recorder(&settings);
    let more = publisher::publish(scene.broker.port(), Load::numbered(1).first(100).count(50));
    scene.fills_to(&recorder, "load", 100 + 3 + more.certain());
    let (code, account) = json(&["account"], &settings);
    assert_eq!(code, Some(0), "{account}");
    let (code, verified) = json(&["verify"], &settings);
    assert_eq!((code, &verified["not_covered"]["load"]), (Some(0), &3.into()), "{verified}");
}

/// A database that an earlier version wrote has counts of stored rows, and no digests of them.
#[test]
fn a_database_from_before_there_were_digests_balances() {
    let scene = Scene::new();
    let settings = scene.settings();
    record_some(&scene, &settings);
    let older = "DROP TABLE barograph_digests; DROP TABLE barograph_shapes";
    scene.database.writer().execute_batch(older).expect("our tables");
    let outcome = command(&["account"], &settings);
    assert_eq!(outcome.code, Some(0), "it is not yet checked against digests: {outcome:?}");
    let recorder = scene.recorder(&settings);
    let more = publisher::publish(scene.broker.port(), Load::numbered(1).first(100).count(50));
    scene.fills_to(&recorder, "load", 100 + more.certain());
    let (code, account) = json(&["account"], &settings);
    assert_eq!(code, Some(0), "{account}");
    assert_eq!(account["routes"]["load"]["stored"], 150, "{account}");
    let (code, verified) = json(&["verify"], &settings);
    assert_eq!((code, &verified["not_covered"]["load"]), (Some(0), &100.into()), "{verified}");
}

#[test]
fn a_table_with_triggers_is_left_out_and_said_so() {
    let scene = Scene::new();
    let settings = scene.settings();
    record_some(&scene, &settings);
    let trigger = "CREATE TRIGGER t AFTER INSERT ON load BEGIN SELECT 1; END";
    scene.database.writer().execute_batch(trigger).expect("a trigger of somebody else");
    let outcome = command(&["account"], &settings);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("has no digests"), "{outcome:?}");
}

#[test]
fn without_a_database_there_is_no_account() {
    let scene = Scene::new();
    let words = "has no tables of Barograph's";
    scene.database.writer().execute_batch("CREATE TABLE t (a)").expect("our own folder");
    for command_words in [&["account"][..], &["gaps"], &["verify"], &["quarantine", "replay"]] {
        let outcome = command(command_words, &scene.settings());
        assert!(outcome.code == Some(65) && outcome.stderr.contains(words), "{outcome:?}");
    }
    std::fs::remove_file(scene.database.path()).expect("made just now");
    for words in [&["account"][..], &["gaps"], &["verify"], &["quarantine", "list"]] {
        let outcome = command(words, &scene.settings());
        assert_eq!(outcome.code, Some(65), "{outcome:?}");
        assert!(outcome.stderr.contains("there is no database"), "{outcome:?}");
    }
    std::fs::write(scene.database.path(), "no database ".repeat(500)).expect("our own folder");
    for words in [&["account"][..], &["gaps"], &["verify"], &["quarantine", "list"]] {
        let outcome = command(words, &scene.settings());
        assert_eq!(outcome.code, Some(65), "{outcome:?}");
        assert!(outcome.stderr.contains("is not an SQLite database"), "{outcome:?}");
    }
}

/// A hundred good messages and one bad one, in a database that nobody has open.
fn record_some(scene: &Scene, settings: &Settings) {
    let mut recorder: Recorder = scene.recorder(settings);
    publish_one(scene.broker.port(), "load/bad", b"bad", false);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(100));
    scene.drain(&recorder, &published);
    recorder.stop();
}

/// One failed write is enough for the spool.
fn spooling(scene: &Scene) -> Settings {
    let settings = scene.settings().text("database", "busy_timeout", "50ms");
    settings.set("health", "max_write_failures", "1").text("health", "probe_max", "1s")
}
