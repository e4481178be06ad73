//! How much of the ledger's table is kept: what is not confirmed, and before it a bounded history
//! of what is.

use std::collections::VecDeque;

use barograph_actors::ledger::{HISTORY_ENTRIES_MAX, Row};

/// The rows of the ledger's table: number and weight. A row without entries weighs as much as one.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    rows: VecDeque<(i64, usize)>,
    weight: usize,
}

impl History {
    pub(super) fn of(rows: &[Row]) -> Self {
        let mut history = Self::default();
        for row in rows {
            history.push(row);
        }
        history
    }

    pub(super) fn push(&mut self, row: &Row) {
        let weight = row.entries.len().max(1);
        self.rows.push_back((row.number, weight));
        self.weight += weight;
    }

    /// The number below which rows may go; `None` while there are few. Never a row from `keep_from`
    /// on. Rather many at a time and seldom than each time one.
    pub(super) fn trim_point(&self, keep_from: i64) -> Option<i64> {
        if self.weight <= HISTORY_ENTRIES_MAX + HISTORY_ENTRIES_MAX / 2 {
            return None;
        }
        let mut rest = self.weight;
        let mut point = None;
        for (number, weight) in &self.rows {
            if rest <= HISTORY_ENTRIES_MAX || *number >= keep_from {
                break;
            }
            rest -= weight;
            point = Some(number + 1);
        }
        point
    }

    /// The rows below this number are gone.
    pub(super) fn forget_below(&mut self, point: i64) {
        while let Some((number, weight)) = self.rows.front()
            && *number < point
        {
            self.weight -= weight;
            self.rows.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use barograph_actors::batch::BatchId;
    use barograph_actors::delivery::{ConnectionId, UnixMillis};
    use barograph_actors::ledger::Entry;

    use super::*;

    fn row(number: i64) -> Row {
        Row {
            number,
            batch: BatchId { run: 1, number },
            connection: ConnectionId(1),
            at: UnixMillis(0),
            confirmed: 0,
            fresh_seen: true,
            entries: vec![Entry { qos: 1, packet_id: 1, digest: 0 }; 1_000],
        }
    }

    #[test]
    fn it_is_bounded_and_never_gives_up_what_must_stay() {
        let mut history = History::default();
        for number in 1..=200 {
            history.push(&row(number));
            if let Some(point) = history.trim_point(number) {
                history.forget_below(point);
            }
            assert!(history.weight <= HISTORY_ENTRIES_MAX * 3 / 2 + 1_000);
        }
        assert!(history.weight >= HISTORY_ENTRIES_MAX);
        for number in 201..=300 {
            history.push(&row(number));
            if let Some(point) = history.trim_point(200) {
                assert!(point <= 200);
                history.forget_below(point);
            }
        }
        assert_eq!(history.rows.front().map(|(number, _)| *number), Some(200));
    }
}
