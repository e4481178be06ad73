//! A recorder is stopped, replaced, and where it must be killed; nothing that is no recorder is.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::heavy;
use crate::support::operator::Operator;
use crate::support::process::Process;
use crate::support::publisher::{self, Load, Publisher, publish_one};
use crate::support::recorder::{Recorder, STOP_MAX, barograph_with, command, json};
use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::wait;

/// For something to happen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn stop_ends_in_order_and_when_it_returns_the_next_one_can_start() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    publisher.has_sent(2_000);
    let (code, told) = json(&["stop"], &settings);
    assert_eq!((code, &told["ended"]), (Some(0), &"stopped".into()), "{told}");
    let next = Recorder::start(&settings);
    next.event("ready");
    assert_eq!(recorder.exit_code(STOP_MAX), Some(0), "{}", recorder.log());
    let asked = recorder.event("operator_command");
    assert_eq!(asked["command"], "stop", "{asked}");
    assert!(asked["message"].to_string().contains("barograph stop"), "who asked: {asked}");
    scene.settle(next, &publisher.finish());

    let outcome = command(&["stop"], &settings);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("nothing to stop"), "{outcome:?}");
    let events = "SELECT count(*) FROM barograph_events WHERE event = 'operator_command'";
    assert_eq!(scene.database.one::<i64>(events), 1, "it is an event");
}

#[test]
fn fifty_starts_at_once_give_one_winner_and_all_others_are_told_who_it_is() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings();
    settings.write();
    let mut racers: Vec<Recorder> = (0..50)
        .map(|_| {
            let mut command = barograph_with("run", &settings);
            command.current_dir(scene.folder.root());
            Recorder::spawn(command)
        })
        .collect();
    wait::until_true("all but one have ended", PATIENCE * 3, || {
        racers.iter_mut().map(|racer| racer.process.is_running()).filter(|runs| *runs).count() == 1
    });
    let winner = racers.iter_mut().position(|racer| racer.process.is_running()).expect("one");
    let mut winner = racers.remove(winner);
    winner.event("ready");
    let pid = format!("(pid {}, since ", winner.process.pid());
    for mut racer in racers {
        assert_eq!(racer.exit_code(PATIENCE), Some(75), "{}", racer.log());
        assert!(racer.log().contains(&pid), "no {pid:?} in {}", racer.log());
    }
    winner.stop();
}

#[test]
fn a_recorder_that_stands_still_is_only_killed_by_force_and_loses_nothing() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    publisher.has_sent(1_000);
    recorder.process.freeze();
    let outcome = command(&["stop", "--timeout", "1s"], &settings);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for words in ["has not stopped within 1s", "SIGSTOP", "--force"] {
        assert!(outcome.stderr.contains(words), "no {words:?} in {outcome:?}");
    }
    assert!(recorder.process.is_running());
    let (code, told) = json(&["stop", "--timeout", "1s", "--force"], &settings);
    assert_eq!((code, &told["ended"]), (Some(0), &"killed".into()), "{told}");
    assert_eq!(recorder.exit_code(PATIENCE), None, "by a signal");
    let next = Recorder::start(&settings);
    next.event("broker_connected");
    scene.settle(next, &publisher.finish());
}

/// Any program may hold the lock: `flock` does so here, once with a file that names a recorder that died, and once with one
/// that names `flock` itself.
#[test]
fn a_process_that_is_no_recorder_is_left_alone() {
    let scene = Scene::new();
    let settings = scene.settings();
    scene.recorder(&settings).kill();
    let lock = scene.folder.path("barograph.lock");
    let mut stranger = Command::new("flock");
    stranger.arg("--no-fork").arg(&lock).args(["sleep", "600"]);
    let mut stranger = Process::spawn(stranger);
    let pid = stranger.pid();
    wait::until_true("the stranger holds the lock", PATIENCE, || {
        let status = json(&["status"], &settings).1;
        status["lock"]["held"] == true && status["lock"]["pid"] == pid
    });
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let ticks = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19));
    let forged = format!("pid {pid}\nsince 1\nticks {}\ncommand x\n", ticks.expect("field 22"));
    let died = fs::read_to_string(&lock).expect("our own folder");
    for (claim, why) in [(died, "is not the recorder that the file names"), (forged, "runs /")] {
        fs::write(&lock, claim).expect("our own folder");
        let outcome = command(&["stop", "--timeout", "500ms", "--force"], &settings);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains(why), "no {why:?} in {outcome:?}");
        assert!(outcome.stderr.contains("it is not killed"), "{outcome:?}");
        let mut second = barograph_with("run", &settings);
        second.args(["--takeover", "--timeout", "500ms"]);
        let mut second = Recorder::spawn(second);
        assert_eq!(second.exit_code(PATIENCE), Some(75), "{}", second.log());
        assert!(stranger.is_running(), "it was killed");
    }
}

#[test]
fn a_recorder_without_a_socket_is_asked_by_a_signal() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    fs::remove_file(scene.folder.path("barograph.sock")).expect("it is there");
    let (code, told) = json(&["stop"], &settings);
    assert_eq!((code, &told["ended"]), (Some(0), &"stopped".into()), "{told}");
    assert_eq!(recorder.exit_code(STOP_MAX), Some(0));
}

#[test]
fn a_takeover_under_load_loses_nothing_and_stores_nothing_twice() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(5_000));
    publisher.has_sent(5_000);
    for round in 1..=4_i64 {
        let next = take_over(&settings);
        next.event("broker_connected");
        assert_eq!(recorder.exit_code(STOP_MAX), Some(0), "{}", recorder.log());
        recorder = next;
        publisher.has_sent(5_000 * (round + 1));
    }
    // One that stands still is replaced as well.
    recorder.process.freeze();
    let next = take_over(&settings);
    next.event("broker_connected");
    next.says("had to be killed");
    drop(recorder);
    scene.settle(next, &publisher.finish());
}

#[test]
fn a_takeover_of_nothing_just_starts() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = take_over(&settings);
    recorder.event("ready");
    recorder.stop();
}

/// The second question is no second signal: the ordered stop goes on.
#[test]
fn a_stop_that_is_asked_for_twice_is_still_in_order() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    publisher::publish(scene.broker.port(), Load::numbered(1).count(1_000));
    let socket = scene.folder.path("barograph.sock");
    let mut asking: Vec<Operator> = (0..4).map(|_| Operator::connect(&socket)).collect();
    for operator in &mut asking {
        operator.send(b"{\"barograph\":1,\"command\":\"stop\"}\n");
    }
    assert_eq!(recorder.exit_code(STOP_MAX), Some(0), "{}", recorder.log());
    assert_eq!(recorder.events("stopped").len(), 1, "{}", recorder.log());
}

/// An upgrade replaces the program's file while it runs.
#[test]
fn a_recorder_whose_program_was_replaced_is_still_known_as_one() {
    let scene = Scene::new();
    let settings = scene.settings();
    let program = scene.folder.path("bin/barograph");
    fs::create_dir(scene.folder.path("bin")).expect("our own folder");
    // By a process of its own: what this one has open for writing, a program that another test starts holds open, too.
    let copied = Command::new("cp").arg(crate::support::recorder::PROGRAM).arg(&program).status();
    assert!(copied.expect("cp is installed").success());
    let mut run = Command::new(&program);
    run.arg("run").arg("--config").arg(settings.write()).current_dir(scene.folder.root());
    let mut recorder = Recorder::spawn(run);
    recorder.event("broker_connected");
    scene.broker.has_subscriber(settings.first_filter());
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    fs::remove_file(&program).expect("our own folder");
    recorder.process.freeze();
    let begun = Instant::now();
    let (code, told) = json(&["stop", "--timeout", "200ms", "--force"], &settings);
    assert_eq!((code, &told["ended"]), (Some(0), &"killed".into()), "{told}");
    assert!(begun.elapsed() < PATIENCE);
    recorder.process.signal(Signal::SIGCONT);
}

fn take_over(settings: &Settings) -> Recorder {
    let mut command = barograph_with("run", settings);
    command.args(["--takeover", "--timeout", "5s"]);
    Recorder::spawn(command)
}
