//! What scripts ask the page: each answer is true, costs the recording nothing, and is as the interface says.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::asking::{api, ask, begin, get, head_of, read_chunk};
use crate::support::heavy;
use crate::support::locker::Locker;
use crate::support::needs::{self, Need};
use crate::support::ports::free_port;
use crate::support::publisher::{self, Load, Publisher, publish_one};
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::settings::{LOAD, Settings};
use crate::support::wait;

/// How long a change may take until it is told of.
const TOLD_WITHIN: Duration = Duration::from_secs(30);
/// What a download may cost, in KiB.
const DOWNLOAD_MAX_KIB: u64 = 16 * 1024;

/// A sensor beside the numbered messages.
const FIELD: &str = r#"
[[route]]
topic = "field/#"
table = "field"
[route.columns]
x = { type = "real", required = true, min = -100 }
y = { type = "real" }
z = { type = "real" }
[[route.derived]]
name = "turned"
kind = "counter_rate"
of = ["y"]
[[route.derived]]
name = "strength"
kind = "magnitude"
of = ["x", "y"]
"#;

/// A page, and all that it shows.
fn page(scene: &Scene, port: u16) -> Settings {
    let settings = scene.settings().routes(&format!("{LOAD}{FIELD}"));
    settings.text("watchtower", "listen", &format!("127.0.0.1:{port}"))
}

fn serving(scene: &Scene, port: u16) -> Recorder {
    let recorder = scene.recorder(&page(scene, port));
    recorder.event("page_served");
    recorder
}

/// What `latest` says of a route.
fn latest_of(port: u16, route: &str) -> Value {
    let latest = api(port, "latest");
    let routes = latest["routes"].as_array().expect("a list");
    routes.iter().find(|it| it["route"] == route).expect("a route").clone()
}

/// A reload of derived values alone leaves the data path as it is, and those who look see the new ones.
#[test]
fn derived_values_are_those_of_the_settings_in_force() {
    let (scene, port) = (Scene::new(), free_port());
    let mut recorder = serving(&scene, port);
    publish_one(scene.broker.port(), "field/1", br#"{"x":3,"y":4}"#, false);
    let strength = || latest_of(port, "field")["derived"]["strength"].as_f64();
    recorder.wait_for("the first", TOLD_WITHIN, || (strength() == Some(5.0)).then_some(()));
    let doubled = format!("{LOAD}{FIELD}factor = 2\n");
    page(&scene, port).routes(&doubled).write();
    recorder.process.signal(nix::sys::signal::Signal::SIGHUP);
    recorder.wait_for("twice as much", TOLD_WITHIN, || (strength() == Some(10.0)).then_some(()));
    let routes = api(port, "routes");
    let of_field = &routes["routes"].as_array().unwrap()[1];
    assert_eq!(of_field["derived"][1]["factor"], 2.0, "{of_field}");
    assert!(recorder.events("actor_renewed").is_empty());
}

#[test]
fn a_reading_is_read_within_a_second_and_is_still_known_after_a_restart() {
    let (scene, port) = (Scene::new(), free_port());
    let mut recorder = serving(&scene, port);
    assert_eq!(latest_of(port, "field")["received_at_ms"], Value::Null);
    for x in [1.5, -7.25] {
        let reading = format!(r#"{{"x":{x},"y":{},"z":3}}"#, f64::abs(x) * 2.0);
        publish_one(scene.broker.port(), "field/1", reading.as_bytes(), false);
        let published = Instant::now();
        let is_there = || (latest_of(port, "field")["values"]["x"] == x).then_some(());
        recorder.wait_for("the reading", TOLD_WITHIN, is_there);
        assert!(published.elapsed() < Duration::from_secs(1), "{:?}", published.elapsed());
        // Between two of one millisecond there is no rate.
        let at = latest_of(port, "field")["received_at_ms"].as_i64().unwrap();
        wait::until_true("the next millisecond", TOLD_WITHIN, || now_ms() > at);
    }
    let before = latest_of(port, "field");
    assert_eq!(before["values"], json!({ "x": -7.25, "y": 14.5, "z": 3.0 }));
    let strength = before["derived"]["strength"].as_f64().unwrap();
    assert!((strength - (7.25_f64 * 7.25 + 14.5 * 14.5).sqrt()).abs() < 1e-9, "{strength}");
    assert!(
        before["derived"]["turned"].as_f64().unwrap() > 0.0,
        "over the last two rows: {before}"
    );
    assert_eq!((&before["silent"], &before["out_of_bounds"]), (&json!(false), &json!([])));
    recorder.stop();
    let _recorder = serving(&scene, port);
    let after = latest_of(port, "field");
    assert_eq!(after, before, "with the time at which it came");
    let routes = api(port, "routes");
    let route = routes["routes"].as_array().unwrap().iter().find(|it| it["route"] == "field");
    let first_at = &route.expect("the route")["first_at_ms"];
    assert!(first_at.as_i64().unwrap() <= before["received_at_ms"].as_i64().unwrap(), "{first_at}");
}

#[test]
fn status_says_how_messages_flow() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = serving(&scene, port);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(500));
    scene.drain(&recorder, &published);
    let status = api(port, "status");
    assert_eq!(status["account"]["stored"], 500);
    assert_eq!(status["account"], api(port, "account"));
    assert_eq!(status["issues"], api(port, "issues")["issues"]);
    let flow = &status["flow"];
    assert_eq!((&flow["received"], &flow["acknowledged"]), (&json!(500), &json!(500)));
    assert_eq!(flow["waits_in"], "nothing", "{flow}");
    assert!(flow["batch_rows_mean"].as_f64().unwrap() >= 1.0, "{flow}");
    let (half, most) = (flow["commit_ms_p50"].as_f64(), flow["commit_ms_p99"].as_f64());
    assert!(half.unwrap() > 0.0 && half <= most, "{flow}");
    let actors = status["actors"].as_array().unwrap();
    let names: Vec<&str> = actors.iter().map(|actor| actor["actor"].as_str().unwrap()).collect();
    assert!(names.starts_with(&["supervisor"]) && names.contains(&"watchtower"), "{names:?}");
    recorder.wait_for("rates", TOLD_WITHIN, || {
        let status = api(port, "status");
        let actors = status["actors"].as_array().unwrap().clone();
        let rate =
            actors.iter().find(|actor| actor["actor"] == "mqtt")?["messages_per_second"].as_f64();
        rate.filter(|rate| *rate > 0.0)
    });
    scene.stop_and_check(recorder, &published);
}

#[test]
fn ready_is_who_records_and_alive_who_lives() {
    let (mut scene, port) = (Scene::new(), free_port());
    let recorder = serving(&scene, port);
    recorder.wait_for("ready", TOLD_WITHIN, || (get(port, "/readyz").status == 200).then_some(()));
    scene.broker.stop();
    let reply = recorder.wait_for("not ready", TOLD_WITHIN, || {
        Some(get(port, "/readyz")).filter(|reply| reply.status == 503)
    });
    assert!(reply.text().len() > 10, "a sentence: {}", reply.text());
    assert_eq!(get(port, "/healthz").status, 200);
    scene.broker.start_again();
    recorder.wait_for("ready", TOLD_WITHIN, || (get(port, "/readyz").status == 200).then_some(()));
    assert!(get(port, "/metrics").text().contains("barograph_broker_connections_total 2"));
}

#[test]
fn what_is_known_already_is_not_sent_again_and_what_is_sent_is_packed() {
    let (scene, port) = (Scene::new(), free_port());
    let _recorder = serving(&scene, port);
    for path in ["/", "/app.js", "/api/v1/routes", "/api/v1/gaps", "/api/v1/openapi.json"] {
        let plain = get(port, path);
        assert_eq!((plain.status, plain.header("content-encoding")), (200, ""), "{path}");
        let packed = ask(port, "GET", path, &[("Accept-Encoding", "gzip")]).unwrap();
        assert_eq!(packed.text(), plain.text(), "{path}");
        let is_small = plain.body.len() < 64;
        assert!(is_small || packed.body.len() < plain.body.len(), "{path}");
        let tag = plain.header("etag");
        assert!(tag.starts_with("W/\""), "{path}: {tag}");
        let known = ask(port, "GET", path, &[("If-None-Match", tag)]).unwrap();
        assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, tag), "{path}");
        let other = ask(port, "GET", path, &[("If-None-Match", "\"x\"")]).unwrap();
        assert_eq!(other.status, 200, "{path}");
        let head = ask(port, "HEAD", path, &[]).unwrap();
        assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, tag), "{path}");
        let posted = [("Content-Type", "application/json"), ("Content-Length", "0")];
        let posted = ask(port, "POST", path, &posted).unwrap();
        assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD"), "{path}");
    }
}

#[test]
fn a_question_that_makes_no_sense_is_answered_with_a_sentence() {
    let (scene, port) = (Scene::new(), free_port());
    let _recorder = serving(&scene, port);
    let table = [
        ("nothing", 404, "/api/v1/nothing"),
        ("rows", 400, "route is missing"),
        ("rows?route=none", 404, "none"),
        ("rows?route=load&format=xml", 400, "xml"),
        ("rows?route=load&route=load", 400, "twice"),
        ("rows?route=load&limit=0", 400, "limit"),
        ("rows?route=load&from=now", 400, "now"),
        ("series?route=load&columns=n&from=1", 400, "to is missing"),
        ("series?route=load&columns=m&from=1&to=2", 404, "m"),
        ("series?route=load&columns=n&from=1&to=2&points=5001", 400, "5001"),
        ("series?route=load&columns=n&from=1&to=2&bucket_ms=1", 400, "bucket_ms"),
        ("series?route=load&columns=n&from=1&to=2&stats=median", 400, "median"),
        ("series?route=load&columns=n,&from=1&to=2", 400, "columns"),
        ("events?limit=1001", 400, "1001"),
        ("events?actors=mqtt", 400, "actors"),
        ("gaps?from=99999999999999999999", 400, "from"),
        ("status?verbose=1", 400, "verbose"),
    ];
    for (path, status, word) in table {
        let reply = get(port, &format!("/api/v1/{path}"));
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (status, "application/json"),
            "{path}"
        );
        assert!(reply.complaint().contains(word), "{path}: {}", reply.complaint());
    }
    let (from, to) = (i64::MIN, i64::MAX);
    for path in [
        format!("series?route=load&columns=n&from={from}&to={to}"),
        format!("series?route=load&columns=n&from={from}&to={to}&bucket_ms=1000"),
        format!("series?route=load&columns=n&from={to}&to={from}"),
        format!("gaps?from={from}&to={to}"),
        format!("events?since={from}&until={to}&before={to}"),
    ] {
        let _answered = api(port, &path);
    }
    assert_eq!(
        get(port, &format!("/api/v1/rows?route=load&from={from}&to={to}")).text(),
        "id,created_at,n\r\n"
    );
}

#[test]
fn a_download_is_what_the_table_holds() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = serving(&scene, port);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(4_321));
    scene.drain(&recorder, &published);
    let select = "SELECT id || ',' || created_at || ',' || n FROM load ORDER BY id";
    let table: Vec<String> = scene.database.all(select);
    let csv = ask(port, "GET", "/api/v1/rows?route=load", &[("Accept-Encoding", "gzip")]).unwrap();
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"load.csv\"");
    assert_eq!(csv.header("content-encoding"), "gzip");
    let text = csv.text();
    let lines: Vec<&str> = text.strip_suffix("\r\n").expect("CRLF").split("\r\n").collect();
    assert_eq!(lines[0], "id,created_at,n");
    assert_eq!(lines[1..], table);
    let lines = get(port, "/api/v1/rows?route=load&format=jsonl").text();
    let rows: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an object"))
        .map(|row| format!("{},{},{}", row["id"], row["created_at"].as_str().unwrap(), row["n"]))
        .collect();
    assert_eq!(rows, table);
    let middle: String = scene.database.one("SELECT created_at FROM load WHERE n = 2000");
    let ms: i64 = scene.database.one(
        "SELECT CAST(round((julianday(created_at) - 2440587.5) * 86400000) AS INTEGER) FROM load WHERE n = 2000",
    );
    let before = get(port, &format!("/api/v1/rows?route=load&to={ms}")).text().lines().count() - 1;
    let from = get(port, &format!("/api/v1/rows?route=load&from={ms}")).text().lines().count() - 1;
    let earlier: i64 =
        scene.database.one(&format!("SELECT count(*) FROM load WHERE created_at < '{middle}'"));
    assert_eq!((before as i64, before + from), (earlier, table.len()));
    let few = get(port, "/api/v1/rows?route=load&limit=7").text();
    assert_eq!(few.lines().count(), 8);
    scene.stop_and_check(recorder, &published);
}

/// Rows that nobody published: so many would take minutes.
fn a_million_rows(scene: &Scene) {
    let fill = "WITH RECURSIVE row(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM row WHERE n < 999999) INSERT \
                INTO load (n, created_at) SELECT n, strftime('%Y-%m-%d %H:%M:%f', 1600000000 + n, \
                'unixepoch') FROM row";
    scene.database.writer().execute_batch(fill).expect("the table is there");
}

#[test]
fn a_million_rows_are_downloaded_in_constant_memory_while_it_records() {
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    serving(&scene, port).stop();
    a_million_rows(&scene);
    let recorder = serving(&scene, port);
    let load = Publisher::start(scene.broker.port(), Load::numbered(1).rate(500));
    load.has_sent(1_000);
    let _warm = get(port, "/api/v1/rows?route=load&limit=5000");
    let before = recorder.process.peak_rss_kib();
    let mut reader = begin(port, "GET", "/api/v1/rows?route=load&limit=1000000", &[]).unwrap();
    assert_eq!(head_of(&mut reader).unwrap().0, 200);
    let (mut lines, mut chunk, mut checked) = (0, Vec::new(), 0);
    while read_chunk(&mut reader, &mut chunk).expect("it is whole") {
        lines += chunk.iter().filter(|byte| **byte == b'\n').count();
        chunk.clear();
        if lines / 250_000 > checked {
            checked += 1;
            wal_can_be_folded_in(&scene, &recorder);
        }
    }
    assert_eq!((lines, checked), (1_000_001, 4));
    let grown = recorder.process.peak_rss_kib() - before;
    println!("the memory grew by {grown} KiB");
    assert!(grown < DOWNLOAD_MAX_KIB, "the memory grew by {grown} KiB");
    let _published = load.finish();
}

#[test]
fn a_reader_that_does_not_read_holds_up_nobody() {
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    serving(&scene, port).stop();
    a_million_rows(&scene);
    let recorder = serving(&scene, port);
    let idle: Vec<_> = (0..8)
        .map(|_| {
            let mut reader = begin(port, "GET", "/api/v1/rows?route=load", &[]).unwrap();
            assert_eq!(head_of(&mut reader).unwrap().0, 200);
            reader
        })
        .collect();
    let before = recorder.process.peak_rss_kib();
    let load = Publisher::start(scene.broker.port(), Load::numbered(1).rate(500));
    load.has_sent(1_500);
    wal_can_be_folded_in(&scene, &recorder);
    assert_eq!(api(port, "events?limit=1")["events"].as_array().unwrap().len(), 1);
    let grown = recorder.process.peak_rss_kib() - before;
    assert!(grown < DOWNLOAD_MAX_KIB, "the memory grew by {grown} KiB");
    drop(idle);
    let _published = load.finish();
}

/// No reader of the page stands in the way for longer than a moment.
fn wal_can_be_folded_in(scene: &Scene, recorder: &Recorder) {
    recorder.wait_for("a checkpoint", TOLD_WITHIN, || {
        let writer = scene.database.writer();
        let fold = "PRAGMA wal_checkpoint(RESTART)";
        let busy: rusqlite::Result<i64> = writer.query_row(fold, [], |row| row.get(0));
        busy.ok().filter(|busy| *busy == 0)
    });
}

#[test]
fn events_are_filtered_and_an_outage_is_a_gap() {
    let (mut scene, port) = (Scene::new(), free_port());
    let recorder = serving(&scene, port);
    let names = |query: &str| -> Vec<String> {
        let events = api(port, &format!("events?{query}"));
        let events = events["events"].as_array().unwrap().iter();
        events.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    };
    scene.broker.stop();
    recorder.event("broker_disconnected");
    let open = recorder.wait_for("an open gap", TOLD_WITHIN, || {
        let gaps = api(port, "gaps");
        gaps["gaps"].as_array().unwrap().iter().find(|gap| gap["to"].is_null()).cloned()
    });
    assert_eq!((&open["cause"], &open["route"]), (&json!("broker_unreachable"), &Value::Null));
    scene.broker.start_again();
    recorder.event_number(2, "broker_connected");
    recorder.wait_for("a gap that ended", TOLD_WITHIN, || {
        let gaps = api(port, "gaps");
        let closed = |gap: &&Value| gap["from"] == open["from"] && gap["to"].is_string();
        gaps["gaps"].as_array().unwrap().iter().find(closed).cloned()
    });
    recorder.wait_for("the event", TOLD_WITHIN, || {
        (names("event=broker_connected").len() == 2).then_some(())
    });
    assert_eq!(names("event=broker_connected&limit=1").len(), 1);
    let of_mqtt = names("actor=mqtt");
    assert!(of_mqtt.contains(&"broker_disconnected".to_owned()), "{of_mqtt:?}");
    assert!(!of_mqtt.contains(&"ready".to_owned()), "{of_mqtt:?}");
    assert!(!names("except=ready,broker_connected").contains(&"ready".to_owned()));
    let all = api(port, "events");
    let ids: Vec<i64> = all["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["id"].as_i64().unwrap())
        .collect();
    assert!(ids.is_sorted_by(|newer, older| newer > older), "{ids:?}");
    let older = api(port, &format!("events?before={}", ids[0]));
    assert_eq!(older["events"][0]["id"], ids[1]);
    let future = now_ms() + 1_000_000;
    assert_eq!(names(&format!("since={future}")), [""; 0]);
    assert_eq!(names(&format!("until={future}")).len(), ids.len());
    assert_eq!(api(port, &format!("gaps?from={future}"))["gaps"], json!([]));
}

#[test]
fn events_of_an_outage_of_the_database_are_told_of_while_it_lasts() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = scene.recorder(&page(&scene, port).quick_to_heal());
    recorder.event("page_served");
    let locker = Locker::hold(&scene.database);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(50));
    recorder.is_in_mode("degraded");
    let changes = || {
        let events = api(port, "events?event=mode_changed");
        let events = events["events"].as_array().unwrap().iter();
        let told =
            |event: &Value| (event["id"].as_i64(), event["detail"].as_str().map(str::to_owned));
        events.map(told).collect::<Vec<_>>()
    };
    let is_told = |(_, detail): &(_, Option<String>)| {
        detail.as_ref().is_some_and(|detail| detail.starts_with("degraded, after "))
    };
    recorder.wait_for("the change of mode", TOLD_WITHIN, || {
        changes().iter().any(is_told).then_some(())
    });
    locker.release();
    recorder.is_in_mode("normal");
    recorder.wait_for("the change back", TOLD_WITHIN, || {
        let changes = changes();
        let ids: Vec<_> = changes.iter().map(|(id, _)| *id).collect();
        assert!(ids.is_sorted_by(|newer, older| newer > older), "{changes:?}");
        changes[0].1.as_ref().is_some_and(|it| it.starts_with("normal, after ")).then_some(())
    });
    assert_eq!(changes().iter().filter(|it| is_told(it)).count(), 1, "told of once");
    scene.settle(recorder, &published);
}

/// Milliseconds since 1970 UTC.
fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.expect("after 1970").as_millis()).expect("before 292,277,026")
}

#[test]
fn a_database_that_cannot_be_asked_is_said_and_the_rest_is_answered() {
    let (scene, port) = (Scene::new(), free_port());
    let recorder = serving(&scene, port);
    let published = publisher::publish(scene.broker.port(), Load::numbered(1).count(10));
    scene.drain(&recorder, &published);
    let locker = Locker::hold(&scene.database);
    assert_eq!(get(port, "/api/v1/rows?route=load").text().lines().count(), 11, "readers read");
    locker.release();
    scene.database.writer().execute_batch("ALTER TABLE load RENAME TO elsewhere").unwrap();
    let reply = get(port, "/api/v1/rows?route=load");
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.complaint().contains("load"), "{}", reply.complaint());
    assert_ne!(reply.header("retry-after"), "");
    for path in ["status", "latest", "issues", "account", "routes"] {
        let _answered = api(port, path);
    }
    assert_eq!(latest_of(port, "load")["values"]["n"], 9);
    scene.database.writer().execute_batch("ALTER TABLE elsewhere RENAME TO load").unwrap();
    assert_eq!(get(port, "/api/v1/rows?route=load").status, 200);
    scene.stop_and_check(recorder, &published);
}

/// Most that the run may take; it takes some 20 s.
const JUDGED_WITHIN: Duration = Duration::from_secs(120);

#[test]
fn schemathesis_finds_nothing() {
    if !needs::are_met(&[Need::Schemathesis]) {
        return;
    }
    let _turn = heavy::turn();
    let (scene, port) = (Scene::new(), free_port());
    // The built-in routes: the examples of the document are of them.
    let token = scene.folder.path("read-token");
    std::fs::write(&token, "a-token-for-those-who-read").unwrap();
    let settings = page(&scene, port).routes("");
    let open = scene.recorder(&settings);
    open.event("page_served");
    let reading = br#"{"utc":1759479845,"sampleinterval":5000,"temperature":5.22,"humidity":61.5}"#;
    for _ in 0..3 {
        publish_one(scene.broker.port(), "a/b/weatherstation/weathermeters/", reading, false);
    }
    scene.fills_to(&open, "weather_data", 3);
    judged(port, &[]);
    drop(open);
    make_private(&token);
    let guarded = scene.recorder(&settings.path("watchtower", "read_token_file", &token));
    guarded.event("page_served");
    assert_eq!(get(port, "/api/v1/status").status, 401);
    // Wrong tokens at the login would make this address wait.
    let shown = ["-H", "Authorization: Bearer a-token-for-those-who-read"];
    judged(port, &[&shown[..], &["--exclude-path", "/api/v1/login"]].concat());
}

fn make_private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn judged(port: u16, more: &[&str]) {
    let document = format!("http://127.0.0.1:{port}/api/v1/openapi.json");
    let mut command = Command::new(needs::schemathesis());
    // It keeps notes where it runs.
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.args(["run", &document, "--checks", "all", "--mode", "all", "--max-examples", "12"]);
    command.args(["--seed", "20261126", "--phases", "examples,coverage,fuzzing", "--no-color"]);
    command.args(["--generation-database", "none"]).args(more);
    let began = Instant::now();
    let outcome = crate::support::process::outcome(command, JUDGED_WITHIN);
    println!("schemathesis took {:?}", began.elapsed());
    assert_eq!(outcome.code, Some(0), "{}\n{}", outcome.stdout, outcome.stderr);
}
