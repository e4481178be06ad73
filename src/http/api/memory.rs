//! What is asked for again and again and changes seldom: remembered by the page for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::tables::RouteTable;
use crate::sqlite::read::newest::NewestRow;
use crate::sqlite::read::{HistoryError, Pool};
use parking_lot::Mutex;

/// How long such a question may take.
const WITHIN: Duration = Duration::from_millis(500);
/// How long its answer holds.
const HOLDS: Duration = Duration::from_secs(60);
/// How long it is not asked again after it could not be answered.
const RESTS: Duration = Duration::from_secs(2);

/// The ends of each table.
#[derive(Debug, Default)]
pub(crate) struct TableEndsCache {
    tables: Mutex<BTreeMap<String, Ends>>,
}

/// What is known of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    /// When its first row came, in milliseconds since 1970 UTC.
    pub(super) first_at: Option<i64>,
    /// Its last two rows, newest first.
    pub(super) last: Vec<NewestRow>,
    /// Until when this holds.
    until: Option<Instant>,
}

impl TableEndsCache {
    /// What is known of a table: asked for when it is old, and as it was when there is no answer.
    pub(super) async fn ends(&self, history: &Pool, table: &RouteTable<'_>) -> Ends {
        let known = self.tables.lock().get(table.name).cloned().unwrap_or_default();
        if known.until.is_some_and(|until| Instant::now() < until) {
            return known;
        }
        let ends = match asked(history, table).await {
            Ok((first_at, last)) => Ends { first_at, last, until: Some(Instant::now() + HOLDS) },
            Err(_) => Ends { until: Some(Instant::now() + RESTS), ..known },
        };
        self.tables.lock().insert(table.name.to_owned(), ends.clone());
        ends
    }
}

async fn asked(
    history: &Pool,
    table: &RouteTable<'_>,
) -> Result<(Option<i64>, Vec<NewestRow>), HistoryError> {
    let name = table.name.to_owned();
    let columns: Vec<String> =
        table.columns().into_iter().map(|column| column.name.clone()).collect();
    history.ends(WITHIN, name, columns).await
}
