//! What a chart costs: `series` at 1,000 points beside a plain `GROUP BY` over the same rows, for ranges from an hour to
//! ten years, over a database of one year at 5 s; and what it costs to sum that up. `BAROGRAPH_BENCH_ROWS` sets
//! another number of rows; a start with `--test` takes few.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barograph::os::lock::DatabaseLock;
use barograph::os::paths::folder_of;
use barograph::os::world;
use barograph::sqlite::read::{Buckets, Question};
use barograph::sqlite::{DamagedHandles, Opener, SqliteJournal};
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::route::Router;
use barograph_actors::ports::{Maintenance, TidiedUp};
use barograph_config::{Database, Derived, DerivedKind, Route, Settings};
use rusqlite::{Connection, OpenFlags, params};
use tempfile::TempDir;

const YEAR_AT_5_S: i64 = 6_300_000;
const STEP_MS: i64 = 5_000;
/// 2025-01-01 00:00 UTC.
const BEGIN: i64 = 1_735_689_600_000;
const POINTS: i64 = 1_000;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const RANGES: [(&str, i64); 6] = [
    ("1 h", HOUR),
    ("1 d", DAY),
    ("7 d", 7 * DAY),
    ("30 d", 30 * DAY),
    ("1 y", 365 * DAY),
    ("10 y", 3_652 * DAY),
];

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let said = std::env::var("BAROGRAPH_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok());
    let rows = said.unwrap_or(if is_test { 20_000 } else { YEAR_AT_5_S });
    let folder = TempDir::new().expect("the temporary directory is writable");
    let path = folder.path().join("data.db");
    let route = route();
    drop(journal(&path, &route));
    fill(&path, rows).expect("our own file");
    sum_up(&path, &route, rows);
    let conn = reader(&path).expect("made just now");
    let end = BEGIN + rows * STEP_MS;
    for names in [&["temperature"][..], &["wind_speed"], &["temperature", "humidity", "pressure"]] {
        println!("\n{} at {POINTS} points", names.join(", "));
        println!(
            "{:>6} {:>9} {:>8} {:>11} {:>11} {:>9}",
            "range", "bucket", "buckets", "series", "GROUP BY", "ratio"
        );
        for (label, length) in RANGES {
            compare(&conn, &route, names, label, (end - length, end));
        }
    }
}

fn compare(conn: &Connection, route: &Route, names: &[&str], label: &str, range: (i64, i64)) {
    let words: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let now = world::now().0;
    let question = Question::new(route, &words, range, Buckets::Points(POINTS), &[], now);
    let question = question.expect("columns of the route");
    let answer = question.ask(conn).expect("a sound database");
    let ours = median(21, || {
        question.ask(conn).expect("a sound database");
    });
    let plain = median(if range.1 - range.0 > 40 * DAY { 1 } else { 5 }, || {
        group_by(conn, names, range, answer.bucket_ms).expect("a sound database");
    });
    println!(
        "{label:>6} {:>7} s {:>8} {:>8.3} ms {:>8.2} ms {:>9}",
        answer.bucket_ms / 1_000,
        answer.t.len(),
        ours.as_secs_f64() * 1e3,
        plain.as_secs_f64() * 1e3,
        format!("1/{:.0}", plain.as_secs_f64() / ours.as_secs_f64()),
    );
}

fn median(times: usize, mut work: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..times)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[times / 2]
}

/// What one would write without rollups; a rate is made of neighbours.
fn group_by(
    conn: &Connection,
    names: &[&str],
    (from, to): (i64, i64),
    width_ms: i64,
) -> rusqlite::Result<usize> {
    let one = |name: &&str| format!(", count({name}), min({name}), max({name}), avg({name})");
    let columns: String = names.iter().map(one).collect();
    let rate = "(SELECT *, max(0, anemometer_count - lag(anemometer_count) OVER w) / (unixepoch(created_at, \
         'subsec') - lag(unixepoch(created_at, 'subsec')) OVER w) / 1.5 AS wind_speed FROM weather_data WHERE \
         created_at >= ?1 AND created_at < ?2 WINDOW w AS (ORDER BY id))";
    let table = if names.contains(&"wind_speed") { rate } else { "weather_data" };
    let select = format!(
        "SELECT unixepoch(created_at) / {} AS bucket{columns} FROM {table} WHERE created_at >= ?1 AND \
         created_at < ?2 GROUP BY bucket",
        width_ms / 1_000
    );
    let mut statement = conn.prepare(&select)?;
    let mut rows =
        statement.query(params![UnixMillis(from).to_string(), UnixMillis(to).to_string()])?;
    let mut buckets = 0;
    while let Some(row) = rows.next()? {
        buckets += usize::from(row.get::<_, i64>(0)? > 0);
    }
    Ok(buckets)
}

/// As the recorder does it, step by step, without the pauses in which new batches have their turn.
fn sum_up(path: &Path, route: &Route, rows: i64) {
    let before = bytes(path);
    let mut journal = journal(path, route);
    let began = Instant::now();
    let mut steps = Vec::new();
    loop {
        let step = Instant::now();
        let tidied = journal.tidy_up().expect("nobody locks it");
        steps.push(step.elapsed());
        if tidied == TidiedUp::Done {
            break;
        }
    }
    let took = began.elapsed();
    drop(journal);
    let after = bytes(path);
    steps.sort_unstable();
    println!(
        "{rows} rows summed up in {:.1} s: {} steps of {:.1} ms (median), {:.1} ms (99 of 100), {:.1} ms \
         (longest); {:.0} MB of rows, {:.0} MB more with the buckets",
        took.as_secs_f64(),
        steps.len(),
        steps[steps.len() / 2].as_secs_f64() * 1e3,
        steps[steps.len() * 99 / 100].as_secs_f64() * 1e3,
        steps[steps.len() - 1].as_secs_f64() * 1e3,
        before / 1e6,
        (after - before) / 1e6,
    );
}

/// Of the pages in use.
fn bytes(path: &Path) -> f64 {
    let conn = reader(path).expect("made just now");
    let bytes = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, \
         pragma_freelist_count, pragma_page_size";
    conn.query_row(bytes, [], |row| row.get::<_, f64>(0)).expect("pragmas")
}

/// As the page's readers are opened.
fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

/// The station's, with what is derived from it.
fn route() -> Route {
    let mut route = Settings::default_with("bench").routes[0].clone();
    let derived = |name: &str, kind, of: &[&str], per, factor, offset| Derived {
        name: name.to_owned(),
        kind,
        of: of.iter().map(|&name| name.to_owned()).collect(),
        unit: None,
        per,
        factor,
        offset,
    };
    route.derived = vec![
        derived("wind_speed", DerivedKind::CounterRate, &["anemometer_count"], 1.5, 1.0, 0.0),
        derived("rain", DerivedKind::CounterDelta, &["rain_gauge_count"], 1.0, 0.2794, 0.0),
        derived("dew_point", DerivedKind::DewPoint, &["temperature", "humidity"], 1.0, 1.0, 0.0),
    ];
    route
}

fn journal(path: &Path, route: &Route) -> SqliteJournal {
    let settings = Settings::default_with("bench");
    let opener = Opener {
        database: Database { path: path.to_owned(), ..settings.database },
        quarantine: settings.quarantine,
        router: Arc::new(Router::new(vec![route.clone()])),
        world: world::REAL,
        wrecks: DamagedHandles::default(),
        spool_dir: folder_of(path),
        lock: DatabaseLock::default(),
        client_id: String::new(),
    };
    opener.open_sqlite().expect("our own folder")
}

/// A station's rows, one every 5 s.
fn fill(path: &Path, rows: i64) -> rusqlite::Result<()> {
    let mut conn = Connection::open(path)?;
    conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")?;
    let tx = conn.transaction()?;
    let insert = "INSERT INTO weather_data (timestamp, sample_interval, temperature, humidity, pressure, \
         irradiance, wind_direction, rain_gauge_count, anemometer_count, created_at) VALUES (?1, 5000, ?2, \
         ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    {
        let mut insert = tx.prepare(insert)?;
        for row in 0..rows {
            let at = BEGIN + row * STEP_MS + row % 7;
            let noise = f64::from(u32::try_from(row * 7_919 % 1_000).expect("small")) / 100.0;
            let values = params![
                at / 1_000,
                noise + 10.25,
                noise * 3.0 + 50.5,
                noise + 1_000.75,
                noise * 80.5,
                row * 13 % 360,
                row / 400,
                row * 9,
                UnixMillis(at).to_string(),
            ];
            insert.execute(values)?;
        }
    }
    tx.commit()?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
