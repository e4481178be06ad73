//! SIGHUP: what changed takes effect, nothing is lost or doubled by it, and what did not change is left alone.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::locker::Locker;
use crate::support::notify::Manager;
use crate::support::ports::free_port;
use crate::support::publisher::{Load, Publisher, publish_one};
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings};

const RATE: u32 = 1_000;
pub(crate) const WITHIN: Duration = Duration::from_secs(30);
/// A second route, beside the load.
const OTHER: &str = "\n[[route]]\ntopic = \"other/#\"\ntable = \"other\"\nqos = 1\n[route.columns]\n\
    m = { type = \"integer\" }\n";
/// It again, with another column.
const OTHER_WIDER: &str = "\n[[route]]\ntopic = \"other/#\"\ntable = \"other\"\nqos = 1\n\
    [route.columns]\nk = { type = \"text\" }\nm = { type = \"integer\" }\n";

impl Recorder {
    /// Writes the file, says SIGHUP, and waits until the log names this key as changed.
    pub(crate) fn reload(&mut self, settings: &Settings, key: &str) {
        let before = self.told(key);
        settings.write();
        self.hang_up();
        self.wait_for(&format!("{key} to be told of"), WITHIN, || {
            (self.told(key) > before).then_some(())
        });
    }

    fn hang_up(&mut self) {
        self.process.signal(Signal::SIGHUP);
    }

    /// How often the log says that this has changed.
    fn told(&self, key: &str) -> usize {
        self.events("reloaded").iter().filter(|event| message(event).contains(key)).count()
    }
}

fn message(event: &Value) -> &str {
    event["message"].as_str().expect("every event has words")
}

#[test]
fn each_kind_of_change_under_load_loses_and_doubles_nothing() {
    let scene = Scene::new();
    let mut settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);
    // What is changed, and who begins anew because of it.
    let changes = [
        ("log", "level", "\"debug\"", ""),
        ("log", "stats_interval", "\"3min\"", "stats"),
        ("supervisor", "intensity", "7", ""),
        ("database", "commit_interval", "\"50ms\"", ""),
        ("database", "busy_timeout", "\"3s\"", "db_writer"),
        ("database", "synchronous", "\"normal\"", "db_writer"),
        ("quarantine", "max_rows", "77", "db_writer"),
        ("spool", "max_size", "\"100 MiB\"", "db_writer"),
        ("health", "probe_max", "\"7s\"", "db_writer health"),
        ("mqtt", "keep_alive", "\"40s\"", "mqtt"),
        ("mqtt", "max_unacked", "\"2 MiB\"", "mqtt"),
        ("mqtt", "watch_drops", "false", "mqtt"),
        ("mqtt", "max_packet_size", "\"2 MiB\"", "db_writer mqtt"),
        ("mqtt", "protocol", "\"5\"", "mqtt"),
    ];
    for (section, key, value, actors) in changes {
        settings = settings.set(section, key, value);
        let before = recorder.events("actor_renewed").len();
        recorder.reload(&settings, &format!("{section}.{key}"));
        let expected = actors.split_whitespace().count();
        recorder.wait_for(&format!("{section}.{key} renews {actors:?}"), WITHIN, || {
            (recorder.events("actor_renewed").len() >= before + expected).then_some(())
        });
        let mut renewed: Vec<String> = recorder.events("actor_renewed")[before..]
            .iter()
            .map(|event| event["actor"].as_str().unwrap_or_default().to_owned())
            .collect();
        renewed.sort();
        assert_eq!(renewed.join(" "), actors, "{section}.{key}");
        let sent = publisher.sent();
        publisher.has_sent(sent + 200);
    }
    assert!(recorder.events("actor_restarted").is_empty(), "a renewal is no death");
    let published = publisher.finish();
    scene.settle(recorder, &published);
}

#[test]
fn derived_values_change_and_the_data_path_does_not_hear_of_it() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);
    let derived = |factor: u32| {
        format!(
            "{LOAD}[[route.derived]]\nname = \"times\"\nkind = \"scale\"\nof = [\"n\"]\nfactor = \
             {factor}\n"
        )
    };
    recorder.reload(&settings.clone().routes(&derived(2)), "derived.times: not set -> {");
    recorder.reload(&settings.clone().routes(&derived(3)), "derived.times.factor: 2.0 -> 3.0");
    recorder.reload(&settings, "derived.times: {");
    publisher.has_sent(publisher.sent() + 200);
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    for event in ["actor_renewed", "actor_restarted"] {
        assert!(recorder.events(event).is_empty(), "{event}: {}", recorder.log());
    }
    assert_eq!(recorder.events("broker_connected").len(), 1);
    scene.settle(recorder, &published);
}

#[test]
fn routes_come_and_go_and_change_on_the_connection_that_there_is() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);
    let port = scene.broker.port();

    let both = settings.clone().routes(&format!("{LOAD}{OTHER}"));
    recorder.reload(&both, "route[other]");
    scene.broker.has_subscriber("other/#");
    publish_one(port, "other/1", br#"{"m": 1}"#, false);
    scene.database.wait_for_one("SELECT count(*) FROM other WHERE m = 1", 1);

    let wider = settings.clone().routes(&format!("{LOAD}{OTHER_WIDER}"));
    recorder.reload(&wider, "route[other].columns");
    publish_one(port, "other/2", br#"{"m": 2, "k": "two"}"#, false);
    scene.database.wait_for_one("SELECT count(*) FROM other WHERE m = 2 AND k = 'two'", 1);
    scene.database.wait_for_one("SELECT count(*) FROM other WHERE m = 1 AND k IS NULL", 1);

    let unique = OTHER_WIDER.replace("qos = 1", "qos = 2\nunique = [\"m\"]");
    recorder.reload(&settings.clone().routes(&format!("{LOAD}{unique}")), "route[other].unique");
    publish_one(port, "other/2", br#"{"m": 2, "k": "again"}"#, false);
    publish_one(port, "other/3", br#"{"m": 3, "k": "three"}"#, false);
    scene.database.wait_for_one("SELECT count(*) FROM other WHERE m = 3", 1);
    assert_eq!(scene.database.one::<i64>("SELECT count(*) FROM other WHERE m = 2"), 1);

    let moved = unique.replace("other/#", "elsewhere/#");
    recorder.reload(&settings.clone().routes(&format!("{LOAD}{moved}")), "route[other].topic");
    scene.broker.has_subscriber("elsewhere/#");
    publish_one(port, "elsewhere/4", br#"{"m": 4}"#, false);
    scene.database.wait_for_one("SELECT count(*) FROM other WHERE m = 4", 1);

    recorder.reload(&settings, "route[other]");
    let sent = publisher.sent();
    publisher.has_sent(sent + 500);
    publish_one(port, "elsewhere/5", br#"{"m": 5}"#, false);
    publish_one(port, "other/5", br#"{"m": 5}"#, false);
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    assert_eq!(scene.database.one::<i64>("SELECT count(*) FROM other"), 4, "it was removed");
    assert_eq!(scene.database.count("barograph_quarantine"), 0, "nobody subscribes to it");
    assert_eq!(recorder.events("broker_connected").len(), 1, "the session was not dropped");
    let connects = scene.broker.count_lines(0, |line| line.contains(" as recorder "));
    assert_eq!(connects, 1, "by the broker's word neither");
    recorder.stop();
    let comparison = scene.database.compare("load", &published);
    assert!(comparison.is_exact(), "{comparison}");
    scene.database.assert_account_equals(&["load", "other"]);
}

#[test]
fn a_file_that_is_wrong_changes_nothing_and_every_problem_is_told() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    let wrong = settings
        .clone()
        .text("mqtt", "keep_alive", "1s")
        .set("mqtt", "no_such_key", "1")
        .text("supervisor", "intensity", "many")
        .set("quarantine", "max_rows", "5");
    wrong.write();
    recorder.hang_up();
    let failed = recorder.event("reload_failed");
    for problem in ["keep_alive", "no_such_key", "intensity"] {
        assert!(message(&failed).contains(problem), "no word of {problem} in {failed}");
    }
    assert!(recorder.events("reloaded").is_empty(), "nothing of it is in force");
    settings.write();
    recorder.hang_up();
    assert!(message(&recorder.event("reloaded")).contains("nothing has changed"));
    recorder.reload(&settings.clone().set("quarantine", "max_rows", "5"), "100000 -> 5");
    assert!(recorder.events("actor_restarted").is_empty());
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn routes_that_contradict_the_database_are_refused_and_the_old_ones_stay() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);
    let clash = LOAD.replace("type = \"integer\"", "type = \"text\"");
    settings.clone().routes(&format!("{clash}{OTHER}")).write();
    recorder.hang_up();
    let failed = recorder.event("reload_failed");
    assert!(message(&failed).contains("load.n"), "{failed}");
    assert!(recorder.events("reloaded").is_empty());
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'other'";
    assert_eq!(scene.database.one::<i64>(tables), 0, "all of it or nothing");
    recorder.reload(&settings.clone().routes(&format!("{LOAD}{OTHER}")), "route[other]");
    assert_eq!(recorder.events("broker_connected").len(), 1);
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn fifty_reloads_in_a_row_under_load_lose_and_double_nothing() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);
    for round in 0..50 {
        let wider = LOAD.to_owned() + &format!("c{round} = {{ type = \"real\" }}\n");
        let settings = settings.clone().set("quarantine", "max_rows", &(1_000 + round).to_string());
        recorder.reload(&settings.routes(&wider), &format!("columns.c{round}"));
    }
    let columns = "SELECT count(*) FROM pragma_table_info('load') WHERE name LIKE 'c__' OR name \
        LIKE 'c_'";
    scene.database.wait_for_one(columns, 50);
    assert_eq!(recorder.events("broker_connected").len(), 1);
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn a_storm_of_signals_neither_kills_nor_piles_up() {
    const SIGNALS: usize = 2_000;
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    for _ in 0..SIGNALS {
        recorder.hang_up();
        recorder.process.signal(Signal::SIGUSR1);
    }
    recorder.reload(&settings.clone().set("quarantine", "max_rows", "5"), "quarantine.max_rows");
    let told = recorder.events("reloaded").len();
    assert!((2..=SIGNALS + 1).contains(&told), "{told}");
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn a_reload_while_the_database_cannot_be_written_takes_effect_at_once() {
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);
    let lock = Locker::hold(&scene.database);
    recorder.is_in_mode("degraded");
    let changed = settings
        .clone()
        .routes(&format!("{LOAD}{OTHER}"))
        .set("quarantine", "max_rows", "5")
        .text("health", "probe_max", "400ms");
    recorder.reload(&changed, "route[other]");
    scene.broker.has_subscriber("other/#");
    publish_one(scene.broker.port(), "other/1", br#"{"m": 1}"#, false);
    let sent = publisher.sent();
    publisher.has_sent(sent + 500);
    lock.release();
    recorder.is_in_mode("normal");
    scene.database.wait_for_one("SELECT count(*) FROM other WHERE m = 1", 1);
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    assert_eq!(recorder.events("broker_connected").len(), 1);
    recorder.stop();
    scene.database.assert_account_equals(&["load", "other"]);
}

#[test]
fn routes_wait_while_no_place_takes_anything_and_follow_when_one_does() {
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal().without_a_spool_to_speak_of();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);
    let lock = Locker::hold(&scene.database);
    recorder.is_in_mode("holding");
    let settings = settings.routes(&format!("{LOAD}{OTHER}"));
    settings.write();
    recorder.hang_up();
    recorder.event("reload_waits");
    assert!(recorder.events("reloaded").is_empty());
    lock.release();
    recorder.event_within(WITHIN, 1, "reloaded");
    scene.broker.has_subscriber("other/#");
    publish_one(scene.broker.port(), "other/1", br#"{"m": 1}"#, false);
    scene.database.wait_for_one("SELECT count(*) FROM other WHERE m = 1", 1);
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    recorder.stop();
    scene.database.assert_account_equals(&["load", "other"]);
}

#[test]
fn a_reload_while_the_broker_is_away_is_complete_when_it_is_back() {
    let mut scene = Scene::new();
    let settings = scene.settings().routes(&format!("{LOAD}{OTHER}"));
    let mut recorder = scene.recorder(&settings);
    scene.broker.has_subscriber("other/#");
    scene.broker.stop();
    recorder.event("broker_disconnected");
    let third = OTHER.replace("other", "third");
    recorder.reload(&settings.clone().routes(&format!("{LOAD}{third}")), "route[third]");
    scene.broker.start_again();
    recorder.event_number(2, "broker_connected");
    scene.broker.has_subscriber("third/#");
    publish_one(scene.broker.port(), "third/1", br#"{"m": 1}"#, false);
    scene.database.wait_for_one("SELECT count(*) FROM third", 1);
    publish_one(scene.broker.port(), "other/1", br#"{"m": 1}"#, false);
    publish_one(scene.broker.port(), "third/1", br#"{"m": 2}"#, false);
    scene.database.wait_for_one("SELECT count(*) FROM third", 2);
    let kept = "SELECT count(*) FROM barograph_quarantine";
    assert_eq!(scene.database.one::<i64>(kept), 0, "the old subscription was given back");
    recorder.stop();
}

#[test]
fn an_actor_that_dies_over_a_change_of_routes_leaves_it_to_its_next_life() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);
    for (round, victim) in ["mqtt", "db_writer", "mqtt", "db_writer"].into_iter().enumerate() {
        scene.faults.inject("hang db_writer 1s");
        let wider = LOAD.to_owned() + &format!("c{round} = {{ type = \"real\" }}\n");
        settings.clone().routes(&wider).write();
        recorder.hang_up();
        thread::sleep(Duration::from_millis(300)); // so that it waits for the hanging writer
        scene.faults.inject(&format!("panic {victim}"));
        recorder.event_number(round + 1, "actor_restarted");
        recorder.wait_for("the change of routes", WITHIN, || {
            (recorder.told(&format!("columns.c{round}")) == 1).then_some(())
        });
    }
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn a_signal_that_comes_before_everything_is_up_is_not_lost_and_kills_nobody() {
    let scene = Scene::new();
    let url = format!("mqtt://127.0.0.1:{}", free_port());
    let settings = scene.settings().text("mqtt", "url", &url);
    let mut recorder = Recorder::start(&settings);
    recorder.process.catches(Signal::SIGHUP);
    (0..20).for_each(|_| recorder.hang_up());
    recorder.event("reloaded");
    recorder.event("ready");
    recorder.reload(&settings.text("mqtt", "url", &scene.broker_url()), "mqtt.url");
    recorder.event("broker_connected");
    recorder.stop();
}

#[test]
fn what_a_running_recorder_cannot_change_is_said_and_all_else_is_in_force() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let elsewhere = scene.folder.path("elsewhere.db");
    let other = settings
        .path("database", "path", &elsewhere)
        .path("spool", "dir", &scene.folder.path("elsewhere.spool"))
        .path("instance", "lock_file", &scene.folder.path("elsewhere.lock"))
        .text("mqtt", "password", "correct horse")
        .text("mqtt", "username", "u")
        .set("quarantine", "max_rows", "5");
    recorder.reload(&other, "quarantine.max_rows");
    for key in ["database.path", "spool.dir", "instance.lock_file"] {
        let lines = recorder.events("reloaded");
        let line = lines.iter().find(|event| message(event).contains(key)).expect(key);
        assert!(message(line).contains("takes effect at the next start"), "{line}");
    }
    recorder.event_number(2, "broker_connected");
    assert!(recorder.told("mqtt.password: not set -> \"***\"") == 1, "{}", recorder.log());
    assert!(!recorder.log().contains("correct horse"));
    assert!(!elsewhere.exists());
    recorder.stop();
}

#[test]
fn systemd_is_told_of_a_reload_and_of_its_end() {
    let scene = Scene::new();
    let manager = Manager::listen(&scene.folder);
    let settings = scene.settings();
    let mut recorder = Recorder::spawn(manager.manages(barograph_with("run", &settings)));
    manager.hears("READY=1");
    manager.forgets();
    recorder.reload(&settings.set("quarantine", "max_rows", "5"), "quarantine.max_rows");
    manager.hears("RELOADING=1");
    manager.hears("MONOTONIC_USEC=");
    manager.hears("READY=1");
    let heard = manager.heard();
    let place = |word: &str| heard.iter().position(|line| line.starts_with(word));
    assert!(place("RELOADING=1") < place("READY=1"), "{heard:?}");
    fs::write(scene.folder.path("barograph.toml"), "[mqtt\n").expect("our own folder");
    manager.forgets();
    recorder.hang_up();
    manager.hears("RELOADING=1");
    manager.hears("READY=1");
    recorder.stop();
}
