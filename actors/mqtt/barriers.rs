//! What the broker has certainly taken of our acknowledgements: bookkeeping of barriers on the
//! connection in force.
//!
//! A barrier proves what was sent before it. At QoS 2 that must include the last word (PUBCOMP): until
//! the exchange is complete the broker may deliver the message again. By the protocol it may not after
//! PUBREC; but Mosquitto 2.0.11 puts messages beyond its window back into its queue when a connection
//! ends, and forgets that some of them had been answered. (Seen on a busy machine: hundreds of messages
//! twice in a hundred cuts.)
//!
//! A barrier for each batch would double the packets of a slow stream, and its answer, to which we say nothing, held
//! the next message back by 40 ms where the broker delays small packets. So one barrier stands for many batches:
//! it is due when the broker has been answered [`ANSWERED_MAX`] deliveries since the one before, when the first of
//! them is [`PROVEN_WITHIN`] old, and when nothing was answered for [`QUIET`].

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use barograph_config::Qos;
use tokio::time::Instant;

use crate::message::batch::Batch;

/// Deliveries that one barrier proves, at most; a batch more where a batch is larger.
const ANSWERED_MAX: usize = 1_000;

/// A barrier is due so long after the first acknowledgement that it is to prove.
const PROVEN_WITHIN: Duration = Duration::from_secs(1);

/// A barrier is due when nothing was answered for so long. A broker that gives the next message the packet id that our
/// acknowledgement has just freed is the reason: see "Outside the promise" in docs/design/promises.md. Longer than
/// the delayed acknowledgements of TCP (40 ms), so that 20 messages a second and more do without.
const QUIET: Duration = Duration::from_millis(50);

/// Barriers on the connection in force: at most one is under way.
#[derive(Debug, Default)]
pub(crate) struct Barriers {
    /// Proves the batches up to this number when it comes back (0: none).
    under_way: Option<i64>,
    /// What was answered wholly since it was sent.
    owed: Option<Owed>,
    /// When it was sent everything that had arrived was answered, and nothing has arrived since:
    /// the broker has nothing more to send.
    pub(crate) quiet: bool,
    /// Acknowledged batches, the first of which has deliveries of QoS 2 that are not released yet.
    unreleased: VecDeque<Unreleased>,
}

/// Batches that are answered wholly, and that no barrier was sent for.
#[derive(Debug, Clone, Copy)]
struct Owed {
    /// The last of them.
    batch: i64,
    /// Their deliveries of QoS 1 and 2.
    deliveries: usize,
    /// When the first of them was answered.
    first: Instant,
    /// When the last of them was.
    last: Instant,
}

/// A batch, and the packet ids of its deliveries that the broker has not released.
#[derive(Debug)]
struct Unreleased {
    batch: i64,
    /// Of QoS 1 and 2.
    deliveries: usize,
    packet_ids: HashSet<u16>,
}

impl Barriers {
    /// The acknowledgements of a batch are queued.
    pub(crate) fn acknowledged(&mut self, batch: &Batch, now: Instant) {
        let answered = batch.records.iter().filter(|record| record.qos != Qos::AtMostOnce);
        let deliveries = answered.clone().count();
        if deliveries == 0 {
            return;
        }
        let at_qos_2 = answered.filter(|record| record.qos == Qos::ExactlyOnce);
        let packet_ids = at_qos_2.map(|record| record.packet_id).collect();
        self.unreleased.push_back(Unreleased { batch: batch.id.number, deliveries, packet_ids });
        self.take_released(now);
    }

    /// The broker released a delivery, and the last answer is queued. One of an earlier connection is
    /// not one of ours.
    pub(crate) fn released(&mut self, packet_id: u16, now: Instant) {
        // Nearly always the first: the broker releases in order.
        for batch in &mut self.unreleased {
            if batch.packet_ids.remove(&packet_id) {
                break;
            }
        }
        self.take_released(now);
    }

    fn take_released(&mut self, now: Instant) {
        while let Some(first) = self.unreleased.front()
            && first.packet_ids.is_empty()
        {
            let before = self.owed.map_or((0, now), |owed| (owed.deliveries, owed.first));
            let (deliveries, first_at) = (before.0 + first.deliveries, before.1);
            self.owed = Some(Owed { batch: first.batch, deliveries, first: first_at, last: now });
            self.unreleased.pop_front();
        }
    }

    /// When the next barrier is to be sent, as far as acknowledgements go; `None`: there is nothing to prove, or one is
    /// under way.
    pub(crate) fn due(&self) -> Option<Instant> {
        let owed = self.owed.filter(|_| self.under_way.is_none())?;
        let due = match owed.deliveries >= ANSWERED_MAX {
            true => owed.last,
            false => (owed.last + QUIET).min(owed.first + PROVEN_WITHIN),
        };
        Some(due)
    }

    /// Whether one has been sent and has not come back.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// One is sent. `quiet`: everything that has arrived is answered.
    pub(crate) fn sent(&mut self, quiet: bool) {
        self.under_way = Some(self.owed.take().map_or(0, |owed| owed.batch));
        self.quiet = quiet;
    }

    /// It came back; gives the number of the last batch that it proves, if it proves any.
    pub(crate) fn passed(&mut self) -> Option<i64> {
        self.under_way.take().filter(|number| *number > 0)
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

    /// What a barrier would prove if it were sent now.
    fn proves(barriers: &mut Barriers) -> Option<i64> {
        barriers.sent(false);
        barriers.passed()
    }

    #[test]
    fn a_barrier_proves_a_batch_whose_last_exchange_is_complete_and_none_behind_an_incomplete_one()
    {
        use Qos::{AtLeastOnce, AtMostOnce, ExactlyOnce};
        let (mut barriers, now) = (Barriers::default(), Instant::now());
        barriers.acknowledged(&batch(1, &[(AtMostOnce, 0)]), now);
        assert_eq!(proves(&mut barriers), None, "nothing was acknowledged");
        barriers.acknowledged(&batch(2, &[(AtLeastOnce, 1)]), now);
        assert_eq!(proves(&mut barriers), Some(2));
        let mixed = [(ExactlyOnce, 2), (AtLeastOnce, 3), (ExactlyOnce, 4)];
        barriers.acknowledged(&batch(3, &mixed), now);
        barriers.acknowledged(&batch(4, &[(AtLeastOnce, 5)]), now);
        barriers.released(4, now);
        barriers.released(9, now);
        assert_eq!(barriers.due(), None);
        barriers.released(2, now);
        assert_eq!(proves(&mut barriers), Some(4));
    }

    #[test]
    fn a_barrier_is_due_when_it_is_quiet_or_after_a_second_or_after_so_many_deliveries() {
        let began = Instant::now();
        let at = |ms: u64| began + Duration::from_millis(ms);
        let mut barriers = Barriers::default();
        assert_eq!(barriers.due(), None);
        // 100 a second.
        for number in 1..=150 {
            let now = at(u64::try_from(number).unwrap() * 10);
            barriers.acknowledged(&batch(number, &[(Qos::AtLeastOnce, 1)]), now);
            assert_eq!(barriers.due(), Some((now + QUIET).min(at(10) + PROVEN_WITHIN)));
        }
        barriers.sent(false);
        barriers.acknowledged(&batch(151, &[(Qos::AtLeastOnce, 1)]), at(1_510));
        assert_eq!(barriers.due(), None, "one is under way");
        assert_eq!(barriers.passed(), Some(150));
        assert_eq!(barriers.due(), Some(at(1_560)));
        let many: Vec<(Qos, u16)> = (1..=999).map(|id| (Qos::AtLeastOnce, id)).collect();
        barriers.acknowledged(&batch(152, &many), at(1_511));
        assert_eq!(barriers.due(), Some(at(1_511)), "now");
    }
}
