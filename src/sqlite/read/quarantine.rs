//! What the quarantine holds, for commands.

use rusqlite::{Row, params};
use serde::Serialize;

use super::read_only::ReadOnlyDatabase;

/// Which rows of the quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// Of this route's table; empty for those that no route wanted.
    pub route: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// That arrived then or later: UTC, as the database writes it.
    pub since: Option<String>,
    /// With one of these ids, if any is given.
    pub ids: Vec<i64>,
}

/// For the WHERE of a statement whose parameters begin with [`QuarantineFilter::parameters`].
pub(in crate::sqlite) const MATCHES: &str = "(?1 IS NULL OR coalesce(route, '') = ?1) AND (?2 IS NULL OR reason = \
     ?2) AND (?3 IS NULL OR received_at >= ?3) AND (?4 IS NULL OR id IN (SELECT value FROM \
     json_each(?4)))";

impl QuarantineFilter {
    /// Route, reason, since, ids.
    pub(in crate::sqlite) fn parameters(&self) -> [Option<String>; 4] {
        let ids = (!self.ids.is_empty()).then(|| serde_json::Value::from(self.ids.clone()));
        let Self { route, reason, since, .. } = self.clone();
        [route, reason, since, ids.map(|ids| ids.to_string())]
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A message that could not become a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantinedMessage {
    /// Its row.
    pub id: i64,
    /// When it arrived, UTC.
    pub received_at: String,
    /// Its route's table; `None`: no route wanted it.
    pub route: Option<String>,
    /// Its topic.
    pub topic: String,
    /// The payload, or its first bytes where `size` is larger.
    #[serde(skip)]
    pub payload: Vec<u8>,
    /// Size of the whole payload in bytes.
    pub size: i64,
    /// Quality of service.
    pub qos: i64,
    /// Why, as a word.
    pub reason: String,
    /// Why, as a sentence.
    pub detail: String,
}

pub(in crate::sqlite) const COLUMNS: &str =
    "id, received_at, route, topic, payload, size, qos, reason, detail";

impl QuarantinedMessage {
    pub(in crate::sqlite) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            received_at: row.get(1)?,
            route: row.get(2)?,
            topic: row.get(3)?,
            payload: row.get(4)?,
            size: row.get(5)?,
            qos: row.get(6)?,
            reason: row.get(7)?,
            detail: row.get(8)?,
        })
    }
}

/// How many rows match, by reason.
///
/// # Errors
/// They cannot be read.
pub fn count_kept(
    look: &ReadOnlyDatabase,
    filter: &QuarantineFilter,
) -> rusqlite::Result<Vec<(String, i64)>> {
    let select = format!(
        "SELECT reason, count(*) FROM barograph_quarantine WHERE {MATCHES} GROUP BY 1 ORDER BY 2 DESC"
    );
    let mut statement = look.conn.prepare(&select)?;
    let [route, reason, since, ids] = filter.parameters();
    let counts = statement
        .query_map(params![route, reason, since, ids], |row| Ok((row.get(0)?, row.get(1)?)))?;
    counts.collect()
}

/// Hands over the newest rows that match, the newest first, with the first `bytes_max` bytes of their
/// payloads.
///
/// # Errors
/// They cannot be read.
pub fn newest_kept(
    look: &ReadOnlyDatabase,
    filter: &QuarantineFilter,
    limit: u32,
    bytes_max: u32,
) -> rusqlite::Result<Vec<QuarantinedMessage>> {
    // Of an empty blob `substr` is NULL.
    let columns = COLUMNS.replace("payload", "coalesce(substr(payload, 1, ?6), x'')");
    let select = format!(
        "SELECT {columns} FROM barograph_quarantine WHERE {MATCHES} ORDER BY id DESC LIMIT ?5"
    );
    let mut statement = look.conn.prepare(&select)?;
    let [route, reason, since, ids] = filter.parameters();
    let kept = statement
        .query_map(params![route, reason, since, ids, limit, bytes_max], QuarantinedMessage::of)?;
    kept.collect()
}

/// Hands over every row that matches, in order, one at a time, all in one view. `each` returns whether to
/// go on.
///
/// # Errors
/// They cannot be read.
pub fn each_kept(
    look: &ReadOnlyDatabase,
    filter: &QuarantineFilter,
    each: &mut dyn FnMut(QuarantinedMessage) -> bool,
) -> rusqlite::Result<()> {
    let select = format!("SELECT {COLUMNS} FROM barograph_quarantine WHERE {MATCHES} ORDER BY id");
    let mut statement = look.conn.prepare(&select)?;
    let [route, reason, since, ids] = filter.parameters();
    let mut rows = statement.query(params![route, reason, since, ids])?;
    while let Some(row) = rows.next()? {
        if !each(QuarantinedMessage::of(row)?) {
            break;
        }
    }
    Ok(())
}
