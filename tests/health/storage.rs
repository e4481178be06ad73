//! The places that are written to, as everyone else sees them.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, flock};

use crate::support::database::Database;
use crate::support::disk::Disk;
use crate::support::heavy;
use crate::support::locker::Locker;
use crate::support::needs::{self, Need};
use crate::support::publisher::{self, Load, Publisher, publish_one};
use crate::support::scene::Scene;
use crate::support::settings::LOAD;
use crate::support::wait;

#[test]
fn a_locked_database_is_an_issue_as_long_as_it_is_locked() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().quick_to_heal().watchful());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(200));
    publisher.has_sent(50);
    let lock = Locker::hold(&scene.database);
    let issue = recorder.has_issue("database_failing", "warning");
    let us = format!("pid {}", std::process::id());
    wait::until_true("whoever locks is named", Duration::from_secs(10), || {
        recorder.log().contains(&us)
    });
    assert!(issue["message"].as_str().is_some_and(|told| told.contains("What to do")), "{issue}");
    lock.release();
    recorder.is_rid_of("database_failing");
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn without_a_place_left_it_is_critical_for_database_and_spool() {
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal().watchful().without_a_spool_to_speak_of();
    let recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    publisher.has_sent(50);
    let lock = Locker::hold(&scene.database);
    recorder.has_issue("database_failing", "critical");
    recorder.has_issue("spool_failing", "critical");
    lock.release();
    recorder.is_rid_of("spool_failing");
    recorder.is_rid_of("database_failing");
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn a_writer_that_stands_still_over_messages_is_an_issue() {
    let scene = Scene::new();
    let settings = scene.settings().watchful().text("health", "no_write_issue_after", "2s");
    let recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(200));
    publisher.has_sent(50);
    scene.faults.inject("hang db_writer 9s");
    recorder.has_issue("no_writes", "critical");
    recorder.has_issue("actor_stuck:db_writer", "critical");
    recorder.is_rid_of("no_writes");
    recorder.is_rid_of("actor_stuck:db_writer");
    scene.settle(recorder, &publisher.finish());
}

/// The writer hangs meanwhile, so that it is surely the survey that finds it.
#[test]
fn a_database_that_is_moved_away_is_found_and_opened_anew() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().watchful());
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    scene.faults.inject("hang db_writer 4s");
    fs::rename(scene.database.path(), scene.folder.path("elsewhere.db")).expect("our own folder");
    let issue = recorder.has_issue("database_replaced", "critical");
    assert!(issue.to_string().contains("data.db"), "{issue}");
    let attempt = recorder.event("recovery_attempted");
    assert_eq!(attempt["what"], "reopen_database", "{attempt}");
    recorder.is_rid_of("database_replaced");
    publish_one(scene.broker.port(), "load/n", br#"{"n":2}"#, false);
    scene.fills_to(&recorder, "load", 1);
    let moved = Database::at(scene.folder.path("elsewhere.db"));
    assert_eq!((moved.count("load"), scene.database.count("load")), (1, 1));
    assert_eq!(scene.database.one::<i64>("SELECT max(n) FROM load"), 2);
}

/// Another program keeps the locks that everyone needs who reads.
#[test]
fn a_database_that_answers_no_read_is_an_issue() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().quick_to_heal().watchful());
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    let lock = ReadersLocked::take(scene.folder.path("data.db-shm"));
    recorder.wait_for("the issue database_unanswered", Duration::from_secs(60), || {
        recorder.issue("database_unanswered").filter(|told| told["event"] != "issue_resolved")
    });
    drop(lock);
    recorder.is_rid_of("database_unanswered");
    publish_one(scene.broker.port(), "load/n", br#"{"n":2}"#, false);
    scene.fills_to(&recorder, "load", 2);
}

/// The locks of all readers (bytes 123 to 127 of the -shm), kept for writing by an open file of ours; not by our process,
/// which would lose them when it closed the database.
struct ReadersLocked {
    _file: File,
}

impl ReadersLocked {
    fn take(shm: PathBuf) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(shm).expect("it is in use");
        let lock = flock {
            l_type: i16::try_from(libc::F_WRLCK).expect("small"),
            l_whence: i16::try_from(libc::SEEK_SET).expect("small"),
            l_start: 123,
            l_len: 5,
            l_pid: 0,
        };
        wait::until_true("no reader at the moment", Duration::from_secs(10), || {
            fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&lock)).is_ok()
        });
        Self { _file: file }
    }
}

#[test]
fn disks_without_room_are_issues_each_by_its_name() {
    if !needs::are_met(&[Need::Mounts]) {
        return;
    }
    let mut scene = Scene::new();
    let (disk, spare) =
        (Disk::tmpfs(&scene.folder, "disk", 64), Disk::tmpfs(&scene.folder, "spare", 64));
    scene.database = Database::at(disk.path("data.db"));
    let settings = scene.settings().watchful().text("spool", "min_free", "1 MiB");
    let settings = settings.path("database", "path", scene.database.path());
    let recorder = scene.recorder(&settings.path("spool", "dir", &spare.path("spool")));
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    assert!(recorder.issue("disk_filling:database").is_none(), "small is not full");
    for (disk, id) in [(&spare, "disk_filling:spool"), (&disk, "disk_filling:database")] {
        disk.fill();
        let issue = recorder.has_issue(id, "critical");
        assert!(issue.to_string().contains("free of 64 MiB"), "{issue}");
        disk.make_room();
        recorder.is_rid_of(id);
    }
}

#[test]
fn a_spool_that_fills_is_a_warning_and_then_critical() {
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal().watchful().text("spool", "max_size", "6 MiB");
    let recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(3_000));
    publisher.has_sent(50);
    let lock = Locker::hold(&scene.database);
    recorder.has_issue("spool_filling", "warning");
    recorder.has_issue("spool_filling", "critical");
    lock.release();
    recorder.is_rid_of("spool_filling");
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn a_reader_that_holds_the_wal_back_is_named() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let routes = LOAD.replace("[route.columns]", "[route.columns]\nfill = { type = \"text\" }");
    let recorder = scene.recorder(&scene.settings().watchful().routes(&routes));
    let large = |first| Load {
        payload: |n| format!(r#"{{"n":{n},"fill":"{}"}}"#, "x".repeat(100_000)).into_bytes(),
        ..Load::numbered(1).first(first)
    };
    publisher::publish(scene.broker.port(), large(0).count(1));
    scene.fills_to(&recorder, "load", 1);
    let reader = scene.database.reader();
    reader.execute_batch("BEGIN; SELECT count(*) FROM load").expect("it can be read");
    publisher::publish(scene.broker.port(), large(1).count(800));
    let us = format!("pid {}", std::process::id());
    recorder.wait_for("the reader's name", Duration::from_secs(60), || {
        recorder.has_issue("wal_large", "warning").to_string().contains(&us).then_some(())
    });
    drop(reader);
    // it begins anew with a write, after a checkpoint
    let mut next = 801;
    recorder.wait_for("a small WAL", Duration::from_secs(60), || {
        publisher::publish(scene.broker.port(), large(next).count(60));
        next += 60;
        recorder.issue("wal_large").filter(|told| told["event"] == "issue_resolved")
    });
}
