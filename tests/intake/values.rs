use super::{Cell, IntakeCase};

/// Case 10.
#[test]
fn what_is_no_number_is_null_and_one_that_is_too_large_costs_its_column() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "room/{device}"
table = "room"
[route.columns]
t = { on_bad = "null" }
h = "h"
"#,
        messages: vec![
            ("room/1", br#"{"t": NaN, "h": 45.0}"#),
            ("room/1", br#"{"t": -Infinity, "h": 46}"#),
            ("room/1", br#"{"t": 1e400, "h": 47}"#),
            ("room/1", br#"{"t": 20, "h": 1e400}"#),
            ("room/1", br#"{"t": 20, "h": 48, "other": 1e400}"#),
        ],
        tables: vec![(
            "room",
            "device, t, h",
            rows![["1", (), 45.0], ["1", (), 46.0], ["1", (), 47.0], ["1", 20.0, 48.0],],
        )],
        quarantined: vec![("room/1", "out_of_range")],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 11.
#[test]
fn numbers_that_are_texts_are_taken_and_nothing_is_guessed() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "point/{device}"
table = "point"
[route.columns]
value = "value"

[[route]]
topic = "comma/{device}"
table = "comma"
[route.columns]
value = { decimal = "," }
"#,
        messages: vec![
            ("point/1", br#"{"value":"317.3988"}"#),
            ("point/1", br#"{"value":" 21.5"}"#),
            ("point/1", br#"{"value":"+5"}"#),
            ("point/1", br#"{"value":"1,5"}"#),
            ("point/1", br#"{"value":"21.5 C"}"#),
            ("comma/1", br#"{"value":"1,5"}"#),
        ],
        tables: vec![
            ("point", "device, value", rows![["1", 317.3988], ["1", 21.5], ["1", 5.0]]),
            ("comma", "device, value", rows![["1", 1.5]]),
        ],
        quarantined: vec![("point/1", "wrong_type"), ("point/1", "wrong_type")],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 12.
#[test]
fn a_switch_is_on_in_every_spelling() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "switch/{device}"
table = "switch"
[route.columns]
is_on = { field = "on", type = "boolean" }
mode = { map = { off = 0, heat = 1, cool = 2 } }
"#,
        messages: vec![
            ("switch/1", br#"{"on":"on"}"#),
            ("switch/1", br#"{"on":1,"mode":"heat"}"#),
            ("switch/1", br#"{"on":"true"}"#),
            ("switch/1", br#"{"on":"Off","mode":"off"}"#),
            ("switch/1", br#"{"on":"Off","mode":"dry"}"#),
            ("switch/1", br#"{"on":2}"#),
        ],
        tables: vec![(
            "switch",
            "device, is_on, mode",
            rows![["1", 1_i64, ()], ["1", 1_i64, 1_i64], ["1", 1_i64, ()], ["1", 0_i64, 0_i64],],
        )],
        quarantined: vec![("switch/1", "wrong_type"), ("switch/1", "wrong_type")],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 13.
#[test]
fn a_number_and_a_text_fill_one_text_column() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "rtl_433/{station}"
table = "sensor"
[route.columns]
sensor = { field = "id", type = "text" }
"#,
        messages: vec![("rtl_433/a", br#"{"id":37}"#), ("rtl_433/a", br#"{"id":"a1b2"}"#)],
        tables: vec![("sensor", "station, sensor", rows![["a", "37"], ["a", "a1b2"]])],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 17.
#[test]
fn what_stands_around_a_message_or_in_an_unused_field_does_no_harm() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "room/{device}"
table = "room"
[route.columns]
t = "t"
name = { type = "text" }
"#,
        messages: vec![
            ("room/1", b"{\"t\":21.5}\0"),
            ("room/1", b"\xef\xbb\xbf{\"t\":21.5}\r\n"),
            ("room/1", b"{\"t\":21.5,\"where\":\"K\xfcche\"}"),
            ("room/1", b"{\"t\":21.5,\"name\":\"K\xfcche\"}"),
        ],
        tables: vec![(
            "room",
            "device, t, name",
            rows![["1", 21.5, ()], ["1", 21.5, ()], ["1", 21.5, ()]],
        )],
        quarantined: vec![("room/1", "not_utf8")],
        ..IntakeCase::default()
    }
    .holds();
}

/// Case 19.
#[test]
fn a_nested_field_and_a_local_time_are_recorded() {
    IntakeCase {
        routes: r#"
[[route]]
topic = "tele/{device}/SENSOR"
table = "energy"
[route.columns]
measured = { field = "Time", type = "time", zone = "Europe/Berlin" }
power = "/ENERGY/Power"
today = "/ENERGY/Today"
"#,
        messages: vec![(
            "tele/plug1/SENSOR",
            br#"{"Time":"2026-11-30T10:00:00","ENERGY":{"Power":12,"Today":0.123}}"#,
        )],
        tables: vec![(
            "energy",
            "device, measured, power, today",
            rows![["plug1", "2026-11-30 09:00:00.000", 12.0, 0.123]],
        )],
        ..IntakeCase::default()
    }
    .holds();
}
