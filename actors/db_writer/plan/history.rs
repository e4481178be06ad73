//! How much of the ledger's table is kept: a bounded history, and of what is older the deliveries that are
//! not confirmed. Of those there are at most as many as a session has packet ids. So the table has at most
//! 65,535 entries of those, one and a half times [`HISTORY_ENTRIES_MAX`], and what one batch brings.

use std::collections::VecDeque;

use crate::db_writer::ledger::{HISTORY_ENTRIES_MAX, Ledger, LedgerEntry, LedgerRow};

/// The table is not trimmed below this weight.
const WEIGHT_MAX: usize = HISTORY_ENTRIES_MAX + HISTORY_ENTRIES_MAX / 2;

/// What goes of the ledger's table.
#[derive(Debug)]
pub enum Trim {
    /// Nothing.
    Nothing,
    /// All rows.
    All,
    /// The rows below a number.
    Below {
        /// The number.
        point: i64,
        /// Those of them that are not confirmed and stay, in order.
        kept: Vec<KeptRow>,
        /// Numbers of those that go although an older one stays, in order.
        between: Vec<i64>,
    },
}

/// An old row that is not confirmed.
#[derive(Debug)]
pub struct KeptRow {
    /// Its number.
    pub number: i64,
    /// What the broker may still deliver again.
    pub entries: Vec<LedgerEntry>,
    /// That is not all that the row has in the table.
    pub is_less: bool,
}

/// The rows of the ledger's table: number and weight. A row without entries weighs as much as one.
#[derive(Debug, Clone, Default)]
pub(super) struct LedgerHistory {
    rows: VecDeque<(i64, usize)>,
    weight: usize,
    /// The weight after it was trimmed last: what is not confirmed is not looked through again and again.
    trimmed_to: usize,
    /// The last of the old rows that stayed then, because they were not confirmed.
    last_kept: Option<i64>,
}

impl LedgerHistory {
    /// That of a table with these rows, in order of number.
    pub(super) fn of(rows: &[LedgerRow]) -> Self {
        let mut history = Self::default();
        for row in rows {
            history.push(row);
        }
        history
    }

    /// The row is in the table.
    pub(super) fn push(&mut self, row: &LedgerRow) {
        let weight = row.entries.len().max(1);
        self.rows.push_back((row.number, weight));
        self.weight += weight;
    }

    /// What may go of the table; nothing while there are few. Rather much at a time and seldom than each
    /// time a little.
    pub(super) fn trim(&self, ledger: &Ledger) -> Trim {
        let is_grown = self.weight > self.trimmed_to + HISTORY_ENTRIES_MAX / 2;
        let oldest = ledger.oldest_unconfirmed();
        let is_confirmed = |last| oldest.is_none_or(|oldest| oldest > last);
        if self.weight <= WEIGHT_MAX || !(is_grown || self.last_kept.is_some_and(is_confirmed)) {
            return Trim::Nothing;
        }
        let mut rest = self.weight;
        let mut point = 0;
        for (number, weight) in &self.rows {
            if rest <= HISTORY_ENTRIES_MAX {
                break;
            }
            rest -= weight;
            point = number + 1;
        }
        let kept = ledger.unconfirmed_below(point);
        let kept = kept.map(|(number, entries, is_less)| KeptRow { number, entries, is_less });
        let kept: Vec<KeptRow> = kept.collect();
        let oldest_kept = kept.first().map_or(point, |kept| kept.number);
        let is_kept = |number: i64| kept.binary_search_by_key(&number, |kept| kept.number).is_ok();
        let between = self.numbers(oldest_kept, point).filter(|number| !is_kept(*number)).collect();
        Trim::Below { point, kept, between }
    }

    /// The rows there are from one number up to another, without that.
    fn numbers(&self, from: i64, to: i64) -> impl Iterator<Item = i64> {
        let first = self.rows.partition_point(move |(number, _)| *number < from);
        let numbers = self.rows.iter().skip(first).map(|(number, _)| *number);
        numbers.take_while(move |number| *number < to)
    }

    /// So much of the table is gone.
    pub(super) fn adopt(&mut self, trim: Trim) {
        match trim {
            Trim::Nothing => {}
            Trim::All => *self = Self::default(),
            Trim::Below { point, kept, .. } => {
                let first = self.rows.partition_point(|(number, _)| *number < point);
                let last_kept = kept.last().map(|kept| kept.number);
                let kept = kept.iter().map(|kept| (kept.number, kept.entries.len().max(1)));
                self.rows = kept.chain(self.rows.drain(..).skip(first)).collect();
                self.weight = self.rows.iter().map(|(_, weight)| weight).sum();
                self.trimmed_to = self.weight;
                self.last_kept = last_kept;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::message::batch::BatchId;
    use crate::message::delivery::ConnectionId;
    use crate::message::delivery::UnixMillis;

    use super::*;

    /// A row of a thousand deliveries; their packet ids begin with a number.
    fn row(number: i64, first_id: u16, connection: i64) -> LedgerRow {
        let ids = first_id..first_id + 1_000;
        LedgerRow {
            number,
            batch: BatchId { run: 1, number },
            connection: ConnectionId(connection),
            at: UnixMillis(0),
            confirmed: 0,
            ids_taken: 0,
            entries: ids.map(|packet_id| LedgerEntry { qos: 1, packet_id, digest: 0 }).collect(),
        }
    }

    #[test]
    fn confirmed_rows_are_a_bounded_history() {
        let (mut history, mut ledger) = (LedgerHistory::default(), Ledger::default());
        for number in 1..=200 {
            let row = LedgerRow { confirmed: number - 1, ..row(number, 1, 1) };
            ledger.push(&row);
            history.push(&row);
            let trim = history.trim(&ledger);
            history.adopt(trim);
            assert!(history.weight <= WEIGHT_MAX + 1_000);
        }
        assert!(history.weight >= HISTORY_ENTRIES_MAX);
    }

    /// A recorder that is restarted again and again hears the same redeliveries each time; an old entry that
    /// stays must not keep all rows since.
    #[test]
    fn redeliveries_do_not_make_the_table_grow_while_an_old_delivery_is_not_confirmed() {
        let (mut history, mut ledger) = (LedgerHistory::default(), Ledger::default());
        for number in 1..=500 {
            let row = match number {
                1 => row(1, 1, 1),
                number => row(number, 501, number),
            };
            ledger.push(&row);
            history.push(&row);
            let trim = history.trim(&ledger);
            history.adopt(trim);
            assert!(history.weight <= WEIGHT_MAX + 65_535);
        }
        assert!(history.weight <= WEIGHT_MAX + 1_000, "{}", history.weight);
        assert_eq!(history.rows.front(), Some(&(1, 500)), "the other half was delivered again");
    }
}
