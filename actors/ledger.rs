//! The ledger: what tells a redelivery from a repetition.
//!
//! Between COMMIT and the broker's reading of our acknowledgement anything may die, and then the
//! broker delivers again what is already stored, with DUP set and the same packet id. So the
//! transaction that stores a batch also stores its deliveries' (QoS, packet id, digest), and an
//! entry stays until there is evidence that the broker has taken the acknowledgement:
//!
//! - within a connection, a barrier: the UNSUBACK of an UNSUBSCRIBE that was sent after the
//!   acknowledgements;
//! - after a reconnect, the first fresh delivery (DUP clear, QoS > 0): redeliveries come first and
//!   in order, so what had not been delivered again by then is acknowledged. At QoS 2 it may be
//!   acknowledged only by half: the broker goes on with PUBREL, and when that connection ends as
//!   well, Mosquitto 2.0.11 has forgotten it and delivers again, two connections later. (Seen on a
//!   busy machine: hundreds of messages twice.) So at QoS 2 the evidence is a barrier behind that
//!   fresh delivery: by then the PUBRELs before it were answered, and the answers taken.
//!
//! A packet id alone is not an identity: it is used again. A digest alone is not: a sensor may
//! repeat itself. And an entry of the *same* connection never makes a duplicate: a broker delivers
//! again only after a reconnect.
//!
//! Pure: the journal stores and loads the rows, this module judges.

use std::collections::{HashMap, HashSet, VecDeque};

use barograph_config::Qos;

use crate::batch::{Batch, BatchId, Opening, Record};
use crate::delivery::{ConnectionId, UnixMillis};

/// Entries that the history of confirmed batches may keep. Well below 65,535, so that within it no
/// packet id has come round again.
pub const HISTORY_ENTRIES_MAX: usize = 20_000;

/// Packet ids that a session has in one direction.
const PACKET_IDS_MAX: usize = 65_535;

/// So many deliveries that no earlier row has, and a packet id may soon come round again: the rest of
/// the ids may be under way without our having seen them.
const IDS_TAKEN_MAX: u64 = 50_000;

/// Repeated deliveries in order, with this many different digests among them, prove that the broker
/// rolled back.
const ROLLBACK_DISTINCT_MIN: usize = 3;

/// QoS 2, as an entry has it.
const EXACTLY_ONCE: u8 = Qos::ExactlyOnce as u8;

/// Bytes of one entry in a row's blob.
const ENTRY_BYTES: usize = 11;

/// One delivery as the ledger knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// 1 or 2.
    pub qos: u8,
    /// Never 0.
    pub packet_id: u16,
    /// Digest of topic and payload.
    pub digest: u64,
}

/// The ledger's row of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Grows from row to row.
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
    /// A fresh delivery was seen on this connection, in this batch or before: what earlier
    /// connections brought at QoS 1 is confirmed.
    pub fresh_seen: bool,
    /// Its deliveries of QoS 1 and 2.
    pub entries: Vec<Entry>,
}

impl Entry {
    fn of(record: &Record) -> Option<Self> {
        (record.qos != Qos::AtMostOnce).then_some(Self {
            qos: record.qos as u8,
            packet_id: record.packet_id,
            digest: record.digest,
        })
    }
}

impl Row {
    /// The row that stands for `batch`, at the end of `ledger`.
    pub fn of(batch: &Batch, number: i64, at: UnixMillis, ledger: &Ledger) -> Self {
        Self {
            number,
            batch: batch.id,
            connection: batch.connection,
            at,
            confirmed: batch.confirmed.map_or(0, |number| ledger.number_of(batch, number)),
            fresh_seen: ledger.fresh_before(batch) || batch.records.iter().any(is_fresh),
            entries: batch.records.iter().filter_map(Entry::of).collect(),
        }
    }

    /// The entries as bytes: QoS (1), packet id (2, little endian), digest (8, little endian) each.
    pub fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(self.entries.len() * ENTRY_BYTES);
        for entry in &self.entries {
            blob.push(entry.qos);
            blob.extend_from_slice(&entry.packet_id.to_le_bytes());
            blob.extend_from_slice(&entry.digest.to_le_bytes());
        }
        blob
    }

    /// Reads what [`Row::blob`] wrote; `None` where the bytes are not that.
    pub fn entries_from(blob: &[u8]) -> Option<Vec<Entry>> {
        let chunks = blob.chunks_exact(ENTRY_BYTES);
        if !chunks.remainder().is_empty() {
            return None;
        }
        chunks
            .map(|chunk| {
                Some(Entry {
                    qos: chunk[0],
                    packet_id: u16::from_le_bytes(chunk[1..3].try_into().ok()?),
                    digest: u64::from_le_bytes(chunk[3..11].try_into().ok()?),
                })
            })
            .collect()
    }
}

/// A first delivery, as far as the broker's flags tell. A retained message proves nothing: it is
/// sent out of the session's order.
fn is_fresh(record: &Record) -> bool {
    record.qos != Qos::AtMostOnce && !record.dup && !record.retain
}

/// A row of which only the journal still has the entries: they are needed again when the connection
/// has changed, and until then they would only fill the memory (a broker with a long backlog
/// answers a barrier behind all of it).
#[derive(Debug, Clone, Copy)]
struct Unconfirmed {
    number: i64,
    batch: BatchId,
    connection: ConnectionId,
    entries: usize,
    /// It has deliveries of QoS 2.
    at_qos_2: bool,
    /// A fresh delivery came on a later connection: only its deliveries of QoS 2 are in doubt.
    half_answered: bool,
    /// Packet ids that the broker took for all rows up to it.
    ids_so_far: u64,
}

/// What the ledger knows while the process runs.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Rows that no evidence has confirmed yet, in order: those of the current connection last.
    unconfirmed: VecDeque<Unconfirmed>,
    /// The unconfirmed deliveries of connections before the current one, by what identifies them at
    /// the broker: digest, and number of the row.
    earlier: HashMap<(u8, u16), (u64, i64)>,
    /// Packet ids that the broker took for all rows so far.
    ids_so_far: u64,
    /// The connection in force.
    current: Option<ConnectionId>,
    /// Entries of its unconfirmed rows.
    current_entries: usize,
    /// The row with the first fresh delivery on it.
    fresh_at: Option<i64>,
    /// Looks whether a resumed session repeats the past.
    rollback: Rollback,
}

impl Ledger {
    /// The ledger as it follows from its stored rows, in order of number.
    pub fn load(stored: &[Row]) -> Self {
        let mut ledger = Self::default();
        let mut taken = IdsTaken::default();
        for row in stored {
            ledger.push_row(row, taken.by(row));
        }
        ledger.index_earlier(stored);
        ledger
    }

    /// A new connection is in force. `stored` are all stored rows, in order of number.
    pub fn open(&mut self, connection: ConnectionId, opening: &Opening, stored: &[Row]) {
        if !opening.session_present {
            self.unconfirmed.clear();
        }
        self.enter(connection);
        self.rollback = Rollback::watch(opening.session_present, stored);
        self.index_earlier(stored);
    }

    fn enter(&mut self, connection: ConnectionId) {
        self.current = Some(connection);
        self.current_entries = 0;
        self.fresh_at = None;
    }

    /// The delivery is one that an earlier connection brought, and that is stored.
    pub fn is_redelivery(&self, record: &Record) -> bool {
        record.dup && Entry::of(record).is_some_and(|entry| self.is_of_earlier(&entry))
    }

    /// An earlier connection brought the same, and nothing has confirmed it.
    fn is_of_earlier(&self, entry: &Entry) -> bool {
        let earlier = self.earlier.get(&(entry.qos, entry.packet_id));
        earlier.is_some_and(|(digest, _)| *digest == entry.digest)
    }

    /// Looks at a delivery for signs that the broker rolled back; answers once, with the time of
    /// the first message repeated.
    pub fn rolled_back(&mut self, record: &Record) -> Option<UnixMillis> {
        if !is_fresh(record) {
            return None;
        }
        Entry::of(record).and_then(|entry| self.rollback.observe(entry))
    }

    /// Whether a fresh delivery was seen on the batch's connection before the batch.
    fn fresh_before(&self, batch: &Batch) -> bool {
        self.current == Some(batch.connection) && self.fresh_at.is_some()
    }

    /// The row of the batch of this number, or of the last one before it, among those of `batch`'s
    /// connection that are not confirmed; 0 for none.
    fn number_of(&self, batch: &Batch, number: i64) -> i64 {
        let is_meant = |row: &&Unconfirmed| {
            row.connection == batch.connection
                && row.batch.run == batch.id.run
                && row.batch.number <= number
        };
        self.unconfirmed.iter().rev().find(is_meant).map_or(0, |row| row.number)
    }

    /// The row is durable.
    pub fn push(&mut self, row: &Row) {
        let ids_taken = row.entries.iter().filter(|entry| !self.is_of_earlier(entry)).count();
        self.push_row(row, ids_taken as u64);
    }

    fn push_row(&mut self, row: &Row, ids_taken: u64) {
        if self.current != Some(row.connection) {
            self.enter(row.connection);
        }
        let (number, batch) = (row.number, row.batch);
        let (connection, entries) = (row.connection, row.entries.len());
        self.ids_so_far += ids_taken;
        self.unconfirmed.push_back(Unconfirmed {
            number,
            batch,
            connection,
            entries,
            at_qos_2: row.entries.iter().any(|entry| entry.qos == EXACTLY_ONCE),
            half_answered: false,
            ids_so_far: self.ids_so_far,
        });
        self.current_entries += entries;
        if row.fresh_seen && self.fresh_at.is_none() {
            self.fresh_at = Some(number);
            self.keep_half_answered(connection);
        }
        if self.fresh_at.is_some_and(|fresh| fresh <= row.confirmed) {
            self.unconfirmed.retain(|row| row.connection == connection);
            self.earlier.clear();
        }
        self.forget_used_ids();
        self.confirm(row.confirmed);
    }

    /// Of earlier connections only what may be answered by half is in doubt.
    fn keep_half_answered(&mut self, current: ConnectionId) {
        self.unconfirmed.retain(|row| row.connection == current || row.at_qos_2);
        for row in self.unconfirmed.iter_mut().filter(|row| row.connection != current) {
            row.half_answered = true;
        }
        self.earlier.retain(|(qos, _), _| *qos == EXACTLY_ONCE);
    }

    /// So many packet ids were taken behind a half-answered row that its own may soon be used again: an
    /// entry that stayed could be taken for another message. Redeliveries take none: a recorder that is
    /// killed again and again hears the same ones each time, and forgot too early when it counted them.
    fn forget_used_ids(&mut self) {
        let (so_far, before) = (self.ids_so_far, self.unconfirmed.len());
        let is_old = |row: &Unconfirmed| so_far - row.ids_so_far >= IDS_TAKEN_MAX;
        while self.unconfirmed.front().is_some_and(|row| row.half_answered && is_old(row)) {
            self.unconfirmed.pop_front();
        }
        if self.unconfirmed.len() < before {
            let oldest = self.oldest_unconfirmed().unwrap_or(i64::MAX);
            self.earlier.retain(|_, (_, number)| *number >= oldest);
        }
    }

    /// Forgets rows of the current connection: those up to `confirmed`, and those behind which so
    /// many deliveries came that the broker must have had their packet ids back. (It has 65,535 of
    /// them, and takes our acknowledgements in the order of its deliveries.)
    fn confirm(&mut self, confirmed: i64) {
        let first = self.unconfirmed.partition_point(|row| Some(row.connection) != self.current);
        while let Some(row) = self.unconfirmed.get(first)
            && (row.number <= confirmed || self.current_entries - row.entries >= PACKET_IDS_MAX)
        {
            self.current_entries -= row.entries;
            self.unconfirmed.remove(first);
        }
    }

    /// The oldest row that is not confirmed: it and all later ones must stay.
    pub fn oldest_unconfirmed(&self) -> Option<i64> {
        self.unconfirmed.front().map(|row| row.number)
    }

    /// Rows that are not confirmed.
    #[cfg(test)]
    fn unconfirmed_len(&self) -> usize {
        self.unconfirmed.len()
    }

    fn index_earlier(&mut self, stored: &[Row]) {
        let earlier = self.unconfirmed.iter().filter(|row| Some(row.connection) != self.current);
        let half_answered: HashMap<i64, bool> =
            earlier.map(|row| (row.number, row.half_answered)).collect();
        self.earlier.clear();
        for row in stored {
            let Some(half_answered) = half_answered.get(&row.number) else { continue };
            let in_doubt = |entry: &&Entry| !half_answered || entry.qos == EXACTLY_ONCE;
            for entry in row.entries.iter().filter(in_doubt) {
                self.earlier.insert((entry.qos, entry.packet_id), (entry.digest, row.number));
            }
        }
    }
}

/// Counts the packet ids that the broker took, from stored rows: of deliveries that are the same but for
/// when they came, the later ones are redeliveries, unless the id may have come round in between.
#[derive(Debug, Default)]
struct IdsTaken {
    so_far: u64,
    first_seen: HashMap<Entry, u64>,
}

impl IdsTaken {
    fn by(&mut self, row: &Row) -> u64 {
        let before = self.so_far;
        for entry in &row.entries {
            let known = self.first_seen.get(entry);
            if known.is_none_or(|first| self.so_far - first >= IDS_TAKEN_MAX) {
                self.so_far += 1;
                self.first_seen.insert(*entry, self.so_far);
            }
        }
        self.so_far - before
    }
}

/// A broker that was killed may come back with an old snapshot and deliver again, without DUP, what
/// we had acknowledged. No MQTT identity survives that, but the sequence of (packet id, digest)
/// does.
#[derive(Debug, Clone, Default)]
enum Rollback {
    /// Nothing to look for (any more).
    #[default]
    Off,
    /// Every fresh delivery so far repeats the history in order.
    Watching {
        history: Vec<(Entry, UnixMillis)>,
        /// Place in the history of the next expected delivery, once the first was found.
        next: Option<usize>,
        began: UnixMillis,
        digests: HashSet<u64>,
    },
}

impl Rollback {
    fn watch(session_present: bool, stored: &[Row]) -> Self {
        if !session_present || stored.is_empty() {
            return Self::Off;
        }
        let mut seen = HashSet::new();
        let entries =
            stored.iter().flat_map(|row| row.entries.iter().map(|entry| (*entry, row.at)));
        let history = entries.filter(|(entry, _)| seen.insert(*entry)).collect();
        Self::Watching { history, next: None, began: UnixMillis(0), digests: HashSet::new() }
    }

    fn observe(&mut self, entry: Entry) -> Option<UnixMillis> {
        let Self::Watching { history, next, began, digests } = self else { return None };
        let place = match *next {
            Some(next) => (history.get(next).map(|(e, _)| e) == Some(&entry)).then_some(next),
            None => history.iter().position(|(e, _)| *e == entry),
        };
        let Some(place) = place else {
            *self = Self::Off;
            return None;
        };
        if next.is_none() {
            *began = history[place].1;
        }
        *next = Some(place + 1);
        digests.insert(entry.digest);
        if digests.len() < ROLLBACK_DISTINCT_MIN {
            return None;
        }
        let began = *began;
        *self = Self::Off;
        Some(began)
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
