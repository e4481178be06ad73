//! The ledger: what tells a redelivery from a repetition.
//!
//! Between COMMIT and the broker's reading of our acknowledgement anything may die, and then the
//! broker delivers again what is already stored, with DUP set and the same packet id. So the
//! transaction that stores a batch also stores its deliveries' (QoS, packet id, digest). A delivery
//! is a redelivery when DUP is set and the newest delivery of an *earlier* connection under its packet
//! id has the same QoS and digest, and is not confirmed. Only this confirms that the broker has taken
//! an acknowledgement, at QoS 1 and 2 alike:
//!
//! - **a barrier** on the same connection: the UNSUBACK of an UNSUBSCRIBE that was sent after the
//!   acknowledgement. A broker handles the packets of a connection in order.
//! - **the packet id's next use**: a broker gives an id to another message only when the exchange of the
//!   one before is complete. So each slot holds the newest delivery (`slots::Slots`).
//! - **so many packet ids taken since** (`IDS_TAKEN_MAX`) that this one may come round again: an entry
//!   that stayed could be taken for another message that says the same.
//!
//! The order of deliveries proves nothing. Mosquitto 2.0.11, restarted with more in flight than its
//! window, redelivers the window, queues the rest, and gives each slot that an acknowledgement frees to
//! a new message first: a fresh delivery came before 3,344 redeliveries. Nor does PUBREC: when the
//! connection ends before PUBCOMP, Mosquitto may deliver the message again, twenty connections later.
//!
//! A packet id alone is not an identity: it is used again. A digest alone is not: a sensor may
//! repeat itself. And an entry of the *same* connection never makes a duplicate: a broker delivers
//! again only after a reconnect.
//!
//! Pure: the journal stores and loads the rows, this module judges.

mod rollback;
mod slots;

use std::collections::VecDeque;

use barograph_config::Qos;

pub use self::rollback::RollbackWatch;
use self::slots::Slots;
use crate::message::batch::{Batch, BatchId, Opening, Record};
use crate::message::delivery::{ConnectionId, UnixMillis};
use crate::mistake::{Mistake, makes};

/// Entries that the history of confirmed batches may keep. Well below 65,535, so that within it no
/// packet id has come round again.
pub const HISTORY_ENTRIES_MAX: usize = 20_000;

/// So many packet ids taken since a delivery, and its own may soon be taken again: the broker has
/// 65,535, and the rest of them may be under way without having reached us. (With 50,000 a hundred cuts at
/// 9,000 messages a second, on a machine with a load of 17, once took 4,885 of a sensor's repetitions for
/// redeliveries.)
const IDS_TAKEN_MAX: u64 = 30_000;

/// Bytes of one entry in a row's blob.
const ENTRY_BYTES: usize = 11;

/// One delivery as the ledger knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LedgerEntry {
    /// 1 or 2.
    pub qos: u8,
    /// Never 0.
    pub packet_id: u16,
    /// Digest of topic and payload.
    pub digest: u64,
}

/// The ledger's row of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Grows from row to row; the first is 1.
    pub number: i64,
    /// The batch it stands for.
    pub batch: BatchId,
    /// The connection its deliveries came by.
    pub connection: ConnectionId,
    /// When it was written.
    pub at: UnixMillis,
    /// Rows of the same connection up to this number were confirmed when this row was written (0:
    /// none).
    pub confirmed: i64,
    /// Packet ids that the broker took for everything since the ledger began, up to and with this row.
    /// Redeliveries take none.
    pub ids_taken: u64,
    /// Its deliveries of QoS 1 and 2.
    pub entries: Vec<LedgerEntry>,
}

impl LedgerEntry {
    fn of(record: &Record) -> Option<Self> {
        (record.qos != Qos::AtMostOnce).then_some(Self {
            qos: record.qos as u8,
            packet_id: record.packet_id,
            digest: record.digest,
        })
    }
}

impl LedgerRow {
    /// The row that stands for `batch`, at the end of `ledger`.
    pub fn of(batch: &Batch, number: i64, at: UnixMillis, ledger: &Ledger) -> Self {
        let takes_an_id =
            |record: &&Record| record.qos != Qos::AtMostOnce && !ledger.is_redelivery(record);
        let taken = batch.records.iter().filter(takes_an_id).count() as u64;
        Self {
            number,
            batch: batch.id,
            connection: batch.connection,
            at,
            confirmed: batch.confirmed.map_or(0, |number| ledger.number_of(batch, number)),
            ids_taken: ledger.ids_taken + taken + u64::from(batch.ids_passed),
            entries: batch.records.iter().filter_map(LedgerEntry::of).collect(),
        }
    }

    /// The entries as bytes: see [`blob`].
    pub fn blob(&self) -> Vec<u8> {
        blob(&self.entries)
    }

    /// Reads what [`blob`] wrote; `None` where the bytes are not that.
    pub fn entries_from(blob: &[u8]) -> Option<Vec<LedgerEntry>> {
        let chunks = blob.chunks_exact(ENTRY_BYTES);
        if !chunks.remainder().is_empty() {
            return None;
        }
        chunks
            .map(|chunk| {
                Some(LedgerEntry {
                    qos: chunk[0],
                    packet_id: u16::from_le_bytes(chunk[1..3].try_into().ok()?),
                    digest: u64::from_le_bytes(chunk[3..11].try_into().ok()?),
                })
            })
            .collect()
    }
}

/// Entries as bytes: QoS (1), packet id (2, little endian), digest (8, little endian) each.
pub fn blob(entries: &[LedgerEntry]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for entry in entries {
        blob.push(entry.qos);
        blob.extend_from_slice(&entry.packet_id.to_le_bytes());
        blob.extend_from_slice(&entry.digest.to_le_bytes());
    }
    blob
}

/// A row with deliveries that the broker may send again.
#[derive(Debug, Clone)]
struct Unconfirmed {
    number: i64,
    batch: BatchId,
    /// Of all its deliveries.
    packet_ids: Vec<u16>,
    /// Slots that it still holds.
    slots: usize,
    /// As in [`LedgerRow::ids_taken`].
    ids_taken: u64,
}

/// What the ledger knows while the process runs.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    slots: Slots,
    /// Rows that hold slots, in order of number: those of the current connection last.
    unconfirmed: VecDeque<Unconfirmed>,
    /// As in [`LedgerRow::ids_taken`], of the last row.
    ids_taken: u64,
    /// The connection in force.
    current: Option<ConnectionId>,
    /// Rows below this number came by earlier connections.
    current_from: i64,
    /// Looks whether a resumed session repeats the past.
    rollback: RollbackWatch,
}

impl Ledger {
    /// The ledger as it follows from its stored rows, in order of number.
    pub fn load(stored: &[LedgerRow]) -> Self {
        let mut ledger = Self::default();
        for row in stored {
            ledger.push(row);
        }
        ledger
    }

    /// A new connection is in force. `stored` are all stored rows, in order of number.
    pub fn open(&mut self, connection: ConnectionId, opening: &Opening, stored: &[LedgerRow]) {
        if !opening.session_present {
            self.unconfirmed.clear();
            self.slots = Slots::default();
        }
        self.enter(connection);
        self.rollback = RollbackWatch::watch(opening.session_present, stored);
    }

    fn enter(&mut self, connection: ConnectionId) {
        self.current = Some(connection);
        self.current_from = i64::MAX;
    }

    /// The delivery is one that an earlier connection brought, and that is stored.
    pub fn is_redelivery(&self, record: &Record) -> bool {
        let Some(entry) = LedgerEntry::of(record).filter(|_| record.dup) else { return false };
        let slot = self.slots.get(entry.packet_id);
        slot.is_some_and(|(known, row)| known == entry && row < self.current_from)
    }

    /// Looks whether a resumed session repeats the past; as far as it has come.
    pub fn watch(&self) -> RollbackWatch {
        self.rollback.clone()
    }

    /// It has come so far.
    pub fn continue_watch(&mut self, watch: RollbackWatch) {
        self.rollback = watch;
    }

    /// The row of the batch of this number, or of the last one before it, among those of `batch`'s
    /// connection that are not confirmed; 0 for none.
    fn number_of(&self, batch: &Batch, number: i64) -> i64 {
        if self.current != Some(batch.connection) {
            return 0;
        }
        // A connection is of one run, whose batches are numbered as they are written.
        let is_after = |row: &Unconfirmed| {
            row.number >= self.current_from
                && row.batch.run == batch.id.run
                && row.batch.number > number
        };
        let first_after = self.unconfirmed.partition_point(|row| !is_after(row));
        let last = first_after.checked_sub(1).map(|at| &self.unconfirmed[at]);
        last.filter(|row| row.number >= self.current_from && row.batch.run == batch.id.run)
            .map_or(0, |row| row.number)
    }

    /// The row is durable.
    pub fn push(&mut self, row: &LedgerRow) {
        if self.current != Some(row.connection) {
            self.enter(row.connection);
        }
        self.current_from = self.current_from.min(row.number);
        let takes_ids = row.ids_taken > self.ids_taken;
        self.ids_taken = self.ids_taken.max(row.ids_taken);
        self.take_slots(row);
        self.confirm(row.confirmed);
        if takes_ids && makes(Mistake::ConfirmByOrder) {
            self.forget(|ledger, row| row.number < ledger.current_from);
        }
        let ids_taken = self.ids_taken;
        self.forget(|_, row| ids_taken - row.ids_taken >= IDS_TAKEN_MAX);
    }

    /// Puts the row's deliveries into their slots, and so confirms what was there.
    fn take_slots(&mut self, row: &LedgerRow) {
        let mut slots = 0;
        let mut some_row_holds_none = false;
        for entry in &row.entries {
            match self.slots.put(entry, row.number) {
                None => slots += 1,
                Some(before) if before == row.number => {}
                Some(before) => {
                    slots += 1;
                    let found = self.unconfirmed.binary_search_by_key(&before, |row| row.number);
                    if let Ok(index) = found {
                        let loser = &mut self.unconfirmed[index];
                        loser.slots -= 1;
                        some_row_holds_none |= loser.slots == 0;
                    }
                }
            }
        }
        if some_row_holds_none {
            self.unconfirmed.retain(|row| row.slots > 0);
        }
        if slots > 0 {
            let packet_ids = row.entries.iter().map(|entry| entry.packet_id).collect();
            let (number, batch, ids_taken) = (row.number, row.batch, row.ids_taken);
            self.unconfirmed.push_back(Unconfirmed { number, batch, packet_ids, slots, ids_taken });
        }
    }

    /// The broker has taken the acknowledgements of the current connection up to this row.
    fn confirm(&mut self, confirmed: i64) {
        let first = self.unconfirmed.partition_point(|row| row.number < self.current_from);
        let last = self.unconfirmed.partition_point(|row| row.number <= confirmed);
        if first < last {
            for row in self.unconfirmed.drain(first..last) {
                self.slots.clear(&row.packet_ids, row.number);
            }
        }
    }

    /// Forgets the oldest rows, as long as this holds for them.
    fn forget(&mut self, goes: impl Fn(&Self, &Unconfirmed) -> bool) {
        while self.unconfirmed.front().is_some_and(|row| goes(self, row)) {
            if let Some(row) = self.unconfirmed.pop_front() {
                self.slots.clear(&row.packet_ids, row.number);
            }
        }
    }

    /// The oldest row that is not confirmed.
    pub fn oldest_unconfirmed(&self) -> Option<i64> {
        self.unconfirmed.front().map(|row| row.number)
    }

    /// Of the rows below `number`, in order: those that are not confirmed, each with the deliveries that
    /// the broker may still send again, and whether those are fewer than it has.
    pub fn unconfirmed_below(
        &self,
        number: i64,
    ) -> impl Iterator<Item = (i64, Vec<LedgerEntry>, bool)> {
        self.unconfirmed.iter().take_while(move |row| row.number < number).map(|row| {
            let held = row.packet_ids.iter().filter_map(|id| self.slots.get(*id));
            let mut entries: Vec<LedgerEntry> =
                held.filter(|(_, of)| *of == row.number).map(|(entry, _)| entry).collect();
            entries.dedup();
            let is_less = entries.len() < row.packet_ids.len();
            (row.number, entries, is_less)
        })
    }

    /// Rows that are not confirmed.
    #[cfg(test)]
    fn unconfirmed_len(&self) -> usize {
        self.unconfirmed.len()
    }
}

#[cfg(test)]
mod tests;
