//! SIGINT and SIGTERM end the recorder within ten seconds and with exit code 0, whatever broker and disk do.

use std::io::Write;
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::heavy;
use crate::support::ports::free_port;
use crate::support::publisher::{self, Load, Publisher};
use crate::support::recorder::{Recorder, STOP_MAX, barograph_with};
use crate::support::scene::Scene;
use crate::support::wait;

#[test]
fn a_stop_under_full_load_commits_and_acknowledges_what_is_in_hand() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(20_000));
    publisher.has_sent(10_000);
    recorder.stop();
    for event in ["stopping", "stopped"] {
        assert_eq!(recorder.events(event).len(), 1, "{event}: the log:\n{}", recorder.log());
    }
    let account = recorder.event("stopped");
    for field in ["received", "stored", "duplicate", "filtered", "quarantined", "dropped"] {
        assert!(!account[field].is_null(), "no {field} in {account}");
    }
    let next = Recorder::start(&scene.settings());
    next.event("broker_connected");
    let account = scene.settle(next, &publisher.finish());
    assert_eq!(account.duplicate, 0, "an orderly stop leaves nothing to deliver again");
}

#[test]
fn a_stop_leaves_the_database_in_one_file_and_both_locks_free() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    publisher::publish(scene.broker.port(), Load::numbered(1).count(1_000));
    scene.fills_to(&recorder, "load", 1_000);
    recorder.stop();
    let wal = scene.folder.path("data.db-wal");
    assert!(wal.metadata().map_or(0, |wal| wal.len()) == 0, "the WAL was not folded in");
    Recorder::start(&scene.settings()).event("ready");
}

#[test]
fn sigint_is_as_good_as_sigterm() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    recorder.process.signal(Signal::SIGINT);
    assert_eq!(recorder.exit_code(STOP_MAX), Some(0));
}

#[test]
fn a_stop_ends_in_time_when_the_broker_was_never_there() {
    let scene = Scene::new();
    let url = format!("mqtt://127.0.0.1:{}", free_port());
    let mut recorder = Recorder::start(&scene.settings().text("mqtt", "url", &url));
    recorder.event("ready");
    recorder.event("broker_unreachable");
    recorder.stop();
}

#[test]
fn a_stop_ends_in_time_when_the_broker_has_gone() {
    let mut scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    scene.broker.stop();
    recorder.event("broker_disconnected");
    recorder.stop();
}

#[test]
fn a_stop_ends_in_time_when_the_broker_does_not_answer() {
    let mut scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(5_000));
    scene.fills_to(&recorder, "load", published.certain());
    scene.broker.freeze();
    recorder.stop();
    scene.broker.thaw();
}

#[test]
fn a_stop_ends_in_time_when_the_database_is_locked_and_nothing_is_lost() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let lock = hold_the_database(&scene);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(2_000));
    recorder.event("write_failed");
    recorder.stop();
    drop(lock);
    scene.settle(scene.recorder(&settings), &published);
}

#[test]
fn a_second_signal_ends_a_stop_that_waits_at_once() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let lock = hold_the_database(&scene);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(2_000));
    recorder.event("write_failed");
    recorder.terminate();
    recorder.event("stopping");
    thread::sleep(Duration::from_millis(300)); // signals that come together are one request
    assert!(recorder.process.is_running(), "a stop with a locked database waits for it");
    let asked = Instant::now();
    recorder.terminate();
    let code = recorder.exit_code(Duration::from_secs(2));
    assert!(asked.elapsed() < Duration::from_secs(1), "it took {:?}", asked.elapsed());
    assert!(code.is_some_and(|code| code != 0), "not an orderly end: {code:?}");
    recorder.event("forced_exit");
    drop(lock);
    scene.settle(scene.recorder(&settings), &published);
}

/// Whoever should read the log has hung up without closing it: each line would wait for ever.
#[test]
fn a_log_that_nobody_reads_does_not_hold_up_the_stop() {
    const PIPE_BYTES: usize = 65_536;
    let scene = Scene::new();
    let (_unread, mut full) = std::io::pipe().expect("a pipe");
    full.write_all(&[b' '; PIPE_BYTES]).expect("room for just that");
    let mut command = barograph_with("run", &scene.settings());
    let mut child = command.stderr(full).spawn().expect("the program");
    let caught = format!("/proc/{}/status", child.id());
    wait::until_true("it handles signals", Duration::from_secs(10), || {
        let status = fs::read_to_string(&caught).expect("it runs");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
        let mask = u64::from_str_radix(mask.trim(), 16).expect("hexadecimal");
        mask & (1 << (Signal::SIGTERM as u64 - 1)) != 0
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    kill(pid, Signal::SIGTERM).expect("our own child");
    let (began, mut ended) = (Instant::now(), None);
    while ended.is_none() && began.elapsed() < STOP_MAX {
        ended = child.try_wait().expect("our own child");
        thread::sleep(Duration::from_millis(20)); // between two looks
    }
    let _ = child.kill();
    child.wait().expect("our own child");
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "within {STOP_MAX:?}");
}

/// `timeout` and the like send SIGTERM to the process and to its group.
#[test]
fn signals_that_come_together_are_one_request() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    publisher.has_sent(500);
    for _ in 0..5 {
        recorder.terminate();
        thread::sleep(Duration::from_millis(1)); // signals of one kind that come together are one
    }
    assert_eq!(recorder.exit_code(STOP_MAX), Some(0), "{}", recorder.log());
    assert_eq!(recorder.events("stopped").len(), 1, "finalised once");
    scene.settle(scene.recorder(&settings), &publisher.finish());
}

/// Another process (this one) that holds the database for itself until dropped.
fn hold_the_database(scene: &Scene) -> rusqlite::Connection {
    let connection = scene.database.writer();
    connection.execute_batch("BEGIN EXCLUSIVE").expect("free between two commits");
    connection
}
