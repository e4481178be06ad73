//! The database of the earlier Python daemon is taken over in place: its rows stay as they are, its readers go on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::support::publisher::{Load, Publisher};
use crate::support::scene::Scene;
use crate::support::wait::Enough;

const SCHEMA: &str = "
    PRAGMA journal_mode = DELETE;
    CREATE TABLE weather_data(id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL,
        sample_interval INTEGER, temperature REAL, humidity REAL, pressure REAL, irradiance REAL,
        wind_direction INTEGER, rain_gauge_count INTEGER, anemometer_count INTEGER,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE magnetic_flux_data(id INTEGER PRIMARY KEY AUTOINCREMENT, x REAL NOT NULL,
        y REAL NOT NULL, z REAL NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    CREATE INDEX idx_weather_timestamp ON weather_data(timestamp);
    CREATE INDEX idx_weather_created ON weather_data(created_at);
    CREATE INDEX idx_flux_created ON magnetic_flux_data(created_at);
    WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 7999)
        INSERT INTO weather_data SELECT i + 1, 1600000000 + 5 * i, 5000, (i % 400) / 10.0 - 10,
            iif(i % 97, (i % 1000) / 10.0, NULL), 950 + (i % 900) / 10.0, i % 1000 / 3.0, i % 360,
            i / 50, i * 3, datetime(1600000000 + 5 * i, 'unixepoch') FROM c;
    WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 3999)
        INSERT INTO magnetic_flux_data SELECT i + 1, i % 1200, -i % 600, i % 300 - 305,
            datetime(1600000000 + 10 * i, 'unixepoch') FROM c;";

/// What the daemon's readers ask.
const QUERIES: [&str; 4] = [
    "SELECT count(*) FROM weather_data \
     WHERE created_at BETWEEN '2020-09-13 12:00:00' AND '2020-09-14 12:00:00'",
    "SELECT id FROM weather_data ORDER BY created_at DESC LIMIT 1",
    "SELECT id FROM magnetic_flux_data ORDER BY created_at DESC LIMIT 1",
    "SELECT count(*) FROM weather_data WHERE timestamp > 1600000000",
];

#[test]
fn a_legacy_database_is_taken_over_in_place_while_its_readers_go_on() {
    let scene = Scene::new();
    scene.database.writer().execute_batch(SCHEMA).expect("a new file");
    let before = old_rows(&scene.database.reader());
    let schema_before = schema(&scene.database.reader());

    let (enough, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let published = thread::scope(|scope| {
        let readers = Enough(&enough);
        scope.spawn(|| read_on(&scene, &enough, &asked));
        let mut recorder = scene.recorder(&scene.settings().routes(""));
        scene.broker.has_subscriber("+/+/weatherstation/magneticfluxsensor/#");
        let publisher = Publisher::start(scene.broker.port(), Load::identical(1).rate(1_000));
        publisher.has_sent(3_000);
        let published = publisher.finish();
        scene.fills_to(&recorder, "magnetic_flux_data", 4_000 + published.certain());
        drop(readers);
        recorder.stop();
        published
    });

    assert!(asked.load(Ordering::Relaxed) > 100, "the readers were hardly heard");
    let reader = scene.database.reader();
    assert!(before == old_rows(&reader), "an old row has changed");
    assert!(schema(&reader).starts_with(&schema_before), "an old table has changed");
    assert_eq!(scene.database.count("magnetic_flux_data"), 4_000 + published.certain());
    assert_eq!(scene.database.account().stored, published.certain());
    assert_eq!(scene.database.one::<String>("PRAGMA integrity_check"), "ok");
    let newest = "SELECT max(id) = (SELECT id FROM magnetic_flux_data ORDER BY created_at DESC, \
                  id DESC LIMIT 1) FROM magnetic_flux_data";
    assert!(scene.database.one::<bool>(newest), "old and new times sort together");
}

/// A reader as the daemon's are: Python's default patience of 5 s, a connection for each round.
fn read_on(scene: &Scene, enough: &AtomicBool, asked: &AtomicUsize) {
    while !enough.load(Ordering::Relaxed) {
        let reader = scene.database.reader();
        for query in QUERIES {
            reader.query_row(query, [], |row| row.get::<_, i64>(0)).expect("never locked out");
            asked.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(2)); // a reader, not a load test
    }
}

/// Every value of every old row, with its type.
fn old_rows(reader: &Connection) -> Vec<Vec<Value>> {
    let query = |table, rows| format!("SELECT * FROM {table} WHERE id <= {rows} ORDER BY id");
    let tables = [query("weather_data", 8_000), query("magnetic_flux_data", 4_000)];
    let read = |query: &String| {
        let mut statement = reader.prepare(query).expect("the old tables");
        let width = statement.column_count();
        let rows = statement.query_map([], |row| (0..width).map(|at| row.get(at)).collect());
        rows.expect("no parameters").map(|row| row.expect("a row")).collect::<Vec<Vec<Value>>>()
    };
    tables.iter().flat_map(read).collect()
}

/// The old tables and indexes as they were made.
fn schema(reader: &Connection) -> Vec<String> {
    let mut statement = reader
        .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        .expect("a constant");
    let rows = statement.query_map([], |row| row.get(0)).expect("no parameters");
    rows.map(|row| row.expect("text")).collect()
}
