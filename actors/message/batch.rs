//! What is written: records, in batches, with a receipt for each.

use barograph_config::Qos;
use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

use crate::message::account::{Filtered, Reason, RouteId, Tally};
use crate::message::delivery::{ConnectionId, UnixMillis};
use crate::message::note::Event;

/// A value ready for its column. In JSON a time is text, and of bytes only their number is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Absent, or bad where the route says `on_bad = "null"`.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT.
    Text(String),
    /// A moment: TEXT as `created_at` is, or the seconds since 1970 where the table's column is INTEGER.
    #[serde(serialize_with = "time_as_text", skip_deserializing)]
    Time(UnixMillis),
    /// BLOB.
    #[serde(serialize_with = "number_of_bytes", skip_deserializing)]
    Blob(Bytes),
}

fn time_as_text<S: Serializer>(time: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn number_of_bytes<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{} bytes", bytes.len()))
}

/// Rows of one table, values in the order of the route's columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    values: Vec<Value>,
    width: usize,
}

impl Rows {
    /// One row.
    pub fn one(values: Vec<Value>) -> Self {
        Self { width: values.len().max(1), values }
    }

    /// Rows one after the other, each of `width` values. A rest that is no whole row is ignored.
    pub fn of_width(width: usize, values: Vec<Value>) -> Self {
        Self { values, width: width.max(1) }
    }

    /// The rows, in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, Value> {
        self.values.chunks_exact(self.width)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.values.len() / self.width
    }

    /// The last one; empty if there is none.
    pub fn last(&self) -> &[Value] {
        self.iter().next_back().unwrap_or_default()
    }
}

/// A decoded delivery. Every delivery becomes something durable, so every acknowledgement has a
/// commit behind it.
#[derive(Debug, Clone)]
pub struct Record {
    /// Which route.
    pub route: RouteId,
    /// Quality of service of the delivery.
    pub qos: Qos,
    /// Packet id; 0 at QoS 0.
    pub packet_id: u16,
    /// The broker may have delivered it before.
    pub dup: bool,
    /// From before the subscription.
    pub retain: bool,
    /// Digest of topic and payload (see [`digest`]).
    pub digest: u64,
    /// When it arrived.
    pub received_at: UnixMillis,
    /// Topic name.
    pub topic: String,
    /// The payload, or its first bytes: kept until the row is stored, because the table may refuse
    /// it.
    pub payload: Bytes,
    /// MQTT 5 user properties, which a later decoding may want.
    pub properties: Vec<(String, String)>,
    /// Size of the whole payload in bytes.
    pub whole_size: u64,
    /// Size of the whole MQTT packet in bytes.
    pub packet_size: u64,
    /// What it becomes.
    pub body: Body,
    /// What it costs in memory, in bytes, roughly.
    pub cost: u32,
}

/// What a record becomes.
#[derive(Debug, Clone)]
pub enum Body {
    /// Rows of its route's table, all or none.
    Rows(Rows),
    /// A row of the quarantine.
    Quarantined(RowRefusal),
    /// Only counted.
    Filtered(Filtered),
}

/// Why a delivery cannot become a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRefusal {
    /// As a word.
    pub reason: Reason,
    /// As a sentence.
    pub detail: String,
}

/// Names one batch, so that a batch that is sent again is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchId {
    /// Drawn at random at the start of the process.
    pub run: i64,
    /// Counts within the run.
    pub number: i64,
}

/// A connection began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The broker still had our session, and so will deliver again what we have not acknowledged.
    pub session_present: bool,
    /// Which session: broker and client id. Packet ids of another session mean nothing.
    pub session: String,
    /// When.
    pub at: UnixMillis,
}

/// What is written in one transaction: records of one connection in the order of their arrival.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its name.
    pub id: BatchId,
    /// The connection it came by.
    pub connection: ConnectionId,
    /// Set in the first batch of a connection.
    pub opening: Option<Opening>,
    /// The deliveries.
    pub records: Vec<Record>,
    /// The broker has shown that it took the acknowledgements of this connection's batches up to
    /// the one of this number.
    pub confirmed: Option<i64>,
    /// Filters whose retained messages have all arrived.
    pub settled_filters: Vec<String>,
    /// Packet ids that the broker took since the batch before for deliveries that are not recorded
    /// (our own echo).
    pub ids_passed: u32,
    /// Deliveries that could not be kept since the batch before, by reason.
    pub dropped: Tally,
}

/// A batch is durable.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// It was already durable when it was sent again: nothing was written now.
    pub repeated: bool,
    /// What became of its records.
    pub tally: Tally,
    /// What the journal noticed.
    pub events: Vec<Event>,
    /// Places in the batch of records that could have become rows of their route's table and did not:
    /// repeats, and what the table refused. In order, and as a rule none.
    pub passed_by: Vec<usize>,
}

impl Receipt {
    /// The batch was durable already.
    pub fn repeated() -> Self {
        let (tally, events, passed_by) = (Tally::default(), Vec::new(), Vec::new());
        Self { repeated: true, tally, events, passed_by }
    }
}

/// Digest of topic and payload: half of what tells a redelivery from a repetition (the other half
/// is the packet id). Not a defence against an enemy: a publisher that could forge it could as well
/// send no data. XXH3, 64 bits: stable across versions and machines.
pub fn digest(topic: &str, payload: &[u8], whole_size: u64) -> u64 {
    let seed = xxhash_rust::xxh3::xxh3_64_with_seed(topic.as_bytes(), whole_size);
    xxhash_rust::xxh3::xxh3_64_with_seed(payload, seed)
}
