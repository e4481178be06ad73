//! Fake ports and small builders for the tests of this crate.

pub(crate) mod broker;
pub(crate) mod harness;
pub(crate) mod journal;
pub(crate) mod post;
pub(crate) mod session;
pub(crate) mod spool;

use barograph_config::{Column, Kind, Qos, Route};
use bytes::Bytes;

use crate::message::account::RouteId;
use crate::message::batch::{Body, Record, Rows, Value};
use crate::message::delivery::UnixMillis;

/// A column that reads the field of its own name.
pub(crate) fn column(name: &str, kind: Kind) -> Column {
    Column::new(name, kind)
}

/// A route at QoS 1.
pub(crate) fn route(topic: &str, table: &str, columns: Vec<Column>) -> Route {
    Route::new(topic, table, columns)
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
