use super::{Cell, IntakeCase};
use crate::support::scene::Scene;

/// A picture of a camera.
const PICTURE_BYTES: usize = 3 << 20;

/// Case 14.
#[test]
fn elements_of_an_array_are_rows_with_the_time_of_their_message() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "kepware/{server}"
table = "tags"
rows = "/values"
[route.columns]
measured = { message = "/timestamp", type = "time" }
tag = { field = "id", type = "text" }
v = { type = "integer" }
"#,
        messages: vec![
            (
                "kepware/1",
                br#"{"timestamp":1700000000123,"values":[{"id":"A","v":7},{"id":"B","v":8}]}"#,
            ),
            (
                "kepware/1",
                br#"{"timestamp":1700000000124,"values":[{"id":"A","v":7},{"id":"B","v":"x"}]}"#,
            ),
            ("kepware/1", br#"{"timestamp":1700000000125,"values":[]}"#),
        ],
        tables: vec![(
            "tags",
            "server, measured, tag, v",
            rows![
                ["1", "2023-11-14 22:13:20.123", "A", 7_i64],
                ["1", "2023-11-14 22:13:20.123", "B", 8_i64],
            ],
        )],
        quarantined: vec![("kepware/1", "wrong_type"), ("kepware/1", "no_field")],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 15.
#[test]
fn an_array_at_the_top_and_lines_of_json_are_rows() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "logger/{device}"
table = "logger"
rows = ""
[route.columns]
time = { type = "time" }
temperature = "temperature"

[[route]]
topic = "stream/{device}"
table = "stream"
lines = true
[route.columns]
temperature = "temperature"
"#,
        messages: vec![
            (
                "logger/1",
                br#"[{"time":"2026-11-30T10:00:00Z","temperature":25},
                     {"time":"2026-11-30T10:01:00+00:00","temperature":26}]"#,
            ),
            ("stream/1", b"{\"temperature\":25}\n{\"temperature\":26}\n"),
        ],
        tables: vec![
            (
                "logger",
                "device, time, temperature",
                rows![
                    ["1", "2026-11-30 10:00:00.000", 25.0],
                    ["1", "2026-11-30 10:01:00.000", 26.0],
                ],
            ),
            ("stream", "device, temperature", rows![["1", 25.0], ["1", 26.0]]),
        ],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 16.
#[test]
fn messages_of_several_shapes_on_one_topic_are_told_apart() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "mixed/{device}"
table = "climate"
when = [{ field = "/type", equals = "climate" }, { field = "/temperature", exists = true }]
[route.columns]
temperature = "temperature"

[[route]]
topic = "mixed/{device}"
table = "motion"
when = [{ field = "/type", one_of = ["motion", "door"] }]
[route.columns]
occupied = { type = "boolean" }

[[route]]
topic = "mixed/#"
table = "batteries"
when = [{ field = "/battery", exists = true }]
[route.columns]
battery = "battery"
"#,
        messages: vec![
            ("mixed/1", br#"{"type":"climate","temperature":21.5}"#),
            ("mixed/1", br#"{"type":"motion","occupied":true}"#),
            ("mixed/1", br#"{"type":"climate","battery":90}"#),
            ("mixed/1", br#"{"type":"other"}"#),
        ],
        tables: vec![
            ("climate", "device, temperature", rows![["1", 21.5]]),
            ("motion", "device, occupied", rows![["1", 1]]),
            ("batteries", "battery", rows![[90.0]]),
        ],
        filtered: vec![("when", 1)],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 18.
#[test]
fn a_retained_message_that_is_cleared_is_an_empty_payload() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "kept/{device}"
table = "kept"
[route.columns]
t = "t"
"#,
        messages: vec![("retained:kept/1", br#"{"t":21.5}"#), ("retained:kept/1", b"")],
        tables: vec![("kept", "device, t", rows![["1", 21.5]])],
        quarantined: vec![("kept/1", "empty_payload")],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 20.
#[test]
fn pictures_cost_an_ignored_route_nothing_and_a_raw_route_keeps_them() {
    let picture: Vec<u8> = (0..PICTURE_BYTES).map(|at| (at % 251) as u8).collect();
    let scene = Scene::new();
    IntakeCase {
        routes: r#"
[[route]]
topic = "frigate/+/snapshot"
ignore = true

[[route]]
topic = "raw/#"
table = "raw"
payload = "bytes"
[route.columns]
topic = { from = "topic" }
payload = { from = "payload" }
"#,
        messages: vec![("frigate/door/snapshot", &picture), ("raw/door/snapshot", &picture)],
        tables: vec![("raw", "topic, payload", rows![["raw/door/snapshot", picture.clone()]])],
        filtered: vec![("ignored", 1)],
        ..IntakeCase::default()
    }
    .holds_in(&scene);
    let kept = "SELECT count(*) FROM barograph_quarantine";
    assert_eq!(scene.database.one::<i64>(kept), 0);
}
