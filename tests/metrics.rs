//! Metrics: what a scraper reads is true, whatever happens meanwhile, and costs the recording nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::database::Account;
use crate::support::heavy;
use crate::support::locker::Locker;
use crate::support::needs::{self, Need};
use crate::support::ports::free_port;
use crate::support::publisher::{self, Load, Publisher, publish_one};
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::scrape::{self, Scrape};
use crate::support::settings::Settings;

/// How long a change may take until a scraper sees it.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

/// As `LOAD`, with the time of the measurement.
const TIMED: &str = r#"
[[route]]
topic = "load/#"
table = "load"
qos = 2
time_column = "t"
[route.columns]
n = { field = "n", type = "integer", required = true }
t = { field = "t", type = "real" }

[[route]]
topic = "quiet/#"
table = "quiet"
[route.columns]
n = { field = "n", type = "integer", required = true }
"#;

#[test]
fn a_scrape_under_load_is_sound_and_its_account_is_the_databases() {
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&listening(&scene, port).routes(TIMED));
    let load = Publisher::start(
        scene.broker.port(),
        Load { payload: timed, ..Load::numbered(1) }.rate(2_000),
    );
    let mut before = Scrape::of(port);
    for _ in 0..10 {
        load.has_sent(load.sent() + 200);
        let now = Scrape::of(port);
        now.is_not_below(&before);
        let (received, ended) = (now.sum("barograph_received_total", ""), ends(&now));
        assert!(received >= ended, "{ended} of {received} received have come to an end");
        before = now;
    }
    for (topic, payload) in [("load/bad", "bad"), ("load/bad", ""), ("quiet/bad", r#"{"n":"x"}"#)] {
        publish_one(scene.broker.port(), topic, payload.as_bytes(), false);
    }
    let published = load.finish();
    scene.drain(&recorder, &published);
    scene.database.wait_for_one("SELECT count(*) FROM barograph_quarantine", 3);
    let quiet = quiet(&recorder, port);
    assert_eq!(account(&quiet), scene.database.account());
    for (route, outcome, reason, count) in accounting(&scene) {
        let sample = format!("barograph_{outcome}_total{{route=\"{route}\",reason=\"{reason}\"}}");
        assert_eq!(quiet.value(&sample), count, "{sample}");
    }
    let load_received = published.certain() as f64 + 2.0;
    assert_eq!(quiet.value(r#"barograph_received_total{route="load"}"#), load_received);
    assert!(quiet.value(r#"barograph_received_bytes_total{route="load"}"#) > 20.0 * load_received);
    let stored = quiet.sum("barograph_stored_total", "");
    let aged = quiet.value(r#"barograph_publish_to_commit_seconds_count{route="load"}"#);
    let unusable = quiet.value(r#"barograph_publish_to_commit_unusable_total{route="load"}"#);
    assert_eq!(aged + unusable, stored);
    assert!(unusable > 0.0 && aged > unusable, "{unusable} of {stored} tell no age");
    let slow = quiet.value(r#"barograph_publish_to_commit_seconds_sum{route="load"}"#) / aged;
    assert!((0.0..30.0).contains(&slow), "{slow} s from a measurement to its commit");
    let batches = quiet.value(r#"barograph_batch_messages_count{place="database"}"#);
    let commits = quiet.value(r#"barograph_commit_duration_seconds_count{place="database"}"#);
    let rows = quiet.value(r#"barograph_batch_messages_sum{place="database"}"#);
    assert!(batches > 0.0 && batches == commits && rows <= stored + 3.0, "{}", quiet.page);
    if needs::are_met(&[Need::Promtool]) {
        quiet.passes_promtool().unwrap_or_else(|words| panic!("{words}\n{}", quiet.page));
        before.passes_promtool().unwrap_or_else(|words| panic!("{words}\n{}", before.page));
    }
    scene.stop_and_check(recorder, &published);
}

/// Every hundredth has no time to speak of.
fn timed(n: i64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    match n % 100 {
        0 => format!(r#"{{"n":{n},"t":0}}"#),
        m if m % 2 == 0 => format!(r#"{{"n":{n},"t":{now}}}"#),
        _ => format!(r#"{{"n":{n},"t":{}}}"#, (now * 1_000.0).floor()),
    }
    .into_bytes()
}

#[test]
fn no_counter_goes_back_when_an_actor_dies() {
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&listening(&scene, port));
    let load = Publisher::start(scene.broker.port(), Load::numbered(1).rate(1_000));
    load.has_sent(500);
    let mut before = Scrape::of(port);
    for (round, actor) in ["stats", "mqtt", "db_writer", "health"].into_iter().enumerate() {
        scene.faults.inject(&format!("panic {actor}"));
        recorder.event_number(round + 1, "actor_restarted");
        load.has_sent(load.sent() + 500);
        let now = Scrape::of(port);
        now.is_not_below(&before);
        let restarts = format!(r#"barograph_actor_restarts_total{{actor="{actor}"}}"#);
        assert_eq!(now.value(&restarts), 1.0, "{restarts}");
        before = now;
    }
    let published = load.finish();
    scene.drain(&recorder, &published);
    let quiet = quiet(&recorder, port);
    quiet.is_not_below(&before);
    let Account { received, stored, .. } = account(&quiet);
    assert!(received >= stored && stored == published.certain(), "{}", quiet.page);
    scene.stop_and_check(recorder, &published);
}

#[test]
fn mode_connection_issues_and_failures_show() {
    let (mut scene, port) = (Scene::new(), free_port());
    let settings = listening(&scene, port).quick_to_heal().text("health", "check_interval", "1s");
    let recorder = scene.recorder(&settings);
    shows(&recorder, port, r#"barograph_mode{mode="normal"}"#, |value| value == 1.0);
    shows(&recorder, port, "barograph_broker_connected", |value| value == 1.0);
    let locker = Locker::hold(&scene.database);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(100));
    shows(&recorder, port, r#"barograph_mode{mode="degraded"}"#, |value| value == 1.0);
    shows(&recorder, port, "barograph_spool_messages", |value| value == 100.0);
    let spooling = Scrape::of(port);
    assert_eq!(spooling.sum("barograph_mode", ""), 1.0, "one mode at a time");
    let locked = r#"barograph_write_failures_total{place="database",cause="locked"}"#;
    assert!(spooling.value(locked) > 0.0, "{}", spooling.page);
    let commits = r#"barograph_commit_duration_seconds_count{place="spool"}"#;
    assert!(spooling.value(commits) > 0.0, "{}", spooling.page);
    assert!(spooling.value("barograph_spool_size_bytes") > 0.0, "{}", spooling.page);
    locker.release();
    shows(&recorder, port, r#"barograph_mode{mode="normal"}"#, |value| value == 1.0);
    scene.broker.stop();
    shows(&recorder, port, "barograph_broker_connected", |value| value == 0.0);
    recorder.wait_for("an issue in the metrics", SEEN_WITHIN, || {
        (Scrape::of(port).sum("barograph_issues", "critical") > 0.0).then_some(())
    });
    scene.broker.start_again();
    shows(&recorder, port, "barograph_broker_connected", |value| value == 1.0);
    assert_eq!(Scrape::of(port).value("barograph_broker_connections_total"), 2.0);
    recorder.wait_for("no issue in the metrics", SEEN_WITHIN * 2, || {
        (Scrape::of(port).sum("barograph_issues", "critical") == 0.0).then_some(())
    });
    scene.settle(recorder, &published);
}

#[test]
fn both_forms_are_spoken_and_nothing_else_is_answered() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&listening(&scene, port));
    recorder.event("metrics_served");
    let open = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let answer = scrape::ask(port, "GET /metrics", open).unwrap();
    assert!(answer.head.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(answer.body.ends_with("\n# EOF\n"), "{}", answer.body);
    assert_eq!(answer.body.matches("# EOF").count(), 1);
    assert!(answer.body.contains("# UNIT barograph_wal_size_bytes bytes\n"), "{}", answer.body);
    let answer = scrape::ask(port, "GET /metrics", "*/*").unwrap();
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    assert!(!answer.body.contains("# EOF"));
    let answer = scrape::ask(port, "HEAD /metrics", "*/*").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    for (request, status) in [
        ("POST /metrics", 405),
        ("DELETE /metrics", 405),
        ("GET /", 404),
        ("GET /metrics/", 404),
        ("GET /../etc/passwd", 404),
    ] {
        assert_eq!(scrape::ask(port, request, "*/*").unwrap().status, status, "{request}");
    }
}

#[test]
fn without_an_address_there_is_no_thread() {
    let scene = Scene::new();
    let threads = |recorder: &Recorder| -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", recorder.process.pid())).unwrap();
        let names = tasks.flatten().map(|task| fs::read_to_string(task.path().join("comm")));
        let names = names.filter_map(Result::ok).map(|name| name.trim().to_owned());
        names.filter(|name| name == "metrics").collect()
    };
    let silent = scene.recorder(&scene.settings());
    assert_eq!(threads(&silent), [""; 0]);
    drop(silent);
    let port = free_port();
    let serving = scene.recorder(&listening(&scene, port));
    serving.event("metrics_served");
    assert!(!threads(&serving).is_empty(), "the look itself must be able to see one");
}

#[test]
fn a_port_that_is_taken_is_said_and_holds_up_nobody() {
    let (scene, port) = (Scene::new(), free_port());
    let taken = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    let settings = listening(&scene, port).text("health", "check_interval", "1s");
    let recorder = scene.recorder(&settings);
    recorder.event("metrics_not_served");
    recorder.says("metrics_port_taken"); // as an issue
    recorder.says(&format!("127.0.0.1:{port} is taken"));
    recorder.says(&format!("(pid {}, since", std::process::id()));
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(1_000));
    scene.drain(&recorder, &published);
    drop(taken);
    recorder.event("metrics_served");
    assert_eq!(account(&quiet(&recorder, port)), scene.database.account());
    assert_eq!(recorder.events("metrics_not_served").len(), 1, "said once, not for each try");
    scene.stop_and_check(recorder, &published);
}

/// Scrapes come back as soon as the limits have done their work; recording never notices.
#[test]
fn hostile_clients_do_not_matter() {
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&listening(&scene, port));
    recorder.event("metrics_served");
    let load = Publisher::start(scene.broker.port(), Load::numbered(1).rate(2_000));
    load.has_sent(500);
    let quiet_peak = recorder.process.peak_rss_kib();
    let slow: Vec<_> = (0..40)
        .map(|_| {
            let mut socket = scrape::connect(port).expect("it listens");
            socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: lo").expect("a socket's buffer");
            socket
        })
        .collect();
    let mut endless = scrape::connect(port).expect("it listens");
    let header = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(2 << 20));
    let _it_may_be_cut_off = endless.write_all(header.as_bytes());
    load.has_sent(load.sent() + 2_000);
    let mut answer = String::new();
    let _reset = endless.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    let after = Scrape::of(port);
    assert!(after.sum("barograph_received_total", "") > 0.0);
    drop(slow);
    let grown = recorder.process.peak_rss_kib() - quiet_peak;
    assert!(grown < 8 << 10, "the memory grew by {grown} KiB");
    let published = load.finish();
    scene.drain(&recorder, &published);
    scene.stop_and_check(recorder, &published);
}

#[test]
fn counts_become_rows_and_old_rows_go() {
    let scene = Scene::new();
    let settings = scene.settings().text("log", "stats_interval", "1s");
    scene.recorder(&settings).stop();
    let fill = "WITH RECURSIVE day(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM day WHERE n < 1500) \
                INSERT INTO barograph_stats SELECT n + 100, datetime('now', '-' || (28 + n) || ' days'), \
                300, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 'normal', 0 FROM day";
    scene.database.writer().execute_batch(fill).expect("our own table");
    scene.database.writer().execute_batch("DELETE FROM barograph_stats WHERE id < 100").unwrap();
    let recorder = scene.recorder(&settings);
    let old = "SELECT count(*) FROM barograph_stats WHERE at < datetime('now', '-30 days')";
    scene.database.wait_for_one(old, 0);
    let kept = "SELECT count(*) FROM barograph_stats WHERE at <= datetime('now', '-29 days')";
    assert!(scene.database.one::<i64>(kept) > 0, "those of thirty days stay");
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(500));
    scene.drain(&recorder, &published);
    let line = recorder.event_number(3, "stats");
    for field in ["received", "stored", "received_per_second", "uptime_seconds", "commits"] {
        assert!(line[field].is_number(), "{field} in {line}");
    }
    scene.stop_and_check(recorder, &published);
    let today = "at > datetime('now', '-1 day')";
    let sums = |column: &str| -> i64 {
        scene.database.one(&format!("SELECT sum({column}) FROM barograph_stats WHERE {today}"))
    };
    assert_eq!((sums("received"), sums("stored"), sums("dropped")), (500, 500, 0));
    assert!(sums("commits") > 0 && sums("failed_writes") == 0);
    let modes = "SELECT DISTINCT mode FROM barograph_stats";
    assert_eq!(scene.database.all::<String>(modes), ["normal"]);
}

/// Counts of an outage wait in the spool with everything else.
#[test]
fn counts_travel_through_the_spool() {
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal().text("log", "stats_interval", "1s");
    let recorder = scene.recorder(&settings);
    let locker = Locker::hold(&scene.database);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(100));
    recorder.is_in_mode("degraded");
    let so_far = recorder.events("stats").len();
    recorder.event_number(so_far + 2, "stats");
    locker.release();
    recorder.is_in_mode("normal");
    scene.settle(recorder, &published);
    let degraded = "SELECT count(*) FROM barograph_stats WHERE mode = 'degraded' AND spooled = 100";
    assert!(scene.database.one::<i64>(degraded) > 0);
    let failed = "SELECT sum(failed_writes) FROM barograph_stats";
    assert!(scene.database.one::<i64>(failed) > 0);
}

fn listening(scene: &Scene, port: u16) -> Settings {
    scene.settings().text("metrics", "listen", &format!("127.0.0.1:{port}"))
}

/// Waits until a sample has such a value.
fn shows(recorder: &Recorder, port: u16, sample: &str, is_so: impl Fn(f64) -> bool) {
    recorder.wait_for(sample, SEEN_WITHIN, || is_so(Scrape::of(port).value(sample)).then_some(()));
}

/// A scrape when everything that came has come to an end.
fn quiet(recorder: &Recorder, port: u16) -> Scrape {
    recorder.wait_for("nothing waits", SEEN_WITHIN, || {
        let now = Scrape::of(port);
        let waits = now.value("barograph_held_messages") + now.value("barograph_spool_messages");
        (waits == 0.0 && now.sum("barograph_received_total", "") == ends(&now)).then_some(now)
    })
}

/// Everything that came to an end.
fn ends(scrape: &Scrape) -> f64 {
    let of = |outcome: &str| scrape.sum(&format!("barograph_{outcome}_total"), "");
    ["stored", "duplicate", "filtered", "quarantined", "dropped"].into_iter().map(of).sum()
}

fn account(scrape: &Scrape) -> Account {
    let of = |outcome: &str| scrape.sum(&format!("barograph_{outcome}_total"), "") as i64;
    Account {
        received: of("received"),
        stored: of("stored"),
        duplicate: of("duplicate"),
        filtered: of("filtered"),
        further_rows: of("rows") - of("stored"),
        quarantined: of("quarantined"),
        dropped: of("dropped"),
    }
}

/// Route, outcome, reason and count of the database's account.
fn accounting(scene: &Scene) -> Vec<(String, String, String, f64)> {
    let reader = scene.database.reader();
    let select = "SELECT route, outcome, reason, count FROM barograph_accounting WHERE outcome <> \
                  'received'";
    let mut statement = reader.prepare(select).expect("the table of the design");
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)? as f64))
    });
    rows.expect("no parameters").collect::<rusqlite::Result<_>>().expect("as it is declared")
}
