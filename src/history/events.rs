//! Events of the database, newest first.

use barograph_actors::origin::{Tone, actor_of, tone_of};
use rusqlite::{Connection, params};
use serde_json::{Value as Json, json};

use super::bound;

/// Which events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
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

/// The newest of those that are wanted, as JSON.
pub(crate) fn events(conn: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<Json>> {
    let ranged = wanted.since.is_some() || wanted.until.is_some();
    // `+id`: of a range it is better to sort what the index on `at` finds than to look at all.
    let order = if ranged { "+id" } else { "id" };
    let select = format!(
        "SELECT id, at, event, detail FROM barograph_events WHERE (?1 IS NULL OR id < ?1) AND at >= ?2 \
         AND at < ?3 AND (?4 IS NULL OR event = ?4) ORDER BY {order} DESC"
    );
    let since = wanted.since.map_or_else(String::new, bound);
    // Behind every digit; and behind all of its millisecond.
    let behind = |until: i64| bound(until.saturating_add(1));
    let until = wanted.until.map_or_else(|| ":".to_owned(), behind);
    let mut statement = conn.prepare_cached(&select)?;
    let mut rows = statement.query(params![wanted.before, since, until, wanted.event])?;
    let mut events = Vec::new();
    while events.len() < wanted.limit
        && let Some(row) = rows.next()?
    {
        let (name, detail): (String, String) = (row.get(2)?, row.get(3)?);
        let is_its = wanted.actor.as_ref().is_none_or(|actor| actor == actor_of(&name, &detail));
        if is_its && !wanted.except.contains(&name) {
            let at: String = row.get(1)?;
            events.push(event_json(row.get(0)?, &at, &name, &detail));
        }
    }
    Ok(events)
}

/// An event as the page has it.
pub(crate) fn event_json(id: i64, at: &str, name: &str, detail: &str) -> Json {
    let actor = Some(actor_of(name, detail)).filter(|actor| !actor.is_empty());
    json!({
        "id": id,
        "at": at,
        "event": name,
        "actor": actor,
        "severity": severity(tone_of(name)),
        "detail": detail,
    })
}

fn severity(tone: Tone) -> &'static str {
    match tone {
        Tone::Good | Tone::Plain => "info",
        Tone::Warning => "warning",
        Tone::Bad => "error",
    }
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
            let at = barograph_actors::delivery::UnixMillis(ms).to_string();
            let insert = "INSERT INTO barograph_events (at, event, detail) VALUES (?1, ?2, ?3)";
            conn.execute(insert, params![at, name, detail]).unwrap();
        }
        conn
    }

    #[test]
    fn each_filter_leaves_what_it_says_newest_first() {
        let conn = log();
        let all = || Wanted { limit: 100, ..Wanted::default() };
        let of = |name: &str| Some(name.to_owned());
        let table: [(Wanted, &[i64]); 9] = [
            (all(), &[7, 6, 5, 4, 3, 2, 1]),
            (Wanted { limit: 2, ..all() }, &[7, 6]),
            (Wanted { before: Some(3), ..all() }, &[2, 1]),
            (Wanted { since: Some(5_000), ..all() }, &[7, 6, 5]),
            (Wanted { since: Some(2_000), until: Some(4_000), ..all() }, &[4, 3, 2]),
            (Wanted { actor: of("mqtt"), ..all() }, &[5, 4]),
            (Wanted { event: of("ready"), ..all() }, &[2]),
            (
                Wanted { except: vec!["ready".into(), "starting".into()], limit: 9, ..all() },
                &[7, 6, 5, 4, 3],
            ),
            (
                Wanted { since: Some(i64::MIN), until: Some(i64::MAX), before: Some(2), ..all() },
                &[1],
            ),
        ];
        for (wanted, expected) in table {
            let events = events(&conn, &wanted).unwrap();
            let ids: Vec<i64> = events.iter().map(|event| event["id"].as_i64().unwrap()).collect();
            assert_eq!(ids, expected, "{wanted:?}");
        }
    }

    #[test]
    fn an_event_says_whose_it_is_and_how_bad() {
        let restarted = event_json(4, "x", "actor_restarted", "mqtt: panicked");
        assert_eq!(
            (&restarted["actor"], &restarted["severity"]),
            (&json!("mqtt"), &json!("warning"))
        );
        assert_eq!(event_json(6, "x", "no_writes", "")["severity"], "error");
        let unknown = event_json(7, "x", "unheard_of", "");
        assert_eq!((&unknown["actor"], &unknown["severity"]), (&Json::Null, &json!("info")));
    }
}
