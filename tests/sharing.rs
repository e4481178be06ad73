//! Others use the database too: readers never wait for the recorder, and it waits for whoever locks it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::database::Database;
use crate::support::publisher::{Load, Publisher};
use crate::support::scene::Scene;
use crate::support::wait::{self, Enough};

#[test]
fn a_reader_with_an_open_transaction_neither_blocks_us_nor_is_blocked() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    scene.fills_to(&recorder, "load", 100);

    let reader = scene.database.reader();
    reader.busy_timeout(Duration::ZERO).expect("a pragma");
    reader.execute_batch("BEGIN").expect("a deferred transaction");
    let count = || reader.query_row("SELECT count(*) FROM load", [], |row| row.get::<_, i64>(0));
    let seen = count().expect("not locked");
    wait::while_true("the reader sees one unchanging moment", Duration::from_secs(3), || {
        count().expect("never locked") == seen
    });
    scene.fills_to(&recorder, "load", seen + 2_000);
    reader.execute_batch("COMMIT").expect("not locked");

    let published = publisher.finish();
    scene.drain(&recorder, &published);
    assert!(recorder.events("write_failed").is_empty(), "the reader was in the way");
    scene.stop_and_check(recorder, &published);
}

#[test]
fn many_readers_under_load_never_see_locked() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    scene.fills_to(&recorder, "load", 1);
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        let _readers = Enough(&enough);
        for _ in 0..4 {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    let reader = scene.database.reader(); // connecting is part of it
                    reader.busy_timeout(Duration::ZERO).expect("a pragma");
                    let last = "SELECT n FROM load ORDER BY id DESC LIMIT 1";
                    reader.query_row(last, [], |row| row.get::<_, i64>(0)).expect("never locked");
                    thread::sleep(Duration::from_millis(1)); // readers, not a load test
                }
            });
        }
        publisher.has_sent(6_000);
    });
    scene.settle(recorder, &publisher.finish());
}

#[test]
fn a_database_locked_for_15_seconds_by_another_process_loses_and_doubles_nothing() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(500));
    scene.fills_to(&recorder, "load", 100);
    let other = scene.database.writer(); // the recorder is another process than this
    other.execute_batch("BEGIN EXCLUSIVE").expect("free between two commits");
    let locked = Instant::now();
    let before = scene.database.count("load");
    recorder.event("write_failed");
    let rest = Duration::from_secs(15).saturating_sub(locked.elapsed());
    wait::while_true("no row while locked", rest, || scene.database.count("load") == before);
    other.execute_batch("COMMIT").expect("ours");
    recorder.event("write_recovered");
    let published = publisher.finish();
    scene.drain(&recorder, &published);
    assert!(recorder.events("actor_restarted").is_empty(), "waiting is not being stuck");
    scene.stop_and_check(recorder, &published);
}

/// A deleted or moved database keeps accepting writes for ever; nothing may be acknowledged into it.
#[test]
fn a_database_moved_away_is_noticed_and_old_and_new_file_together_have_every_message_once() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(500));
    scene.fills_to(&recorder, "load", 100);
    let away = Database::at(scene.folder.path("away.db"));
    std::fs::rename(scene.database.path(), away.path()).expect("our own folder");
    // By the next commit, or by a look at the file before that.
    recorder.event("database_replaced");
    for failed in recorder.events("write_failed") {
        assert_eq!(failed["cause"], "replaced");
        recorder.event("write_recovered");
    }
    scene.fills_to(&recorder, "load", 100);
    let before = away.count("load");
    let published = publisher.finish();
    wait::until_true("both files have all", Duration::from_secs(20), || {
        before + scene.database.count("load") >= published.next - published.first
    });
    recorder.stop();
    let numbers = "SELECT n FROM load";
    let mut stored: Vec<i64> = away.all(numbers);
    stored.extend(scene.database.all::<i64>(numbers));
    stored.sort_unstable();
    assert_eq!(stored, (published.first..published.next).collect::<Vec<_>>());
}
