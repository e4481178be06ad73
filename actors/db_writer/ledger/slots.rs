//! What the broker may deliver again, by packet id.

use super::LedgerEntry;

/// Packet ids that a session has in one direction, with 0, which is none.
const PACKET_IDS: usize = 65_536;

/// By packet id: the newest delivery under it, while nothing has confirmed that the broker took its
/// acknowledgement. The broker has at most one delivery under way for each packet id, so an older one
/// under the same id is finished.
///
/// A megabyte, of which the system provides what is used.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    /// Number of the ledger's row; 0: the slot is empty.
    rows: Vec<i64>,
    digests: Vec<u64>,
    qos: Vec<u8>,
}

impl Default for Slots {
    fn default() -> Self {
        Self { rows: vec![0; PACKET_IDS], digests: vec![0; PACKET_IDS], qos: vec![0; PACKET_IDS] }
    }
}

impl Slots {
    /// The delivery under a packet id, and the row that it stands in.
    pub(super) fn get(&self, packet_id: u16) -> Option<(LedgerEntry, i64)> {
        let at = usize::from(packet_id);
        let row = self.rows[at];
        let entry = LedgerEntry { qos: self.qos[at], packet_id, digest: self.digests[at] };
        (row != 0).then_some((entry, row))
    }

    /// Puts a delivery of this row into its slot; gives the row of the one that was there.
    pub(super) fn put(&mut self, entry: &LedgerEntry, row: i64) -> Option<i64> {
        let at = usize::from(entry.packet_id);
        let before = std::mem::replace(&mut self.rows[at], row);
        self.digests[at] = entry.digest;
        self.qos[at] = entry.qos;
        (before != 0).then_some(before)
    }

    /// Empties the slots of these packet ids, where they still hold deliveries of this row.
    pub(super) fn clear(&mut self, packet_ids: &[u16], row: i64) {
        for packet_id in packet_ids {
            let slot = &mut self.rows[usize::from(*packet_id)];
            if *slot == row {
                *slot = 0;
            }
        }
    }
}
