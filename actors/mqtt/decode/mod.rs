//! From a delivery to a record: a pure function of the delivery, the routes and one limit. It never
//! fails: what cannot become rows becomes a quarantined record, with the bytes and the reason.
//!
//! A payload becomes a `Tree` (`format`, and a file for each format), the tree rows (`rows`,
//! `conditions`), and each row its columns' values (`columns`, `convert`).

mod bytes;
mod columns;
mod conditions;
mod convert;
mod csv;
mod format;
mod json;
mod keyvalue;
mod lenient_json;
mod nearest;
mod rows;
mod text;
mod time;
mod tree;
mod tree_seed;

use ::bytes::Bytes;
use barograph_config::{Retained, Route};

pub(crate) use self::columns::takes_field;
use self::columns::{DecodedMessage, add_row};
use self::rows::{RowIndex, RowTree, RowsSize, in_row};
use crate::message::account::{Filtered, Reason, RouteId};
use crate::message::batch::{Body, Record, RowRefusal, Rows, Value, digest};
use crate::message::delivery::Delivery;
use crate::message::route::Router;

/// Bytes of an oversized payload that quarantine keeps.
pub const OVERSIZED_KEPT_BYTES: usize = 4096;

/// Memory that a record takes besides topic and payload, in bytes: its own size twice (queue and
/// batch grow by doubling) and its values; by massif some 600 for a row of nine columns.
const RECORD_COST: usize = 600;

/// Bad values of one message that are reported; a row has fewer columns.
const NOTICES_MAX: usize = 1_000;

/// Called for each bad value: index of the column, and what is wrong.
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
    let mut further = 0;
    let (mut route, mut decoded) = (RouteId(None), Body::Filtered(Filtered::NotWanted));
    if let Some((id, first)) = router.find(&delivery.topic) {
        (route, decoded) = (id, body(&delivery, first, packet_max, notice, &mut further));
    }
    // One that does not meet the conditions of a route goes on to the next.
    if matches!(decoded, Body::Filtered(Filtered::When)) {
        for (id, next) in router.matching(&delivery.topic).skip(1) {
            let by_next = body(&delivery, next, packet_max, notice, &mut further);
            if !matches!(by_next, Body::Filtered(Filtered::When)) {
                (route, decoded) = (id, by_next);
                break;
            }
        }
    }
    let body = decoded;
    let payload = match &body {
        Body::Filtered(_) => Bytes::new(),
        Body::Rows(_) | Body::Quarantined(_) if delivery.packet_size > packet_max => {
            first_bytes(&delivery.payload)
        }
        Body::Rows(_) | Body::Quarantined(_) => delivery.payload,
    };
    let cost = RECORD_COST + delivery.topic.len() + 2 * payload.len() + further;
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
        body,
        cost: u32::try_from(cost).unwrap_or(u32::MAX),
    }
}

/// Copied: a slice would keep alive the whole read buffer that it was cut from.
fn first_bytes(payload: &Bytes) -> Bytes {
    Bytes::copy_from_slice(&payload[..payload.len().min(OVERSIZED_KEPT_BYTES)])
}

/// `further` becomes the memory in bytes that rows beyond the first take.
fn body(
    delivery: &Delivery,
    route: &Route,
    packet_max: u64,
    notice: Notice<'_>,
    further: &mut usize,
) -> Body {
    if route.ignore {
        return Body::Filtered(Filtered::Ignored);
    }
    if delivery.retain && route.retained == Retained::Ignore {
        return Body::Filtered(Filtered::Retained);
    }
    match rows(delivery, route, packet_max, notice, further) {
        Ok(values) if values.is_empty() => Body::Filtered(Filtered::When),
        Ok(values) => Body::Rows(Rows::of_width(route.columns.len(), values)),
        Err(refusal) => Body::Quarantined(refusal),
    }
}

/// The values of all rows; none, where no row meets the conditions of the route.
fn rows(
    delivery: &Delivery,
    route: &Route,
    packet_max: u64,
    notice: Notice<'_>,
    further: &mut usize,
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
    let decoder = format::decoder(route);
    let tree = decoder.tree(&delivery.payload, route)?;
    let message = DecodedMessage { delivery, route, tree: &tree };
    if decoder.is_list_of_rows(route) || route.rows.is_some() {
        return several_rows(message, decoder.is_list_of_rows(route), notice, further);
    }
    if !conditions::are_met(route, &tree) {
        return Ok(Vec::new());
    }
    let mut values = Vec::with_capacity(route.columns.len());
    add_row(message, RowTree { index: RowIndex::Whole, tree: &tree }, &mut values, notice)?;
    Ok(values)
}

fn several_rows(
    message: DecodedMessage<'_>,
    is_list_of_rows: bool,
    notice: Notice<'_>,
    further: &mut usize,
) -> Result<Vec<Value>, RowRefusal> {
    let route = message.route;
    let mut noticed = 0;
    let mut notice = |column: usize, refusal: &RowRefusal| {
        noticed += 1;
        if noticed <= NOTICES_MAX {
            notice(column, refusal);
        }
    };
    let mut size = RowsSize::default();
    let mut values = Vec::new();
    for row in rows::split(message.tree, route, is_list_of_rows)? {
        if !conditions::are_met(route, row.tree) {
            continue;
        }
        add_row(message, row, &mut values, &mut notice)
            .map_err(|refusal| in_row(row.index, refusal))?;
        size.grow(&values, message.delivery.payload.len())?;
    }
    *further = size.bytes + values.capacity() * size_of::<Value>();
    Ok(values)
}

/// What is known of the field of a column that had no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FieldFate {
    /// The message has it.
    Present,
    /// It does not; this one is probably meant.
    Absent { nearest: Option<String> },
}

/// Looks into the message of a record for the fields of these columns; in the order of `columns`. Of a
/// message that cannot be decoded no field is known.
pub(crate) fn fates_of_fields(record: &Record, route: &Route, columns: &[usize]) -> Vec<FieldFate> {
    let unknown = || FieldFate::Absent { nearest: None };
    let decoder = format::decoder(route);
    let Ok(tree) = decoder.tree(&record.payload, route) else {
        return columns.iter().map(|_| unknown()).collect();
    };
    let is_list_of_rows = decoder.is_list_of_rows(route);
    let row = match is_list_of_rows || route.rows.is_some() {
        false => Some(&tree),
        true => rows::split(&tree, route, is_list_of_rows).ok().and_then(|rows| {
            rows.iter().map(|row| row.tree).find(|row| conditions::are_met(route, row))
        }),
    };
    let fate = |index: &usize| {
        let column = route.columns.get(*index)?;
        let (tree, pointer) = match &column.message {
            Some(pointer) => (&tree, pointer),
            None => (row?, &column.pointer),
        };
        Some(match tree.at(pointer) {
            Some(_) => FieldFate::Present,
            None => FieldFate::Absent { nearest: nearest::nearest_field(tree, pointer) },
        })
    };
    columns.iter().map(|index| fate(index).unwrap_or_else(unknown)).collect()
}

#[cfg(test)]
mod tests;
