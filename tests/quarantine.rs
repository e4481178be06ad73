//! What cannot become a row is kept with its bytes and the reason: never a panic, never a disconnect, never silence.

use crate::support::heavy;
use crate::support::publisher::publish_one;
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;

const ROUTE: &str = r#"
[[route]]
topic = "load/#"
table = "load"
qos = 1
[route.columns]
n = { field = "n", type = "integer", required = true, min = 0, max = 1000 }
mood = { field = "mood", type = "text", on_bad = "null" }
"#;

/// Above the default `max_packet_size` of 1 MiB.
const OVERSIZED: usize = 3 * 512 * 1024;

/// A payload and the reason for which it cannot be a row.
fn bad_payloads() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |n: usize| [b"[".repeat(n), b"]".repeat(n)].concat();
    let mut oversized = br#"{"n":1,"pad":""#.to_vec();
    oversized.resize(OVERSIZED, b'x');
    vec![
        ("not_json", b"twenty degrees".to_vec()),
        ("not_json", br#"{"n":1"#.to_vec()),
        ("not_json", br#"{"n":1} and more"#.to_vec()),
        ("missing_field", br#"{"n":NaN}"#.to_vec()),
        ("not_json", deep(100_000)),
        ("no_field", b"{}".to_vec()),
        ("missing_field", br#"{"n":null}"#.to_vec()),
        ("no_field", b"7".to_vec()),
        ("no_field", br#"[{"n":1}]"#.to_vec()),
        ("wrong_type", br#"{"n":"7 m"}"#.to_vec()),
        ("wrong_type", br#"{"n":7.5}"#.to_vec()),
        ("wrong_type", br#"{"n":{}}"#.to_vec()),
        ("out_of_range", br#"{"n":-1}"#.to_vec()),
        ("out_of_range", br#"{"n":1001}"#.to_vec()),
        ("out_of_range", br#"{"n":99999999999999999999}"#.to_vec()),
        ("not_utf8", b"{\"n\":\"\xff\xfe\"}".to_vec()),
        ("not_utf8", vec![0, 159, 146, 150]),
        ("empty_payload", Vec::new()),
        ("too_large", oversized),
    ]
}

#[test]
fn every_bad_payload_is_quarantined_with_its_bytes_and_its_reason() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().routes(ROUTE));
    let bad = bad_payloads();
    for (number, (_, payload)) in bad.iter().enumerate() {
        publish_one(scene.broker.port(), &format!("load/{number}"), payload, false);
    }
    publish_one(scene.broker.port(), "load/n", br#"{"n":42}"#, false);
    scene.fills_to(&recorder, "load", 1);

    let kept = quarantined(&scene);
    assert_eq!(kept.len(), bad.len(), "{kept:?}");
    for (number, (reason, payload)) in bad.iter().enumerate() {
        let row = kept.iter().find(|row| row.topic == format!("load/{number}"));
        let row = row.unwrap_or_else(|| panic!("nothing kept of load/{number}: {kept:?}"));
        assert_eq!(row.reason, *reason, "load/{number}: {}", row.detail);
        assert_eq!(row.size, payload.len(), "load/{number}");
        assert!(!row.detail.is_empty() && row.received_at.starts_with("20"), "{row:?}");
        assert_eq!(row.payload, payload[..row.payload.len()], "load/{number}: the first bytes");
        let whole = *reason == "too_large" || row.payload.len() == payload.len();
        assert!(whole && (!row.payload.is_empty() || payload.is_empty()), "load/{number} is cut");
    }
    assert_unmoved(&recorder);
    end(scene, recorder);
}

#[test]
fn the_largest_packet_is_the_operators_to_choose() {
    let scene = Scene::new();
    let settings = scene.settings().text("mqtt", "max_packet_size", "1 KiB");
    let recorder = scene.recorder(&settings);
    let mut payload = br#"{"n":1}"#.to_vec();
    payload.resize(900, b' ');
    publish_one(scene.broker.port(), "load/n", &payload, false);
    payload.resize(1025, b' ');
    publish_one(scene.broker.port(), "load/n", &payload, false);
    publish_one(scene.broker.port(), "load/n", br#"{"n":2}"#, false);
    scene.fills_to(&recorder, "load", 2);
    let kept = quarantined(&scene);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!((kept[0].reason.as_str(), kept[0].size), ("too_large", 1025));
    assert_unmoved(&recorder);
    end(scene, recorder);
}

/// Read and forgotten, not buffered: whatever a broker sends, the memory is bounded.
#[test]
fn a_packet_of_100_mib_is_skipped_without_being_held_in_memory() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    publish_one(scene.broker.port(), "load/n", &vec![b' '; 100 << 20], false);
    publish_one(scene.broker.port(), "load/n", br#"{"n":2}"#, false);
    scene.fills_to(&recorder, "load", 1);
    let kept = quarantined(&scene);
    assert_eq!((kept[0].reason.as_str(), kept[0].size), ("too_large", 100 << 20));
    let peak = recorder.process.peak_rss_kib();
    assert!(peak < 32 * 1024, "peak RSS {peak} KiB");
    assert_unmoved(&recorder);
    end(scene, recorder);
}

#[test]
fn an_optional_value_that_is_bad_becomes_null_where_the_route_says_so() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().routes(ROUTE));
    publish_one(scene.broker.port(), "load/n", br#"{"n":1,"mood":[17]}"#, false);
    publish_one(scene.broker.port(), "load/n", br#"{"n":2,"mood":"fair"}"#, false);
    publish_one(scene.broker.port(), "load/n", br#"{"n":3}"#, false);
    scene.fills_to(&recorder, "load", 3);
    let moods: Vec<Option<String>> = scene.database.all("SELECT mood FROM load ORDER BY n");
    assert_eq!(moods, [None, Some("fair".to_owned()), None]);
    end(scene, recorder);
}

/// With MQTT 5 a broker that was told our maximum packet size would drop such a message without a word.
#[test]
fn noise_on_one_route_pushes_nothing_of_another_out_and_the_bound_holds_at_once() {
    let scene = Scene::new();
    let noisy = ROUTE.replace("load", "noise");
    let settings =
        scene.settings().set("quarantine", "max_rows", "5").routes(&format!("{ROUTE}{noisy}"));
    let recorder = scene.recorder(&settings);
    let bad = |topic: &str, n: usize| {
        for number in 0..n {
            publish_one(scene.broker.port(), &format!("{topic}/{number}"), b"bad", false);
        }
    };
    bad("load", 3);
    bad("noise", 40);
    publish_one(scene.broker.port(), "noise/n", br#"{"n":42}"#, false);
    scene.fills_to(&recorder, "noise", 1);
    let kept: Vec<String> = quarantined(&scene).into_iter().map(|row| row.topic).collect();
    let expected = ["load/0", "load/1", "load/2", "noise/35", "noise/36", "noise/37", "noise/38"];
    assert_eq!(kept, [&expected[..], &["noise/39"]].concat());
    let account = scene.database.assert_account_equals(&["load", "noise"]);
    assert_eq!((account.quarantined, account.dropped), (8, 35));
    let trimmed = "SELECT count(*) FROM barograph_events WHERE event = 'quarantine_trimmed'";
    assert_eq!(scene.database.one::<i64>(trimmed), 1, "not an event for each");
    drop(recorder);
}

#[test]
fn an_oversized_message_is_quarantined_with_mqtt_5_too() {
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings().text("mqtt", "protocol", "5"));
    publish_one(scene.broker.port(), "load/big", &vec![b'x'; OVERSIZED], false);
    publish_one(scene.broker.port(), "load/n", br#"{"n":1}"#, false);
    scene.fills_to(&recorder, "load", 1);
    let kept = quarantined(&scene);
    assert_eq!((kept[0].reason.as_str(), kept[0].size), ("too_large", OVERSIZED));
    assert_unmoved(&recorder);
    end(scene, recorder);
}

#[derive(Debug)]
struct Row {
    received_at: String,
    topic: String,
    payload: Vec<u8>,
    size: usize,
    reason: String,
    detail: String,
}

fn quarantined(scene: &Scene) -> Vec<Row> {
    let query = "SELECT received_at, CAST(topic AS TEXT), coalesce(payload, x''), size, reason, detail \
                 FROM barograph_quarantine ORDER BY id";
    let reader = scene.database.reader();
    let mut statement = reader.prepare(query).expect("the table of the design");
    let rows = statement.query_map([], |row| {
        Ok(Row {
            received_at: row.get(0)?,
            topic: row.get(1)?,
            payload: row.get(2)?,
            size: usize::try_from(row.get::<_, i64>(3)?).expect("not negative"),
            reason: row.get(4)?,
            detail: row.get(5)?,
        })
    });
    rows.expect("no parameters").map(|row| row.expect("columns of the design")).collect()
}

/// A bad message is no reason to be restarted or to lose the broker.
fn assert_unmoved(recorder: &Recorder) {
    for event in ["actor_restarted", "broker_disconnected", "write_failed"] {
        let events = recorder.events(event);
        assert!(events.is_empty(), "{events:?}");
    }
}

fn end(scene: Scene, mut recorder: Recorder) {
    recorder.stop();
    scene.database.assert_account_equals(&["load"]);
}
