//! Events, gaps and counts, as rows.

use barograph_actors::delivery::UnixMillis;
use barograph_actors::note::{Event, GapCause, GapChange, GapStep, Note, Stats};
use barograph_actors::ports::RunBegins;
#[cfg(test)]
use rusqlite::OptionalExtension;
use rusqlite::{Connection, params};

use super::look::Look;
use super::rows::{self, as_i64};

const EVENT_INSERT: &str = "INSERT INTO barograph_events (at, event, detail) VALUES (?1, ?2, ?3)";
/// Of one cause and route at most one gap is open.
const GAP_OPEN: &str = "INSERT INTO barograph_gaps (from_at, to_at, cause, route, detail) SELECT ?1, \
     NULL, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM barograph_gaps WHERE to_at IS NULL AND cause \
     = ?2 AND route IS ?3)";
const GAP_CLOSE: &str = "UPDATE barograph_gaps SET to_at = max(from_at, ?1) WHERE to_at IS NULL AND \
     cause = ?2 AND route IS ?3";
const GAP_WHOLE: &str = "INSERT INTO barograph_gaps (from_at, to_at, cause, route, detail) VALUES \
     (?1, ?2, ?3, NULL, ?4)";
const STATS_INSERT: &str = "INSERT INTO barograph_stats (at, period_seconds, received, stored, duplicate, \
     quarantined, dropped, spooled, held, commits, failed_writes, slowest_commit_ms, restarts, mode) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// Writes notes, in their order.
pub(super) fn write(conn: &Connection, notes: &[Note]) -> rusqlite::Result<()> {
    for note in notes {
        match note {
            Note::Event(event) => write_event(conn, event)?,
            Note::Gap(change) => write_gap(conn, change)?,
            Note::Stats(stats) => write_stats(conn, stats)?,
        }
    }
    Ok(())
}

/// Writes an event.
pub(super) fn write_event(conn: &Connection, event: &Event) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(EVENT_INSERT)?;
    statement.execute(params![event.at.to_string(), event.name, event.detail]).map(|_| ())
}

fn write_gap(conn: &Connection, change: &GapChange) -> rusqlite::Result<()> {
    let (cause, route) = (change.cause.word(), &change.route);
    let changed = match &change.step {
        GapStep::Opened { from, detail } => {
            conn.prepare_cached(GAP_OPEN)?.execute(params![from.to_string(), cause, route, detail])
        }
        GapStep::Closed { to } => {
            conn.prepare_cached(GAP_CLOSE)?.execute(params![to.to_string(), cause, route])
        }
    };
    changed.map(|_| ())
}

fn write_stats(conn: &Connection, stats: &Stats) -> rusqlite::Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 285,000 years")]
    let seconds = stats.period_ms as f64 / 1_000.0;
    let row = params![
        stats.at.to_string(),
        seconds,
        as_i64(stats.received),
        as_i64(stats.stored),
        as_i64(stats.duplicate),
        as_i64(stats.quarantined),
        as_i64(stats.dropped),
        as_i64(stats.spooled),
        as_i64(stats.held),
        as_i64(stats.commits),
        as_i64(stats.failed_writes),
        as_i64(stats.slowest_commit_ms),
        as_i64(stats.restarts),
        stats.mode,
    ];
    conn.prepare_cached(STATS_INSERT)?.execute(row).map(|_| ())
}

/// Rows of counts are kept for so long.
const STATS_KEPT_MS: i64 = 30 * 86_400_000;

/// Whether there are rows of counts that are too old.
pub(super) fn has_old_stats(conn: &Connection, now: UnixMillis) -> rusqlite::Result<bool> {
    let select = "SELECT EXISTS (SELECT 1 FROM barograph_stats WHERE at < ?1)";
    conn.prepare_cached(select)?.query_row([oldest_kept(now)], |row| row.get(0))
}

/// Deletes so many of the rows of counts that are too old.
pub(super) fn trim_stats(conn: &Connection, now: UnixMillis, rows: usize) -> rusqlite::Result<()> {
    let delete = "DELETE FROM barograph_stats WHERE id IN (SELECT id FROM barograph_stats WHERE at < ?1 \
         ORDER BY at LIMIT ?2)";
    let rows = as_i64(rows as u64);
    conn.prepare_cached(delete)?.execute(params![oldest_kept(now), rows]).map(|_| ())
}

fn oldest_kept(now: UnixMillis) -> String {
    UnixMillis(now.0.saturating_sub(STATS_KEPT_MS)).to_string()
}

/// Writes a gap that has ended already.
pub(super) fn write_whole_gap(
    conn: &Connection,
    cause: GapCause,
    from: UnixMillis,
    to: UnixMillis,
    detail: &str,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(GAP_WHOLE)?;
    statement.execute(params![from.to_string(), to.to_string(), cause.word(), detail]).map(|_| ())
}

/// Key of `barograph_meta`: the last sign of life, in milliseconds since 1970.
pub(super) const SEEN: &str = "seen";
/// Key of `barograph_meta`: when the recorder last stopped in order; absent while it runs.
pub(super) const STOPPED: &str = "stopped";

/// When the recorder was last seen alive: by its last batch, its heartbeat, its orderly stop.
fn last_seen(conn: &Connection) -> rusqlite::Result<Option<UnixMillis>> {
    let by_batch = rows::last_batch_at(conn)?;
    let by_meta = |key| -> rusqlite::Result<Option<UnixMillis>> {
        let text = rows::meta(conn, key)?;
        Ok(text.and_then(|text| text.parse().ok()).map(UnixMillis))
    };
    Ok([by_batch, by_meta(SEEN)?, by_meta(STOPPED)?].into_iter().flatten().max())
}

fn stopped_at(conn: &Connection) -> rusqlite::Result<Option<UnixMillis>> {
    let text = rows::meta(conn, STOPPED)?;
    Ok(text.and_then(|text| text.parse().ok()).map(UnixMillis))
}

/// A process begins: what the one before left open ends where that was last seen, and the stretch
/// since then is a gap.
pub(super) fn begin_run(conn: &Connection, run: RunBegins) -> rusqlite::Result<()> {
    let seen = last_seen(conn)?.max(run.spool_seen);
    // A writer that was renewed leaves that word, too; but then there are later signs of life.
    let stopped = stopped_at(conn)?.is_some_and(|at| seen <= Some(at));
    conn.execute("DELETE FROM barograph_meta WHERE key = ?1", params![STOPPED])?;
    let Some(seen) = seen else { return Ok(()) };
    let close = "UPDATE barograph_gaps SET to_at = max(from_at, ?1) WHERE to_at IS NULL";
    conn.execute(close, params![seen.to_string()])?;
    if seen > run.started {
        let detail = format!(
            "the wall clock went back while no recorder was running: it was last seen at {seen} UTC, \
             and started at {} UTC",
            run.started
        );
        return write_whole_gap(conn, GapCause::ClockJump, run.started, seen, &detail);
    }
    let how = if stopped { "it was stopped" } else { "it died, or was killed, or lost its power" };
    let detail = format!(
        "no recorder was running ({how}): what was published at QoS 0 meanwhile is missing; at QoS 1 \
         and 2 the broker keeps it for us, as far as its own settings go"
    );
    write_whole_gap(conn, GapCause::ProcessDown, seen, run.started, &detail)
}

/// Leaves a sign of life.
pub(super) fn seen(conn: &Connection, key: &str, at: UnixMillis) -> rusqlite::Result<()> {
    rows::set_meta(conn, key, &at.0.to_string())
}

/// A stretch in which something may be missing, as the table has it. Times are UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The last moment at which all was well.
    pub from: String,
    /// From here on all was well again; `None`: it is still open.
    pub to: Option<String>,
    /// As a word.
    pub cause: String,
    /// Of which route; `None`: of all.
    pub route: Option<String>,
    /// As a sentence.
    pub detail: String,
}

/// The gaps that lasted into `since` (UTC, as text), of a cause.
///
/// # Errors
/// The database cannot be read.
pub fn gaps_since(
    look: &Look,
    since: Option<&str>,
    cause: Option<&str>,
) -> rusqlite::Result<Vec<Gap>> {
    let select = "SELECT from_at, to_at, cause, route, detail FROM barograph_gaps WHERE (?1 IS NULL OR \
         to_at IS NULL OR to_at >= ?1) AND (?2 IS NULL OR cause = ?2) ORDER BY from_at, id";
    let mut statement = look.conn.prepare(select)?;
    let gaps = statement.query_map(params![since, cause], |row| {
        Ok(Gap {
            from: row.get(0)?,
            to: row.get(1)?,
            cause: row.get(2)?,
            route: row.get(3)?,
            detail: row.get(4)?,
        })
    })?;
    gaps.collect()
}

/// Whether a gap of this cause is open, for tests and for people who look.
#[cfg(test)]
fn open_gaps(conn: &Connection) -> Vec<String> {
    let mut statement =
        conn.prepare("SELECT cause FROM barograph_gaps WHERE to_at IS NULL").expect("our table");
    let causes = statement.query_map([], |row| row.get(0)).expect("no parameters");
    causes.map(|cause| cause.expect("a text")).collect()
}

/// The cause and bounds of the newest gap.
#[cfg(test)]
fn newest_gap(conn: &Connection) -> Option<(String, String, Option<String>)> {
    let select = "SELECT cause, from_at, to_at FROM barograph_gaps ORDER BY id DESC LIMIT 1";
    conn.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
        .expect("our table")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::OWN_TABLES;

    fn database() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(OWN_TABLES).unwrap();
        conn
    }

    fn at(ms: i64) -> String {
        UnixMillis(ms).to_string()
    }

    #[test]
    fn a_gap_is_opened_once_and_closed_once_for_each_route() {
        let conn = database();
        let opened = |route: &str, from| {
            Note::gap_opened(GapCause::RouteSilent, Some(route.into()), UnixMillis(from), "quiet")
        };
        let closed = |route: &str, to| {
            Note::gap_closed(GapCause::RouteSilent, Some(route.into()), UnixMillis(to))
        };
        write(&conn, &[opened("a", 1), opened("b", 2), opened("a", 3), closed("a", 9)]).unwrap();
        assert_eq!(open_gaps(&conn), ["route_silent"]);
        write(&conn, &[closed("a", 10), closed("b", 11), opened("a", 12)]).unwrap();
        let count: i64 =
            conn.query_row("SELECT count(*) FROM barograph_gaps", [], |row| row.get(0)).unwrap();
        assert_eq!((count, open_gaps(&conn).len()), (3, 1));
    }

    #[test]
    fn counts_are_kept_for_thirty_days_and_trimmed_by_the_piece() {
        let conn = database();
        let day = |n: i64| UnixMillis(n * 86_400_000);
        for n in 0..40 {
            let stats = Stats { at: day(n), period_ms: 1_500, stored: 3, ..Stats::default() };
            write(&conn, &[Note::Stats(Box::new(stats))]).unwrap();
        }
        let oldest = || -> String {
            let select = "SELECT min(at) FROM barograph_stats";
            conn.query_row(select, [], |row| row.get(0)).unwrap()
        };
        assert!(has_old_stats(&conn, day(40)).unwrap());
        trim_stats(&conn, day(40), 4).unwrap();
        assert_eq!(oldest(), day(4).to_string(), "a piece");
        trim_stats(&conn, day(40), 500).unwrap();
        assert_eq!(oldest(), day(10).to_string());
        assert!(!has_old_stats(&conn, day(40)).unwrap());
        let sums = "SELECT sum(stored), avg(period_seconds) FROM barograph_stats";
        let sums: (i64, f64) =
            conn.query_row(sums, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(sums, (90, 1.5));
    }

    #[test]
    fn the_stretch_between_two_lives_is_a_gap_and_open_gaps_end_where_it_begins() {
        let conn = database();
        let run = |started, spool_seen: Option<i64>| RunBegins {
            started: UnixMillis(started),
            spool_seen: spool_seen.map(UnixMillis),
        };
        begin_run(&conn, run(100, None)).unwrap();
        assert_eq!(newest_gap(&conn), None, "the first run of all");
        seen(&conn, SEEN, UnixMillis(200)).unwrap();
        let open = Note::gap_opened(GapCause::BrokerUnreachable, None, UnixMillis(150), "away");
        write(&conn, &[open]).unwrap();
        begin_run(&conn, run(900, None)).unwrap();
        assert_eq!(open_gaps(&conn), [""; 0]);
        assert_eq!(newest_gap(&conn), Some(("process_down".into(), at(200), Some(at(900)))));
        begin_run(&conn, run(2_000, Some(1_500))).unwrap();
        assert_eq!(newest_gap(&conn), Some(("process_down".into(), at(1_500), Some(at(2_000)))));
        seen(&conn, STOPPED, UnixMillis(5_000)).unwrap();
        begin_run(&conn, run(4_000, None)).unwrap();
        assert_eq!(newest_gap(&conn), Some(("clock_jump".into(), at(4_000), Some(at(5_000)))));
    }
}
