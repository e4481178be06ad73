//! Events, newest first: those of the database, and before them those that are on their way there.

use barograph_actors::status::severity::actor_of;
use rusqlite::{Connection, params};

use super::moment;
use crate::sqlite::LoggedEvent;

/// Which events.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventFilter {
    /// At most so many.
    pub(crate) limit: usize,
    /// Older than the one with this id.
    pub(crate) before: Option<i64>,
    /// From this millisecond since 1970 UTC on.
    pub(crate) since: Option<i64>,
    /// Up to this one.
    pub(crate) until: Option<i64>,
    /// About this actor.
    pub(crate) actor: Option<String>,
    /// Of this name.
    pub(crate) event: Option<String>,
    /// Of none of these names.
    pub(crate) except: Vec<String>,
}

impl EventFilter {
    fn takes(&self, id: i64, event: &LoggedEvent) -> bool {
        let LoggedEvent { at, event: name, detail } = event;
        let is_ = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|it| it == is);
        self.before.is_none_or(|before| id < before)
            && self.since.is_none_or(|since| at.as_str() >= moment(since).as_str())
            && self.until.is_none_or(|until| at.as_str() < behind(until).as_str())
            && is_(&self.event, name)
            && is_(&self.actor, actor_of(name, detail))
            && !self.except.contains(name)
    }
}

/// Behind all of a millisecond.
fn behind(until: i64) -> String {
    moment(until.saturating_add(1))
}

/// The newest of those that are wanted, with their ids. `waiting`: those that the database does not have yet, oldest
/// first; they get the numbers that they will have there, unless others come before them.
pub(crate) fn events(
    conn: &Connection,
    wanted: &EventFilter,
    waiting: &[LoggedEvent],
) -> rusqlite::Result<Vec<(i64, LoggedEvent)>> {
    let last = "SELECT coalesce(max(id), 0) FROM barograph_events";
    let last: i64 = conn.query_row(last, [], |row| row.get(0))?;
    let numbered: Vec<(i64, &LoggedEvent)> = (last.saturating_add(1)..).zip(waiting).collect();
    let newest = numbered.into_iter().rev().filter(|(id, event)| wanted.takes(*id, event));
    let mut events: Vec<(i64, LoggedEvent)> =
        newest.map(|(id, event)| (id, event.clone())).take(wanted.limit).collect();
    stored(conn, wanted, &mut events)?;
    Ok(events)
}

fn stored(
    conn: &Connection,
    wanted: &EventFilter,
    events: &mut Vec<(i64, LoggedEvent)>,
) -> rusqlite::Result<()> {
    let ranged = wanted.since.is_some() || wanted.until.is_some();
    // `+id`: of a range it is better to sort what the index on `at` finds than to look at all.
    let order = if ranged { "+id" } else { "id" };
    let select = format!(
        "SELECT id, at, event, detail FROM barograph_events WHERE (?1 IS NULL OR id < ?1) AND at >= ?2 \
         AND at < ?3 AND (?4 IS NULL OR event = ?4) ORDER BY {order} DESC"
    );
    let since = wanted.since.map_or_else(String::new, moment);
    // Without a bound: behind every digit.
    let until = wanted.until.map_or_else(|| ":".to_owned(), behind);
    let mut statement = conn.prepare_cached(&select)?;
    let mut rows = statement.query(params![wanted.before, since, until, wanted.event])?;
    while events.len() < wanted.limit
        && let Some(row) = rows.next()?
    {
        let id = row.get(0)?;
        let event = LoggedEvent { at: row.get(1)?, event: row.get(2)?, detail: row.get(3)? };
        if wanted.takes(id, &event) {
            events.push((id, event));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE barograph_events (id INTEGER PRIMARY KEY, at TEXT, event TEXT, detail TEXT)",
        )
        .unwrap();
        let events = [
            (1_000, "starting", ""),
            (2_000, "ready", ""),
            (3_000, "mode_changed", "retrying, after normal (x)"),
            (4_000, "actor_restarted", "mqtt: panicked (injected)"),
            (5_000, "broker_disconnected", "reset"),
            (6_000, "no_writes", ""),
            (7_000, "unheard_of", ""),
        ];
        for (ms, name, detail) in events {
            let at = barograph_actors::message::delivery::UnixMillis(ms).to_string();
            let insert = "INSERT INTO barograph_events (at, event, detail) VALUES (?1, ?2, ?3)";
            conn.execute(insert, params![at, name, detail]).unwrap();
        }
        conn
    }

    #[test]
    fn each_filter_leaves_what_it_says_newest_first() {
        let conn = log();
        let all = || EventFilter { limit: 100, ..EventFilter::default() };
        let of = |name: &str| Some(name.to_owned());
        let table: [(EventFilter, &[i64]); 9] = [
            (all(), &[7, 6, 5, 4, 3, 2, 1]),
            (EventFilter { limit: 2, ..all() }, &[7, 6]),
            (EventFilter { before: Some(3), ..all() }, &[2, 1]),
            (EventFilter { since: Some(5_000), ..all() }, &[7, 6, 5]),
            (EventFilter { since: Some(2_000), until: Some(4_000), ..all() }, &[4, 3, 2]),
            (EventFilter { actor: of("mqtt"), ..all() }, &[5, 4]),
            (EventFilter { event: of("ready"), ..all() }, &[2]),
            (
                EventFilter { except: vec!["ready".into(), "starting".into()], limit: 9, ..all() },
                &[7, 6, 5, 4, 3],
            ),
            (
                EventFilter {
                    since: Some(i64::MIN),
                    until: Some(i64::MAX),
                    before: Some(2),
                    ..all()
                },
                &[1],
            ),
        ];
        for (wanted, expected) in table {
            let events = events(&conn, &wanted, &[]).unwrap();
            let ids: Vec<i64> = events.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids, expected, "{wanted:?}");
        }
    }

    #[test]
    fn what_waits_comes_first_under_the_numbers_that_it_will_have() {
        let conn = log();
        let waiting: Vec<LoggedEvent> = ["write_failed", "mode_changed", "stats"]
            .map(|name| LoggedEvent { event: name.to_owned(), ..logged(8_000) })
            .into();
        let ids = |wanted: EventFilter| -> Vec<i64> {
            let events = events(&conn, &wanted, &waiting).unwrap();
            events.iter().map(|(id, _)| *id).collect()
        };
        let few = || EventFilter { limit: 4, ..EventFilter::default() };
        assert_eq!(ids(few()), [10, 9, 8, 7]);
        assert_eq!(ids(EventFilter { before: Some(9), ..few() }), [8, 7, 6, 5]);
        assert_eq!(ids(EventFilter { event: Some("mode_changed".into()), ..few() }), [9, 3]);
        assert_eq!(ids(EventFilter { until: Some(7_999), ..few() }), [7, 6, 5, 4]);
        assert_eq!(ids(EventFilter { since: Some(8_000), ..few() }), [10, 9, 8]);
        assert_eq!(ids(EventFilter { limit: 2, ..few() }), [10, 9]);
    }

    fn logged(ms: i64) -> LoggedEvent {
        let at = barograph_actors::message::delivery::UnixMillis(ms).to_string();
        LoggedEvent { at, event: String::new(), detail: String::new() }
    }
}
