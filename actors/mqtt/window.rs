//! Deliveries that are owed a commit and an acknowledgement, in the order of their arrival. Bounded
//! in bytes. Nothing in it is ever thrown away while the process lives: not when the connection
//! ends (it is stored, and the ledger knows the redelivery), not when the actor that holds it dies
//! (the next life takes it over).

use std::collections::VecDeque;
use std::sync::Arc;

use barograph_config::Qos;
use parking_lot::Mutex;

use crate::message::account::{Drop as Dropped, Outcome, RouteId, Tally};
use crate::message::batch::{Batch, BatchId, Opening, Record};
use crate::message::delivery::ConnectionId;

/// Most records of one batch: a commit of this many takes some 10 ms, and larger ones gain nothing but memory.
pub const BATCH_RECORDS_MAX: usize = 2_500;

/// So many packet ids may have passed without being noted: a process that dies takes the count along, and
/// the ledger must not be wrong by much. With an echo every half minute it is a commit in eight hours.
const IDS_PASSED_MAX: u32 = 1_000;

/// Something that waits for its batch.
#[derive(Debug)]
enum WindowItem {
    /// A connection began; what follows came by it.
    Opening(ConnectionId, Opening),
    /// A delivery of the connection that began last.
    Record(Record),
    /// The retained messages of these filters are all before this place.
    Settled(Vec<String>),
}

/// What waits for the database, and what is being written.
#[derive(Debug)]
pub struct Window {
    waiting: VecDeque<WindowItem>,
    waiting_records: usize,
    in_flight: Option<Arc<Batch>>,
    /// Memory of all of it, in bytes, roughly.
    bytes: u64,
    bytes_max: u64,
    connection: ConnectionId,
    run: i64,
    next_number: i64,
    confirmed: Option<(ConnectionId, i64)>,
    /// As in [`Batch::ids_passed`], for the next batch.
    ids_passed: u32,
    /// What could not be kept, for the account: it goes with the next batch.
    dropped: Tally,
}

impl Window {
    /// An empty window. `run` names this process's batches; it is drawn at random. `bytes_max`
    /// bounds it.
    pub fn new(run: i64, bytes_max: u64) -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_records: 0,
            in_flight: None,
            bytes: 0,
            bytes_max,
            connection: ConnectionId(0),
            run,
            next_number: 1,
            confirmed: None,
            ids_passed: 0,
            dropped: Tally::default(),
        }
    }

    /// Another bound holds from now on; what is in it stays.
    pub fn bound(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    /// A connection began: what is admitted from now on came by it.
    pub fn open(&mut self, connection: ConnectionId, opening: Opening) {
        self.waiting.push_back(WindowItem::Opening(connection, opening));
    }

    /// Takes a delivery in.
    pub fn admit(&mut self, record: Record) {
        self.bytes += u64::from(record.cost);
        self.waiting_records += 1;
        self.waiting.push_back(WindowItem::Record(record));
    }

    /// While neither database nor spool can be written: takes a delivery in, unless it is one of
    /// QoS 0 and memory is half full. The oldest are kept, because a stretch without holes says more
    /// than samples do; the other half is for QoS 1 and 2. Each drop is counted.
    pub fn admit_while_holding(&mut self, record: Record) {
        if record.qos == Qos::AtMostOnce && !self.is_half_empty() {
            self.dropped.add(record.route, Outcome::Dropped(Dropped::Holding), 1);
        } else {
            self.admit(record);
        }
    }

    /// Notes that the broker took the acknowledgements of `connection` up to the batch of this
    /// number: the next batch carries it.
    pub fn confirm(&mut self, connection: ConnectionId, batch_number: i64) {
        self.confirmed = Some((connection, batch_number));
    }

    /// A delivery took a packet id and is not recorded: the next batch carries the count, and there is
    /// one for it when it has grown.
    pub fn pass_id(&mut self) {
        self.ids_passed = self.ids_passed.saturating_add(1);
    }

    /// Notes filters whose retained messages have all been taken in: the batch with the last of
    /// them carries the note, and no earlier one, because from then on retained messages are
    /// repetitions.
    pub fn settle_filters(&mut self, filters: Vec<String>) {
        self.waiting.push_back(WindowItem::Settled(filters));
    }

    /// Whether more may be taken in.
    pub fn has_room(&self) -> bool {
        self.bytes < self.bytes_max
    }

    /// Whether so much has been written that a connection given up for lack of room may be opened
    /// again.
    pub fn is_half_empty(&self) -> bool {
        self.bytes <= self.bytes_max / 2
    }

    /// Whether anything waits for a batch.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.dropped.is_empty() || self.ids_passed >= IDS_PASSED_MAX
    }

    /// Whether a batch of full size waits.
    pub fn has_full_batch(&self) -> bool {
        self.waiting_records >= BATCH_RECORDS_MAX || !self.has_room()
    }

    /// Whether nothing waits and nothing is being written.
    pub fn is_empty(&self) -> bool {
        !self.has_waiting() && self.in_flight.is_none()
    }

    /// Memory of what waits and is being written, in bytes, roughly.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The batch to write now: the one that was being written, if there is one (a dead writer's, to
    /// be sent again under its old name), or everything of one connection that waits, up to the
    /// size of a batch.
    pub fn next_batch(&mut self) -> Option<Arc<Batch>> {
        if let Some(batch) = &self.in_flight {
            return Some(Arc::clone(batch));
        }
        if !self.has_waiting() {
            return None;
        }
        let opening = match self.waiting.pop_front() {
            Some(WindowItem::Opening(connection, opening)) => {
                self.connection = connection;
                Some(opening)
            }
            Some(other @ (WindowItem::Record(_) | WindowItem::Settled(_))) => {
                self.waiting.push_front(other);
                None
            }
            None => None,
        };
        let (records, settled_filters) = self.pop_records();
        let connection = self.connection;
        let batch = Arc::new(Batch {
            id: BatchId { run: self.run, number: self.next_number },
            connection,
            opening,
            records,
            confirmed: self.confirmed.filter(|(of, _)| *of == connection).map(|(_, number)| number),
            settled_filters,
            ids_passed: std::mem::take(&mut self.ids_passed),
            dropped: std::mem::take(&mut self.dropped),
        });
        self.next_number += 1;
        self.in_flight = Some(Arc::clone(&batch));
        Some(batch)
    }

    /// Records of one connection, and the filters that are settled behind them.
    fn pop_records(&mut self) -> (Vec<Record>, Vec<String>) {
        let mut records = Vec::with_capacity(self.waiting_records.min(BATCH_RECORDS_MAX));
        let mut settled_filters = Vec::new();
        while records.len() < BATCH_RECORDS_MAX {
            match self.waiting.pop_front() {
                Some(WindowItem::Record(record)) => records.push(record),
                Some(opening @ WindowItem::Opening(..)) => {
                    self.waiting.push_front(opening);
                    break;
                }
                Some(WindowItem::Settled(filters)) => {
                    settled_filters = filters;
                    break;
                }
                None => break,
            }
        }
        self.waiting_records -= records.len();
        (records, settled_filters)
    }

    /// The batch in flight is durable: gives it back, for its acknowledgements.
    pub fn take_written(&mut self) -> Option<Arc<Batch>> {
        let batch = self.in_flight.take()?;
        let cost: u64 = batch.records.iter().map(|record| u64::from(record.cost)).sum();
        self.bytes = self.bytes.saturating_sub(cost);
        Some(batch)
    }

    /// How many deliveries are in memory: waiting, and being written.
    pub fn records(&self) -> u64 {
        let in_flight = self.in_flight.as_ref().map_or(0, |batch| batch.records.len());
        u64::try_from(self.waiting_records + in_flight).unwrap_or(u64::MAX)
    }

    /// Deliveries of QoS 0 that would be lost if the process ended now, by route: no client will send
    /// them again.
    pub fn unrepeatable(&self) -> Vec<(RouteId, u64)> {
        let waiting = self.waiting.iter().filter_map(|item| match item {
            WindowItem::Record(record) => Some(record),
            WindowItem::Opening(..) | WindowItem::Settled(_) => None,
        });
        let in_flight = self.in_flight.iter().flat_map(|batch| &batch.records);
        let mut lost = Tally::default();
        for record in waiting.chain(in_flight).filter(|record| record.qos == Qos::AtMostOnce) {
            lost.add(record.route, Outcome::Dropped(Dropped::Shutdown), 1);
        }
        lost.iter().map(|(route, _, n)| (route, n)).collect()
    }
}

/// Where a window waits between two lives of the actor that holds it.
#[derive(Debug, Clone, Default)]
pub struct WindowHandoff(Arc<Mutex<Option<Window>>>);

impl WindowHandoff {
    /// Leaves a window for the next life.
    pub fn leave(&self, window: Window) {
        *self.0.lock() = Some(window);
    }

    /// Takes the window that was left.
    pub fn take(&self) -> Option<Window> {
        self.0.lock().take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::delivery::UnixMillis;
    use crate::testing::record;

    fn opening() -> Opening {
        Opening { session_present: true, session: "s".into(), at: UnixMillis(0) }
    }

    fn packet_ids(batch: &Batch) -> Vec<u16> {
        batch.records.iter().map(|r| r.packet_id).collect()
    }

    #[test]
    fn a_batch_never_mixes_connections_and_keeps_the_order() {
        let mut window = Window::new(7, 1 << 20);
        window.open(ConnectionId(1), opening());
        (1..=3).for_each(|id| window.admit(record(id)));
        window.open(ConnectionId(2), opening());
        (4..=5).for_each(|id| window.admit(record(id)));
        let first = window.next_batch().expect("something waits");
        assert_eq!((first.connection, packet_ids(&first)), (ConnectionId(1), vec![1, 2, 3]));
        assert!(first.opening.is_some());
        window.take_written();
        let second = window.next_batch().expect("something waits");
        assert_eq!((second.connection, packet_ids(&second)), (ConnectionId(2), vec![4, 5]));
        window.take_written();
        assert!(window.next_batch().is_none() && window.is_empty() && window.bytes() == 0);
    }

    #[test]
    fn an_unwritten_batch_is_sent_again_under_its_own_name() {
        let mut window = Window::new(7, 1 << 20);
        window.open(ConnectionId(1), opening());
        window.admit(record(1));
        let first = window.next_batch().expect("something waits").id;
        window.admit(record(2));
        let again = window.next_batch().expect("it is still in flight");
        assert_eq!((again.id, packet_ids(&again)), (first, vec![1]));
    }

    #[test]
    fn a_confirmation_of_another_connection_is_not_carried() {
        let mut window = Window::new(7, 1 << 20);
        window.open(ConnectionId(1), opening());
        window.confirm(ConnectionId(9), 5);
        assert_eq!(window.next_batch().expect("the opening").confirmed, None);
        window.take_written();
        window.confirm(ConnectionId(1), 6);
        window.admit(record(1));
        assert_eq!(window.next_batch().expect("a record").confirmed, Some(6));
    }

    #[test]
    fn it_is_bounded_in_bytes_and_has_room_again_once_written() {
        let mut window = Window::new(7, 1000);
        window.open(ConnectionId(1), opening());
        while window.has_room() {
            window.admit(record(1));
        }
        assert!(!window.is_half_empty());
        window.next_batch();
        assert!(!window.has_room(), "what is being written is still in memory");
        window.take_written();
        assert!(window.has_room() && window.is_half_empty());
    }
}
