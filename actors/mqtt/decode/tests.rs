mod conversions;
mod payloads;
mod properties;

use barograph_config::{Column, Kind, OnBad, Qos, Route};

use super::*;
use crate::message::delivery::UnixMillis;
use crate::testing::{column, route};

fn delivery(topic: &str, payload: &[u8]) -> Delivery {
    Delivery {
        topic: topic.to_owned(),
        payload: Bytes::copy_from_slice(payload),
        whole_size: payload.len() as u64,
        packet_size: payload.len() as u64,
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: false,
        packet_id: 1,
        received_at: UnixMillis(0),
        properties: Vec::new(),
    }
}

/// What a route makes of a payload on `a/b`: rows, or in quarantine the reason, with its detail.
fn rows_of(route: &Route, payload: &[u8]) -> Result<Vec<Vec<Value>>, (Reason, String)> {
    let router = Router::new(vec![route.clone()]);
    match decode(delivery("a/b", payload), &router, 8 << 20).body {
        Body::Rows(rows) => Ok(rows.iter().map(<[Value]>::to_vec).collect()),
        Body::Quarantined(refusal) => Err((refusal.reason, refusal.detail)),
        Body::Filtered(Filtered::When) => Ok(Vec::new()),
        Body::Filtered(other) => panic!("{other:?}"),
    }
}

/// As [`rows_of`], of one row.
fn row_of(route: &Route, payload: &[u8]) -> Result<Vec<Value>, Reason> {
    let rows = rows_of(route, payload).map_err(|(reason, _)| reason)?;
    let [row] = rows.as_slice() else { panic!("expected one row, not {rows:?}") };
    Ok(row.clone())
}

fn router() -> Router {
    let mut bounded = column("t", Kind::Real);
    (bounded.min, bounded.max, bounded.unit) = (Some(-40.0), Some(60.0), Some("°C".to_owned()));
    let mut lenient = column("soft", Kind::Integer);
    lenient.on_bad = OnBad::Null;
    let mut required = column("n", Kind::Integer);
    required.required = true;
    let columns = vec![
        required,
        bounded,
        lenient,
        column("on", Kind::Boolean),
        column("s", Kind::Text),
        column("j", Kind::Json),
    ];
    Router::new(vec![route("a/#", "a", columns)])
}

fn outcome(payload: &[u8]) -> Result<Vec<Value>, Reason> {
    row_of(&router().routes()[0], payload)
}

#[test]
fn good_payloads_become_rows_and_bad_ones_a_reason() {
    use Value::{Integer, Null, Real, Text};
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let one = || Ok(vec![Integer(1), Null, Null, Null, Null, Null]);
    type DecodeCase<'a> = (&'a [u8], Result<Vec<Value>, Reason>);
    let table: &[DecodeCase<'_>] = &[
        (br#"{"n":1}"#, one()),
        (br#"{"n":"1"}"#, one()),
        (br#"{"n":7,"x":[],"n":1}"#, one()),
        (
            br#"{"n":5.0,"t":-3,"soft":"x","on":true,"s":"hi","j":{"b":[1],"a":null,"a":"\u00e4"}}"#,
            Ok(vec![
                Integer(5),
                Real(-3.0),
                Null,
                Integer(1),
                Text("hi".into()),
                Text(r#"{"a":"ä","b":[1]}"#.into()),
            ]),
        ),
        (
            br#"{"n":9223372036854775807}"#,
            Ok(vec![Integer(i64::MAX), Null, Null, Null, Null, Null]),
        ),
        (br#"{"n":9223372036854775808}"#, Err(Reason::OutOfRange)),
        (br#"{"n":1e300}"#, Err(Reason::OutOfRange)),
        (br#"{"n":1e400}"#, Err(Reason::OutOfRange)),
        (br#"{"n":1,"soft":1e400,"other":-1e400}"#, one()),
        (br#"{"n":1.5}"#, Err(Reason::WrongType)),
        (br#"{"n":true}"#, Err(Reason::WrongType)),
        (br#"{"n":null}"#, Err(Reason::MissingField)),
        (br#"{"n":NaN}"#, Err(Reason::MissingField)),
        (br#"{"t":1}"#, Err(Reason::MissingField)),
        (br#"{"j":1}"#, Err(Reason::MissingField)),
        (br#"{"n":1,"t":60.5}"#, Err(Reason::OutOfRange)),
        (br#"{"n":1,"t":-41}"#, Err(Reason::OutOfRange)),
        (br#"{"n":1,"on":2}"#, Err(Reason::WrongType)),
        (br#"{"n":1,"s":[]}"#, Err(Reason::WrongType)),
        (br"[1,2]", Err(Reason::NoField)),
        (br#"{"other":1}"#, Err(Reason::NoField)),
        (b"5", Err(Reason::NoField)),
        (b"", Err(Reason::EmptyPayload)),
        (b"{", Err(Reason::NotJson)),
        (br#"{"n":1,}"#, Err(Reason::NotJson)),
        (br#"{"n":1} x"#, Err(Reason::NotJson)),
        (br#"{"n":01}"#, Err(Reason::NotJson)),
        (br#"{"n":nano}"#, Err(Reason::NotJson)),
        (b"\xff\xfe", Err(Reason::NotUtf8)),
        (&deep, Err(Reason::NotJson)),
    ];
    for (payload, expected) in table {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(60)]).into_owned();
        assert_eq!(&outcome(payload), expected, "{shown}");
    }
}

#[test]
fn a_refusal_names_column_value_and_what_was_expected() {
    let table: &[(&[u8], &str)] = &[
        (br#"{"n":1,"t":"21.4 C"}"#, "field /t is \"21.4 C\", and column t is a number"),
        (
            br#"{"n":1,"t":"21,4"}"#,
            "field /t is \"21,4\", and column t is a number with a decimal point (decimal = \",\" \
             takes a comma)",
        ),
        (br#"{"n":1,"t":1e400}"#, "field /t is 1e400: too large for a number of 64 bits"),
        (br#"{"n":1,"t":61}"#, "field /t is 61 °C, above max = 60 of column t"),
        (
            br#"{"n":1,"on":"ja"}"#,
            "field /on is \"ja\", and column on is true or false (true, on, yes, 1, false, off, no, 0)",
        ),
        (
            b"{\"n\":1,\"s\":\"k\xe4se\"}",
            "field /s is not UTF-8, and column s is text: \"k\u{fffd}se\"",
        ),
        (br#"{"t":1}"#, "column n is required, and field /n is missing"),
        (
            br#"{"ENERGY":{"Power":1,"Today":2},"a":[{"b/c":1}]}"#,
            "no column finds its field: the message has /ENERGY/Power, /ENERGY/Today, /a/0/b~1c",
        ),
        (b"21.5", "no column finds its field: the message is 21.5"),
        (b"{\"n\":1,\r\n\"t\" 5}", "not JSON: expected `:` at line 2 column 5"),
        (b"{\"n\":[1", "not JSON: expected `,` or `]` at line 1 column 8"),
        (b"{\"n\":\xff}", "not UTF-8 from byte 5"),
    ];
    for (payload, expected) in table {
        let (_, detail) = rows_of(&router().routes()[0], payload).unwrap_err();
        assert_eq!(&detail, expected);
    }
}

#[test]
fn an_unknown_topic_is_not_wanted_and_an_oversized_payload_keeps_its_beginning_and_size() {
    let no_route = decode(delivery("other", b"x"), &router(), 100);
    assert!(matches!(no_route.body, Body::Filtered(Filtered::NotWanted)));
    assert_eq!((no_route.route, no_route.payload.len()), (RouteId(None), 0));
    let mut large = delivery("a/b", &[b'x'; 5000]);
    (large.whole_size, large.packet_size) = (9_000_000, 9_000_010);
    let record = decode(large, &router(), 100);
    assert!(matches!(record.body, Body::Quarantined(r) if r.reason == Reason::TooLarge));
    assert_eq!((record.whole_size, record.payload.len()), (9_000_000, OVERSIZED_KEPT_BYTES));
}

#[test]
fn a_filtered_message_costs_nothing_and_keeps_its_digest() {
    let video = vec![7; 3 << 20];
    let mut ignored = route("a/#", "a", Vec::new());
    ignored.ignore = true;
    let record = decode(delivery("a/b", &video), &Router::new(vec![ignored]), 1 << 20);
    assert!(matches!(record.body, Body::Filtered(Filtered::Ignored)));
    assert_eq!((record.payload.len(), record.whole_size), (0, 3 << 20));
    assert!(record.cost < 1_000, "{}", record.cost);
    assert_eq!(record.digest, digest("a/b", &video, 3 << 20));
    let mut live_only = route("a/#", "a", vec![column("t", Kind::Real)]);
    live_only.retained = Retained::Ignore;
    let live_only = Router::new(vec![live_only]);
    let retained = Delivery { retain: true, ..delivery("a/b", br#"{"t":1}"#) };
    let record = decode(retained, &live_only, 1 << 20);
    assert!(matches!(record.body, Body::Filtered(Filtered::Retained)));
    let record = decode(delivery("a/b", br#"{"t":1}"#), &live_only, 1 << 20);
    assert!(matches!(record.body, Body::Rows(_)));
}

#[test]
fn bad_values_are_told_of_and_not_more_than_so_many() {
    let mut soft = column("t", Kind::Real);
    soft.on_bad = OnBad::Null;
    let mut route = route("a/#", "a", vec![column("n", Kind::Integer), soft]);
    route.rows = Some(String::new());
    let router = Router::new(vec![route]);
    let noticed = |payload: &str| {
        let mut noticed = Vec::new();
        let mut notice = |column: usize, _: &RowRefusal| noticed.push(column);
        decode_noticing(delivery("a/b", payload.as_bytes()), &router, 1 << 20, &mut notice);
        noticed
    };
    assert_eq!(noticed(r#"[{"n":1,"t":"x"},{"n":2,"t":1},{"n":"x","t":"x"}]"#), [1, 0]);
    let flood = format!("[{}]", vec![r#"{"n":1,"t":"x"}"#; 5_000].join(","));
    assert_eq!(noticed(&flood).len(), NOTICES_MAX);
}

fn columns_of(kinds: &[(&str, Kind)]) -> Vec<Column> {
    kinds.iter().map(|(name, kind)| column(name, *kind)).collect()
}
