//! The recorder is killed with -9 at a hundred random moments under load, while the broker keeps its session.
//!
//! The incident behind it: between COMMIT and the broker's reading of the acknowledgement the recorder may die; the
//! broker then delivers the message again, and a recorder without a ledger stores it twice.

use std::thread;

use crate::support::heavy;
use crate::support::publisher::{Load, Published, Publisher};
use crate::support::random::Random;
use crate::support::recorder::{Recorder, command};
use crate::support::scene::Scene;
use crate::support::settings::{MAGNETIC, Settings};

const KILLS: usize = 100;

#[test]
fn a_hundred_kills_lose_and_double_no_qos_1_message() {
    numbered_messages_survive(KILLS, "3.1.1", Load::numbered(1).rate(9_000));
}

#[test]
fn a_hundred_kills_lose_and_double_no_qos_2_message() {
    numbered_messages_survive(KILLS, "3.1.1", Load::numbered(2).rate(9_000));
}

#[test]
fn a_hundred_kills_at_2000_messages_a_second_lose_and_double_none() {
    numbered_messages_survive(KILLS, "3.1.1", Load::numbered(1).rate(2_000));
}

#[test]
fn mqtt_5_loses_and_doubles_no_qos_1_message_when_killed() {
    numbered_messages_survive(25, "5", Load::numbered(1).rate(5_000));
}

#[test]
fn mqtt_5_loses_and_doubles_no_qos_2_message_when_killed() {
    numbered_messages_survive(25, "5", Load::numbered(2).rate(5_000));
}

#[test]
fn a_hundred_kills_lose_and_double_no_identical_reading() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings().routes(MAGNETIC);
    let (mut recorder, published) = kill(KILLS, &scene, &settings, Load::identical(1).rate(9_000));
    let table = "magnetic_flux_data";
    scene.fills_to(&recorder, table, published.certain());
    recorder.stop();
    assert_eq!(scene.database.count(table), published.certain());
    println!("{:?}", scene.database.assert_account_equals(&[table]));
}

/// Each message is three rows: all of them are there once, or none.
const IN_PARTS: &str = r#"
[[route]]
topic = "load/#"
table = "load"
rows = "/parts"
[route.columns]
n = { message = "/n", type = "integer", required = true }
k = { type = "integer", required = true }
"#;

#[test]
fn a_hundred_kills_leave_all_rows_of_a_message_or_none_and_a_true_account() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings().routes(IN_PARTS);
    let (mut recorder, published) = kill(KILLS, &scene, &settings, Load::in_parts(1).rate(2_000));
    scene.fills_to(&recorder, "load", 3 * published.certain());
    recorder.stop();
    let odd = "SELECT count(*) FROM (SELECT n FROM load GROUP BY n HAVING count(*) <> 3 OR \
               count(DISTINCT k) <> 3)";
    assert_eq!(scene.database.one::<i64>(odd), 0, "messages with rows missing or twice");
    let messages = scene.database.one::<i64>("SELECT count(DISTINCT n) FROM load");
    let possible = published.certain() + published.doubtful.len() as i64;
    assert!((published.certain()..=possible).contains(&messages), "{messages} messages");
    let account = scene.database.assert_account_equals(&["load"]);
    assert_eq!((account.stored, account.further_rows), (messages, 2 * messages), "{account:?}");
    for words in [["verify"], ["account"]] {
        let outcome = command(&words, &settings);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
}

/// What was not yet committed of QoS 0 dies with the recorder; what is there is there once, and accounted for.
#[test]
fn a_hundred_kills_double_no_qos_0_message_and_keep_the_account_true() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let load = Load::numbered(0).rate(2_000);
    let (mut recorder, mut published) = kill(KILLS, &scene, &scene.settings(), load);
    recorder.stop();
    published.doubtful = (published.first..published.next).collect();
    let comparison = scene.database.compare("load", &published);
    assert!(comparison.is_exact(), "{comparison}");
    let account = scene.database.assert_account_equals(&["load"]);
    assert!(account.stored > 0, "something must have arrived between two kills");
}

fn numbered_messages_survive(kills: usize, protocol: &str, load: Load) {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings().text("mqtt", "protocol", protocol);
    let (recorder, published) = kill(kills, &scene, &settings, load);
    scene.settle(recorder, &published);
}

/// Publishes while the recorder is started and killed again and again; the last one lives.
fn kill(kills: usize, scene: &Scene, settings: &Settings, load: Load) -> (Recorder, Published) {
    let mut random = Random::new();
    let mut recorder = scene.recorder(settings);
    let publisher = Publisher::start(scene.broker.port(), load);
    for _ in 0..kills {
        thread::sleep(random.between(10, 240)); // the random moment
        recorder.kill();
        recorder = Recorder::start(settings);
    }
    recorder.event("broker_connected");
    (recorder, publisher.finish())
}
