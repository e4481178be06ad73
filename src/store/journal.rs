//! Writing: one transaction holds a batch's rows, its ledger entry, its counts and the events that
//! waited.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use barograph_actors::account::{Outcome, Reason, Repeat, RouteId, Tally};
use barograph_actors::batch::{Batch, BatchId, Body, Opening, Receipt, Record, Refusal, Value};
use barograph_actors::delivery::UnixMillis;
use barograph_actors::event;
use barograph_actors::ledger::{Ledger, Row};
use barograph_actors::ports::{Journal, World, WriteCause, WriteError, WriteOutcome};
use barograph_actors::published::Event;
use barograph_config::Route;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, params};

use super::cause::{sentence, write_error};
use super::history::History;
use super::open::FileId;
use super::retained::Retained;
use super::rows;
use super::statements as sql;
use super::statements::Statements;

/// The journal in one open SQLite file.
pub struct SqliteJournal {
    pub(super) conn: Connection,
    pub(super) path: PathBuf,
    /// The file that `conn` holds; the path may come to lead elsewhere.
    pub(super) file: FileId,
    pub(super) routes: Vec<Route>,
    pub(super) statements: Statements,
    pub(super) world: World,
    pub(super) ledger: Ledger,
    /// The rows of the ledger's table.
    pub(super) history: History,
    /// The last batch that is durable, and its number in the ledger.
    pub(super) last: Option<(BatchId, i64)>,
    pub(super) retained: Retained,
}

impl fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteJournal").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What one transaction has done, before it is committed.
struct Written {
    row: Row,
    tally: Tally,
    events: Vec<Event>,
    /// Digests of retained messages recorded while their filter is new.
    new_retained: Vec<u64>,
    settled_filters: Option<Vec<String>>,
    /// Ledger rows below this number are gone.
    forgotten_below: Option<i64>,
}

impl Journal for SqliteJournal {
    fn append(&mut self, batch: &Batch, events: &[Event]) -> Result<Receipt, WriteError> {
        if let Some((id, ledger_number)) = self.last
            && id == batch.id
        {
            return Ok(Receipt {
                ledger_number,
                repeated: true,
                tally: Tally::default(),
                events: Vec::new(),
            });
        }
        self.check_file()?;
        // An opening changes the ledger before the deliveries after it are judged; a transaction
        // that fails must leave no trace of it.
        let before = batch.opening.as_ref().map(|_| (self.ledger.clone(), self.retained.clone()));
        match self.in_transaction(|journal| journal.write(batch, events)) {
            Ok(written) => Ok(self.adopt(written)),
            Err(error) => {
                if let Some((ledger, retained)) = before {
                    (self.ledger, self.retained) = (ledger, retained);
                }
                Err(error)
            }
        }
    }

    fn record_events(&mut self, events: &[Event]) -> Result<(), WriteError> {
        self.check_file()?;
        self.in_transaction(|journal| journal.write_events(events))
    }

    fn account(&self) -> Tally {
        rows::account(&self.conn, &self.routes).unwrap_or_default()
    }

    /// Without waiting for readers: what they hold back of the WAL is checkpointed later.
    fn close(self: Box<Self>) {
        let quiet = self.conn.busy_timeout(Duration::ZERO);
        let checkpoint = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = quiet.and(checkpoint) {
            tracing::debug!("the WAL is left for the next start: {error}");
        }
    }
}

impl SqliteJournal {
    /// A deleted or replaced database keeps accepting writes for ever: the path must still lead to
    /// the file we hold.
    fn check_file(&self) -> Result<(), WriteError> {
        let detail = match FileId::of(&self.path) {
            Ok(found) if found == self.file => return Ok(()),
            Ok(_) => "another file is in its place".to_owned(),
            Err(error) => error.to_string(),
        };
        self.checkpoint_what_is_left();
        let cause = WriteCause::Replaced;
        let message = sentence(cause, &self.path, &detail);
        Err(WriteError { cause, message, outcome: WriteOutcome::Refused, reopen: true })
    }

    /// The file that was moved away must have what is only in the WAL so far: a new database at the
    /// path removes the WAL.
    fn checkpoint_what_is_left(&self) {
        let checkpoint = self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = checkpoint {
            tracing::warn!(
                "the last rows of the database that was moved away stay in its -wal file: {error}"
            );
        }
    }

    /// `BEGIN IMMEDIATE`, always: a deferred transaction that upgrades after another's commit fails
    /// at once, busy timeout or not.
    fn in_transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> Result<T, WriteError> {
        let begun = self.run("BEGIN IMMEDIATE");
        begun.map_err(|error| write_error(&error, &self.path, false))?;
        let worked = work(self);
        match worked {
            Err(error) => Err(self.roll_back(&error, false)),
            Ok(done) => match self.run("COMMIT") {
                Ok(()) => Ok(done),
                Err(error) => Err(self.roll_back(&error, true)),
            },
        }
    }

    fn run(&self, statement: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(statement)?.execute([]).map(|_| ())
    }

    fn roll_back(&self, error: &rusqlite::Error, committing: bool) -> WriteError {
        let mut told = write_error(error, &self.path, committing);
        // SQLite may have rolled back by itself. A handle that stays within a transaction is of no
        // more use.
        let rolled_back = self.conn.is_autocommit() || self.run("ROLLBACK").is_ok();
        told.reopen |= !rolled_back;
        told
    }

    fn write(&mut self, batch: &Batch, events: &[Event]) -> rusqlite::Result<Written> {
        let now = (self.world.now)();
        let mut noticed = Vec::new();
        let mut cleared = false;
        if let Some(opening) = &batch.opening {
            let resumed = self.open_connection(batch, opening, &mut noticed)?;
            cleared = !resumed;
        }
        let mut new_retained = Vec::new();
        let tally = self.write_records(batch, now, &mut noticed, &mut new_retained)?;
        self.write_account(&tally)?;
        let settled_filters = self.settle_filters(&batch.settled_filters)?;
        let number = self.last.map_or(1, |(_, number)| number + 1);
        let row = Row::of(batch, number, now, self.ledger.fresh_before(batch));
        let trimmed_below = self.write_ledger(&row)?;
        self.write_events(events)?;
        self.write_events(&noticed)?;
        let forgotten_below = if cleared { Some(number) } else { trimmed_below };
        Ok(Written { row, tally, events: noticed, new_retained, settled_filters, forgotten_below })
    }

    /// The transaction is durable: what it did becomes what we know.
    fn adopt(&mut self, written: Written) -> Receipt {
        let Written { row, tally, events, new_retained, settled_filters, forgotten_below } =
            written;
        let ledger_number = row.number;
        self.last = Some((row.batch, row.number));
        self.ledger.push(&row);
        if let Some(point) = forgotten_below {
            self.history.forget_below(point);
        }
        self.history.push(&row);
        self.retained.record(&new_retained);
        if let Some(filters) = settled_filters {
            self.retained.settle(filters);
        }
        Receipt { ledger_number, repeated: false, tally, events }
    }

    /// A connection began. A session that the broker no longer knows makes the ledger's packet ids
    /// meaningless, and so does another session.
    fn open_connection(
        &mut self,
        batch: &Batch,
        opening: &Opening,
        noticed: &mut Vec<Event>,
    ) -> rusqlite::Result<bool> {
        let known = rows::meta(&self.conn, rows::SESSION)?;
        let same = known.as_deref() == Some(opening.session.as_str());
        let resumed = opening.session_present && same;
        let stored = if resumed { rows::ledger(&self.conn)? } else { Vec::new() };
        let last_heard = history_end(&self.conn)?;
        if !resumed {
            self.conn.execute(sql::LEDGER_CLEAR, [])?;
            self.set_meta(rows::SUBSCRIBED, "[]")?;
            self.conn.execute(sql::RETAINED_CLEAR, [])?;
            self.retained = Retained::default();
        }
        if !same {
            self.set_meta(rows::SESSION, &opening.session)?;
        }
        let opening = Opening { session_present: resumed, ..opening.clone() };
        self.ledger.open(batch.connection, &opening, &stored);
        if same && !opening.session_present {
            let from = last_heard.unwrap_or(opening.at);
            let detail = format!(
                "the broker no longer knows the session of {}: what it should have kept for us \
                 since {from} UTC may be lost; look whether it keeps sessions over a restart \
                 (persistence true) and for how long",
                opening.session
            );
            noticed.push(self.gap(event::BROKER_FORGOT_SESSION, from, opening.at, detail)?);
        }
        Ok(resumed)
    }

    /// Writes a gap, and gives the event that tells of it.
    fn gap(
        &self,
        cause: &'static str,
        from: UnixMillis,
        to: UnixMillis,
        detail: String,
    ) -> rusqlite::Result<Event> {
        let mut statement = self.conn.prepare_cached(sql::GAP_INSERT)?;
        statement.execute(params![from.to_string(), to.to_string(), cause, detail])?;
        Ok(Event { name: cause, at: to, detail })
    }

    fn write_records(
        &mut self,
        batch: &Batch,
        now: UnixMillis,
        noticed: &mut Vec<Event>,
        new_retained: &mut Vec<u64>,
    ) -> rusqlite::Result<Tally> {
        let mut rolled_back = None;
        let mut tally = Tally::default();
        {
            let mut writer = RowWriter::new(&self.conn, &self.statements, &self.routes);
            for record in &batch.records {
                rolled_back = rolled_back.or_else(|| self.ledger.rolled_back(record));
                let outcome = if self.ledger.is_redelivery(record) {
                    Outcome::Duplicate(Repeat::Redelivery)
                } else if self.retained.is_repeat(record, route_of(record.route, &self.routes)) {
                    Outcome::Duplicate(Repeat::Retained)
                } else {
                    writer.write(record)?
                };
                if record.retain && outcome == Outcome::Stored {
                    new_retained.push(record.digest);
                }
                tally.add(record.route, outcome, 1);
            }
        }
        for digest in new_retained.iter() {
            let mut statement = self.conn.prepare_cached(sql::RETAINED_INSERT)?;
            statement.execute(params![digest.cast_signed()])?;
        }
        if let Some(from) = rolled_back {
            let detail = format!(
                "the broker repeats, in order, what it had delivered at {from} UTC: it was killed \
                 and came back with an old copy of its state. What it had accepted since then may \
                 be lost, and what it repeats may be stored twice (unless the route has a unique \
                 key); let it save often: autosave_interval 1, autosave_on_changes true"
            );
            noticed.push(self.gap(event::BROKER_ROLLED_BACK, from, now, detail)?);
        }
        Ok(tally)
    }

    fn write_account(&self, tally: &Tally) -> rusqlite::Result<()> {
        let mut statement = self.conn.prepare_cached(sql::ACCOUNT_ADD)?;
        let mut received: Vec<(RouteId, u64)> = Vec::new();
        for (route, outcome, n) in tally.iter() {
            let (word, reason) = outcome.words();
            statement.execute(params![name_of(route, &self.routes), word, reason, as_i64(n)])?;
            match received.iter_mut().find(|(r, _)| *r == route) {
                Some((_, total)) => *total += n,
                None => received.push((route, n)),
            }
        }
        for (route, n) in received {
            statement.execute(params![name_of(route, &self.routes), "received", "", as_i64(n)])?;
        }
        Ok(())
    }

    /// The row, and from time to time less of the history: never a row that is not confirmed. Gives
    /// the number below which rows are gone.
    fn write_ledger(&self, row: &Row) -> rusqlite::Result<Option<i64>> {
        let keep_from = self.ledger.oldest_unconfirmed().unwrap_or(row.number);
        let trimmed_below = self.history.trim_point(keep_from);
        if let Some(point) = trimmed_below {
            self.conn.prepare_cached(sql::LEDGER_TRIM)?.execute(params![point])?;
        }
        self.conn.prepare_cached(sql::LEDGER_INSERT)?.execute(params![
            row.number,
            row.batch.run,
            row.batch.number,
            row.connection.0,
            row.at.0,
            row.confirmed,
            row.fresh_seen,
            row.blob(),
        ])?;
        Ok(trimmed_below)
    }

    fn write_events(&self, events: &[Event]) -> rusqlite::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut statement = self.conn.prepare_cached(sql::EVENT_INSERT)?;
        for event in events {
            statement.execute(params![event.at.to_string(), event.name, event.detail])?;
        }
        Ok(())
    }

    fn settle_filters(&self, filters: &[String]) -> rusqlite::Result<Option<Vec<String>>> {
        if filters.is_empty() || self.retained.has_settled(filters) {
            return Ok(None);
        }
        self.conn.execute(sql::RETAINED_CLEAR, [])?;
        let text = serde_json::Value::from(filters.to_vec()).to_string();
        self.set_meta(rows::SUBSCRIBED, &text)?;
        Ok(Some(filters.to_vec()))
    }

    fn set_meta(&self, key: &str, value: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql::META_SET)?.execute(params![key, value]).map(|_| ())
    }
}

/// When the last batch was written, by the ledger.
fn history_end(conn: &Connection) -> rusqlite::Result<Option<UnixMillis>> {
    let at: Option<i64> =
        conn.query_row("SELECT max(at) FROM barograph_ledger", [], |row| row.get(0))?;
    Ok(at.map(UnixMillis))
}

fn route_of(id: RouteId, routes: &[Route]) -> Option<&Route> {
    id.0.and_then(|index| routes.get(usize::from(index)))
}

fn name_of(id: RouteId, routes: &[Route]) -> &str {
    route_of(id, routes).map_or("", |route| &route.table)
}

fn as_i64(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Writes the rows of one batch, each statement prepared once.
struct RowWriter<'a> {
    conn: &'a Connection,
    statements: &'a Statements,
    routes: &'a [Route],
    inserts: Vec<Option<CachedStatement<'a>>>,
    /// The last time written, as text: neighbours often share their millisecond.
    written_at: (UnixMillis, String),
}

impl<'a> RowWriter<'a> {
    fn new(conn: &'a Connection, statements: &'a Statements, routes: &'a [Route]) -> Self {
        let inserts = routes.iter().map(|_| None).collect();
        let zero = UnixMillis::default();
        Self { conn, statements, routes, inserts, written_at: (zero, zero.to_string()) }
    }

    fn write(&mut self, record: &Record) -> rusqlite::Result<Outcome> {
        if self.written_at.0 != record.received_at {
            self.written_at = (record.received_at, record.received_at.to_string());
        }
        match (&record.body, record.route.0) {
            (Body::Row(values), Some(route)) => match self.insert(usize::from(route), values) {
                Ok(0) => Ok(Outcome::Duplicate(Repeat::Unique)),
                Ok(_) => Ok(Outcome::Stored),
                Err(error) if is_refusal(&error) => {
                    let detail = format!("the table refused the row: {error}");
                    self.quarantine(record, &Refusal { reason: Reason::RefusedByTable, detail })
                }
                Err(error) => Err(error),
            },
            (Body::Row(_), None) => {
                let detail = "a row without a route".to_owned();
                self.quarantine(record, &Refusal { reason: Reason::NoRoute, detail })
            }
            (Body::Quarantined(refusal), _) => self.quarantine(record, refusal),
        }
    }

    fn insert(&mut self, route: usize, values: &[Value]) -> rusqlite::Result<usize> {
        let slot = &mut self.inserts[route];
        let statement = match slot {
            Some(statement) => statement,
            None => slot.insert(self.conn.prepare_cached(self.statements.insert(route))?),
        };
        for (index, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, Bound(value))?;
        }
        statement.raw_bind_parameter(values.len() + 1, &self.written_at.1)?;
        statement.raw_execute()
    }

    fn quarantine(&self, record: &Record, refusal: &Refusal) -> rusqlite::Result<Outcome> {
        self.conn.prepare_cached(sql::QUARANTINE_INSERT)?.execute(params![
            self.written_at.1,
            route_of(record.route, self.routes).map(|route| &route.table),
            record.topic,
            &record.payload[..],
            as_i64(record.whole_size),
            record.qos as u8,
            refusal.reason.word(),
            refusal.detail,
        ])?;
        Ok(Outcome::Quarantined(refusal.reason))
    }
}

/// The row's own fault: the next row may be fine.
fn is_refusal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    )
}

/// A value on its way into a statement.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Real(number) => ToSqlOutput::Borrowed(ValueRef::Real(*number)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}
