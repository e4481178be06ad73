//! History is summed up while recording goes on: sums are exact whatever dies, and what is wrong with them stops nobody.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use barograph::sqlite::read::{Buckets, Question, Stat};
use barograph_config::{Route, Settings as Defaults};

use crate::support::heavy;
use crate::support::publisher::{self, Load, Publisher, publish_one};
use crate::support::random::Random;
use crate::support::recorder::{Recorder, command};
use crate::support::scene::Scene;
use crate::support::settings::NARROW;
use crate::support::wait;

const WITHIN: Duration = Duration::from_secs(60);
const MINUTE: i64 = 60_000;

#[test]
fn rows_are_summed_up_when_there_are_many_and_at_each_start() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    // The first are summed up at once, the next only when there are many, or in five minutes.
    publisher::publish(scene.broker.port(), Load::numbered(1).count(1));
    wait::until_true("the first is summed up", WITHIN, || through(&scene, "load") == 1);
    let many = Load { first: 1, ..Load::numbered(1).count(5_000) };
    publisher::publish(scene.broker.port(), many);
    scene.fills_to(&recorder, "load", 5_001);
    wait::until_true("many are summed up", WITHIN, || through(&scene, "load") > 3_000);
    assert_exact(&scene, "load", &["n"]);
    recorder.stop();
    recorder = scene.recorder(&scene.settings());
    is_summed_up(&scene, "load", &recorder);
    assert_exact(&scene, "load", &["n"]);
    recorder.stop();
}

/// As long as the writer has not made them anew.
#[test]
fn where_sums_are_missing_the_rows_answer() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    publisher::publish(scene.broker.port(), Load::numbered(1).count(100));
    scene.fills_to(&recorder, "load", 100);
    recorder.stop();
    for table in ["tables", "series", "minute", "quarter", "hour", "day"] {
        recorder = scene.recorder(&scene.settings());
        is_summed_up(&scene, "load", &recorder);
        recorder.stop();
        let dropped = format!("DROP TABLE barograph_rollup_{table}");
        scene.database.writer().execute_batch(&dropped).expect("it is there");
        assert_exact(&scene, "load", &["n"]);
    }
}

#[test]
fn an_old_database_is_summed_up_beside_the_recording_however_often_that_is_killed() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    scene.database.writer().execute_batch(OLD).expect("a new file");
    let settings = scene.settings().routes("");
    let mut recorder = scene.recorder(&settings);
    let load = Load::identical(1).rate(1_000);
    let publisher = Publisher::start(scene.broker.port(), load);
    let (mut random, mut in_the_middle) = (Random::new(), 0);
    for _ in 0..10 {
        thread::sleep(random.between(20, 300)); // the random moment
        recorder.kill();
        in_the_middle += usize::from(left_of(&scene, "weather_data") > 0);
        recorder = Recorder::start(&settings);
        recorder.event("ready");
    }
    assert!(in_the_middle > 3, "it was done before it could be killed");
    recorder.event("broker_connected");
    let published = publisher.finish();
    scene.fills_to(&recorder, "magnetic_flux_data", published.certain());
    let is_done =
        || left_of(&scene, "weather_data") == 0 && left_of(&scene, "magnetic_flux_data") == 0;
    wait::until_true("the old rows are summed up", WITHIN, is_done);
    recorder.stop();
    recorder = scene.recorder(&settings);
    is_summed_up(&scene, "magnetic_flux_data", &recorder);
    assert_exact(&scene, "weather_data", &["temperature", "humidity", "rain_gauge_count"]);
    assert_exact(&scene, "magnetic_flux_data", &["x", "z"]);
    recorder.stop();
    assert_eq!(scene.database.one::<String>("PRAGMA integrity_check"), "ok");
    let (code, verified) = crate::support::recorder::json(&["verify"], &settings);
    assert_eq!(code, Some(0), "{verified}");
}

/// A table grows for years; what somebody wrote into the file is looked at after every checkpoint.
#[test]
fn a_long_table_is_not_read_again_and_again_while_it_records() {
    let scene = Scene::new();
    scene.database.writer().execute_batch(OLD).expect("a new file");
    let settings = scene.settings().routes("");
    let recorder = scene.recorder(&settings);
    is_summed_up(&scene, "weather_data", &recorder);
    let before = recorder.process.bytes_read();
    for n in 1..=10 {
        publisher::publish(scene.broker.port(), Load::identical(1).count(1));
        scene.fills_to(&recorder, "magnetic_flux_data", n);
        assert_eq!(command(&["checkpoint"], &settings).code, Some(0));
    }
    let read = recorder.process.bytes_read() - before;
    let file = scene.database.path().metadata().expect("it is there").len();
    assert!(read < file / 2, "{read} bytes were read for ten rows, of a file of {file}");
}

#[test]
fn a_message_that_is_replayed_later_is_summed_up_where_it_arrived() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings().routes(NARROW));
    for n in [3, 50, 4] {
        publish_one(scene.broker.port(), "load/n", format!(r#"{{"n":{n}}}"#).as_bytes(), false);
    }
    scene.fills_to(&recorder, "barograph_quarantine", 1);
    scene.fills_to(&recorder, "load", 2);
    recorder.stop();
    let earlier =
        "UPDATE barograph_quarantine SET received_at = date('now', '-30 days') || ' 00:00:07.000'";
    scene.database.writer().execute_batch(earlier).expect("nobody else writes");
    let mut recorder = scene.recorder(&scene.settings());
    is_summed_up(&scene, "load", &recorder);
    let outcome = command(&["quarantine", "replay"], &scene.settings());
    assert!(outcome.stdout.contains("1 message is stored"), "{outcome:?}");
    recorder.stop();
    let mut recorder = scene.recorder(&scene.settings());
    is_summed_up(&scene, "load", &recorder);
    assert_exact(&scene, "load", &["n"]);
    let then =
        "SELECT concat_ws(' ', count, sum, last) FROM barograph_rollup_day ORDER BY at LIMIT 1";
    assert_eq!(scene.database.one::<String>(then), "1 50.0 50.0");
    recorder.stop();
}

#[test]
fn sums_that_are_dropped_or_damaged_are_made_anew_and_the_recording_goes_on() {
    let scene = Scene::new();
    let mut recorder = scene.recorder(&scene.settings());
    let publish_more = |recorder: &Recorder, first| {
        publisher::publish(scene.broker.port(), Load::numbered(1).first(first).count(2_500));
        scene.fills_to(recorder, "load", first + 2_500);
    };
    publish_more(&recorder, 0);
    is_summed_up_but_for(2_000, &scene, "load", &recorder);
    scene.database.writer().execute_batch("DROP TABLE barograph_rollup_hour").expect("it is there");
    publish_more(&recorder, 2_500);
    is_summed_up_but_for(2_000, &scene, "load", &recorder);
    assert_exact(&scene, "load", &["n"]);
    recorder.stop();

    let page = "SELECT rootpage FROM sqlite_schema WHERE name = 'barograph_rollup_minute'";
    let page = u64::from(scene.database.one::<u32>(page)) - 1;
    let file = OpenOptions::new().write(true).open(scene.database.path()).expect("it is there");
    file.write_all_at(&[0x5a; 4096], page * 4096).expect("a page of it");
    recorder = scene.recorder(&scene.settings());
    publish_more(&recorder, 5_000);
    for event in ["write_failed", "database_set_aside", "mode_changed"] {
        assert!(recorder.events(event).is_empty(), "{:?}", recorder.events(event));
    }
    recorder.says("rollups cannot be");
    is_summed_up_but_for(2_000, &scene, "load", &recorder);
    assert_exact(&scene, "load", &["n"]);
    recorder.stop();
    assert_eq!(scene.database.count("load"), 7_500);
}

/// Eleven days of a station, as the earlier daemon left them, on a table without an index.
const OLD: &str = "
    PRAGMA journal_mode = DELETE;
    CREATE TABLE weather_data(id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL,
        sample_interval INTEGER, temperature REAL, humidity REAL, pressure REAL, irradiance REAL,
        wind_direction INTEGER, rain_gauge_count INTEGER, anemometer_count INTEGER,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 199999)
        INSERT INTO weather_data SELECT i + 1, 1600000000 + 5 * i, 5000, (i % 400) / 8.0 - 10,
            iif(i % 97, (i % 1000) / 16.0, NULL), 950 + (i % 900) / 8.0, i % 1000 / 4.0, i % 360,
            i / 50, i * 3, datetime(1600000000 + 5 * i, 'unixepoch') FROM c;";

/// Rows up to this id are summed up.
fn through(scene: &Scene, table: &str) -> i64 {
    let select =
        "SELECT coalesce((SELECT through FROM barograph_rollup_tables WHERE tbl = '{}'), -1)";
    let made = "SELECT count(*) FROM sqlite_schema WHERE name = 'barograph_rollup_tables'";
    if scene.database.one::<i64>(made) == 0 {
        return -1;
    }
    scene.database.one(&select.replace("{}", table))
}

/// Series of a table that are not done with old rows.
fn left_of(scene: &Scene, table: &str) -> i64 {
    if through(scene, table) < 0 {
        return i64::MAX;
    }
    scene.database.one(&format!(
        "SELECT count(*) FROM barograph_rollup_series WHERE tbl = '{table}' AND below > (SELECT \
         coalesce(min(id), 0) FROM {table})"
    ))
}

fn is_summed_up(scene: &Scene, table: &str, recorder: &Recorder) {
    is_summed_up_but_for(0, scene, table, recorder);
}

/// Where rows go on coming, the newest wait until they are many.
fn is_summed_up_but_for(newest: i64, scene: &Scene, table: &str, recorder: &Recorder) {
    let highest = format!("SELECT max(id) FROM {table}");
    let is_done = || {
        let through = through(scene, table) >= scene.database.one::<i64>(&highest) - newest;
        (through && left_of(scene, table) == 0).then_some(())
    };
    wait::until_or(WITHIN, is_done, || {
        format!("{} are summed up; the log:\n{}", through(scene, table), recorder.process.tail())
    });
}

fn route(table: &str) -> Route {
    let mut defaults = Defaults::default_with("test").routes;
    let place = defaults.iter().position(|route| route.table == table);
    let mut route = defaults.swap_remove(place.unwrap_or(0));
    if table == "load" {
        route.table = table.to_owned();
        route.columns.truncate(1);
        route.columns[0].name = "n".to_owned();
    }
    route
}

/// What the minutes and the hours say is what the rows say.
fn assert_exact(scene: &Scene, table: &str, columns: &[&str]) {
    let reader = scene.database.reader();
    for name in columns {
        for width in [MINUTE, 60 * MINUTE] {
            let sql = format!(
                "SELECT unixepoch(created_at) * 1000 / {width} * {width}, count({name}), sum({name}), \
                 min({name}), max({name}) FROM {table} WHERE {name} IS NOT NULL GROUP BY 1"
            );
            let mut statement = reader.prepare(&sql).expect("a table of the scene");
            let rows = statement.query_map([], |row| {
                let stats = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
                Ok((row.get::<_, i64>(0)?, stats))
            });
            let rows: rusqlite::Result<BTreeMap<i64, [f64; 4]>> =
                rows.expect("no parameters").collect();
            let rows = rows.expect("numbers");
            let (first, last) = (rows.keys().next(), rows.keys().next_back());
            for day in (*first.expect("rows")..=*last.expect("rows")).step_by(86_400_000) {
                if rows.range(day..day + 86_400_000).next().is_none() {
                    continue;
                }
                let range = (day, day + 86_400_000);
                let question = Question::new(
                    &route(table),
                    &[(*name).to_owned()],
                    range,
                    Buckets::Width(width),
                    &[],
                    4_000_000_000_000,
                );
                let series = question.expect("a column").ask(&reader).expect("a sound database");
                let column = |stat| series.columns[0].values(stat).map(|value| value.expect("one"));
                let found = column(Stat::Count).zip(column(Stat::Sum)).zip(column(Stat::Min));
                let found = found.zip(column(Stat::Max)).map(|(((a, b), c), d)| [a, b, c, d]);
                let found: BTreeMap<i64, [f64; 4]> = series.t.iter().copied().zip(found).collect();
                let end = day + 86_400_000;
                let plain: BTreeMap<i64, [f64; 4]> =
                    rows.range(day / width * width..end).map(|(at, stats)| (*at, *stats)).collect();
                assert_eq!(found, plain, "{name} of {table} by {width} ms");
            }
        }
    }
}
