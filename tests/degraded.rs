//! The database cannot be written for a while: messages go to the spool, are acknowledged from there, and follow into the
//! database in the order of their arrival.

use std::thread;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;

use crate::support::aloud;
use crate::support::database::Database;
use crate::support::disk::Disk;
use crate::support::heavy;
use crate::support::locker::Locker;
use crate::support::needs::{self, Need};
use crate::support::publisher::{Load, Publisher};
use crate::support::scene::Scene;
use crate::support::wait;

const RATE: u32 = 500;
const ALLOW_AND_COUNT: &str = "allow_anonymous true\nsys_interval 1";
/// What the broker may hold although everything is acknowledged: its own statistics, and a second of messages.
const IN_STORE_MAX: u64 = 1_000;

#[test]
fn a_database_locked_for_a_minute_holds_up_nobody_and_loses_and_doubles_nothing() {
    let scene = Scene::with_broker(|_| ALLOW_AND_COUNT.to_owned());
    let recorder = scene.recorder(&scene.settings().text("health", "probe_max", "2s"));
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);
    let lock = Locker::hold(&scene.database);
    let changed = recorder.event_within(Duration::from_secs(5), 1, "mode_changed");
    assert_eq!((&changed["mode"], &changed["cause"]), (&"degraded".into(), &"locked".into()));
    let failed = recorder.event("write_failed");
    let holder = std::process::id().to_string();
    assert!(failed["message"].to_string().contains(&holder), "who is {holder}? {failed}");

    let mut size = 0;
    let (mut n_then, mut then) = (0, SystemTime::now());
    for _ in 0..6 {
        (n_then, then) = (publisher.sent() - 1, SystemTime::now());
        thread::sleep(Duration::from_secs(10)); // the minute
        let in_store = scene.broker.messages_in_store();
        assert!(in_store < IN_STORE_MAX, "{in_store} messages wait at the broker");
        let grown = scene.spool().metadata().expect("a spool").len() + wal_size(&scene);
        assert!(grown > size, "the spool does not grow: {size} bytes, then {grown}");
        size = grown;
    }
    lock.release();
    recorder.event_within(Duration::from_secs(30), 1, "spool_drained");
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    recorder.is_in_mode("normal");
    assert_eq!(recorder.modes(), ["degraded", "recovering", "normal"]);
    wait::until_true("the spool is gone", Duration::from_secs(5), || {
        scene.files("spool", "data.db.spool").is_empty()
    });
    is_in_order_of_arrival(&scene.database, n_then, then);
    assert!(recorder.events("actor_restarted").is_empty(), "a lock is no one's death");
    scene.stop_and_check(recorder, &published);
    let told: i64 =
        scene.database.one("SELECT count(*) FROM barograph_events WHERE event = 'mode_changed'");
    assert_eq!(told, 3, "each change of mode is a row");
}

/// The time of a row is when the message came, not when the database took it over.
fn is_in_order_of_arrival(database: &Database, n: i64, then: SystemTime) {
    let numbers: Vec<i64> = database.all("SELECT n FROM load ORDER BY id");
    assert!(numbers.is_sorted(), "not in the order of arrival");
    let times: Vec<String> = database.all("SELECT created_at FROM load ORDER BY id");
    assert!(times.is_sorted(), "the times of arrival are not in order");
    let query =
        format!("SELECT CAST(strftime('%s', created_at) AS INTEGER) FROM load WHERE n = {n}");
    let created: i64 = database.one(&query);
    let sent = then.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let late = created - i64::try_from(sent).expect("a time");
    assert!(
        (-2..=3).contains(&late),
        "message {n} has a time of arrival {late} s after it was sent"
    );
}

fn wal_size(scene: &Scene) -> u64 {
    scene.folder.path("spool/data.db.spool-wal").metadata().map_or(0, |wal| wal.len())
}

/// The disks are larger than a WAL before its checkpoint (4 MiB), so that the ballast decides when they are full.
#[test]
fn full_disks_are_waited_for_and_nothing_is_acknowledged_that_has_no_place() {
    if !needs::are_met(&[Need::Mounts]) {
        return;
    }
    let mut scene = Scene::with_broker(|_| ALLOW_AND_COUNT.to_owned());
    let (disk, spare) =
        (Disk::tmpfs(&scene.folder, "disk", 16), Disk::tmpfs(&scene.folder, "spare", 16));
    scene.database = Database::at(disk.path("data.db"));
    let settings = scene.settings().quick_to_heal();
    let settings = settings
        .path("database", "path", scene.database.path())
        .path("spool", "dir", &spare.path("spool"))
        .text("spool", "min_free", "64 KiB");
    let recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);

    disk.fill();
    assert_eq!(recorder.is_in_mode("degraded")["cause"], "full");
    let spool = spare.path("spool/data.db.spool");
    wait::until_true("a spool", Duration::from_secs(5), || spool.exists());
    thread::sleep(Duration::from_secs(2)); // some messages are spooled
    let in_store = scene.broker.messages_in_store();
    assert!(in_store < IN_STORE_MAX, "{in_store} messages wait at the broker");

    spare.fill();
    recorder.is_in_mode("holding");
    let (sent, rows) = (publisher.sent(), scene.database.count("load"));
    thread::sleep(Duration::from_secs(5)); // nothing may be acknowledged meanwhile
    assert_eq!(scene.database.count("load"), rows, "the database was full");
    let more = u64::try_from(publisher.sent() - sent).expect("it publishes");
    let in_store = scene.broker.messages_in_store();
    // the broker counts once a second
    let waiting = more - u64::from(RATE) * 2;
    assert!(in_store >= waiting, "of {more} only {in_store} are still the broker's");

    spare.make_room();
    disk.make_room();
    recorder.is_in_mode("normal");
    scene.settle(recorder, &publisher.finish());
    let holding = "SELECT count(*) FROM barograph_gaps WHERE cause = 'holding' AND to_at > from_at";
    assert_eq!(scene.database.one::<i64>(holding), 1, "the stretch without a place is told of");
    aloud::say(&format!("two full disks: {in_store} messages waited at the broker"));
}

/// A file in use keeps its file system from being remounted read-only; an error does not ask.
#[test]
fn a_file_system_that_turns_read_only_is_bridged_until_it_is_repaired() {
    if !needs::are_met(&[Need::Mounts]) {
        return;
    }
    let mut scene = Scene::new();
    let mut disk = Disk::ext4(&scene.folder, "disk", 64);
    scene.database = Database::at(disk.path("data.db"));
    let settings = scene.settings().quick_to_heal();
    let settings = settings
        .path("database", "path", scene.database.path())
        .path("spool", "dir", &scene.folder.path("spool"))
        // a first failed write may look like a failing disk
        .set("health", "max_write_failures", "3");
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(RATE));
    scene.fills_to(&recorder, "load", 100);
    // An fsync under way just then would be answered with success, and its data would not be there (see `power_cut`).
    recorder.process.freeze();
    disk.turn_read_only();
    recorder.process.signal(Signal::SIGCONT);
    recorder.changes_to("degraded", 0);
    recorder.wait_for("the right cause", Duration::from_secs(10), || {
        let failures = recorder.events("write_failed");
        failures.iter().any(|event| event["cause"] == "read_only").then_some(())
    });
    let sent = publisher.sent();
    publisher.has_sent(sent + 1_000);
    disk.repair();
    recorder.is_in_mode("normal");
    scene.settle(recorder, &publisher.finish());
}

/// Settings that take the database away for moments only must not take the order away.
#[test]
fn many_short_locks_keep_the_order_of_arrival() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().quick_to_heal());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(4_000));
    for _ in 0..10 {
        let changes = recorder.modes().len();
        let lock = Locker::hold(&scene.database);
        recorder.changes_to("degraded", changes);
        lock.release();
        recorder.changes_to("normal", changes);
    }
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    let numbers: Vec<i64> = scene.database.all("SELECT n FROM load ORDER BY id");
    assert!(numbers.is_sorted(), "not in the order of arrival");
    scene.stop_and_check(recorder, &published);
}
