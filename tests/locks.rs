//! One instance, one database: a second start is refused at once, and no death leaves a lock behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::support::process::{self, Outcome};
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::wait;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_second_instance_is_refused_within_a_second_and_told_who_is_running() {
    let scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    let (outcome, took) = second_start(&settings);
    assert_eq!(outcome.code, Some(75), "{outcome:?}");
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    let said = outcome.stderr;
    let pid = format!("(pid {}, since ", recorder.process.pid());
    for words in ["another instance is already running", &pid, "run --config"] {
        assert!(said.contains(words), "no {words:?} in: {said}");
    }
    assert_undisturbed(recorder);
}

#[test]
fn two_paths_to_one_database_are_one_database_whatever_the_lock_file() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let link = scene.folder.path("link.db");
    symlink(scene.database.path(), &link).expect("our own folder");
    let elsewhere = scene.folder.path("elsewhere");
    fs::create_dir(&elsewhere).expect("our own folder");
    symlink(scene.folder.root(), elsewhere.join("folder")).expect("our own folder");
    for path in ["link.db", "./data.db", "elsewhere/../data.db", "elsewhere/folder/data.db"] {
        let other = scene
            .settings()
            .file(scene.folder.path("other.toml"))
            .path("instance", "lock_file", &scene.folder.path("other.lock"))
            .text("mqtt", "client_id", "other")
            .text("database", "path", path);
        let (outcome, took) = second_start(&other);
        assert_eq!(outcome.code, Some(75), "{path}: {outcome:?}");
        assert!(took < Duration::from_secs(1), "{path}: it took {took:?}");
    }
    assert_undisturbed(recorder);
}

#[test]
fn the_lock_holds_even_where_its_file_is_rewritten() {
    let scene = Scene::new();
    let settings = scene.settings().path("instance", "lock_file", &scene.folder.path("my.lock"));
    let recorder = scene.recorder(&settings);
    fs::write(scene.folder.path("my.lock"), "pid 1, since 00:00, nobody").expect("our own folder");
    let (outcome, _) = second_start(&settings);
    assert_eq!(outcome.code, Some(75), "the content is no lock: {outcome:?}");
    assert_undisturbed(recorder);
}

/// Someone who cleans up takes the lock's file away, but not the lock: the database has one of its own.
#[test]
fn a_removed_lock_file_lets_no_second_instance_in() {
    let scene = Scene::new();
    let settings = scene.settings().path("instance", "lock_file", &scene.folder.path("my.lock"));
    let recorder = scene.recorder(&settings);
    fs::remove_file(scene.folder.path("my.lock")).expect("it is there");
    assert!(recorder.event("lock_lost").to_string().contains("my.lock"), "which file");
    let (outcome, _) = second_start(&settings);
    assert_eq!(outcome.code, Some(75), "{outcome:?}");
    assert_undisturbed(recorder);
}

#[test]
fn a_killed_instance_leaves_no_lock_behind() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    recorder.kill();
    Recorder::start(&settings).event("ready");
}

#[test]
fn a_lock_file_that_cannot_be_written_is_an_error_that_names_the_directory() {
    let scene = Scene::new();
    let file = scene.folder.path("a-file");
    fs::write(&file, "").expect("our own folder");
    for folder in [file, scene.folder.path("missing")] {
        let settings = scene.settings().path("instance", "lock_file", &folder.join("x.lock"));
        let (outcome, _) = second_start(&settings);
        assert_eq!(outcome.code, Some(73), "{outcome:?}");
        let named = folder.to_str().expect("our paths are UTF-8");
        assert!(outcome.stderr.contains(named), "no {named} in: {}", outcome.stderr);
    }
}

#[test]
fn a_database_directory_that_is_missing_is_named_and_no_lock_is_kept() {
    let scene = Scene::new();
    let lock = scene.folder.path("my.lock");
    let folder = scene.folder.path("missing");
    let settings = scene.settings().path("instance", "lock_file", &lock);
    let (outcome, _) =
        second_start(&settings.clone().path("database", "path", &folder.join("x.db")));
    assert_eq!(outcome.code, Some(73), "{outcome:?}");
    assert!(outcome.stderr.contains("missing"), "{}", outcome.stderr);
    Recorder::start(&settings).event("ready");
}

/// Starts another one, and tells how it ended and how soon.
fn second_start(settings: &Settings) -> (Outcome, Duration) {
    let begun = Instant::now();
    let outcome = process::outcome(barograph_with("run", settings), SOON);
    (outcome, begun.elapsed())
}

fn assert_undisturbed(mut recorder: Recorder) {
    wait::while_true("the first instance runs", Duration::from_millis(200), || {
        recorder.process.is_running() && recorder.events("broker_disconnected").is_empty()
    });
    recorder.stop();
}
