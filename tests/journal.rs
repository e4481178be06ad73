//! What is in the database: exactly the tables of the design, arrival times, and an existing file taken as it is.

use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::support::process;
use crate::support::publisher::{self, Load, publish_one};
use crate::support::recorder::{Recorder, barograph_with};
use crate::support::scene::Scene;
use crate::support::settings::LOAD;
use crate::support::wait;

const SOON: Duration = Duration::from_secs(20);

const WEATHER_TOPIC: &str = "backacres/house/weatherstation/weathermeters/";
const WEATHER: &[u8] = br#"{"utc":1759479845,"sampleinterval":5000,"temperature":5.22,"humidity":61.5,"pressure":1004.94,"irradiance":0.83,"winddirectionsensor":96,"raingaugecount":170,"anemometercount":1047952}"#;
const FIELD_TOPIC: &str = "backacres/house/weatherstation/magneticfluxsensor/";
const FIELD: &[u8] = br#"{"x":1115,"y":-558,"z":-305}"#;

#[test]
fn the_stations_tables_and_rows_are_those_of_the_design() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().routes(""));
    scene.broker.has_subscriber("+/+/weatherstation/magneticfluxsensor/#");
    publish_one(scene.broker.port(), WEATHER_TOPIC, WEATHER, false);
    publish_one(scene.broker.port(), FIELD_TOPIC, FIELD, false);
    scene.fills_to(&recorder, "weather_data", 1);
    scene.fills_to(&recorder, "magnetic_flux_data", 1);

    assert_eq!(
        columns(&scene, "weather_data"),
        "id INTEGER pk, timestamp INTEGER not null, sample_interval INTEGER, temperature REAL, \
         humidity REAL, pressure REAL, irradiance REAL, wind_direction INTEGER, \
         rain_gauge_count INTEGER, anemometer_count INTEGER, \
         created_at TIMESTAMP default CURRENT_TIMESTAMP"
    );
    assert_eq!(
        columns(&scene, "magnetic_flux_data"),
        "id INTEGER pk, x REAL not null, y REAL not null, z REAL not null, \
         created_at TIMESTAMP default CURRENT_TIMESTAMP"
    );
    let indexes: Vec<String> = scene.database.all(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'idx_%' ORDER BY name",
    );
    assert_eq!(indexes, ["idx_flux_created", "idx_weather_created", "idx_weather_timestamp"]);
    let sequences: i64 = scene.database.one(
        "SELECT count(*) FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' \
         AND name IN ('weather_data', 'magnetic_flux_data')",
    );
    assert_eq!(sequences, 2, "both ids are AUTOINCREMENT");
    let row: String = scene.database.one(
        "SELECT concat_ws(' ', timestamp, sample_interval, temperature, humidity, pressure, \
         irradiance, wind_direction, rain_gauge_count, anemometer_count) FROM weather_data",
    );
    assert_eq!(row, "1759479845 5000 5.22 61.5 1004.94 0.83 96 170 1047952");
    let row: String = scene.database.one("SELECT concat_ws(' ', x, y, z) FROM magnetic_flux_data");
    assert_eq!(row, "1115.0 -558.0 -305.0");
    assert_eq!(scene.database.one::<String>("PRAGMA journal_mode"), "wal");
}

#[test]
fn created_at_is_the_time_of_arrival_in_milliseconds_of_utc() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let now = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')";
    let memory = Connection::open_in_memory().expect("memory");
    let clock = || memory.query_row(now, [], |row| row.get::<_, String>(0)).expect("a clock");
    let other = scene.database.writer();
    other.execute_batch("BEGIN EXCLUSIVE").expect("free"); // it must not be the time of the commit
    let before = clock();
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    recorder.event("write_failed");
    let after = clock();
    thread::sleep(Duration::from_millis(50)); // so that the commit is later
    other.execute_batch("COMMIT").expect("ours");
    scene.fills_to(&recorder, "load", 1);
    let created_at: String = scene.database.one("SELECT created_at FROM load");
    assert_eq!(created_at.len(), "2025-10-03 08:24:05.123".len(), "{created_at}");
    assert!(before <= created_at && created_at <= after, "{before} <= {created_at} <= {after}");
}

#[test]
fn a_missing_column_is_added_and_old_rows_are_kept() {
    let scene = Scene::new();
    scene.database.writer().execute_batch(OLD_LOAD).expect("a new file");
    let longer = format!("{LOAD}mood = {{ field = \"mood\", type = \"text\" }}\n");
    let recorder = scene.recorder(&scene.settings().routes(&longer));
    publish_one(scene.broker.port(), "load/n", br#"{"n":2,"mood":"fair"}"#, false);
    scene.fills_to(&recorder, "load", 2);
    let rows: Vec<String> = scene
        .database
        .all("SELECT concat_ws(' ', id, n, coalesce(mood, 'null')) FROM load ORDER BY id");
    assert_eq!(rows, ["1 1 null", "2 2 fair"]);
}

#[test]
fn a_clash_of_types_is_an_error_at_start_that_names_both() {
    let scene = Scene::new();
    let clash = OLD_LOAD.replace("n INTEGER", "n TEXT");
    scene.database.writer().execute_batch(&clash).expect("a new file");
    let outcome = process::outcome(barograph_with("run", &scene.settings()), SOON);
    assert_eq!(outcome.code, Some(65), "{outcome:?}");
    for word in ["load", "TEXT", "INTEGER"] {
        let said = outcome.stderr.to_lowercase();
        assert!(said.contains(&word.to_lowercase()), "no {word} in: {}", outcome.stderr);
    }
    let tables: Vec<String> = scene.database.all("SELECT name FROM sqlite_master ORDER BY name");
    assert!(!tables.iter().any(|name| name.starts_with("barograph_")), "left behind: {tables:?}");
}

/// Into a view nothing can be written: the recorder would spool for ever.
#[test]
fn a_view_under_a_routes_table_name_is_refused_by_check_and_at_the_start() {
    let scene = Scene::new();
    let view = "CREATE TABLE old (n INTEGER); CREATE VIEW Load AS SELECT n FROM old";
    scene.database.writer().execute_batch(view).expect("a new file");
    for subcommand in ["check", "run"] {
        let outcome = process::outcome(barograph_with(subcommand, &scene.settings()), SOON);
        assert_eq!(outcome.code, Some(65), "{subcommand}: {outcome:?}");
        let said = outcome.stdout + &outcome.stderr;
        assert!(said.contains("load is a view in the database"), "{subcommand}: {said}");
    }
    let tables: Vec<String> = scene.database.all("SELECT name FROM sqlite_master ORDER BY name");
    assert_eq!(tables, ["Load", "old"]);
}

#[test]
fn a_natural_key_is_never_stored_twice_and_the_repeats_are_accounted_for() {
    let scene = Scene::new();
    let keyed = LOAD.replace("qos = 2", "qos = 2\nunique = [\"n\"]");
    let settings = scene.settings().routes(&keyed);
    let recorder = scene.recorder(&settings);
    for _ in 0..3 {
        publisher::publish(scene.broker.port(), Load::numbered(1).count(500));
    }
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(501));
    let account = scene.settle(recorder, &published);
    assert_eq!((account.stored, account.duplicate), (501, 1_500), "{account:?}");
}

/// Confirmed entries stay only as the bounded history in which a rollback of the broker is recognised: 20,000 to
/// 30,000 entries of 11 bytes, and those of a batch.
const HISTORY_BYTES_MAX: i64 = 31_000 * 11;

#[test]
fn the_ledger_stays_short_however_much_has_gone_through() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(50_000));
    scene.drain(&recorder, &published);
    let size = "SELECT coalesce(sum(length(entries)), 0) FROM barograph_ledger";
    let mut next = published.next;
    wait::until_or(
        SOON,
        || {
            let more = Load::numbered(1).first(next).count(1); // pruned with the next batch
            next = publisher::publish(scene.broker.port(), more).next;
            (scene.database.one::<i64>(size) < HISTORY_BYTES_MAX).then_some(())
        },
        || format!("{} bytes are still in the ledger", scene.database.one::<i64>(size)),
    );
    scene.settle(recorder, &publisher::Published { first: 0, next, ..Default::default() });
}

#[test]
fn tables_of_our_own_are_strict() {
    let scene = Scene::new();
    let mut recorder = Recorder::start(&scene.settings());
    recorder.event("ready");
    recorder.stop();
    let strict: Vec<String> = scene.database.all(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'barograph_%' \
         AND sql NOT LIKE '%STRICT%'",
    );
    assert!(strict.is_empty(), "tables of our own that are not STRICT: {strict:?}");
}

const OLD_LOAD: &str = "
    CREATE TABLE load(id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER NOT NULL,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    INSERT INTO load(n) VALUES (1);";

/// The columns of a table as one line.
fn columns(scene: &Scene, table: &str) -> String {
    let query = format!(
        "SELECT name || ' ' || type || iif(pk, ' pk', '') || iif(\"notnull\", ' not null', '') \
         || coalesce(' default ' || dflt_value, '') FROM pragma_table_info('{table}')"
    );
    scene.database.all::<String>(&query).join(", ")
}
