//! Payloads that devices send.

use barograph_config::{
    Capture, Computed, Condition, Constant, Constants, DecimalMark, MessagePart, PayloadFormat,
};

use super::super::nearest::nearest_field;
use super::super::tree::Tree;
use super::super::{json, tree_seed};
use super::*;
use Value::{Integer, Null, Real};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn of(format: PayloadFormat, columns: Vec<Column>) -> Route {
    let mut route = route("a/#", "a", columns);
    route.payload = format;
    route
}

/// A column of the whole value.
fn itself(name: &str, kind: Kind) -> Column {
    Column { pointer: String::new(), ..column(name, kind) }
}

fn at(name: &str, kind: Kind, pointer: &str) -> Column {
    Column { pointer: pointer.to_owned(), ..column(name, kind) }
}

fn part(name: &str, kind: Kind, part: MessagePart) -> Column {
    Column { from: Some(part), ..column(name, kind) }
}

#[test]
fn a_text_is_one_value() {
    let number = of(PayloadFormat::Text, vec![itself("value", Kind::Real)]);
    for payload in ["18.1250", "18.1250\r\n", "\u{feff}18.1250\0\0", " 18.1250 "] {
        assert_eq!(row_of(&number, payload.as_bytes()), Ok(vec![Real(18.125)]), "{payload:?}");
    }
    assert_eq!(row_of(&number, b"Online"), Err(Reason::WrongType));
    assert_eq!(row_of(&number, b"nan\n"), Ok(vec![Null]));
    let mut power = itself("power", Kind::Boolean);
    power.true_words = vec!["ON".to_owned()];
    let state = of(PayloadFormat::Text, vec![power, itself("raw", Kind::Text)]);
    assert_eq!(row_of(&state, b"ON"), Ok(vec![Integer(1), text("ON")]));
    assert_eq!(row_of(&state, b"off\n"), Ok(vec![Integer(0), text("off")]));
    let raw = of(PayloadFormat::Text, vec![itself("raw", Kind::Text)]);
    assert_eq!(row_of(&raw, b"k\xe4se"), Err(Reason::NotUtf8));
    assert_eq!(row_of(&raw, b"\n"), Ok(vec![text("")]));
}

#[test]
fn what_surrounds_the_fields_can_be_recorded() {
    let mut route = of(
        PayloadFormat::Bytes,
        vec![
            part("topic", Kind::Text, MessagePart::Topic),
            part("payload", Kind::Blob, MessagePart::Payload),
            part("retained", Kind::Boolean, MessagePart::Retain),
            part("qos", Kind::Integer, MessagePart::Qos),
            part("site", Kind::Text, MessagePart::Property("site".to_owned())),
            Column { value: Some(Constant::Text("attic".to_owned())), ..column("s", Kind::Text) },
            Column { capture: Computed(Some(1)), ..column("device", Kind::Text) },
            Column { capture: Computed(Some(0)), ..column("rest", Kind::Text) },
        ],
    );
    let capture = |level, is_rest| Capture { name: format!("c{level}"), level, is_rest };
    route.captures = Computed(vec![capture(1, true), capture(2, false)]);
    let router = Router::new(vec![route.clone()]);
    let delivery = Delivery {
        retain: true,
        properties: vec![("site".to_owned(), "roof".to_owned())],
        ..delivery("a/b/c", b"\x00\xff")
    };
    let Body::Rows(rows) = decode(delivery, &router, 100).body else { panic!("it has no fields") };
    let expected = [
        text("a/b/c"),
        Value::Blob(Bytes::from_static(b"\x00\xff")),
        Integer(1),
        Integer(1),
        text("roof"),
        text("attic"),
        text("c"),
        text("b/c"),
    ];
    assert_eq!(rows.last(), expected);
    route.columns[4].required = true;
    let (reason, detail) = rows_of(&route, b"x").unwrap_err();
    assert_eq!(reason, Reason::MissingField);
    assert_eq!(detail, "column site is required, and user property \"site\" is missing");
}

#[test]
fn names_and_values_are_told_apart() {
    let mut route =
        of(PayloadFormat::Keyvalue, columns_of(&[("temp", Kind::Real), ("hum", Kind::Text)]));
    let row = |route: &Route, payload: &str| row_of(route, payload.as_bytes());
    let both = || Ok(vec![Real(21.5), text("40")]);
    for payload in
        ["temp=21.5 hum=40", "hum=40;temp=21.5\n", "temp=21.5&hum=40", "temp=\"21.5\"\thum=40 \0"]
    {
        assert_eq!(row(&route, payload), both(), "{payload:?}");
    }
    assert_eq!(row(&route, "temp= hum=\"a b;c=d\""), Ok(vec![Null, text("a b;c=d")]));
    assert_eq!(row(&route, "temp=21.5 hum"), Err(Reason::NotKeyvalue));
    assert_eq!(row(&route, "temp=21.5 hum=\"40"), Err(Reason::NotKeyvalue));
    assert_eq!(row(&route, "=5"), Err(Reason::NotKeyvalue));
    assert_eq!(row(&route, " ;\n"), Err(Reason::NotKeyvalue));
    assert_eq!(row(&route, "other=1"), Err(Reason::NoField));
    let (_, detail) = rows_of(&route, b"temp=21.5 hum").unwrap_err();
    assert_eq!(detail, "not keyvalue: expected a name, `=` and a value, found \"hum\"");
    (route.field_delimiter, route.value_delimiter) = (Some(",|".to_owned()), ": ".to_owned());
    assert_eq!(row(&route, "temp: 21.5, hum: 40"), both());
    assert_eq!(row(&route, "temp: 21.5|hum : 40"), both());
    assert_eq!(row_of(&route, b"temp: 21.5,hum: k\xe4"), Err(Reason::NotUtf8));
    assert_eq!(row_of(&route, b"temp: 21.5,note: k\xe4"), Ok(vec![Real(21.5), Null]));
}

#[test]
fn each_record_of_csv_is_a_row() {
    let mut route = of(
        PayloadFormat::Csv,
        vec![
            column("id", Kind::Text),
            column("t", Kind::Real),
            part("index", Kind::Integer, MessagePart::Index),
        ],
    );
    let rows = |route: &Route, payload: &str| rows_of(route, payload.as_bytes());
    let two =
        || Ok(vec![vec![text("a, b"), Real(1.5), Integer(0)], vec![text("c"), Null, Integer(1)]]);
    assert_eq!(rows(&route, "\u{feff}id, t,note\r\n\"a, b\",1.5,\"x\"\"y\"\r\nc,,\r\n\0"), two());
    route.field_delimiter = Some(";".to_owned());
    assert_eq!(rows(&route, "t;id\n1.5;a, b\n;c\n"), two());
    route.header = vec!["id".to_owned(), "t".to_owned()];
    assert_eq!(rows(&route, "a, b;1.5"), Ok(vec![vec![text("a, b"), Real(1.5), Integer(0)]]));
    let (reason, detail) = rows(&route, "a;1\nb;2;3").unwrap_err();
    assert_eq!(reason, Reason::NotCsv);
    assert_eq!(detail, "not CSV: line 2 has 3 fields, the header has 2");
    let (reason, detail) = rows(&route, "a;1\nb;x").unwrap_err();
    assert_eq!(reason, Reason::WrongType);
    assert_eq!(detail, "row 1: field /t is \"x\", and column t is a number");
    route.header.clear();
    assert_eq!(rows(&route, "id;t\n").unwrap_err().0, Reason::NoField);
    route.columns[1].decimal = DecimalMark::Comma;
    assert_eq!(rows(&route, "t\n1,5\n").unwrap(), [[Null, Real(1.5), Integer(0)]]);
}

#[test]
fn an_array_or_object_is_split_into_rows() {
    let mut members = of(
        PayloadFormat::Json,
        vec![
            at("temperature", Kind::Real, "/Temperature"),
            part("sensor", Kind::Text, MessagePart::Index),
        ],
    );
    members.rows = Some(String::new());
    let tasmota = br#"{"SI7021-00":{"Temperature":17.1},"SI7021-02":{"Temperature":nan}}"#;
    let both = vec![vec![Real(17.1), text("SI7021-00")], vec![Null, text("SI7021-02")]];
    assert_eq!(rows_of(&members, tasmota), Ok(both));
    let (reason, detail) =
        rows_of(&members, br#"{"A":{"Temperature":1},"Time":"now"}"#).unwrap_err();
    assert_eq!(reason, Reason::NoField, "a message is taken as a whole");
    assert_eq!(detail, "row \"Time\": no column finds its field: the message is \"now\"");

    let mut elements = of(
        PayloadFormat::Json,
        vec![
            Column { message: Some("/timestamp".to_owned()), ..column("time", Kind::Time) },
            column("id", Kind::Text),
            at("v", Kind::Integer, "/v"),
            part("index", Kind::Integer, MessagePart::Index),
        ],
    );
    elements.rows = Some("/values".to_owned());
    let kepware = br#"{"timestamp":1700000000123,"values":[{"id":"A","v":7},{"id":"B","v":8}]}"#;
    let time = Value::Time(UnixMillis(1_700_000_000_123));
    let both = vec![
        vec![time.clone(), text("A"), Integer(7), Integer(0)],
        vec![time, text("B"), Integer(8), Integer(1)],
    ];
    assert_eq!(rows_of(&elements, kepware), Ok(both));
    let reason = |payload: &[u8]| rows_of(&elements, payload).unwrap_err().0;
    assert_eq!(reason(br#"{"timestamp":1,"values":[]}"#), Reason::NoField);
    assert_eq!(reason(br#"{"timestamp":1,"values":null}"#), Reason::NoField);
    assert_eq!(reason(br#"{"timestamp":1}"#), Reason::NoField);
    assert_eq!(reason(br#"{"timestamp":1,"values":5}"#), Reason::WrongType);

    let mut numbers = of(PayloadFormat::Json, vec![itself("v", Kind::Real)]);
    numbers.rows = Some("/v".to_owned());
    assert_eq!(rows_of(&numbers, br#"{"v":[1,null]}"#), Ok(vec![vec![Real(1.0)], vec![Null]]));
}

#[test]
fn each_line_can_be_a_row() {
    let mut route = of(PayloadFormat::Json, vec![column("t", Kind::Real)]);
    route.lines = true;
    let rows = |payload: &[u8]| rows_of(&route, payload);
    assert_eq!(
        rows(b"\xef\xbb\xbf{\"t\":1}\r\n\n{\"t\":NaN}\n\0"),
        Ok(vec![vec![Real(1.0)], vec![Null]])
    );
    let (reason, detail) = rows(b"{\"t\":1}\n{\"t\":").unwrap_err();
    assert_eq!(reason, Reason::NotJson);
    assert!(detail.starts_with("line 2: not JSON: "), "{detail}");
}

#[test]
fn messages_that_do_not_meet_the_conditions_are_filtered_row_by_row() {
    let condition = |pointer: &str| Condition {
        pointer: pointer.to_owned(),
        equals: None,
        one_of: None,
        exists: None,
    };
    let of_text = |text: &str| Constant::Text(text.to_owned());
    let mut route = of(PayloadFormat::Json, vec![column("t", Kind::Real)]);
    let climate = Condition { equals: Some(of_text("climate")), ..condition("/type") };
    let has_t = Condition { exists: Some(true), ..condition("/t") };
    let is_new = Condition { exists: Some(false), ..condition("/old") };
    route.when = vec![climate, has_t, is_new];
    let table: &[(&[u8], bool)] = &[
        (br#"{"type":"climate","t":1}"#, true),
        (br#"{"type":"climate","t":1,"old":null}"#, true),
        (br#"{"type":"climate","t":1,"old":0}"#, false),
        (br#"{"type":"climate","t":null}"#, false),
        (br#"{"type":"Climate","t":1}"#, false),
        (br#"{"t":1}"#, false),
        (b"5", false),
    ];
    for (payload, is_met) in table {
        let shown = String::from_utf8_lossy(payload);
        assert_eq!(rows_of(&route, payload).unwrap().len(), usize::from(*is_met), "{shown}");
    }
    let filtered = decode(delivery("a/b", b"5"), &Router::new(vec![route.clone()]), 100);
    assert!(matches!(filtered.body, Body::Filtered(Filtered::When)));
    assert!(filtered.payload.is_empty(), "nothing of it is kept");
    let one_of =
        vec![of_text("a"), Constant::Integer(7), Constant::Real(0.5), Constant::Flag(true)];
    route.when = vec![Condition { one_of: Some(Constants(one_of)), ..condition("/k") }];
    route.rows = Some(String::new());
    let payload =
        br#"[{"k":"a","t":0},{"k":7.0,"t":1},{"k":"7","t":2},{"k":0.5,"t":3},{"k":true,"t":4},
        {"k":8,"t":5},{"t":6},{"k":"true","t":7},{"k":[7],"t":8},7,{"k":1e400,"t":9}]"#;
    let taken = rows_of(&route, payload).unwrap();
    assert_eq!(taken, [0, 1, 2, 3, 4, 7].map(|t| vec![Real(f64::from(t))]));
    assert_eq!(rows_of(&route, br#"[{"k":9},{}]"#), Ok(Vec::new()));
}

#[test]
fn one_bad_field_costs_one_column() {
    let route = of(PayloadFormat::Json, columns_of(&[("t", Kind::Real), ("h", Kind::Real)]));
    let row = |payload: &[u8]| row_of(&route, payload);
    for t in ["NaN", "nan", "Infinity", "-Infinity", "-inf", "null", "\"NaN\""] {
        let payload = format!("{{\"t\": {t}, \"h\": 45.0}}");
        assert_eq!(row(payload.as_bytes()), Ok(vec![Null, Real(45.0)]), "{payload}");
    }
    let fine = || Ok(vec![Real(21.5), Null]);
    assert_eq!(row(b"{\"t\":21.5}\0"), fine());
    assert_eq!(row(b"\xef\xbb\xbf{\"t\":21.5}\r\n\0"), fine());
    assert_eq!(row(b"{\"note\":\"k\xe4se \\u00e4\",\"k\xe4se\":[\"\xff\"],\"t\":21.5}"), fine());
    assert_eq!(row(br#"{"note":"\ud83d","t":21.5}"#), fine());
    assert_eq!(row(b"{\"t\":\"\xff\",\"h\":1}"), Err(Reason::NotUtf8));
    assert_eq!(row(br#"{"t":1e400,"h":1}"#), Err(Reason::OutOfRange));
    let emoji = of(PayloadFormat::Json, columns_of(&[("s", Kind::Text)]));
    let pair = br#"{"s":"\ud83d\ude00\n","other":NaN}"#;
    assert_eq!(row_of(&emoji, pair), Ok(vec![text("\u{1f600}\n")]));
}

#[test]
fn absence_of_all_fields_is_not_a_row_of_nulls() {
    let route = of(PayloadFormat::Json, columns_of(&[("value", Kind::Real)]));
    assert_eq!(row_of(&route, br#"{"value":52.3}"#), Ok(vec![Real(52.3)]));
    assert_eq!(row_of(&route, br#"{"value":null}"#), Ok(vec![Null]), "it says: no value");
    assert_eq!(row_of(&route, br#"{"value":[]}"#), Err(Reason::WrongType));
    assert_eq!(row_of(&route, br#"{"v":1}"#), Err(Reason::NoField));
    let mut beside = route.clone();
    beside.columns.push(part("topic", Kind::Text, MessagePart::Topic));
    assert_eq!(row_of(&beside, br#"{"v":1}"#), Err(Reason::NoField), "a topic is no field");
    beside.columns.remove(0);
    assert_eq!(row_of(&beside, br#"{"v":1}"#), Ok(vec![text("a/b")]));
}

#[test]
fn pointers_reach_into_lists_and_through_escapes() {
    let route = of(
        PayloadFormat::Json,
        vec![
            at("a", Kind::Integer, "/list/1/x"),
            at("b", Kind::Integer, "/a~1b/c~0d"),
            at("c", Kind::Integer, "/list/01/x"),
            at("d", Kind::Integer, "/"),
        ],
    );
    let payload = br#"{"list":[{"x":1},{"x":2}],"a/b":{"c~d":3},"":4}"#;
    assert_eq!(row_of(&route, payload), Ok(vec![Integer(2), Integer(3), Null, Integer(4)]));
}

#[test]
fn the_field_that_was_meant_is_found() {
    let left = tree_seed::ValuesLeft::new();
    let payload = br#"{"Time":"x","ENERGY":{"Power":12,"Today":0.1},"list":[{"hum_idity":1}],
        "temperature":1,"a/b":1,"x":1}"#;
    let tree = json::strict(payload, &left).unwrap();
    let table = [
        ("/ENERGY.Power", Some("/ENERGY/Power")),
        ("/power", Some("/ENERGY/Power")),
        ("/energy_today", Some("/ENERGY/Today")),
        ("/humidity", Some("/list/0/hum_idity")),
        ("/temprature", Some("/temperature")),
        ("/values/temperature", Some("/temperature")),
        ("/a.b", Some("/a~1b")),
        ("/time", Some("/Time")),
        ("/pressure", None),
        ("/q", None),
        ("/", None),
    ];
    for (pointer, expected) in table {
        assert_eq!(nearest_field(&tree, pointer).as_deref(), expected, "{pointer}");
    }
    assert_eq!(nearest_field(&Tree::text("x"), "/x"), None);
}
