//! Changes to the quarantine by a person, on a database that a recorder may be using: in small
//! transactions, with room between them, each of which leaves rows, digests and account in agreement.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use barograph_actors::db_writer::plan::Placed;
use barograph_actors::message::account::{Drop as Dropped, FURTHER_ROWS, Outcome, Repeat};
use barograph_actors::message::batch::{Record, RowRefusal};
use barograph_actors::message::delivery::{Delivery, UnixMillis};
use barograph_actors::message::event;
use barograph_actors::message::route::Router;
use barograph_actors::mqtt::decode::decode;
use barograph_actors::ports::OpenError;
use barograph_config::{Qos, Route};
use bytes::Bytes;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use super::cause::open_error;
use super::journal::row_writer::{RowOutcome, RowWriter, Shapes};
use super::journal::rows;
use super::journal::schema;
use super::journal::statements::{ACCOUNT_ADD, Statements, cached_max};
use super::journal::upkeep::drop_quarantined;
use super::read::quarantine::{COLUMNS, MATCHES, QuarantineFilter, QuarantinedMessage};
use super::read::read_only::BUSY_TIMEOUT;

/// Rows that one transaction changes.
const ROWS_PER_STEP: i64 = 500;
/// A transaction ends early when it has lasted this long: other writers wait for it.
const STEP_MAX: Duration = Duration::from_millis(50);
/// Between two transactions at least; longer ones are followed by longer pauses.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// What was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Rows of their tables now.
    pub stored: u64,
    /// Their natural key was in the table already: counted as duplicates.
    pub duplicate: u64,
    /// Still bad.
    pub stayed: u64,
    /// Deleted, and counted as dropped.
    pub dropped: u64,
}

impl Changed {
    fn sentence(self) -> String {
        let Self { stored, duplicate, stayed, dropped } = self;
        if dropped > 0 {
            return format!("a person dropped {dropped} messages from quarantine");
        }
        format!(
            "a person replayed the quarantine: {stored} messages are rows now, {duplicate} were there \
             already, {stayed} stay"
        )
    }
}

/// An open database.
pub struct Editor {
    conn: Connection,
    path: PathBuf,
    routes: Vec<Route>,
    router: Router,
    statements: Statements,
    shapes: Shapes,
    packet_max: u64,
    now: fn() -> UnixMillis,
    /// Whether others want to write, too.
    shared: bool,
    /// The row of `barograph_events` that tells of it.
    event: Option<i64>,
    changed: Changed,
}

/// Whether a step was the last one.
enum EditProgress {
    /// Ids up to here are done.
    More(i64),
    Done,
}

impl Editor {
    /// Opens the database, which must be there, and makes it fit the routes, as a start of the recorder
    /// would. `packet_max` is `mqtt.max_packet_size`; `shared`: a recorder is running.
    ///
    /// # Errors
    /// It cannot be opened, or does not fit the routes.
    pub fn open(
        path: &Path,
        routes: Vec<Route>,
        packet_max: u64,
        now: fn() -> UnixMillis,
        shared: bool,
    ) -> Result<Self, OpenError> {
        let failed = |error: rusqlite::Error| open_error(&error, path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(path, flags).map_err(failed)?;
        conn.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        conn.set_prepared_statement_cache_capacity(cached_max(routes.len()));
        schema::refuse_clashes(&conn, &routes, path)?;
        conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
            .map_err(failed)?;
        schema::extend_all(&mut conn, &routes, path)?;
        let shapes = {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate);
            let tx = tx.map_err(failed)?;
            let shapes = Shapes::of(&tx, &routes).map_err(failed)?;
            tx.commit().map_err(failed)?;
            shapes
        };
        Ok(Self {
            conn,
            path: path.to_owned(),
            router: Router::new(routes.clone()),
            statements: Statements::new(&routes),
            routes,
            shapes,
            packet_max,
            now,
            shared,
            event: None,
            changed: Changed::default(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was done so far: what is counted here is committed, also when an error ended it.
    pub fn changed(&self) -> Changed {
        self.changed
    }

    /// Decodes what matches by the routes of today: what is good now becomes a row with its own time of
    /// arrival, what is not keeps its place, with today's reason.
    ///
    /// # Errors
    /// The database cannot be read or written. The steps before are done.
    pub fn replay(&mut self, filter: &QuarantineFilter) -> rusqlite::Result<()> {
        self.in_steps(|editor, after, begun| editor.replay_step(filter, after, begun))
    }

    /// Deletes what matches, and counts it as dropped.
    ///
    /// # Errors
    /// The database cannot be read or written. The steps before are done.
    pub fn drop_kept(&mut self, filter: &QuarantineFilter) -> rusqlite::Result<()> {
        self.in_steps(|editor, after, begun| {
            let (mut step, mut changed) = (EditProgress::Done, editor.changed);
            for id in editor.ids(filter, after)? {
                let shape = &editor.shapes.quarantine;
                drop_quarantined(&editor.conn, shape, &[id], Dropped::QuarantineDropped)?;
                changed.dropped += 1;
                step = EditProgress::More(id);
                if begun.elapsed() >= STEP_MAX {
                    break;
                }
            }
            Ok((step, changed))
        })
    }

    fn in_steps(
        &mut self,
        step: impl Fn(&Self, i64, Instant) -> rusqlite::Result<(EditProgress, Changed)>,
    ) -> rusqlite::Result<()> {
        let mut after = i64::MIN;
        loop {
            let begun = Instant::now();
            let (step, event, changed) = {
                let immediate = TransactionBehavior::Immediate;
                let tx = Transaction::new_unchecked(&self.conn, immediate)?;
                let begun = Instant::now();
                let (step, changed) = step(self, after, begun)?;
                let event = if changed == self.changed { self.event } else { self.tell(changed)? };
                tx.commit()?;
                (step, event, changed)
            };
            (self.event, self.changed) = (event, changed);
            match step {
                EditProgress::Done => return Ok(()),
                EditProgress::More(last) => after = last,
            }
            if self.shared {
                // SQLite's locks are not handed over in turn: who waits looks again after a while.
                thread::sleep(PAUSE_MIN.max(begun.elapsed() * 2));
            }
        }
    }

    /// One event for the whole command, which grows with each step: a command that is killed has told
    /// what it did.
    fn tell(&self, changed: Changed) -> rusqlite::Result<Option<i64>> {
        let (at, detail) = ((self.now)().to_string(), changed.sentence());
        match self.event {
            Some(id) => {
                let update = "UPDATE barograph_events SET at = ?2, detail = ?3 WHERE id = ?1";
                self.conn.prepare_cached(update)?.execute(params![id, at, detail])?;
                Ok(Some(id))
            }
            None => {
                let insert = "INSERT INTO barograph_events (at, event, detail) VALUES (?1, ?2, ?3)";
                let values = params![at, event::QUARANTINE_CHANGED, detail];
                self.conn.prepare_cached(insert)?.execute(values)?;
                Ok(Some(self.conn.last_insert_rowid()))
            }
        }
    }

    /// The next ids that match.
    fn ids(&self, filter: &QuarantineFilter, after: i64) -> rusqlite::Result<Vec<i64>> {
        let select = format!(
            "SELECT id FROM barograph_quarantine WHERE {MATCHES} AND id > ?5 ORDER BY id LIMIT ?6"
        );
        let mut statement = self.conn.prepare_cached(&select)?;
        let [route, reason, since, ids] = filter.parameters();
        let found = statement
            .query_map(params![route, reason, since, ids, after, ROWS_PER_STEP], |row| {
                row.get(0)
            })?;
        found.collect()
    }

    fn replay_step(
        &self,
        filter: &QuarantineFilter,
        after: i64,
        begun: Instant,
    ) -> rusqlite::Result<(EditProgress, Changed)> {
        let ids = self.ids(filter, after)?;
        let mut changed = self.changed;
        let mut writer = RowWriter::new(&self.conn, &self.statements, &self.routes, &self.shapes);
        let select = format!("SELECT {COLUMNS} FROM barograph_quarantine WHERE id = ?1");
        let mut statement = self.conn.prepare_cached(&select)?;
        let mut step = EditProgress::Done;
        // One at a time: 500 payloads may be half a gigabyte.
        for id in ids {
            let kept = statement.query_row([id], QuarantinedMessage::of)?;
            self.replay_one(kept, &mut writer, &mut changed)?;
            step = EditProgress::More(id);
            if begun.elapsed() >= STEP_MAX {
                break;
            }
        }
        writer.finish((self.now)())?;
        Ok((step, changed))
    }

    fn replay_one(
        &self,
        kept: QuarantinedMessage,
        writer: &mut RowWriter<'_>,
        changed: &mut Changed,
    ) -> rusqlite::Result<()> {
        let Some(record) = self.record(&kept) else {
            changed.stayed += 1;
            return Ok(());
        };
        let placed: Placed = match writer.place(&record)? {
            RowOutcome::Stored(rows) => {
                changed.stored += 1;
                Placed { outcome: Outcome::Stored, rows }
            }
            RowOutcome::Present => {
                changed.duplicate += 1;
                Outcome::Duplicate(Repeat::Unique).into()
            }
            // Its bytes are kept: other routes may want it.
            RowOutcome::Filtered(_) => {
                changed.stayed += 1;
                return Ok(());
            }
            RowOutcome::Refused(refusal) => {
                changed.stayed += 1;
                return self.stay(&kept, self.router.name(record.route), &refusal);
            }
        };
        self.shapes.quarantine.forget(&self.conn, kept.id)?;
        let delete = "DELETE FROM barograph_quarantine WHERE id = ?1";
        self.conn.prepare_cached(delete)?.execute([kept.id])?;
        self.move_in_account(&kept, self.router.name(record.route), placed)
    }

    /// The delivery as it was, decoded by the routes of today; `None` where only the first bytes are left.
    fn record(&self, kept: &QuarantinedMessage) -> Option<Record> {
        let size = kept.size.cast_unsigned();
        if (kept.payload.len() as u64) < size {
            return None;
        }
        let delivery = Delivery {
            topic: kept.topic.clone(),
            payload: Bytes::from(kept.payload.clone()),
            whole_size: size,
            // What else was in the packet is not known any more.
            packet_size: size,
            qos: match kept.qos {
                0 => Qos::AtMostOnce,
                1 => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            },
            retain: false,
            dup: false,
            packet_id: 0,
            received_at: UnixMillis(0),
            properties: Vec::new(),
        };
        let record = decode(delivery, &self.router, self.packet_max);
        Some(Record { received_at: arrival(&kept.received_at)?, ..record })
    }

    /// It stays, with today's route, reason and detail.
    fn stay(
        &self,
        kept: &QuarantinedMessage,
        route: &str,
        refusal: &RowRefusal,
    ) -> rusqlite::Result<()> {
        let reason = refusal.reason.word();
        let old_route = kept.route.as_deref().unwrap_or_default();
        if (old_route, kept.reason.as_str(), &kept.detail) == (route, reason, &refusal.detail) {
            return Ok(());
        }
        self.shapes.quarantine.amend(&self.conn, kept.id, || {
            let update = "UPDATE barograph_quarantine SET route = nullif(?2, ''), reason = ?3, detail = \
                 ?4 WHERE id = ?1";
            let mut statement = self.conn.prepare_cached(update)?;
            statement.execute(params![kept.id, route, reason, refusal.detail]).map(|_| ())
        })?;
        self.move_in_account(kept, route, Outcome::Quarantined(refusal.reason).into())
    }

    /// Another end, perhaps of another route: then that one received it.
    fn move_in_account(
        &self,
        kept: &QuarantinedMessage,
        route: &str,
        to: Placed,
    ) -> rusqlite::Result<()> {
        let old = kept.route.as_deref().unwrap_or_default();
        let mut add = self.conn.prepare_cached(ACCOUNT_ADD)?;
        add.execute(params![old, "quarantined", kept.reason, -1])?;
        let (word, reason) = to.outcome.words();
        add.execute(params![route, word, reason, 1])?;
        if to.rows > 1 {
            let (word, reason) = FURTHER_ROWS;
            add.execute(params![route, word, reason, rows::as_i64(to.rows - 1)])?;
        }
        if old != route {
            add.execute(params![old, "received", "", -1])?;
            add.execute(params![route, "received", "", 1])?;
        }
        Ok(())
    }
}

/// A time that the recorder wrote; what reads otherwise was written by another program.
fn arrival(text: &str) -> Option<UnixMillis> {
    let time: jiff::civil::DateTime = text.parse().ok()?;
    let at = jiff::tz::TimeZone::UTC.to_timestamp(time).ok()?.as_millisecond();
    Some(UnixMillis(at)).filter(|at| at.to_string() == text)
}
