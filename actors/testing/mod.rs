//! Fake ports and small builders for the tests of this crate.

pub(crate) mod broker;
pub(crate) mod harness;
pub(crate) mod journal;
pub(crate) mod post;
pub(crate) mod session;
pub(crate) mod spool;

use barograph_config::{Column, Kind, OnBad, Qos, Route};
use bytes::Bytes;

use crate::message::account::RouteId;
use crate::message::batch::{Body, Record, Rows, Value};
use crate::message::delivery::UnixMillis;

/// A column that reads the field of its own name.
pub(crate) fn column(name: &str, kind: Kind) -> Column {
    Column {
        name: name.to_owned(),
        pointer: format!("/{name}"),
        kind,
        required: false,
        min: None,
        max: None,
        unit: None,
        on_bad: OnBad::Quarantine,
        stuck_after: None,
    }
}

/// A route at QoS 1.
pub(crate) fn route(topic: &str, table: &str, columns: Vec<Column>) -> Route {
    Route {
        topic: topic.to_owned(),
        table: table.to_owned(),
        qos: Qos::AtLeastOnce,
        unique: Vec::new(),
        columns,
        indexes: Vec::new(),
        silent_after: None,
        time_column: None,
        derived: Vec::new(),
    }
}

/// A fresh QoS 1 record whose digest is its packet id.
pub(crate) fn record(packet_id: u16) -> Record {
    Record {
        route: RouteId(Some(0)),
        qos: Qos::AtLeastOnce,
        packet_id,
        dup: false,
        retain: false,
        digest: u64::from(packet_id),
        received_at: UnixMillis(0),
        topic: "a/b".to_owned(),
        payload: Bytes::new(),
        whole_size: 0,
        packet_size: 0,
        properties: Vec::new(),
        body: Body::Rows(Rows::one(vec![Value::Integer(i64::from(packet_id))])),
        cost: 100,
    }
}
