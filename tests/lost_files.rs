//! The database's file is deleted or moved while its disk is full, or while no recorder runs; its -wal is left alone. What was
//! acknowledged stays: in a database, in the spool, or in files that an event names.
//!
//! The incident behind it: a disk was full, a person deleted the database to make room, and the recorder dropped the open
//! handle, the only one that still saw 4,120 acknowledged messages, before the new file could be made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::support::database::Database;
use crate::support::disk::Disk;
use crate::support::heavy;
use crate::support::needs::{self, Need};
use crate::support::publisher::{Load, Published, Publisher, publish};
use crate::support::recorder::{self, Recorder};
use crate::support::scene::Scene;
use crate::support::settings::Settings;
use crate::support::wait;

/// How long anything may take here, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A recorder whose database has a small disk of its own; its spool is elsewhere.
struct FullDisk {
    // first: unmounted before the folder goes
    disk: Disk,
    scene: Scene,
    settings: Settings,
}

impl FullDisk {
    fn new() -> Self {
        let scene = Scene::new();
        let disk = Disk::ext4(&scene.folder, "disk", 32);
        let settings = scene
            .settings()
            .quick_to_heal()
            .path("database", "path", &disk.path("data.db"))
            .path("spool", "dir", &scene.folder.path("spool"))
            .path("instance", "lock_file", &scene.folder.path("barograph.lock"));
        Self { disk, scene, settings }
    }

    fn database(&self) -> PathBuf {
        self.disk.path("data.db")
    }

    /// Records under load until the disk is full, and somewhat longer.
    fn record_until_full(&self) -> (Recorder, Publisher) {
        let recorder = self.scene.recorder(&self.settings);
        let publisher = Publisher::start(self.scene.broker.port(), Load::numbered(1).rate(800));
        publisher.has_sent(2_000);
        self.disk.fill();
        recorder.is_in_mode("degraded");
        publisher.has_sent(publisher.sent() + 400);
        (recorder, publisher)
    }
}

/// How often each number is in these databases together.
fn copies(databases: &[PathBuf]) -> BTreeMap<i64, usize> {
    let mut copies = BTreeMap::new();
    for path in databases {
        let conn =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a file");
        let mut statement = conn.prepare("SELECT n FROM load").expect("it is whole");
        let numbers = statement.query_map([], |row| row.get::<_, i64>(0)).expect("a table");
        for number in numbers {
            *copies.entry(number.expect("every row can be read")).or_default() += 1;
        }
    }
    copies
}

/// Every certain number is there once, and no doubtful one twice.
fn assert_exact(published: &Published, databases: &[PathBuf]) {
    let copies = copies(databases);
    let twice: Vec<_> = copies.iter().filter(|(_, count)| **count > 1).collect();
    let is_lost = |n: &i64| !copies.contains_key(n) && !published.doubtful.contains(n);
    let lost: Vec<_> = (published.first..published.next).filter(is_lost).collect();
    let some = |list: &[String]| list.iter().take(8).cloned().collect::<Vec<_>>().join(" ");
    let (lost, twice): (Vec<_>, Vec<_>) = (
        lost.iter().map(ToString::to_string).collect(),
        twice.iter().map(|(n, _)| n.to_string()).collect(),
    );
    assert!(
        lost.is_empty() && twice.is_empty(),
        "{} lost ({}), {} twice ({})",
        lost.len(),
        some(&lost),
        twice.len(),
        some(&twice)
    );
}

/// The account is right; gives its JSON.
fn account(settings: &Settings) -> serde_json::Value {
    let (code, account) = recorder::json(&["account"], settings);
    assert_eq!(code, Some(0), "{account}");
    account
}

fn earlier_rows(settings: &Settings) -> Vec<u64> {
    let account = account(settings);
    let earlier = account["earlier_databases"].as_array().cloned().unwrap_or_default();
    earlier.iter().map(|database| database["missing"].as_u64().expect("a count")).collect()
}

/// Waits until all certain numbers are in these databases.
fn fills(recorder: &Recorder, published: &Published, databases: &[PathBuf]) {
    recorder.wait_for("every message in a database", PATIENCE, || {
        let rows = databases.iter().map(|path| Database::at(path.clone()).count("load"));
        (rows.sum::<i64>() >= published.certain()).then_some(())
    });
}

/// Deleting the database makes no room while a handle holds it: the copy on the spool's disk does.
#[test]
fn a_database_deleted_on_a_full_disk_loses_and_doubles_nothing() {
    if !needs::are_met(&[Need::Mounts]) {
        return;
    }
    let _turn = heavy::turn();
    let full = FullDisk::new();
    let (recorder, publisher) = full.record_until_full();
    fs::remove_file(full.database()).expect("it is there");
    // before anybody makes more room: the copy let go of what the deleted file took
    recorder.says("a deleted database was copied to");
    recorder.event_number(2, "database_opened");
    publisher.has_sent(publisher.sent() + 800);
    full.disk.make_room();
    let published = publisher.finish();
    recorder.event("database_salvaged");
    fills(&recorder, &published, &[full.database()]);
    recorder.is_in_mode("normal");
    let mut recorder = recorder;
    recorder.stop();
    assert_exact(&published, &[full.database()]);
    assert_eq!(earlier_rows(&full.settings), [0_u64; 0], "all its rows came over");
    let left = full.scene.files("spool", "rescued-");
    assert!(left.is_empty(), "the copy is of no more use: {left:?}");
}

/// The same, and the recorder is killed after the copy was made: the next one takes it over.
#[test]
fn a_copy_of_a_deleted_database_is_taken_over_by_the_next_recorder() {
    if !needs::are_met(&[Need::Mounts]) {
        return;
    }
    let _turn = heavy::turn();
    let full = FullDisk::new();
    let (mut recorder, publisher) = full.record_until_full();
    fs::remove_file(full.database()).expect("it is there");
    recorder.says("a deleted database was copied to");
    recorder.kill();
    let recorder = full.scene.recorder(&full.settings);
    full.disk.make_room();
    let published = publisher.finish();
    fills(&recorder, &published, &[full.database()]);
    let mut recorder = recorder;
    recorder.stop();
    assert_exact(&published, &[full.database()]);
}

#[test]
fn a_database_moved_on_a_full_disk_is_whole_where_it_is_and_nothing_is_stored_twice() {
    if !needs::are_met(&[Need::Mounts]) {
        return;
    }
    let _turn = heavy::turn();
    let full = FullDisk::new();
    let (recorder, publisher) = full.record_until_full();
    let away = full.disk.path("away.db");
    fs::rename(full.database(), &away).expect("it is there");
    publisher.has_sent(publisher.sent() + 800);
    full.disk.make_room();
    let published = publisher.finish();
    fills(&recorder, &published, &[full.database(), away.clone()]);
    let mut recorder = recorder;
    recorder.stop();
    assert_exact(&published, &[full.database(), away.clone()]);
    let events = recorder::command(&["events", "--json"], &full.settings).stdout;
    let event = events.lines().find(|line| line.contains("database_replaced")).expect("an event");
    assert!(event.contains(away.to_str().expect("UTF-8")), "{event}");
    let earlier = earlier_rows(&full.settings);
    assert!(earlier.len() == 1 && earlier[0] > 0, "{earlier:?}");
    let written_off = recorder::command(&["account", "--write-off"], &full.settings);
    assert_eq!(written_off.code, Some(0), "{written_off:?}");
    assert_eq!(earlier_rows(&full.settings), [0_u64; 0]);
}

/// Records some messages, all of which are committed and acknowledged, and kills the recorder. Nothing of them has been
/// checkpointed.
fn record_and_kill(scene: &Scene, settings: &Settings, count: i64) -> Published {
    let mut recorder = scene.recorder(settings);
    let published = publish(scene.broker.port(), Load::numbered(1).count(count));
    scene.fills_to(&recorder, "load", count);
    // so that what is known outside of the database is of now
    wait::until_true("the count is noted", PATIENCE, || {
        let catalogs = scene.files("spool", "data.db.databases");
        let text =
            catalogs.first().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        text.contains(&format!("\"rows\": {count}"))
    });
    recorder.kill();
    published
}

fn moved(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("our own folder");
    fs::rename(from, to).expect("it is there");
}

#[test]
fn a_wal_left_behind_in_the_folder_of_its_moved_database_goes_to_it() {
    let scene = Scene::new();
    let settings = scene.settings();
    let published = record_and_kill(&scene, &settings, 300);
    let away = scene.folder.path("away.db");
    moved(scene.database.path(), &away);
    let mut recorder = scene.recorder(&settings);
    recorder.stop();
    assert_exact(&published, &[scene.database.path().to_owned(), away]);
    assert_eq!(earlier_rows(&settings), [300]);
    let report = recorder::command(&["account"], &settings).stdout;
    let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("an earlier database of this recorder held 300 rows that are not here"),
        "{report}"
    );
}

/// A recorder whose database was moved makes a new one, and may die before that has the ledger.
#[test]
fn a_new_database_that_was_not_finished_gets_the_ledger_of_the_moved_one() {
    let scene = Scene::new();
    let settings = scene.settings();
    let published = record_and_kill(&scene, &settings, 300);
    let away = scene.folder.path("away.db");
    moved(scene.database.path(), &away);
    moved(&scene.folder.path("data.db-wal"), &scene.folder.path("away.db-wal"));
    fs::write(scene.database.path(), "").expect("our own folder");
    let mut recorder = scene.recorder(&settings);
    recorder.event("broker_connected");
    let deliveries = scene
        .database
        .one::<i64>("SELECT coalesce(sum(length(entries)), 0) / 11 FROM barograph_ledger");
    assert_eq!(deliveries, 300, "redeliveries would be stored again");
    recorder.stop();
    assert_exact(&published, &[scene.database.path().to_owned(), away]);
    assert_eq!(earlier_rows(&settings), [300]);
}

#[test]
fn a_wal_whose_database_is_gone_is_kept_and_its_rows_are_copied_over() {
    let scene = Scene::new();
    let settings = scene.settings();
    let published = record_and_kill(&scene, &settings, 300);
    moved(scene.database.path(), &scene.folder.path("elsewhere/data.db"));
    let recorder = scene.recorder(&settings);
    fills(&recorder, &published, &[scene.database.path().to_owned()]);
    let mut recorder = recorder;
    recorder.stop();
    assert_exact(&published, &[scene.database.path().to_owned()]);
    assert_eq!(
        scene.files("", "data.db.corrupt-").len(),
        2,
        "the -wal is kept, and stands beside a file"
    );
    let events = recorder::command(&["events", "--json"], &settings).stdout;
    assert!(events.contains("has no database beside it: it is kept as"), "{events}");
    assert_eq!(earlier_rows(&settings), [0_u64; 0]);
}

/// SQLite would read the pages of one database into the other.
#[test]
fn a_wal_beside_another_database_is_not_read_into_it() {
    let scene = Scene::new();
    let settings = scene.settings();
    let published = record_and_kill(&scene, &settings, 300);
    let other = scene.folder.path("other.db");
    let connection = Connection::open(&other).expect("a new file");
    connection
        .execute_batch("CREATE TABLE other (x); INSERT INTO other VALUES (7)")
        .expect("a table");
    connection.close().expect("nothing is open");
    moved(&other, scene.database.path());
    let recorder = scene.recorder(&settings);
    fills(&recorder, &published, &[scene.database.path().to_owned()]);
    let mut recorder = recorder;
    recorder.stop();
    assert_exact(&published, &[scene.database.path().to_owned()]);
    assert_eq!(scene.database.one::<i64>("SELECT x FROM other"), 7);
    assert_eq!(scene.database.one::<String>("PRAGMA integrity_check"), "ok");
}

/// An ordered stop leaves the locks' files: the next start needs no room for them, nor to write into them who holds them.
#[test]
fn a_start_on_a_full_disk_records_into_the_spool() {
    if !needs::are_met(&[Need::Mounts]) {
        return;
    }
    let full = FullDisk::new();
    let settings =
        full.settings.clone().path("instance", "lock_file", &full.disk.path("barograph.lock"));
    let mut recorder = full.scene.recorder(&settings);
    let first = publish(full.scene.broker.port(), Load::numbered(1).count(300));
    fills(&recorder, &first, &[full.database()]);
    recorder.stop();
    for lock in ["barograph.lock", "data.db.lock"] {
        // An empty file has no block that could be written again.
        fs::write(full.disk.path(lock), "").expect("there is room yet");
    }
    full.disk.fill();
    let recorder = full.scene.recorder(&settings);
    recorder.is_in_mode("degraded");
    let all = publish(full.scene.broker.port(), Load::numbered(1).first(300).count(300));
    wait::until_true("the spool has them", PATIENCE, || recorder.log().contains("degraded"));
    full.disk.make_room();
    recorder.is_in_mode("normal");
    let all = Published { first: 0, ..all };
    fills(&recorder, &all, &[full.database()]);
    let mut recorder = recorder;
    recorder.stop();
    assert_exact(&all, &[full.database()]);
}

/// Where the database was before and the spool's folder is usable, a folder that is gone is waited for.
#[test]
fn a_start_without_the_databases_folder_records_into_the_spool() {
    let scene = Scene::new();
    let folder = scene.folder.path("data");
    fs::create_dir(&folder).expect("our own folder");
    let database = folder.join("data.db");
    let settings = scene
        .settings()
        .quick_to_heal()
        .path("database", "path", &database)
        .path("spool", "dir", &scene.folder.path("spool"))
        .path("instance", "lock_file", &folder.join("barograph.lock"));
    let mut recorder = scene.recorder(&settings);
    let first = publish(scene.broker.port(), Load::numbered(1).count(300));
    fills(&recorder, &first, std::slice::from_ref(&database));
    recorder.stop();
    fs::rename(&folder, scene.folder.path("away")).expect("our own folder");
    let recorder = scene.recorder(&settings);
    recorder.is_in_mode("degraded");
    let all = publish(scene.broker.port(), Load::numbered(1).first(300).count(300));
    fs::rename(scene.folder.path("away"), &folder).expect("our own folder");
    let all = Published { first: 0, ..all };
    fills(&recorder, &all, std::slice::from_ref(&database));
    let mut recorder = recorder;
    recorder.stop();
    assert_exact(&all, &[database]);
}

#[test]
fn a_writer_that_is_restarted_without_the_databases_folder_records_into_the_spool() {
    let scene = Scene::new();
    let folder = scene.folder.path("data");
    fs::create_dir(&folder).expect("our own folder");
    let database = folder.join("data.db");
    let settings = scene.settings().quick_to_heal().path("database", "path", &database).path(
        "spool",
        "dir",
        &scene.folder.path("spool"),
    );
    let mut recorder = scene.recorder(&settings);
    let first = publish(scene.broker.port(), Load::numbered(1).count(300));
    fills(&recorder, &first, std::slice::from_ref(&database));
    fs::rename(&folder, scene.folder.path("away")).expect("our own folder");
    scene.faults.inject("panic db_writer");
    recorder.event_number(1, "actor_restarted");
    recorder.is_in_mode("degraded");
    let all = publish(scene.broker.port(), Load::numbered(1).first(300).count(300));
    fs::rename(scene.folder.path("away"), &folder).expect("our own folder");
    let all = Published { first: 0, ..all };
    fills(&recorder, &all, std::slice::from_ref(&database));
    recorder.stop();
    assert_exact(&all, &[database]);
}

/// A typing mistake in a fresh installation is said at once.
#[test]
fn a_start_without_the_databases_folder_that_never_was_ends() {
    let scene = Scene::new();
    let settings = scene
        .settings()
        .path("database", "path", &scene.folder.path("nowhere/data.db"))
        .path("spool", "dir", &scene.folder.path("spool"));
    let outcome = recorder::command(&["run"], &settings);
    assert_eq!(outcome.code, Some(73), "{outcome:?}");
}
