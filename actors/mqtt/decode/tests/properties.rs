//! What holds for all bytes.

use proptest::prelude::*;

use barograph_config::{Constant, Kind, PayloadFormat};

use super::super::json::strict;
use super::super::lenient_json;
use super::super::tree_seed::{VALUES_MAX, ValuesLeft};
use super::*;

/// A route of each format, with a column of each type and all that is optional.
fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    for format in [
        PayloadFormat::Json,
        PayloadFormat::Text,
        PayloadFormat::Keyvalue,
        PayloadFormat::Csv,
        PayloadFormat::Bytes,
    ] {
        for variant in 0..4 {
            let kinds = [
                ("i", Kind::Integer),
                ("r", Kind::Real),
                ("s", Kind::Text),
                ("b", Kind::Boolean),
                ("t", Kind::Time),
                ("x", Kind::Blob),
                ("j", Kind::Json),
            ];
            let mut columns = columns_of(&kinds);
            if variant % 2 == 1 {
                columns.iter_mut().for_each(|column| column.pointer.clear());
                columns[4].format = Some("%d.%m.%Y %H:%M".to_owned());
                columns[4].zone = Some("Europe/Berlin".to_owned());
            }
            let mut route = route("a/#", "a", columns);
            route.payload = format;
            route.rows = (variant >= 2).then(String::new);
            route.lines = variant == 3;
            routes.push(route);
        }
    }
    routes
}

/// Bytes that come near to what the formats expect.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "\\",
            "\\u",
            "d83d",
            "\"i\"",
            "\"t\":",
            "NaN",
            "-Infinity",
            "null",
            "true",
            "1e400",
            "-0",
            "0.5",
            "1700000000123",
            "\n",
            "\0",
            "\u{feff}",
            "=",
            ";",
            " ",
            "&",
            "i=5",
            "2026-11-30T10:00:00Z",
            "a,b\n",
            "\"a\"\"b\"",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn json_texts() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<u64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        ".{0,8}".prop_map(serde_json::Value::from),
    ];
    let value = leaf.prop_recursive(6, 60, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(".{0,4}", inner, 0..20)
                .prop_map(|members| { serde_json::Value::Object(members.into_iter().collect()) }),
        ]
    });
    (value, any::<bool>()).prop_map(|(value, pretty)| match pretty {
        true => serde_json::to_string_pretty(&value).unwrap(),
        false => value.to_string(),
    })
}

proptest! {
    #[test]
    fn no_bytes_make_a_format_panic(payload in payloads(), topic in ".{0,20}") {
        for route in routes() {
            let router = Router::new(vec![route]);
            for topic in ["a/b", &topic] {
                let delivery = Delivery { retain: payload.len() % 2 == 0, ..delivery(topic, &payload) };
                decode(delivery, &router, 200);
            }
        }
    }

    #[test]
    fn strict_and_lenient_agree_on_json_and_print_it_as_serde_json_does(json in json_texts()) {
        let strictly = strict(json.as_bytes(), &ValuesLeft::new());
        let leniently = lenient_json::parse(json.as_bytes(), &ValuesLeft::new()).unwrap();
        prop_assert_eq!(strictly.as_ref(), Some(&leniently));
        let known: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(leniently.json().unwrap(), known.to_string());
    }

    #[test]
    fn strict_and_lenient_agree_on_what_is_no_json(payload in payloads()) {
        if let Some(tree) = strict(&payload, &ValuesLeft::new()) {
            let leniently = lenient_json::parse(&payload, &ValuesLeft::new());
            prop_assert_eq!(leniently.unwrap(), tree);
        }
    }

    #[test]
    fn every_finite_number_survives_as_a_real(number in proptest::num::f64::NORMAL, whole: i64) {
        let route = route("a/#", "a", columns_of(&[("t", Kind::Real), ("n", Kind::Integer)]));
        for payload in [
            format!(r#"{{"n":{whole},"t":{number:?}}}"#),
            format!(r#"{{"n":"{whole}","t":"{number:?}","other":NaN}}"#),
        ] {
            let expected = vec![Value::Real(number), Value::Integer(whole)];
            prop_assert_eq!(row_of(&route, payload.as_bytes()), Ok(expected));
        }
    }
}

#[test]
fn elements_rows_and_copies_are_bounded() {
    let mut large = route("a/#", "a", columns_of(&[("t", Kind::Real)]));
    let refused = |route: &Route, payload: &str| rows_of(route, payload.as_bytes()).unwrap_err().0;
    let elements = |count: usize, element: &str| format!("[{}]", vec![element; count].join(","));
    let too_many = VALUES_MAX as usize + 1;
    assert_eq!(refused(&large, &elements(too_many, "1")), Reason::TooManyRows);
    assert_eq!(refused(&large, &elements(too_many, "NaN")), Reason::TooManyRows);
    large.rows = Some(String::new());
    assert_eq!(refused(&large, &elements(10_001, r#"{"t":1}"#)), Reason::TooManyRows);
    assert_eq!(rows_of(&large, elements(10_000, r#"{"t":1}"#).as_bytes()).unwrap().len(), 10_000);

    let mut copied = column("copied", Kind::Json);
    copied.message = Some(String::new());
    large.columns.push(copied);
    assert_eq!(refused(&large, &elements(9_000, r#"{"t":1}"#)), Reason::TooManyRows);

    let mut constant = column("constant", Kind::Text);
    constant.value = Some(Constant::Text("x".to_owned()));
    large.columns = vec![constant; 500];
    assert_eq!(refused(&large, &elements(1_000, "1")), Reason::TooManyRows);

    let mut csv = route("a/#", "a", columns_of(&[("t", Kind::Real)]));
    csv.payload = PayloadFormat::Csv;
    assert_eq!(refused(&csv, &format!("t\n{}", "1\n".repeat(10_001))), Reason::TooManyRows);
    let wide = [",".repeat(999), ",".repeat(999)].join("\n") + "\n";
    assert_eq!(refused(&csv, &format!("t{}", wide.repeat(150))), Reason::TooManyRows);
}

#[test]
fn rows_beyond_the_first_are_part_of_the_cost() {
    let mut route = route("a/#", "a", columns_of(&[("t", Kind::Real)]));
    route.rows = Some(String::new());
    let router = Router::new(vec![route]);
    let cost = |payload: &str| decode(delivery("a/b", payload.as_bytes()), &router, 1 << 20).cost;
    let rows = |count: usize| format!("[{}]", vec![r#"{"t":1}"#; count].join(","));
    assert!(cost(&rows(1_000)) >= cost(&rows(1)) + 999 * 32);
}

#[test]
fn a_name_counts_as_often_as_it_is_given_at_last_also_among_many() {
    for others in [3, 40] {
        let others: String = (0..others).map(|n| format!(r#""k{n}":{n},"#)).collect();
        let json = format!(r#"{{"t":1,{others}"t":2,"z":3,"t":4}}"#);
        let route = route("a/#", "a", columns_of(&[("t", Kind::Integer), ("z", Kind::Integer)]));
        let row = row_of(&route, json.as_bytes());
        assert_eq!(row, Ok(vec![Value::Integer(4), Value::Integer(3)]));
        let tree = strict(json.as_bytes(), &ValuesLeft::new()).unwrap();
        let known: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(tree.json().unwrap(), known.to_string());
    }
}
