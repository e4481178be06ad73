//! Events, gaps and counts, as rows.

use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::note::{
    Event, GapCause, GapChange, GapStep, Note, RunBegins, Stats, process_down_detail,
};
#[cfg(test)]
use rusqlite::OptionalExtension;
use rusqlite::{Connection, params};

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
     quarantined, dropped, spooled, held, commits, failed_writes, slowest_commit_ms, restarts, mode, \
     filtered) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// Writes notes, in their order.
pub(in crate::sqlite) fn write(conn: &Connection, notes: &[Note]) -> rusqlite::Result<()> {
    for note in notes {
        match note {
            Note::Event(event) => write_event(conn, event)?,
            Note::Gap(change) => write_gap(conn, change)?,
            Note::Stats(stats) => write_stats(conn, stats)?,
            Note::RunBegins(run) => begin_run(conn, *run)?,
        }
    }
    Ok(())
}

/// Writes an event.
pub(in crate::sqlite) fn write_event(conn: &Connection, event: &Event) -> rusqlite::Result<()> {
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
        as_i64(stats.filtered),
    ];
    conn.prepare_cached(STATS_INSERT)?.execute(row).map(|_| ())
}

/// Rows of counts are kept for so long.
const STATS_KEPT_MS: i64 = 30 * 86_400_000;

/// Whether there are rows of counts that are too old.
pub(in crate::sqlite) fn has_old_stats(
    conn: &Connection,
    now: UnixMillis,
) -> rusqlite::Result<bool> {
    let select = "SELECT EXISTS (SELECT 1 FROM barograph_stats WHERE at < ?1)";
    conn.prepare_cached(select)?.query_row([oldest_kept(now)], |row| row.get(0))
}

/// Deletes so many of the rows of counts that are too old.
pub(in crate::sqlite) fn trim_stats(
    conn: &Connection,
    now: UnixMillis,
    rows: usize,
) -> rusqlite::Result<()> {
    let delete = "DELETE FROM barograph_stats WHERE id IN (SELECT id FROM barograph_stats WHERE at < ?1 \
         ORDER BY at LIMIT ?2)";
    let rows = as_i64(rows as u64);
    conn.prepare_cached(delete)?.execute(params![oldest_kept(now), rows]).map(|_| ())
}

fn oldest_kept(now: UnixMillis) -> String {
    UnixMillis(now.0.saturating_sub(STATS_KEPT_MS)).to_string()
}

/// Writes a gap that has ended already.
pub(in crate::sqlite) fn write_whole_gap(
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
pub(in crate::sqlite) const SEEN: &str = "seen";
/// Key of `barograph_meta`: the last sign of life of an earlier process, as it was when the present one first used
/// the database: `<start of the present one>:<sign of life>`, the latter empty where there was none.
const SEEN_BEFORE: &str = "seen_before";

/// Key of `barograph_meta`: the start of the process whose beginning was noted last.
const BEGUN: &str = "begun";

/// When the recorder was last seen alive: by its last batch, or its heartbeat.
fn last_seen(conn: &Connection) -> rusqlite::Result<Option<UnixMillis>> {
    let by_heartbeat = rows::meta(conn, SEEN)?.and_then(|text| text.parse().ok()).map(UnixMillis);
    Ok(rows::last_batch_at(conn)?.max(by_heartbeat))
}

/// The process that started then uses the database for the first time: from its first write on, what an
/// earlier one left could not be told from what it leaves itself. `elsewhere`: the last sign of life in an earlier
/// database; this one may be so new that it has none.
pub(in crate::sqlite) fn keep_last_seen(
    conn: &Connection,
    started: UnixMillis,
    elsewhere: Option<UnixMillis>,
) -> rusqlite::Result<()> {
    set_seen_before(conn, started, last_seen(conn)?.max(elsewhere))
}

fn set_seen_before(
    conn: &Connection,
    started: UnixMillis,
    seen: Option<UnixMillis>,
) -> rusqlite::Result<()> {
    let seen = seen.map_or_else(String::new, |seen| seen.0.to_string());
    rows::set_meta(conn, SEEN_BEFORE, &format!("{}:{seen}", started.0))
}

/// What a copy of the list of gaps needs besides them, so that notes change it as they would change the database's.
pub(in crate::sqlite) fn copy_signs_of_life(
    from: &Connection,
    to: &Connection,
) -> rusqlite::Result<()> {
    if let Some(begun) = rows::meta(from, BEGUN)? {
        rows::set_meta(to, BEGUN, &begun)?;
    }
    set_seen_before(to, UnixMillis(0), last_seen(from)?)
}

/// The last sign of life before a process began. A process that only wrote to its spool knew it from there; what
/// the database knows counts for the process that has kept it, and where there was no spool before.
fn seen_before(conn: &Connection, run: RunBegins) -> rusqlite::Result<Option<UnixMillis>> {
    let kept = rows::meta(conn, SEEN_BEFORE)?.unwrap_or_default();
    let (by, seen) = kept.split_once(':').unwrap_or_default();
    let seen = seen.parse().ok().map(UnixMillis);
    let is_its_own = by.parse() == Ok(run.started.0);
    Ok(if is_its_own { seen.max(run.spool_seen) } else { run.spool_seen.or(seen) })
}

/// A process begins: what the one before left open ends where that was last seen, and the stretch
/// since then is a gap. A process that was stopped in order has opened that gap itself.
fn begin_run(conn: &Connection, run: RunBegins) -> rusqlite::Result<()> {
    let begun = run.started.0.to_string();
    if rows::meta(conn, BEGUN)?.as_ref() == Some(&begun) {
        // A writer that died after the commit notes it again.
        return Ok(());
    }
    rows::set_meta(conn, BEGUN, &begun)?;
    let Some(seen) = seen_before(conn, run)? else { return Ok(()) };
    let (started, down) = (run.started.to_string(), GapCause::ProcessDown.word());
    let end_stop =
        "UPDATE barograph_gaps SET to_at = max(from_at, ?1) WHERE to_at IS NULL AND cause = ?2";
    let was_stopped = conn.execute(end_stop, params![started, down])? > 0;
    let close = "UPDATE barograph_gaps SET to_at = max(from_at, ?1) WHERE to_at IS NULL";
    conn.execute(close, params![seen.to_string()])?;
    if seen > run.started {
        let detail = format!(
            "the wall clock went back while no recorder was running: it was last seen at {seen} UTC, \
             and started at {started} UTC"
        );
        return write_whole_gap(conn, GapCause::ClockJump, run.started, seen, &detail);
    }
    if was_stopped {
        return Ok(());
    }
    let detail = process_down_detail(
        "it died, was killed, lost its power, or could write neither database nor spool",
    );
    write_whole_gap(conn, GapCause::ProcessDown, seen, run.started, &detail)
}

/// Leaves a sign of life.
pub(in crate::sqlite) fn seen(conn: &Connection, at: UnixMillis) -> rusqlite::Result<()> {
    rows::set_meta(conn, SEEN, &at.0.to_string())
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
    use crate::sqlite::journal::schema::OWN_TABLES;

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

    fn gaps(conn: &Connection) -> Vec<(String, String, Option<String>)> {
        let select = "SELECT cause, from_at, to_at FROM barograph_gaps ORDER BY id";
        let mut statement = conn.prepare(select).unwrap();
        let gaps = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        gaps.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    fn gap(cause: &str, from: i64, to: i64) -> (String, String, Option<String>) {
        (cause.to_owned(), at(from), Some(at(to)))
    }

    fn run(started: i64, spool_seen: Option<i64>) -> Note {
        let spool_seen = spool_seen.map(UnixMillis);
        Note::RunBegins(RunBegins { started: UnixMillis(started), spool_seen })
    }

    /// A process that finds the database in order.
    fn begins(conn: &Connection, started: i64, spool_seen: Option<i64>) {
        keep_last_seen(conn, UnixMillis(started), None).unwrap();
        write(conn, &[run(started, spool_seen)]).unwrap();
    }

    #[test]
    fn the_stretch_between_two_processes_is_a_gap_and_open_gaps_end_where_it_begins() {
        let conn = database();
        begins(&conn, 100, None);
        assert_eq!(gaps(&conn), [], "the first process of all");
        seen(&conn, UnixMillis(200)).unwrap();
        let open = Note::gap_opened(GapCause::BrokerUnreachable, None, UnixMillis(150), "away");
        write(&conn, &[open]).unwrap();
        begins(&conn, 900, None);
        let expected = [gap("broker_unreachable", 150, 200), gap("process_down", 200, 900)];
        assert_eq!(gaps(&conn), expected);
        begins(&conn, 2_000, Some(1_500));
        assert_eq!(newest_gap(&conn), Some(gap("process_down", 1_500, 2_000)));
        seen(&conn, UnixMillis(5_000)).unwrap();
        begins(&conn, 4_000, None);
        assert_eq!(newest_gap(&conn), Some(gap("clock_jump", 4_000, 5_000)));
    }

    #[test]
    fn the_gap_that_an_orderly_stop_opened_lasts_until_the_next_start() {
        let conn = database();
        begins(&conn, 100, None);
        let detail = process_down_detail("it was stopped");
        write(&conn, &[Note::gap_opened(GapCause::ProcessDown, None, UnixMillis(400), detail)])
            .unwrap();
        seen(&conn, UnixMillis(450)).unwrap();
        begins(&conn, 900, None);
        assert_eq!(gaps(&conn), [gap("process_down", 400, 900)]);
    }

    #[test]
    fn a_beginning_that_is_noted_twice_changes_nothing_the_second_time() {
        let conn = database();
        begins(&conn, 100, None);
        seen(&conn, UnixMillis(200)).unwrap();
        begins(&conn, 900, None);
        let open = Note::gap_opened(GapCause::BrokerUnreachable, None, UnixMillis(950), "away");
        write(&conn, &[open, run(900, None)]).unwrap();
        let still_open = ("broker_unreachable".to_owned(), at(950), None);
        assert_eq!(gaps(&conn), [gap("process_down", 200, 900), still_open]);
    }

    /// What this process did between its start and its first look at the database was in the spool, and is no
    /// sign of an earlier one. The incident: a start while the database was locked was told of as a clock
    /// that was set back, and the stretch without a recorder not at all.
    #[test]
    fn what_a_process_writes_before_its_beginning_is_noted_is_no_sign_of_an_earlier_one() {
        let conn = database();
        begins(&conn, 100, None);
        seen(&conn, UnixMillis(200)).unwrap();
        keep_last_seen(&conn, UnixMillis(900), None).unwrap();
        seen(&conn, UnixMillis(1_000)).unwrap();
        write(&conn, &[run(900, None)]).unwrap();
        assert_eq!(gaps(&conn), [gap("process_down", 200, 900)]);
    }

    /// The recorder died just after it had made a new database in place of one that was moved.
    #[test]
    fn a_database_without_a_sign_of_life_takes_that_of_an_earlier_one() {
        let conn = database();
        keep_last_seen(&conn, UnixMillis(900), Some(UnixMillis(200))).unwrap();
        write(&conn, &[run(900, None)]).unwrap();
        assert_eq!(gaps(&conn), [gap("process_down", 200, 900)]);
        seen(&conn, UnixMillis(1_500)).unwrap();
        keep_last_seen(&conn, UnixMillis(2_000), Some(UnixMillis(200))).unwrap();
        write(&conn, &[run(2_000, None)]).unwrap();
        assert_eq!(newest_gap(&conn), Some(gap("process_down", 1_500, 2_000)));
    }

    /// Two processes in a row could write only to the spool; a third one's database takes all of it over, and with
    /// each write of that moves its own sign of life.
    #[test]
    fn the_stretches_between_processes_that_only_had_the_spool_are_gaps() {
        let conn = database();
        begins(&conn, 100, None);
        seen(&conn, UnixMillis(200)).unwrap();
        keep_last_seen(&conn, UnixMillis(3_000), None).unwrap();
        let open = Note::gap_opened(GapCause::BrokerUnreachable, None, UnixMillis(950), "away");
        for notes in [vec![run(900, None), open], vec![run(2_000, Some(1_500))]] {
            write(&conn, &notes).unwrap();
            seen(&conn, UnixMillis(9_000)).unwrap();
        }
        // What the database knew when the third one came is no sign of life from before the second one.
        keep_last_seen(&conn, UnixMillis(9_500), None).unwrap();
        write(&conn, &[run(3_000, Some(2_500))]).unwrap();
        let expected = [
            gap("process_down", 200, 900),
            gap("broker_unreachable", 950, 1_500),
            gap("process_down", 1_500, 2_000),
            gap("process_down", 2_500, 3_000),
        ];
        assert_eq!(gaps(&conn), expected);
    }
}
