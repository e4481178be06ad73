//! What the broker has certainly taken of our acknowledgements: bookkeeping of barriers on the
//! connection in force.
//!
//! A barrier proves what was sent before it. At QoS 2 that must include the last word (PUBCOMP): until
//! the exchange is complete the broker may deliver the message again. By the protocol it may not after
//! PUBREC; but Mosquitto 2.0.11 puts messages beyond its window back into its queue when a connection
//! ends, and forgets that some of them had been answered. (Seen on a busy machine: hundreds of messages
//! twice in a hundred cuts.)

use std::collections::{HashSet, VecDeque};

use barograph_config::Qos;

use crate::message::batch::Batch;

/// Barriers on the connection in force: at most one is under way.
#[derive(Debug, Default)]
pub(crate) struct Barriers {
    /// Proves the batches up to this number when it comes back (0: none).
    pub(crate) under_way: Option<i64>,
    /// The last batch answered wholly since it was sent.
    pub(crate) owed: Option<i64>,
    /// When it was sent everything that had arrived was answered, and nothing has arrived since:
    /// the broker has nothing more to send.
    pub(crate) quiet: bool,
    /// Acknowledged batches, the first of which has deliveries of QoS 2 that are not released yet.
    unreleased: VecDeque<Unreleased>,
}

/// A batch, and the packet ids of its deliveries that the broker has not released.
#[derive(Debug)]
struct Unreleased {
    batch: i64,
    packet_ids: HashSet<u16>,
}

impl Barriers {
    /// The acknowledgements of a batch are queued.
    pub(crate) fn acknowledged(&mut self, batch: &Batch) {
        if batch.records.iter().all(|record| record.qos == Qos::AtMostOnce) {
            return;
        }
        let at_qos_2 = batch.records.iter().filter(|record| record.qos == Qos::ExactlyOnce);
        let packet_ids = at_qos_2.map(|record| record.packet_id).collect();
        self.unreleased.push_back(Unreleased { batch: batch.id.number, packet_ids });
        self.take_released();
    }

    /// The broker released a delivery, and the last answer is queued. One of an earlier connection is
    /// not one of ours.
    pub(crate) fn released(&mut self, packet_id: u16) {
        // Nearly always the first: the broker releases in order.
        for batch in &mut self.unreleased {
            if batch.packet_ids.remove(&packet_id) {
                break;
            }
        }
        self.take_released();
    }

    fn take_released(&mut self) {
        while let Some(first) = self.unreleased.front()
            && first.packet_ids.is_empty()
        {
            self.owed = Some(first.batch);
            self.unreleased.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::account::Tally;
    use crate::message::batch::BatchId;
    use crate::message::delivery::ConnectionId;
    use crate::testing::record;

    fn batch(number: i64, deliveries: &[(Qos, u16)]) -> Batch {
        let records = deliveries
            .iter()
            .map(|(qos, id)| crate::message::batch::Record { qos: *qos, ..record(*id) });
        Batch {
            id: BatchId { run: 1, number },
            connection: ConnectionId(1),
            opening: None,
            records: records.collect(),
            confirmed: None,
            settled_filters: Vec::new(),
            ids_passed: 0,
            dropped: Tally::default(),
        }
    }

    #[test]
    fn a_batch_is_owed_a_barrier_when_its_last_exchange_is_complete_and_never_before_an_earlier_one()
     {
        use Qos::{AtLeastOnce, AtMostOnce, ExactlyOnce};
        let mut barriers = Barriers::default();
        barriers.acknowledged(&batch(1, &[(AtMostOnce, 0)]));
        assert_eq!(barriers.owed, None, "nothing was acknowledged");
        barriers.acknowledged(&batch(2, &[(AtLeastOnce, 1)]));
        assert_eq!(barriers.owed.take(), Some(2));
        barriers.acknowledged(&batch(3, &[(ExactlyOnce, 2), (AtLeastOnce, 3), (ExactlyOnce, 4)]));
        barriers.acknowledged(&batch(4, &[(AtLeastOnce, 5)]));
        barriers.released(4);
        barriers.released(9);
        assert_eq!(barriers.owed, None);
        barriers.released(2);
        assert_eq!(barriers.owed, Some(4));
    }
}
