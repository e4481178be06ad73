//! Each actor panics, stops and hangs in each mode other than normal: nothing is lost, nothing is twice, and in the end all is
//! normal again.

use std::time::Duration;

use crate::support::faults::Faults;
use crate::support::heavy;
use crate::support::locker::Locker;
use crate::support::needs::{self, Need};
use crate::support::publisher::{Load, Publisher};
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::strace::{Strike, Trace};
use crate::support::wait;

/// How long the end of a drain may take, with its last mode and file.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
const ACTORS: [&str; 4] = ["db_writer", "health", "stats", "mqtt"];

#[test]
fn faults_while_degraded_lose_and_double_nothing() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let recorder = scene.recorder(&patient(&scene));
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(1_000));
    scene.fills_to(&recorder, "load", 100);
    let lock = Locker::hold(&scene.database);
    recorder.is_in_mode("degraded");
    inject_every_fault(&scene.faults, &recorder, &publisher);
    assert!(scene.spool().exists(), "nothing ended the lock");
    lock.release();
    ends_normal(&scene, recorder, publisher);
}

#[test]
fn faults_while_recovering_lose_and_double_nothing() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let recorder = scene.recorder(&patient(&scene));
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(4_000));
    scene.fills_to(&recorder, "load", 100);
    for fault in every_fault() {
        let changes = recorder.modes().len();
        let lock = Locker::hold(&scene.database);
        recorder.changes_to("degraded", changes);
        // more than is drained in one step
        let sent = publisher.sent();
        publisher.has_sent(sent + 6_000);
        lock.release();
        recorder.changes_to("recovering", changes);
        scene.faults.inject(&fault);
        recorder.is_in_mode("normal");
    }
    ends_normal(&scene, recorder, publisher);
}

#[test]
fn faults_while_holding_lose_and_double_nothing() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let recorder = scene.recorder(&patient(&scene).without_a_spool_to_speak_of());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(1_000));
    scene.fills_to(&recorder, "load", 100);
    let lock = Locker::hold(&scene.database);
    recorder.is_in_mode("holding");
    inject_every_fault(&scene.faults, &recorder, &publisher);
    lock.release();
    ends_normal(&scene, recorder, publisher);
}

/// A disk that fails for good and a patience without end: it is tried again and again, until the process is ended. (A
/// writer that begins a new life over it cannot open the database, and uses the spool.)
#[test]
fn faults_while_retrying_lose_and_double_nothing() {
    if !needs::are_met(&[Need::Strace]) {
        return;
    }
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = patient(&scene).set("health", "max_write_failures", "1000000").text(
        "health",
        "no_write_issue_after",
        "1h",
    );
    scene.recorder(&settings).stop();
    let mut program = barograph_with("run", &settings);
    program.arg("--fault-injection").arg(&scene.faults.0);
    let strike = Strike { syscall: "fsync", error: "EIO", nth: 20, for_good: true };
    let files = ["", "-wal"].map(|end| scene.folder.path(&format!("data.db{end}")));
    let trace = Trace(scene.folder.path("trace"));
    let mut recorder = Recorder::spawn(strike.on(&program, &files, &trace));
    recorder.event("ready");
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(500));
    recorder.is_in_mode("retrying");
    assert!(!scene.spool().exists(), "it has patience without end");
    inject_every_fault(&scene.faults, &recorder, &publisher);
    recorder.kill();
    let next = scene.recorder(&settings);
    ends_normal(&scene, next, publisher);
}

/// As many restarts as there are faults are no reason to give up here.
fn patient(scene: &Scene) -> Settings {
    scene.settings().quick_to_heal().set("supervisor", "intensity", "100")
}

fn every_fault() -> Vec<String> {
    let kinds = |actor: &str| {
        [format!("panic {actor}"), format!("stop {actor}"), format!("hang {actor} 2s")]
    };
    ACTORS.into_iter().flat_map(kinds).collect()
}

fn inject_every_fault(faults: &Faults, recorder: &Recorder, publisher: &Publisher) {
    let mut restarts = 0;
    for fault in every_fault() {
        faults.inject(&fault);
        if !fault.starts_with("hang") {
            restarts += 1;
            recorder.event_number(restarts, "actor_restarted");
        }
        let sent = publisher.sent();
        publisher.has_sent(sent + 300); // it records on
    }
}

fn ends_normal(scene: &Scene, recorder: Recorder, publisher: Publisher) {
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    recorder.wait_for("mode normal", SETTLED_WITHIN, || {
        recorder.modes().last().is_none_or(|mode| mode == "normal").then_some(())
    });
    wait::until_true("the spool is drained and gone", SETTLED_WITHIN, || {
        scene.files("spool", "data.db.spool").is_empty()
    });
    scene.stop_and_check(recorder, &published);
}
