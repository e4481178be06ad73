//! `barograph verify`: every bit that changed in what was recorded is found, and the right rows are named.
//!
//! The incident behind it: of single bits flipped at random places of a database, SQLite's own check calls three out of
//! four fine, for it looks at the structure and not at the content.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use nix::sys::signal::Signal;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;

use crate::support::heavy;
use crate::support::process::{Process, Stream};
use crate::support::publisher::{self, Load, Publisher, publish_one};
use crate::support::random::Random;
use crate::support::recorder::{command, command_line, json};
use crate::support::scene::Scene;
use crate::support::settings::Settings;

const ROUTES: &str = r#"
[[route]]
topic = "load/#"
table = "load"
qos = 1
[route.columns]
n = { field = "n", type = "integer", required = true }

[[route]]
topic = "air/#"
table = "air"
qos = 1
[route.columns]
n = { field = "n", type = "integer", required = true }
temperature = { field = "t", type = "real" }
mood = { field = "mood", type = "text" }

[[route]]
topic = "flux/#"
table = "flux"
qos = 1
[route.columns]
x = { field = "x", type = "real", required = true }
y = { field = "y", type = "real", required = true }
"#;

const FLIPS: usize = 300;
const ROWS: i64 = 2_000;
const BAD: i64 = 200;
/// The operator's tables, and the quarantine.
const TABLES: [&str; 4] = ["load", "air", "flux", "barograph_quarantine"];

#[test]
fn every_flipped_bit_that_changes_content_is_found_and_its_rows_are_named() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings().routes(ROUTES);
    record(&scene, &settings);
    let sound = fs::read(scene.database.path()).expect("our own folder");
    let (truth, pages) = (Dump::of(scene.database.path()), pages(scene.database.path()));
    let truth = truth.expect("a sound database");
    let (code, verified) = json(&["verify"], &settings);
    assert_eq!(code, Some(0), "{verified}");
    assert_eq!(verified["rows"], 3 * ROWS + BAD, "{verified}");
    let copy = scene.folder.path("copy.db");
    let settings = settings.path("database", "path", &copy);
    let mut random = Random::new();
    let mut counts = Counts::default();
    for _ in 0..FLIPS {
        let (byte, bit) = (random.below(sound.len()), random.below(8));
        let mut damaged = sound.clone();
        damaged[byte] ^= 1 << bit;
        fs::write(&copy, damaged).expect("our own folder");
        let page = u32::try_from(byte).expect("a small file") / PAGE + 1;
        let place = pages.get(&page).map_or("free", String::as_str);
        let told = format!("bit {bit} of byte {byte}, in {place}");
        let changed = truth.differences(&Dump::of(&copy));
        counts.judge(&told, place, changed, &settings);
    }
    println!("of {FLIPS} flips: {counts:?}");
    assert!(counts.changed > FLIPS / 10, "too few flips hit content: {counts:?}");
}

/// What became of the flips.
#[derive(Debug, Default)]
struct Counts {
    /// They changed what a reader sees, or made it unreadable.
    changed: usize,
    /// Of these: found, with table and rows.
    named: usize,
    /// Of these: nothing can be read at all.
    unreadable: usize,
    /// Of these: SQLite's own check finds nothing wrong.
    called_ok_by_sqlite: usize,
    /// Of these: no value changed, and only the check of the structure tells that rows cannot be found.
    told_by_structure: usize,
    /// They changed nothing that a reader sees, and were in our own digests.
    in_digests: usize,
}

/// One in some two thousand flips was seen.
const TOLD_BY_STRUCTURE_MAX: usize = 3;

impl Counts {
    fn judge(&mut self, told: &str, place: &str, changed: Differences, settings: &Settings) {
        let outcome = command(&["verify", "--json"], settings);
        let told = format!("{told}: {outcome:?}; the truth: {changed:?}");
        let is_changed = changed.as_ref().is_none_or(|tables| !tables.is_empty());
        self.changed += usize::from(is_changed);
        let is_ours = place.starts_with("barograph_digests") || place.contains("shapes");
        if outcome.code == Some(65) {
            assert!(is_changed || is_ours, "it can be read: {told}");
            self.unreadable += 1;
            return;
        }
        let verified: Json = serde_json::from_str(&outcome.stdout).expect("JSON");
        let is_sound = verified["structure"].as_array().is_some_and(Vec::is_empty);
        let findings = verified["findings"].as_array().cloned().unwrap_or_default();
        if !is_changed {
            self.in_digests += usize::from(is_ours);
            let is_silent = findings.is_empty() && verified["unusable"] == Json::Array(Vec::new());
            assert!(is_ours || is_silent, "it cries wolf: {told}");
            return;
        }
        assert_eq!(outcome.code, Some(1), "{told}");
        self.called_ok_by_sqlite += usize::from(is_sound);
        for (table, rows) in changed.expect("it can be read, in part") {
            let named = findings.iter().filter(|finding| finding["table"] == table);
            let within = |finding: &Json| {
                let (first, last) = (finding["first"].as_i64(), finding["last"].as_i64());
                rows.is_empty() || rows.iter().any(|row| first <= Some(*row) && Some(*row) <= last)
            };
            let unusable = verified["unusable"].to_string().contains(&table);
            if unusable || named.clone().any(within) {
                continue;
            }
            // A key within the tree was struck: every value is as it was, but some rows are not found by their ids. Only
            // the check of the structure tells of that, and it names the tree.
            assert!(!is_sound, "{table} is not named: {told}");
            self.told_by_structure += 1;
            assert!(
                self.told_by_structure <= TOLD_BY_STRUCTURE_MAX,
                "{table} is not named: {told}"
            );
        }
        self.named += 1;
    }
}

/// By table, the rows that are not as they were; no rows where that cannot be told. `None`: nothing can be read.
type Differences = Option<BTreeMap<String, BTreeSet<i64>>>;

/// A row id, and what stands there.
type Row = (i64, Vec<Value>);

/// What readers see: by table the names of its columns and its rows, found by a walk through the table and by their ids.
struct Dump(BTreeMap<&'static str, rusqlite::Result<Seen>>);

/// Of one table: the names of its columns, the rows of a walk, the rows by their ids.
type Seen = (Vec<String>, Vec<Row>, Vec<Row>);

impl Dump {
    fn of(path: &Path) -> rusqlite::Result<Self> {
        let conn = read_only(path)?;
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(Self(TABLES.iter().map(|table| (*table, Self::table(&conn, table))).collect()))
    }

    fn table(conn: &Connection, table: &str) -> rusqlite::Result<Seen> {
        let scan = format!("SELECT rowid, * FROM {table} NOT INDEXED");
        let one = format!("{scan} WHERE rowid = ?1");
        let (mut scan, mut one) = (conn.prepare(&scan)?, conn.prepare(&one)?);
        let names = scan.column_names().map(str::to_owned).collect();
        let rows = scan.query_map([], row_of)?.collect::<rusqlite::Result<_>>()?;
        let mut found = Vec::new();
        for id in 1..=ROWS {
            let row = one.query_map([id], row_of)?.next().transpose()?;
            found.extend(row);
        }
        Ok((names, rows, found))
    }

    fn differences(&self, other: &rusqlite::Result<Self>) -> Differences {
        let Ok(other) = other else { return None };
        let mut tables = BTreeMap::new();
        for (table, ours) in &self.0 {
            let (names, rows, found) = ours.as_ref().expect("a sound table");
            let rows: BTreeSet<i64> = match &other.0[table] {
                Err(_) => BTreeSet::new(),
                Ok((other_names, _, _)) if other_names != names => BTreeSet::new(),
                Ok((_, other_rows, other_found)) => {
                    let changed = unlike(rows, other_rows).chain(unlike(found, other_found));
                    let changed: BTreeSet<i64> = changed.collect();
                    if changed.is_empty() {
                        continue;
                    }
                    changed
                }
            };
            tables.insert((*table).to_owned(), rows);
        }
        Some(tables)
    }
}

/// The ids of rows that are not in both.
fn unlike<'a>(ours: &'a [Row], theirs: &'a [Row]) -> impl Iterator<Item = i64> + 'a {
    let shown = |rows: &[Row]| -> BTreeSet<(i64, String)> {
        rows.iter().map(|(id, values)| (*id, format!("{values:?}"))).collect()
    };
    let (ours, theirs) = (shown(ours), shown(theirs));
    let unlike: Vec<i64> = ours.symmetric_difference(&theirs).map(|(id, _)| *id).collect();
    unlike.into_iter()
}

/// Texts as bytes: they need not be UTF-8 any more.
fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    use rusqlite::types::ValueRef;
    let mut values = Vec::new();
    for column in 1.. {
        match row.get_ref(column) {
            Err(rusqlite::Error::InvalidColumnIndex(_)) => break,
            value => values.push(match value? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Integer(number),
                // -0.0 is 0.0 to every reader.
                ValueRef::Real(number) => Value::Real(number + 0.0),
                ValueRef::Text(text) => Value::Blob([b"text ", text].concat()),
                ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
            }),
        }
    }
    Ok((row.get(0)?, values))
}

const PAGE: u32 = 4096;

/// Which table or index each page belongs to.
fn pages(path: &Path) -> BTreeMap<u32, String> {
    let conn = read_only(path).expect("a sound database");
    let size: u32 = conn.query_row("PRAGMA page_size", [], |row| row.get(0)).expect("a pragma");
    assert_eq!(size, PAGE);
    let mut statement = conn.prepare("SELECT pageno, name FROM dbstat").expect("compiled in");
    let pages = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    pages.expect("no parameters").map(|page| page.expect("a page")).collect()
}

/// Without making a -wal and a -shm beside it.
fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{}?immutable=1", path.display()), flags)
}

#[test]
fn verify_beside_a_running_recorder_and_changes_to_the_quarantine_finds_nothing() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings();
    let recorder = scene.recorder(&settings);
    let payload = |n: i64| match n % 3 {
        0 => b"bad".to_vec(),
        _ => format!(r#"{{"n":{n}}}"#).into_bytes(),
    };
    let load = Load { payload, ..Load::numbered(1).rate(1_000) };
    let publisher = Publisher::start(scene.broker.port(), load);
    for round in 0..20_i64 {
        publisher.has_sent(round * 400);
        let first = (round * 40 + 1).to_string();
        let words = ["quarantine", "drop", "--yes", "--id", &first];
        assert_eq!(command(&words, &settings).code, Some(0));
        let outcome = command(&["quarantine", "replay"], &settings);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let (code, verified) = json(&["verify"], &settings);
        assert_eq!(code, Some(0), "{verified}");
    }
    publisher.finish();
    assert!(recorder.events("write_failed").is_empty(), "{:?}", recorder.events("write_failed"));
}

#[test]
fn a_row_that_is_deleted_or_edited_is_told_with_its_id() {
    let scene = Scene::new();
    let settings = scene.settings();
    let mut recorder = scene.recorder(&settings);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(1_000));
    scene.drain(&recorder, &published);
    recorder.stop();
    let change = "UPDATE load SET n = n + 1024 WHERE n = 699";
    scene.database.writer().execute_batch(change).expect("our table");
    let (code, verified) = json(&["verify"], &settings);
    assert_eq!(code, Some(1), "{verified}");
    let changed = &verified["findings"][0];
    assert_eq!(changed["what"], "changed", "{verified}");
    let (first, last) = (changed["first"].as_i64(), changed["last"].as_i64());
    assert!(first <= Some(700) && Some(700) <= last, "{verified}");
    let change = "UPDATE load SET n = 699 WHERE id = 700; DELETE FROM load WHERE id = 500";
    scene.database.writer().execute_batch(change).expect("our table");
    let (code, verified) = json(&["verify"], &settings);
    assert_eq!(code, Some(1), "{verified}");
    let missing = &verified["findings"][0];
    assert_eq!(missing["what"], "missing", "{verified}");
    assert_eq!(missing["ranges"].to_string(), "[[500,500]]", "{verified}");
    assert!(verified["structure"] == Json::Array(Vec::new()), "{verified}");
    let text = command(&["verify", "--quick"], &settings);
    assert_eq!(text.code, Some(1));
    assert!(text.stdout.contains("What to do: keep a copy"), "{text:?}");
    assert!(text.stdout.lines().all(|line| line.chars().count() <= 80), "{text:?}");
}

#[test]
fn an_interrupted_verify_ends_at_once_with_what_it_found_so_far() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings();
    let years = "CREATE TABLE load (id INTEGER PRIMARY KEY, n INTEGER, created_at TIMESTAMP); \
                 CREATE INDEX load_created ON load (created_at); WITH RECURSIVE c(i) AS (SELECT 1 \
                 UNION ALL SELECT i + 1 FROM c WHERE i < 3000000) INSERT INTO load SELECT i, i, \
                 '2020-01-01 00:00:00.000' || i FROM c";
    scene.database.writer().execute_batch(years).expect("our own table");
    let mut recorder = scene.recorder(&settings);
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 3_000_001);
    recorder.stop();
    let mut verify = Process::spawn(command_line(&["verify", "--json"], &settings));
    thread::sleep(Duration::from_millis(400)); // into the middle of it: it takes seconds
    verify.signal(Signal::SIGINT);
    let code = verify.ended(Duration::from_secs(2)).code();
    let told = verify.text(Stream::Stdout);
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains(r#""interrupted":true"#), "{told}");
}

/// The tables of this test, and a quarantine, in a database that nobody has open.
fn record(scene: &Scene, settings: &Settings) -> PathBuf {
    let mut recorder = scene.recorder(settings);
    let port = scene.broker.port();
    let air = |n: i64| {
        let t = n as f64 / 7.0;
        format!(r#"{{"n":{},"t":{t},"mood":"fair to {n}"}}"#, n * 1_000).into_bytes()
    };
    let flux = |n: i64| format!(r#"{{"x":{n},"y":{}.5}}"#, -n).into_bytes();
    publisher::publish(port, Load::numbered(1).count(ROWS));
    let air = Load { topic: "air/1", payload: air, ..Load::numbered(1) };
    publisher::publish(port, air.count(ROWS));
    let flux = Load { topic: "flux/1", payload: flux, ..Load::numbered(1) };
    publisher::publish(port, flux.count(ROWS));
    let bad = |n: i64| format!("reading {n} is bad").into_bytes();
    publisher::publish(port, Load { payload: bad, ..Load::numbered(1) }.count(BAD));
    for table in ["load", "air", "flux"] {
        scene.fills_to(&recorder, table, ROWS);
    }
    scene.fills_to(&recorder, "barograph_quarantine", BAD);
    recorder.stop();
    scene.database.path().to_owned()
}
