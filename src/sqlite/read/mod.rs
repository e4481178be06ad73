//! What the database remembers, for page and commands: reading alone, on connections of its own, bounded in
//! number and in time. A reader never keeps the writer waiting: no question lasts, and what is long (a
//! download) is asked for piece by piece.

pub(super) mod accounting;
pub(super) mod client_id;
pub(super) mod event_log;
pub(crate) mod events;
pub(super) mod gap_log;
pub(crate) mod gaps;
pub(crate) mod newest;
mod pool;
pub(super) mod quarantine;
mod questions;
mod raw;
pub(super) mod read_only;
pub(crate) mod rows;
mod series;
mod sum;
mod width;

use barograph_actors::message::delivery::UnixMillis;

pub use pool::{HistoryError, Pool};
use raw::first_at;
pub use series::{Buckets, Question, Senseless, Series, SeriesColumn, Stat, Unfinished};

/// 0000-01-01: what is earlier does not sort as text.
pub(crate) const EARLIEST_MS: i64 = -62_167_219_200_000;
/// 9999-12-30: what is later has no date in every zone.
const LATEST_MS: i64 = 253_402_128_000_000;
/// Behind it.
const BEHIND_ALL: &str = "9999-12-31 23:59:59.999";

/// A bound for texts as `created_at` has them, in milliseconds since 1970 UTC. A whole second is written
/// without a fraction: rows of other programs have none, and it comes before those that do.
pub(crate) fn bound(ms: i64) -> String {
    let text = moment(ms);
    match text.strip_suffix(".000") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// The same for the recorder's own tables, which have milliseconds everywhere.
fn moment(ms: i64) -> String {
    match ms {
        ..=LATEST_MS => UnixMillis(ms.max(EARLIEST_MS)).to_string(),
        _ => BEHIND_ALL.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_sorts_where_it_belongs_however_far_away_it_is() {
        let table = [
            (0, "1970-01-01 00:00:00"),
            (1_759_479_845_007, "2025-10-03 08:24:05.007"),
            (-1, "1969-12-31 23:59:59.999"),
            (i64::MIN, "0000-01-01 00:00:00"),
            (LATEST_MS, "9999-12-30 00:00:00"),
            (i64::MAX, "9999-12-31 23:59:59.999"),
        ];
        for (ms, text) in table {
            assert_eq!(bound(ms), text);
        }
        assert!(bound(1_759_479_845_000).as_str() <= "2025-10-03 08:24:05");
        assert!(bound(1_759_479_845_000).as_str() <= "2025-10-03 08:24:05.000");
    }
}
