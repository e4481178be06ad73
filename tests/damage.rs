//! The database is deleted, moved, replaced, overwritten or cut short, while it is recorded into or while nobody looks: the
//! recording goes on, what was damaged is kept, and what can be read of it is taken over.
//!
//! The incident behind it: a deleted database keeps accepting writes for ever, and after twenty damaged pages INSERT still
//! says Ok. Whoever trusts the answer acknowledges into nothing.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::support::aloud;
use crate::support::database::Database;
use crate::support::heavy;
use crate::support::locker::Locker;
use crate::support::process;
use crate::support::publisher::{self, Load, Published, Publisher};
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::wait;

/// In the database before anything happens: some 40 pages.
const BEFORE: i64 = 5_000;
const PAGE: u64 = 4_096;
/// How long it may take until the damage has been dealt with, on a busy machine.
const HEALED_WITHIN: Duration = Duration::from_secs(60);

/// When it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Under load.
    Recording,
    /// Between two runs.
    Stopped,
}

/// How the messages from before the damage fared: those after it are all there, or the test has failed.
struct Aftermath {
    /// So many there were.
    before: usize,
    /// Neither in the database nor in a file that was set aside.
    gone: Vec<i64>,
    /// So many in the database.
    in_place: usize,
    /// So many files set aside as damaged.
    set_aside: usize,
}

#[test]
fn a_deleted_database_is_copied_out_of_the_open_handle_and_lacks_nothing() {
    let deleted = |scene: &Scene| fs::remove_file(scene.database.path()).expect("our own folder");
    let after = goes_on_after(When::Recording, deleted);
    assert_eq!(after.in_place, after.before, "{} are nowhere", after.gone.len());
}

#[test]
fn a_database_deleted_with_all_that_belongs_to_it_lacks_nothing() {
    let after = goes_on_after(When::Recording, |scene| {
        for file in scene.files("", "data.db").iter().filter(|file| file.is_file()) {
            let is_lock = file.extension().is_some_and(|end| end == "lock");
            if !is_lock {
                fs::remove_file(file).expect("our own folder");
            }
        }
    });
    assert_eq!(after.gone, Vec::<i64>::new());
}

#[test]
fn a_moved_database_and_the_new_one_together_lack_nothing() {
    let moved = |scene: &Scene| {
        let away = scene.folder.path("away.db");
        fs::rename(scene.database.path(), away).expect("our own folder");
    };
    assert_eq!(goes_on_after(When::Recording, moved).gone, Vec::<i64>::new());
}

#[test]
fn a_database_replaced_by_another_one_lacks_nothing() {
    let replaced = |scene: &Scene| {
        let other = scene.folder.path("other.db");
        let connection = Connection::open(&other).expect("a new file");
        connection.execute_batch("CREATE TABLE other (x)").expect("a new table");
        connection.close().expect("nothing is open");
        fs::rename(other, scene.database.path()).expect("our own folder");
    };
    let after = goes_on_after(When::Recording, replaced);
    assert_eq!(after.gone, Vec::<i64>::new());
}

#[test]
fn a_database_that_becomes_garbage_is_set_aside() {
    let after = goes_on_after(When::Recording, |scene| overwrite(scene.database.path(), 0.0, 1.0));
    assert_eq!(after.set_aside, 1);
}

#[test]
fn a_database_that_was_garbage_at_the_start_is_set_aside() {
    let after = goes_on_after(When::Stopped, |scene| overwrite(scene.database.path(), 0.0, 1.0));
    assert_eq!(after.set_aside, 1);
}

/// The next checkpoint may write that page anew before anybody has looked: then nothing was damaged.
#[test]
fn a_database_whose_first_page_becomes_garbage_is_set_aside_unless_it_is_mended() {
    let after = goes_on_after(When::Recording, |scene| overwrite_first_page(scene.database.path()));
    let mended = after.in_place == after.before;
    assert_eq!(after.set_aside, usize::from(!mended), "{} in place", after.in_place);
}

#[test]
fn a_database_whose_first_page_was_garbage_at_the_start_is_set_aside() {
    let after = goes_on_after(When::Stopped, |scene| overwrite_first_page(scene.database.path()));
    assert_eq!(after.set_aside, 1);
    assert_eq!(after.gone.len(), 0, "every page with messages on it can be read");
}

#[test]
fn a_database_whose_middle_becomes_garbage_keeps_what_can_be_read() {
    let after = goes_on_after(When::Recording, |scene| overwrite(scene.database.path(), 0.5, 0.6));
    assert_eq!(after.set_aside, 1);
    assert!(after.gone.len() < after.before / 2, "{} are gone", after.gone.len());
}

#[test]
fn a_database_whose_middle_was_garbage_at_the_start_keeps_what_can_be_read() {
    let after = goes_on_after(When::Stopped, |scene| overwrite(scene.database.path(), 0.5, 0.6));
    assert_eq!(after.set_aside, 1);
    assert!(after.gone.len() < after.before / 2, "{} are gone", after.gone.len());
}

#[test]
fn a_database_cut_to_nothing_is_set_aside() {
    let after = goes_on_after(When::Recording, |scene| cut_short(scene.database.path(), 0));
    assert_eq!(after.set_aside, 1);
}

/// An empty file is what touch makes: a database to come, and nothing to keep.
#[test]
fn a_database_cut_to_nothing_while_stopped_is_begun_anew() {
    goes_on_after(When::Stopped, |scene| cut_short(scene.database.path(), 0));
}

#[test]
fn a_database_cut_in_half_is_set_aside() {
    let after = goes_on_after(When::Recording, |scene| halve(scene.database.path()));
    assert_eq!(after.set_aside, 1);
    assert!(after.gone.len() < after.before * 2 / 3, "the first half can be read");
}

#[test]
fn a_database_cut_in_half_while_stopped_is_set_aside() {
    let after = goes_on_after(When::Stopped, |scene| halve(scene.database.path()));
    assert_eq!(after.set_aside, 1);
    assert!(after.gone.len() < after.before * 2 / 3, "the first half can be read");
}

/// A wrong `database.path` changes no file. The second start is refused, too: the first one left no mark there.
#[test]
fn a_file_that_never_was_a_recorders_is_refused_and_left_as_it_is() {
    let scene = Scene::new();
    let text = "Dear diary, ".repeat(1_000);
    for (what, bytes) in [("a text", text.as_bytes()), ("a damaged database", DAMAGED_DATABASE)] {
        fs::write(scene.database.path(), bytes).expect("our own folder");
        for start in 1..=2 {
            let command = barograph_with("run", &scene.settings());
            let outcome = process::outcome(command, HEALED_WITHIN);
            assert_eq!(outcome.code, Some(65), "{what}, start {start}: {outcome:?}");
            assert!(outcome.stderr.contains("no recorder has used it before"), "{outcome:?}");
        }
        assert_eq!(fs::read(scene.database.path()).expect("it is there"), bytes, "{what}");
        assert!(scene.files("", "data.db.corrupt-").is_empty(), "{what}");
    }
}

/// Its mark is enough, where the list of databases is gone as well.
#[test]
fn a_damaged_database_without_a_catalog_is_known_by_its_mark() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let before = publisher::publish(scene.broker.port(), Load::numbered(1).count(100));
    scene.drain(&recorder, &before);
    recorder.stop();
    fs::remove_dir_all(scene.folder.path("spool")).expect("our own folder");
    let file = OpenOptions::new().write(true).open(scene.database.path()).expect("our own file");
    file.write_all_at(&[0; 16], 0).expect("our own file");
    let recorder = scene.recorder(&settings);
    recorder.event("database_set_aside");
    has_all(&scene, &recorder, &before);
}

/// Of another program: a header of SQLite's, and nothing behind it that could be a page.
const DAMAGED_DATABASE: &[u8] = &{
    let mut bytes = [b'x'; 8_192];
    let header = b"SQLite format 3\0\x10\x00\x01\x01\x00\x40\x20\x20";
    let mut at = 0;
    while at < header.len() {
        bytes[at] = header[at];
        at += 1;
    }
    bytes
};

#[test]
fn a_damaged_spool_is_set_aside_and_what_can_be_read_of_it_is_stored() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal();
    let mut recorder = scene.recorder(&settings);
    let lock = Locker::hold(&scene.database);
    let before =
        publisher::publish(scene.broker.port(), Load::numbered(1).count(20_000).rate(4_000));
    recorder.is_in_mode("degraded");
    recorder.stop();
    overwrite(&scene.spool(), 0.4, 0.6);
    lock.release();
    let recorder = scene.recorder(&settings);
    recorder.event("spool_set_aside");
    assert!(!scene.files("spool", "data.db.spool.corrupt-").is_empty(), "it is kept");
    let load = Load::numbered(1).first(before.next).count(2_000);
    let published = publisher::publish(scene.broker.port(), load);
    has_all(&scene, &recorder, &published);
    let taken = scene.database.count("load") - published.certain();
    assert!(taken > 0, "the first part of the spool can be read");
    wait::until_true("a fresh spool is gone too", HEALED_WITHIN, || !scene.spool().exists());
    let mut recorder = recorder;
    recorder.stop();
    scene.database.assert_account_equals(&["load"]);
    aloud::say(&format!("a fifth of the spool was garbage: {taken} of {} are stored", before.next));
}

/// Damages a database with [`BEFORE`] messages in it and a stream of others on their way.
fn goes_on_after(when: When, damage: impl FnOnce(&Scene)) -> Aftermath {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal();
    let mut recorder = scene.recorder(&settings);
    let before = publisher::publish(scene.broker.port(), Load::numbered(1).count(BEFORE));
    scene.drain(&recorder, &before);
    recorder.stop();
    if when == When::Recording {
        recorder = scene.recorder(&settings);
    }
    let publisher =
        Publisher::start(scene.broker.port(), Load::numbered(1).first(BEFORE).rate(500));
    publisher.has_sent(200);
    if when == When::Recording {
        scene.fills_to(&recorder, "load", BEFORE + 100);
    }
    damage(&scene);
    let first_after = BEFORE + publisher.sent();
    if when == When::Stopped {
        recorder = Recorder::start(&settings);
        recorder.event("broker_connected");
    }
    publisher.has_sent(first_after - BEFORE + 1_500);
    let mut published = publisher.finish();
    published.first = first_after;
    has_all(&scene, &recorder, &published);
    recorder.stop();
    let account = scene.database.assert_account_equals(&["load"]);
    assert_eq!(scene.database.one::<String>("PRAGMA integrity_check"), "ok");
    let after = aftermath(&scene, first_after);
    aloud::say(&format!(
        "{when:?}: of {first_after} messages before the damage {} are in the database, {} nowhere; \
         all {} after it are stored; {account:?}",
        after.in_place,
        after.gone.len(),
        published.certain(),
    ));
    after
}

/// Waits until all that was published after the damage is stored, and nothing is twice.
fn has_all(scene: &Scene, recorder: &Recorder, published: &Published) {
    recorder.wait_for("all after the damage", HEALED_WITHIN, || {
        if scene.database.count("load") < published.certain() {
            return None;
        }
        let found = scene.database.compare("load", published);
        assert!(found.twice.is_empty(), "{found}");
        found.is_exact().then_some(())
    });
    recorder.wait_for("mode normal", HEALED_WITHIN, || {
        recorder.modes().last().is_none_or(|mode| mode == "normal").then_some(())
    });
    // what is left of a damaged file is taken over in steps
    if !recorder.events("database_set_aside").is_empty() {
        recorder.event_within(HEALED_WITHIN, 1, "database_salvaged");
    }
    let found = scene.database.compare("load", published);
    assert!(found.is_exact(), "{found}");
}

fn aftermath(scene: &Scene, first_after: i64) -> Aftermath {
    let in_place: BTreeSet<i64> = scene
        .database
        .all::<i64>("SELECT n FROM load")
        .into_iter()
        .filter(|n| *n < first_after)
        .collect();
    let damaged = scene.files("", "data.db.corrupt-");
    let belongs_to_one = |file: &Path| {
        let name = file.to_string_lossy();
        ["-wal", "-shm", "-journal"].iter().any(|end| name.ends_with(end))
    };
    let damaged: Vec<_> = damaged.iter().filter(|file| !belongs_to_one(file)).collect();
    let moved = Database::at(scene.folder.path("away.db"));
    let mut elsewhere: BTreeSet<i64> = numbers_in(moved.path());
    damaged.iter().for_each(|file| elsewhere.extend(numbers_in(file)));
    let is_gone = |n: &i64| !in_place.contains(n) && !elsewhere.contains(n);
    Aftermath {
        before: usize::try_from(first_after).expect("not negative"),
        gone: (0..first_after).filter(is_gone).collect(),
        in_place: in_place.len(),
        set_aside: damaged.len(),
    }
}

/// The numbers that can be read, up to the first error.
fn numbers_in(file: &Path) -> BTreeSet<i64> {
    let read = || -> rusqlite::Result<BTreeSet<i64>> {
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut statement = connection.prepare("SELECT n FROM load")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.map_while(Result::ok).collect())
    };
    read().unwrap_or_default()
}

/// Garbage from one place of a file to another, each as a part of the whole; page by page, in place.
fn overwrite(file: &Path, from: f64, to: f64) {
    let file = OpenOptions::new().write(true).open(file).expect("it is there");
    let pages = file.metadata().expect("open").len() / PAGE;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of it")]
    let page = |part: f64| (pages as f64 * part) as u64;
    (page(from)..page(to)).for_each(|page| scribble(&file, page));
}

fn overwrite_first_page(file: &Path) {
    scribble(&OpenOptions::new().write(true).open(file).expect("it is there"), 0);
}

fn scribble(file: &File, page: u64) {
    let garbage: Vec<u8> = (0..PAGE).map(|n| (n * 7 + page * 13 + 1) as u8 | 0x81).collect();
    file.write_all_at(&garbage, page * PAGE).expect("it is writable");
}

fn halve(file: &Path) {
    cut_short(file, file.metadata().expect("it is there").len() / 2 / PAGE * PAGE);
}

fn cut_short(file: &Path, length: u64) {
    let file = OpenOptions::new().write(true).open(file).expect("it is there");
    file.set_len(length).expect("it is writable");
}
