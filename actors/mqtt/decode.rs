//! From a delivery to a record: a pure function of the delivery, the routes and one limit. It never
//! fails: what cannot become a row becomes a quarantined record, with the bytes and the reason.

use barograph_config::{Column, Kind, OnBad, Route};
use bytes::Bytes;
use serde_json::Value as Json;

use crate::message::account::{Reason, RouteId};
use crate::message::batch::{Body, Record, RowRefusal, Rows, Value, digest};
use crate::message::delivery::Delivery;
use crate::message::route::Router;

/// Bytes of an oversized payload that quarantine keeps.
pub const OVERSIZED_KEPT_BYTES: usize = 4096;

/// Memory that a record takes besides topic and payload, in bytes: its own size twice (queue and
/// batch grow by doubling) and its values; by massif some 600 for a row of nine columns.
const RECORD_COST: usize = 600;

/// Hears of a bad value: index of the column, and what is wrong.
pub type Notice<'a> = &'a mut dyn FnMut(usize, &RowRefusal);

impl RowRefusal {
    fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Turns a delivery into the record that is written. `packet_max` is in bytes.
pub fn decode(delivery: Delivery, router: &Router, packet_max: u64) -> Record {
    decode_noticing(delivery, router, packet_max, &mut |_, _| {})
}

/// As [`decode`]; tells of each value that its column does not take, by the index of the column,
/// also where NULL takes its place.
pub fn decode_noticing(
    delivery: Delivery,
    router: &Router,
    packet_max: u64,
    notice: Notice<'_>,
) -> Record {
    let digest = digest(&delivery.topic, &delivery.payload, delivery.whole_size);
    let cost = RECORD_COST + delivery.topic.len() + 2 * delivery.payload.len();
    let (route, row) = match router.find(&delivery.topic) {
        Some((id, route)) => (id, row(&delivery, route, packet_max, notice)),
        None => {
            let refusal = RowRefusal::new(
                Reason::NoRoute,
                "no route's topic filter matches this \
                topic",
            );
            (RouteId(None), Err(refusal))
        }
    };
    let payload = match delivery.packet_size > packet_max {
        true => first_bytes(&delivery.payload),
        false => delivery.payload,
    };
    Record {
        route,
        qos: delivery.qos,
        packet_id: delivery.packet_id,
        dup: delivery.dup,
        retain: delivery.retain,
        digest,
        received_at: delivery.received_at,
        topic: delivery.topic,
        payload,
        properties: delivery.properties,
        whole_size: delivery.whole_size,
        packet_size: delivery.packet_size,
        body: row.map_or_else(Body::Quarantined, |values| Body::Rows(Rows::one(values))),
        cost: u32::try_from(cost).unwrap_or(u32::MAX),
    }
}

/// Copied: a slice would keep alive the whole read buffer that it was cut from.
fn first_bytes(payload: &Bytes) -> Bytes {
    Bytes::copy_from_slice(&payload[..payload.len().min(OVERSIZED_KEPT_BYTES)])
}

fn row(
    delivery: &Delivery,
    route: &Route,
    packet_max: u64,
    notice: Notice<'_>,
) -> Result<Vec<Value>, RowRefusal> {
    if delivery.packet_size > packet_max {
        let detail = format!(
            "the packet has {} bytes, more than mqtt.max_packet_size = {packet_max}; the \
             payload's first bytes are kept",
            delivery.packet_size
        );
        return Err(RowRefusal::new(Reason::TooLarge, detail));
    }
    if delivery.payload.is_empty() {
        return Err(RowRefusal::new(Reason::EmptyPayload, "the payload has no bytes"));
    }
    let text = std::str::from_utf8(&delivery.payload).map_err(|error| {
        let detail = format!("not UTF-8 from byte {}", error.valid_up_to());
        RowRefusal::new(Reason::NotUtf8, detail)
    })?;
    let json: Json = serde_json::from_str(text)
        .map_err(|error| RowRefusal::new(Reason::NotJson, format!("not JSON: {error}")))?;
    let columns = route.columns.iter().enumerate();
    columns.map(|(index, column)| cell(column, &json, &mut |bad| notice(index, bad))).collect()
}

fn cell(
    column: &Column,
    json: &Json,
    notice: &mut dyn FnMut(&RowRefusal),
) -> Result<Value, RowRefusal> {
    match lookup(json, &column.pointer) {
        None | Some(Json::Null) if column.required => {
            let detail =
                format!("column {} is required, and {} is missing", column.name, place(column));
            Err(RowRefusal::new(Reason::MissingField, detail))
        }
        None | Some(Json::Null) => Ok(Value::Null),
        Some(json) => match typed(column, json).and_then(|value| bounded(column, value)) {
            Ok(value) => Ok(value),
            Err(refusal) => {
                notice(&refusal);
                match column.on_bad {
                    OnBad::Quarantine => Err(refusal),
                    OnBad::Null => Ok(Value::Null),
                }
            }
        },
    }
}

/// `Json::pointer` allocates for each escaped level; almost every pointer is one plain level.
fn lookup<'a>(json: &'a Json, pointer: &str) -> Option<&'a Json> {
    match pointer.strip_prefix('/') {
        Some(key) if !key.contains(['/', '~']) && json.is_object() => json.get(key),
        _ => json.pointer(pointer),
    }
}

fn place(column: &Column) -> String {
    if column.pointer.is_empty() {
        "the payload itself".to_owned()
    } else {
        format!("field {}", column.pointer)
    }
}

fn typed(column: &Column, json: &Json) -> Result<Value, RowRefusal> {
    let wrong = || {
        let detail = format!(
            "{} is {}, and column {} is {}",
            place(column),
            shown(json),
            column.name,
            word(column.kind)
        );
        RowRefusal::new(Reason::WrongType, detail)
    };
    match column.kind {
        Kind::Integer => match integer(json) {
            Some(Ok(number)) => Ok(Value::Integer(number)),
            Some(Err(())) => {
                let detail = format!(
                    "{} is {}: too large for an integer of 64 bits",
                    place(column),
                    shown(json)
                );
                Err(RowRefusal::new(Reason::OutOfRange, detail))
            }
            None => Err(wrong()),
        },
        Kind::Real => json.as_f64().map(Value::Real).ok_or_else(wrong),
        Kind::Text => json.as_str().map(|text| Value::Text(text.to_owned())).ok_or_else(wrong),
        Kind::Boolean => json.as_bool().map(|yes| Value::Integer(i64::from(yes))).ok_or_else(wrong),
        Kind::Json | Kind::Time | Kind::Blob => Ok(Value::Text(json.to_string())),
    }
}

/// A whole number, also one that was written as `5.0`; `Err` where 64 bits do not hold it, `None`
/// where it is no whole number.
fn integer(json: &Json) -> Option<Result<i64, ()>> {
    if let Some(number) = json.as_i64() {
        return Some(Ok(number));
    }
    let float = json.as_f64()?;
    if float.fract() != 0.0 {
        return None;
    }
    // -2^63 and 2^63 are exact as f64; below the latter the cast is exact too.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float)
        && !json.is_u64()
    {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within i64, checked above"
        )]
        return Some(Ok(float as i64));
    }
    Some(Err(()))
}

fn bounded(column: &Column, value: Value) -> Result<Value, RowRefusal> {
    let number = match &value {
        #[expect(
            clippy::cast_precision_loss,
            reason = "bounds are f64; 2^53 is beyond any \
            sensor's bound"
        )]
        Value::Integer(number) => *number as f64,
        Value::Real(number) => *number,
        Value::Null | Value::Text(_) | Value::Time(_) | Value::Blob(_) => return Ok(value),
    };
    let below = column.min.filter(|min| number < *min).map(|min| ("below min", min));
    let above = column.max.filter(|max| number > *max).map(|max| ("above max", max));
    match below.or(above) {
        None => Ok(value),
        Some((side, bound)) => {
            let unit = column.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
            let detail = format!(
                "{} is {number}{unit}, {side} = {bound} of column {}",
                place(column),
                column.name
            );
            Err(RowRefusal::new(Reason::OutOfRange, detail))
        }
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "an integer",
        Kind::Real => "a number",
        Kind::Text => "a text",
        Kind::Boolean => "true or false",
        Kind::Json => "any JSON",
        Kind::Time => "a time",
        Kind::Blob => "bytes",
    }
}

/// A value as a sentence shows it: never longer than a line.
fn shown(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use barograph_config::Qos;
    use proptest::prelude::*;

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
        match decode(delivery("a/b", payload), &router(), 1 << 20).body {
            Body::Rows(rows) => Ok(rows.last().to_vec()),
            Body::Quarantined(q) => Err(q.reason),
            Body::Filtered(filtered) => panic!("{filtered:?}"),
        }
    }

    #[test]
    fn good_payloads_become_rows_and_bad_ones_a_reason() {
        use Value::{Integer, Null, Real, Text};
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        type DecodeCase<'a> = (&'a [u8], Result<Vec<Value>, Reason>);
        let table: &[DecodeCase<'_>] = &[
            (br#"{"n":1}"#, Ok(vec![Integer(1), Null, Null, Null, Null, Null])),
            (
                br#"{"n":5.0,"t":-3,"soft":"x","on":true,"s":"hi","j":{"b":[1]}}"#,
                Ok(vec![
                    Integer(5),
                    Real(-3.0),
                    Null,
                    Integer(1),
                    Text("hi".into()),
                    Text(r#"{"b":[1]}"#.into()),
                ]),
            ),
            (
                br#"{"n":9223372036854775807}"#,
                Ok(vec![Integer(i64::MAX), Null, Null, Null, Null, Null]),
            ),
            (br#"{"n":9223372036854775808}"#, Err(Reason::OutOfRange)),
            (br#"{"n":1e300}"#, Err(Reason::OutOfRange)),
            (br#"{"n":1.5}"#, Err(Reason::WrongType)),
            (br#"{"n":"1"}"#, Err(Reason::WrongType)),
            (br#"{"n":null}"#, Err(Reason::MissingField)),
            (br#"{"t":1}"#, Err(Reason::MissingField)),
            (br#"{"n":1,"t":60.5}"#, Err(Reason::OutOfRange)),
            (br#"{"n":1,"t":-41}"#, Err(Reason::OutOfRange)),
            (br#"{"n":1,"on":1}"#, Err(Reason::WrongType)),
            (br"[1,2]", Err(Reason::MissingField)),
            (b"", Err(Reason::EmptyPayload)),
            (b"{", Err(Reason::NotJson)),
            (b"\xff\xfe", Err(Reason::NotUtf8)),
            (&deep, Err(Reason::NotJson)),
        ];
        for (payload, expected) in table {
            let shown = String::from_utf8_lossy(&payload[..payload.len().min(60)]).into_owned();
            assert_eq!(&outcome(payload), expected, "{shown}");
        }
    }

    #[test]
    fn an_unknown_topic_and_an_oversized_payload_keep_their_bytes_and_their_size() {
        let no_route = decode(delivery("other", b"x"), &router(), 100);
        assert!(matches!(no_route.body, Body::Quarantined(r) if r.reason == Reason::NoRoute));
        let mut large = delivery("a/b", &[b'x'; 5000]);
        (large.whole_size, large.packet_size) = (9_000_000, 9_000_010);
        let record = decode(large, &router(), 100);
        assert!(matches!(record.body, Body::Quarantined(r) if r.reason == Reason::TooLarge));
        assert_eq!((record.whole_size, record.payload.len()), (9_000_000, OVERSIZED_KEPT_BYTES));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..200), topic in ".{0,20}") {
            decode(delivery(&topic, &payload), &router(), 100);
        }

        #[test]
        fn every_finite_number_survives_as_a_real(number in proptest::num::f64::NORMAL) {
            prop_assume!((-40.0..=60.0).contains(&number));
            let row = outcome(format!(r#"{{"n":1,"t":{number:?}}}"#).as_bytes());
            prop_assert_eq!(row.map(|values| values[1].clone()), Ok(Value::Real(number)));
        }
    }
}
