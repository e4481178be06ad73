//! The recorder is killed with -9 at a hundred random moments while another program locks the database again and again: on
//! the way to the spool, in front of it, and while it is drained.
//!
//! The incident this guards against: what the database has taken over is forgotten in the spool in another transaction, in
//! another file. Between the two the recorder may die, and then the same messages are in both.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::aloud;
use crate::support::heavy;
use crate::support::locker::Locker;
use crate::support::publisher::{Load, Published, Publisher};
use crate::support::random::Random;
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::wait::Enough;

const KILLS: usize = 100;

#[test]
fn a_hundred_kills_around_the_spool_lose_and_double_no_qos_1_message() {
    messages_survive(Load::numbered(1).rate(5_000), &["degraded", "recovering"]);
}

#[test]
fn a_hundred_kills_around_the_spool_lose_and_double_no_qos_2_message() {
    // too slow for a spool that is not drained in one step
    messages_survive(Load::numbered(2).rate(2_000), &["degraded"]);
}

/// The kills must have struck in these modes, or they would prove little.
fn messages_survive(load: Load, modes: &[&str]) {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal();
    scene.recorder(&settings).stop();
    let enough = AtomicBool::new(false);
    let (recorder, published) = thread::scope(|scope| {
        let _locks = Enough(&enough);
        scope.spawn(|| lock_again_and_again(&scene, &enough));
        kill(&settings, Publisher::start(scene.broker.port(), load), modes)
    });
    let account = scene.settle(recorder, &published);
    assert_eq!(account.dropped, 0);
}

fn lock_again_and_again(scene: &Scene, enough: &AtomicBool) {
    let mut random = Random::new();
    while !enough.load(Ordering::Relaxed) {
        if let Ok(lock) = Locker::try_hold(&scene.database) {
            thread::sleep(random.between(300, 2_000)); // how long it is locked
            lock.release();
        }
        thread::sleep(random.between(200, 1_000)); // room to drain
    }
}

/// Starts and kills the recorder again and again; the last one lives.
fn kill(settings: &Settings, publisher: Publisher, wanted: &[&str]) -> (Recorder, Published) {
    let mut random = Random::new();
    let mut modes = BTreeMap::<String, usize>::new();
    let mut recorder = Recorder::start(settings);
    for _ in 0..KILLS {
        thread::sleep(random.between(50, 700)); // the random moment
        recorder.kill();
        let mode = recorder.modes().pop().unwrap_or_else(|| "normal".to_owned());
        *modes.entry(mode).or_default() += 1;
        recorder = Recorder::start(settings);
    }
    aloud::say(&format!("{KILLS} kills, by the mode in which they struck: {modes:?}"));
    for mode in wanted {
        assert!(modes.contains_key(*mode), "no kill struck in mode {mode}: {modes:?}");
    }
    (recorder, publisher.finish())
}
