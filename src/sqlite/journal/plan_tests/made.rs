//! Records, batches and steps at random.

use barograph_actors::message::account::{Filtered, Reason, RouteId};
use barograph_actors::message::batch::{Body, Record, Rows, Value};
use barograph_actors::message::delivery::UnixMillis;
use barograph_config::Qos;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{NOW, refusal};

/// A record; `digest` also is the number that its row holds, if it is one.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) qos: Qos,
    pub(super) packet_id: u16,
    pub(super) digest: u64,
    pub(super) dup: bool,
    pub(super) retain: bool,
    pub(super) route: Option<u16>,
    pub(super) is_good: bool,
    /// The number of a second row, 0 for NULL; of a bad record: it is filtered.
    pub(super) further: Option<i64>,
}

impl Made {
    pub(super) fn record(&self) -> Record {
        let number = match self.digest {
            0 => Value::Null,
            digest => Value::Integer(digest.cast_signed()),
        };
        let body = match (self.is_good, self.further) {
            (false, Some(_)) => Body::Filtered(Filtered::When),
            (false, None) => Body::Quarantined(refusal(Reason::NotJson)),
            (true, None) => Body::Rows(Rows::one(vec![number])),
            (true, Some(0)) => Body::Rows(Rows::of_width(1, vec![number, Value::Null])),
            (true, Some(n)) => Body::Rows(Rows::of_width(1, vec![number, Value::Integer(n)])),
        };
        Record {
            route: RouteId(self.route),
            qos: self.qos,
            packet_id: if self.qos == Qos::AtMostOnce { 0 } else { self.packet_id },
            dup: self.dup && self.qos != Qos::AtMostOnce,
            retain: self.retain,
            digest: self.digest,
            received_at: UnixMillis(NOW.get()),
            topic: "a/b".to_owned(),
            payload: bytes::Bytes::new(),
            properties: Vec::new(),
            whole_size: 0,
            packet_size: 0,
            body,
            cost: 100,
        }
    }
}

/// How a connection begins.
#[derive(Debug, Clone)]
pub(super) struct Begin {
    pub(super) is_known: bool,
    pub(super) session: &'static str,
}

#[derive(Debug, Clone)]
pub(super) struct MadeBatch {
    pub(super) begin: Option<Begin>,
    pub(super) records: Vec<Made>,
    /// So many batches back, what is confirmed.
    pub(super) confirmed: Option<i64>,
    pub(super) settles: &'static [&'static str],
    pub(super) ids_passed: u32,
    pub(super) dropped: u64,
}

#[derive(Debug, Clone)]
pub(super) enum JournalStep {
    Write(MadeBatch),
    /// Through the spool, in one transaction.
    TakeOver(Vec<MadeBatch>),
    /// It is unknown whether the last batch was written.
    Again,
    Restart,
    /// A new connection brings the records of the batch so many back again: as a broker does that waits for
    /// acknowledgements, or as one that rolled back.
    Redeliver {
        back: usize,
        dup: bool,
    },
}

pub(super) fn made_record() -> impl Strategy<Value = Made> {
    let qos = prop_oneof![
        1 => Just(Qos::AtMostOnce),
        4 => Just(Qos::AtLeastOnce),
        2 => Just(Qos::ExactlyOnce)
    ];
    let flags = (prop::bool::weighted(0.4), prop::bool::weighted(0.2), prop::bool::weighted(0.9));
    let route = prop_oneof![8 => Just(Some(0)), 4 => Just(Some(1)), 1 => Just(None)];
    let further = prop::option::weighted(0.3, 0..6_i64);
    (qos, 1..8_u16, 0..6_u64, flags, route, further).prop_map(
        |(qos, packet_id, digest, (dup, retain, is_good), route, further)| Made {
            qos,
            packet_id,
            digest,
            dup,
            retain,
            route,
            is_good,
            further,
        },
    )
}

pub(super) fn made_batch() -> impl Strategy<Value = MadeBatch> {
    let begin = (prop::bool::weighted(0.8), prop_oneof![9 => Just("s"), 1 => Just("other")])
        .prop_map(|(is_known, session)| Begin { is_known, session });
    let filters: [&'static [&'static str]; 4] = [&[], &[], &["plain/#"], &["plain/#", "strict/#"]];
    let settles = prop::sample::select(filters.to_vec());
    let counts = (prop::option::of(0..3_i64), 0..3_u32, 0..3_u64);
    (prop::option::weighted(0.3, begin), vec(made_record(), 0..8), settles, counts).prop_map(
        |(begin, records, settles, (confirmed, ids_passed, dropped))| MadeBatch {
            begin,
            records,
            confirmed,
            settles,
            ids_passed,
            dropped,
        },
    )
}

pub(super) fn step() -> impl Strategy<Value = JournalStep> {
    prop_oneof![
        8 => made_batch().prop_map(JournalStep::Write),
        1 => vec(made_batch(), 1..4).prop_map(JournalStep::TakeOver),
        1 => Just(JournalStep::Again),
        1 => Just(JournalStep::Restart),
        3 => (0..4_usize, any::<bool>()).prop_map(|(back, dup)| JournalStep::Redeliver { back, dup }),
    ]
}
