//! `barograph gaps`: when something may be missing, and why.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::locker::Locker;
use crate::support::ports::free_port;
use crate::support::proxy::Proxy;
use crate::support::publisher::publish_one;
use crate::support::recorder::{Recorder, command, json};
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings};
use crate::support::wait;

/// For a gap to be written, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// A stretch in which nothing can be recorded may be uncovered for so long, in seconds.
const UNCOVERED_MAX: f64 = 2.0;

#[test]
fn a_recorder_that_was_not_running_is_a_gap_with_the_reason() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    assert_eq!(gaps(&settings, None), [Value::Null; 0], "the first run of all");
    let outcome = command(&["gaps", "--since", "2h"], &settings);
    assert!(outcome.code == Some(0) && outcome.stdout.starts_with("No gaps since "), "{outcome:?}");
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    recorder.kill();
    let mut recorder = scene.recorder(&settings);
    let gap = newest(&settings, "process_down", 1);
    assert!(gap["detail"].as_str().is_some_and(|told| told.contains("killed")), "{gap}");
    assert!(gap["from"].as_str() < gap["to"].as_str(), "{gap}");
    recorder.stop();
    let _recorder = scene.recorder(&settings);
    let gap = newest(&settings, "process_down", 2);
    assert!(gap["detail"].as_str().is_some_and(|told| told.contains("stopped")), "{gap}");

    let text = command(&["gaps"], &settings).stdout;
    assert!(text.contains("2 gaps since") && text.contains("2 process_down ("), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_broker_that_is_away_is_a_gap_that_is_open_until_it_is_back() {
    let mut scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    scene.broker.stop();
    recorder.event("broker_unreachable");
    let open = newest(&settings, "broker_unreachable", 1);
    assert_eq!(open["to"], Value::Null, "{open}");
    let text = command(&["gaps"], &settings).stdout;
    assert!(text.contains("still open"), "{text}");
    scene.broker.start_again();
    wait::until_true("the gap is closed", PATIENCE, || {
        gaps(&settings, Some("broker_unreachable")).iter().all(|gap| gap["to"].is_string())
    });
    let _recorder = recorder;
}

#[test]
fn a_broker_that_forgot_us_is_a_gap() {
    let mut scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    scene.broker.stop();
    scene.broker.forget_everything();
    scene.broker.start_again();
    newest(&settings, "broker_forgot_session", 1);
}

#[test]
fn a_silent_sensor_is_a_gap_of_its_route() {
    let scene = Scene::new();
    let silent = LOAD.replace("qos = 2", "qos = 2\nsilent_after = \"1s\"");
    let settings = scene.settings().routes(&silent);
    let recorder = scene.recorder(&settings);
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    let gap = newest(&settings, "route_silent", 1);
    assert_eq!(gap["route"], "load", "{gap}");
    let text = command(&["gaps", "--cause", "route_silent"], &settings).stdout;
    assert!(text.contains("route load"), "{text}");
    publish_one(scene.broker.port(), "load/n", br#"{"n":2}"#, false);
    wait::until_true("the first silence ends", PATIENCE, || {
        gaps(&settings, Some("route_silent")).first().is_some_and(|gap| gap["to"].is_string())
    });
}

#[test]
fn only_gaps_that_were_asked_for_are_shown() {
    let scene = Scene::new();
    let settings = scene.settings();
    scene.recorder(&settings).stop();
    let old = "INSERT INTO barograph_gaps (from_at, to_at, cause, detail) VALUES ('2020-01-01 \
               00:00:00.000', '2020-01-01 01:00:00.000', 'holding', 'a test')";
    scene.database.writer().execute_batch(old).expect("our table");
    assert_eq!(gaps(&settings, Some("holding")).len(), 1);
    assert_eq!(gaps(&settings, Some("clock_jump")).len(), 0);
    for (since, shown) in [("2019-12-31", true), ("2020-01-03 00:00", false), ("30days", false)] {
        let outcome = command(&["gaps", "--since", since], &settings);
        assert_eq!(outcome.stdout.contains("1 h "), shown, "{since}: {outcome:?}");
    }
    assert_eq!(command(&["gaps", "--cause", "boredom"], &settings).code, Some(64));
    assert_eq!(command(&["gaps", "--since", "yesterday"], &settings).code, Some(64));
}

/// The incident: the process took its own first signs of life, in the spool, for those of the one before it. That was told of
/// as a clock that was set back, and the stretch between the two not at all.
#[test]
fn processes_that_find_the_database_locked_at_their_start_leave_no_hole_and_no_clock_jump() {
    for is_killed in [false, true] {
        let scene = Scene::new();
        let settings = scene.settings().quick_to_heal();
        let mut first = scene.recorder(&settings);
        first.kill();
        let ended = seconds();
        let lock = Locker::hold(&scene.database);
        for _ in 0..2 {
            let mut recorder = Recorder::start(&settings);
            recorder.event("broker_connected");
            recorder.is_in_mode("degraded");
            thread::sleep(Duration::from_secs(3)); // it lives on the spool alone
            if is_killed {
                recorder.kill();
            } else {
                recorder.stop();
            }
            let (from, connected) = (seconds(), since(&settings, "process_down"));
            assert!(connected.is_some(), "shown while it is only in the spool");
            thread::sleep(Duration::from_secs(3)); // no recorder is running
            assert!(seconds() - from >= 3.0);
        }
        let recorder = Recorder::start(&settings);
        recorder.event("broker_connected");
        let began = seconds();
        thread::sleep(Duration::from_secs(1)); // before the database is there
        lock.release();
        recorder.is_in_mode("normal");
        newest(&settings, "process_down", 3);
        assert_eq!(gaps(&settings, Some("clock_jump")), [Value::Null; 0], "killed: {is_killed}");
        let down = gaps(&settings, Some("process_down"));
        assert_eq!(down.len(), 3, "{down:?}");
        let lengths: Vec<f64> = down.iter().map(length).collect();
        assert!(lengths[1..].iter().all(|length| *length >= 2.9), "{lengths:?}");
        // While they lived they recorded; what is to be covered lies between.
        for pair in down.windows(2) {
            let lived = bounds(&pair[1]).0 - bounds(&pair[0]).1;
            assert!(lived >= -0.001, "they overlap: {down:?}");
        }
        assert!(bounds(&down[0]).0 <= ended && bounds(&down[2]).1 <= began, "{down:?}");
        let open = gaps(&settings, None).into_iter().filter(|gap| gap["to"].is_null()).count();
        assert_eq!(open, 0, "{:?}", gaps(&settings, None));
    }
}

/// It accepts connections, and says nothing.
#[test]
fn a_broker_that_never_answers_is_a_gap_from_the_start_on_also_for_a_recorder_that_dies_of_it() {
    let scene = Scene::new();
    let mute = TcpListener::bind(("127.0.0.1", free_port())).expect("the port is free");
    let url = format!("mqtt://{}", mute.local_addr().expect("it is bound"));
    let good = scene.settings();
    scene.recorder(&good).stop();
    let ended = seconds();
    let bad = scene.settings().text("mqtt", "url", &url);
    let mut recorder = Recorder::start(&bad);
    recorder.event_within(PATIENCE, 2, "actor_started"); // the database is open
    thread::sleep(Duration::from_secs(4)); // less than it takes to give a connection up
    let open = newest(&bad, "broker_unreachable", 1);
    assert_eq!(open["to"], Value::Null, "{open}");
    recorder.kill();
    thread::sleep(Duration::from_secs(3)); // no recorder is running
    let recorder = Recorder::start(&good);
    recorder.event("broker_connected");
    let connected = seconds();
    newest(&good, "process_down", 2);
    assert_covered(&good, ended, connected);
}

#[test]
fn a_recorder_that_is_frozen_is_a_gap_from_before_the_freeze_until_after_it() {
    let scene = Scene::new();
    let settings = scene.settings().text("supervisor", "stuck_after", "5s");
    let mut recorder = scene.recorder(&settings);
    let frozen = seconds();
    recorder.process.freeze();
    thread::sleep(Duration::from_secs(7)); // the freeze itself
    recorder.process.signal(Signal::SIGCONT);
    let woken = seconds();
    recorder.event("frozen");
    newest(&settings, "frozen", 1);
    assert_covered(&settings, frozen, woken);
    assert_eq!(gaps(&settings, Some("clock_jump")).len(), 0);
    assert!(command(&["events"], &settings).stdout.contains("frozen"));
    thread::sleep(Duration::from_secs(2)); // whatever follows from signs of life of before
    assert!(recorder.issue("actor_stuck:mqtt").is_none(), "{}", recorder.log());
    assert!(recorder.issue("actor_stuck:db_writer").is_none(), "{}", recorder.log());
    recorder.stop();
}

#[test]
fn a_broker_session_that_makes_no_step_is_a_gap_also_when_the_recorder_dies_of_it() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let hung = seconds();
    scene.faults.say_without_waiting("hang mqtt 20s");
    newest(&settings, "frozen", 1);
    recorder.kill();
    let died = seconds();
    let recorder = Recorder::start(&settings);
    recorder.event("broker_connected");
    newest(&settings, "process_down", 1);
    assert_covered(&settings, hung, died);
}

#[test]
fn a_recorder_that_dies_in_a_freeze_or_right_after_it_leaves_no_hole() {
    for lives_for in [None, Some(0), Some(20), Some(600)] {
        let scene = Scene::new();
        let settings = scene.settings();
        let mut recorder = scene.recorder(&settings);
        let frozen = seconds();
        recorder.process.freeze();
        thread::sleep(Duration::from_secs(4)); // the freeze itself
        let woken = seconds();
        if let Some(millis) = lives_for {
            recorder.process.signal(Signal::SIGCONT);
            publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
            thread::sleep(Duration::from_millis(millis)); // any thread may be the first
        }
        recorder.kill();
        let recorder = Recorder::start(&settings);
        recorder.event("broker_connected");
        newest(&settings, "process_down", 1);
        assert_covered(&settings, frozen, woken);
        assert_eq!(gaps(&settings, Some("clock_jump")).len(), 0, "{lives_for:?}");
    }
}

#[test]
fn a_network_that_stands_still_below_the_keep_alive_is_a_gap_while_it_lasts() {
    for dies in [false, true] {
        let scene = Scene::new();
        let proxy = Proxy::start(scene.broker.port());
        let url = format!("mqtt://127.0.0.1:{}", proxy.port());
        let settings =
            scene.settings().text("mqtt", "url", &url).text("mqtt", "echo_interval", "3s");
        let mut recorder = scene.recorder(&settings);
        recorder.says("connected");
        thread::sleep(Duration::from_secs(5)); // an echo comes back
        let stalled = seconds();
        proxy.stall(true);
        let open = newest(&settings, "deaf", 1);
        assert_eq!(open["to"], Value::Null, "{open}");
        if dies {
            recorder.kill();
            proxy.stall(false);
            recorder = Recorder::start(&settings);
            recorder.event("broker_connected");
            newest(&settings, "process_down", 1);
            assert_covered(&settings, stalled, seconds());
            recorder.stop();
            continue;
        }
        proxy.stall(false);
        let resumed = seconds();
        wait::until_true("it ends", PATIENCE, || {
            gaps(&settings, Some("deaf"))[0]["to"].is_string()
        });
        assert_covered(&settings, stalled, resumed);
        assert!(recorder.events("session_renewed").is_empty() && proxy.attempts() == 1);
        recorder.stop();
    }
}

/// Without our own messages, the answers that the broker owes show it: pings, three in a keep-alive.
#[test]
fn a_network_that_stands_still_is_noticed_by_pings_where_there_is_no_echo() {
    let scene = Scene::new();
    let proxy = Proxy::start(scene.broker.port());
    let url = format!("mqtt://127.0.0.1:{}", proxy.port());
    let settings = scene.settings().text("mqtt", "url", &url).set("mqtt", "echo", "false");
    let settings = settings.text("mqtt", "keep_alive", "15s");
    let mut recorder = scene.recorder(&settings);
    let stalled = seconds();
    proxy.stall(true);
    newest(&settings, "deaf", 1);
    proxy.stall(false);
    let resumed = seconds();
    wait::until_true("it ends", PATIENCE, || gaps(&settings, Some("deaf"))[0]["to"].is_string());
    assert_covered(&settings, stalled, resumed);
    recorder.stop();
}

#[test]
fn what_is_only_in_the_spool_is_shown() {
    let mut scene = Scene::new();
    let settings = scene.settings().quick_to_heal();
    let mut recorder = scene.recorder(&settings);
    let _lock = Locker::hold(&scene.database);
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    recorder.is_in_mode("degraded");
    scene.broker.stop();
    recorder.event("broker_unreachable");
    newest(&settings, "broker_unreachable", 1);
    recorder.kill();
    assert_eq!(gaps(&settings, Some("broker_unreachable")).len(), 1);
    let events = command(&["events"], &settings).stdout;
    assert!(events.contains("broker_unreachable") && events.contains("mode_changed"), "{events}");
}

/// Neither database nor spool can be written until the process is killed.
#[test]
fn the_events_of_a_recorder_that_could_write_nowhere_are_shown_and_written_by_the_next_one() {
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal().without_a_spool_to_speak_of();
    scene.recorder(&settings).stop();
    let lock = Locker::hold(&scene.database);
    let mut recorder = Recorder::start(&settings);
    recorder.event("broker_connected");
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    recorder.is_in_mode("holding");
    let told = || {
        let (_, json) = json(&["events"], &settings);
        let events = json["events"].as_array().cloned().unwrap_or_default();
        events.iter().filter(|event| event["event"] == "mode_changed").count()
    };
    wait::until_true("they are kept while it runs", PATIENCE, || told() > 0);
    let ended = seconds();
    recorder.kill();
    let kept = told();
    assert!(kept > 0, "and when it is dead");
    lock.release();
    let recorder = Recorder::start(&settings);
    recorder.event("ready");
    let written = "SELECT count(*) FROM barograph_events WHERE event = 'mode_changed'";
    wait::until_true("they are in the database", PATIENCE, || {
        scene.database.one::<i64>(written) >= i64::try_from(kept).expect("few")
    });
    let now = seconds();
    wait::until_true("each once", PATIENCE, || {
        i64::try_from(told()) == Ok(scene.database.one::<i64>(written))
    });
    assert_covered(&settings, ended, now - 1.0);
}

/// By the wall clock, since 1970.
fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// From and to; of a gap that is open, to the end of time.
fn bounds(gap: &Value) -> (f64, f64) {
    let clock = rusqlite::Connection::open_in_memory().expect("in memory");
    let seconds = |text: &str| -> f64 {
        let read = clock.query_row("SELECT unixepoch(?1, 'subsec')", [text], |row| row.get(0));
        read.expect("a time")
    };
    let from = seconds(gap["from"].as_str().expect("a time"));
    (from, gap["to"].as_str().map_or(f64::INFINITY, seconds))
}

fn length(gap: &Value) -> f64 {
    let (from, to) = bounds(gap);
    to - from
}

/// When the last gap of a cause began.
fn since(settings: &Settings, cause: &str) -> Option<f64> {
    gaps(settings, Some(cause)).last().map(|gap| bounds(gap).0)
}

/// No part of this time is longer than allowed without a gap.
fn assert_covered(settings: &Settings, from: f64, to: f64) {
    let gaps = gaps(settings, None);
    let mut reached = from;
    let mut longest: f64 = 0.0;
    for (begins, ends) in gaps.iter().map(bounds).filter(|(_, ends)| *ends > from) {
        longest = longest.max(begins.min(to) - reached);
        reached = reached.max(ends.min(to));
    }
    longest = longest.max(to - reached);
    assert!(longest <= UNCOVERED_MAX, "{longest:.1} s of {from} to {to} are uncovered: {gaps:?}");
}

fn gaps(settings: &Settings, cause: Option<&str>) -> Vec<Value> {
    let mut words = vec!["gaps"];
    words.extend(cause.iter().flat_map(|cause| ["--cause", cause]));
    let (code, json) = json(&words, settings);
    assert_eq!(code, Some(0), "{json}");
    json["gaps"].as_array().cloned().unwrap_or_default()
}

/// Waits until there are so many gaps of a cause, and gives the newest.
fn newest(settings: &Settings, cause: &str, number: usize) -> Value {
    let complaint = || format!("gap {number} of {cause}: {:?}", gaps(settings, None));
    wait::until_or(PATIENCE, || gaps(settings, Some(cause)).get(number - 1).cloned(), complaint)
}
