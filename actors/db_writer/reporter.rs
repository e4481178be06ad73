//! What the writer reports of its work: log, events, published state, and messages to `HealthActor` and
//! `StatsActor`.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::db_writer::setup::WriterSetup;
use crate::message::account::RouteId;
use crate::message::batch::{Batch, Body, Receipt, Record, Value};
use crate::message::delivery::UnixMillis;
use crate::message::event;
use crate::message::moment::Moment;
use crate::message::note::{GapCause, Note};
use crate::message::route::Router;
use crate::message::write::{Drained, Place, ProbeFailed, WriteCause, WriteFailed, WriteSucceeded};
use crate::ports::WriteError;
use crate::status::feed::Row;
use crate::status::measures::TimeColumns;
use crate::status::{Destination, NewestRows};
use crate::supervisor::actor::whole_ms;

/// Quarantined messages are told of at most this often: a flood of bad payloads must not become a
/// flood of lines.
const QUARANTINE_SAID_EVERY: Duration = Duration::from_secs(10);

/// The least time between two messages to `HealthActor` about continuing success: each wakes its thread, and a slow stream
/// has a commit for each message.
const SUCCESS_SAID_EVERY: Duration = Duration::from_millis(250);

/// A failure that was reported and has not ended.
#[derive(Debug)]
struct WriteTrouble {
    cause: WriteCause,
    message: String,
    since: Instant,
}

/// Reports what the writer does.
#[derive(Debug)]
pub(crate) struct WriteReporter {
    setup: WriterSetup,
    times: TimeColumns,
    database: Option<WriteTrouble>,
    spool: Option<WriteTrouble>,
    quarantine_said: Option<Instant>,
    quarantined_unsaid: u64,
    /// Place and time of the last [`WriteSucceeded`] that was sent; `None`: another message about writing was sent since.
    success_said: Option<(Place, Instant)>,
}

impl WriteReporter {
    pub(crate) fn new(setup: WriterSetup) -> Self {
        Self {
            times: TimeColumns::of_routes(&setup.routing.now()),
            setup,
            database: None,
            spool: None,
            quarantine_said: None,
            quarantined_unsaid: 0,
            success_said: None,
        }
    }

    /// Other routes are in force.
    pub(crate) fn follow(&mut self, router: &Router) {
        self.times = TimeColumns::of_routes(router);
    }

    fn now(&self) -> UnixMillis {
        (self.setup.world.now)()
    }

    /// A batch is in the database, asked for just now.
    pub(crate) fn stored(&mut self, batch: &Batch, receipt: &Receipt, took: Duration) {
        self.database_recovered();
        self.count(batch, receipt);
        self.became_durable();
        self.succeeded(batch, Place::Database, took);
    }

    /// A batch is in the spool.
    pub(crate) fn spooled(&mut self, batch: &Batch, in_spool: u64, took: Duration) {
        self.spool_recovered();
        self.became_durable();
        self.setup.published.storage.update(|storage| storage.spooled = in_spool);
        self.succeeded(batch, Place::Spool, took);
    }

    fn succeeded(&mut self, batch: &Batch, place: Place, took: Duration) {
        self.setup.published.measures().committed(place, batch.records.len() as u64, took);
        let now = Instant::now();
        let is_said = self
            .success_said
            .is_some_and(|(known, at)| known == place && now < at + SUCCESS_SAID_EVERY);
        if !is_said {
            self.success_said = Some((place, now));
            self.setup.health.tell(WriteSucceeded { place });
        }
    }

    /// What the database has more by a batch.
    fn count(&mut self, batch: &Batch, receipt: &Receipt) {
        for event in &receipt.events {
            warn!(event = event.name, "{}", event.detail);
        }
        let now = self.now();
        self.setup.published.storage.update(|storage| {
            if !receipt.repeated {
                storage.tally.merge(&receipt.tally);
            }
            storage.last_commit = Some(now);
        });
        self.setup.published.rows.update(|rows| remember_latest(rows, batch, receipt));
        if !receipt.repeated {
            self.setup.published.measures().aged(&self.times, batch, now);
            self.setup.published.feeds().rows(|| rows_of(batch, receipt));
            receipt.events.iter().for_each(|event| self.setup.published.feeds().event(event));
        }
        self.quarantined(receipt.tally.sums().quarantined);
    }

    /// The database took these over from the spool, and this many deliveries are left there.
    pub(crate) fn took_over(&mut self, written: &[(&Batch, Receipt)], left: u64) {
        self.database_recovered();
        let mut records = 0;
        for (batch, receipt) in written {
            self.count(batch, receipt);
            records += batch.records.len() as u64;
        }
        self.setup.published.storage.update(|storage| storage.spooled = left);
        self.success_said = None;
        if left > 0 {
            self.setup.health.tell(Drained { records, left });
        }
    }

    /// The spool is empty, and the database in order.
    pub(crate) fn drained(&mut self) {
        self.database_recovered();
        let told = "the database has taken over all that was in the spool; messages go to it \
                    directly again";
        info!(event = event::SPOOL_DRAINED, "{told}");
        self.setup.published.note(event::SPOOL_DRAINED, self.now(), told);
        self.setup.published.storage.update(|storage| storage.spooled = 0);
        self.success_said = None;
        self.setup.health.tell(Drained { records: 0, left: 0 });
    }

    fn became_durable(&mut self) {
        let at = Moment { wall: self.now(), steady: Instant::now() };
        self.setup.published.last_seen().became_durable(at);
    }

    /// A write failed; it is tried again.
    pub(crate) fn write_failed(
        &mut self,
        batch: &Batch,
        place: Place,
        error: &WriteError,
        attempt: u32,
    ) {
        match place {
            Place::Database => self.database_failed(error.cause, &error.message),
            Place::Spool => self.spool_failed(error.cause, &error.message),
        }
        let message = WriteFailed {
            batch: batch.id,
            place,
            cause: error.cause,
            message: error.message.clone(),
            attempt,
            outcome: error.outcome,
        };
        self.setup.published.measures().failed(place, error.cause);
        self.success_said = None;
        self.setup.health.tell(message);
    }

    /// The database did not answer a probe.
    pub(crate) fn probe_failed(&mut self, error: &WriteError) {
        self.database_failed(error.cause, &error.message);
        self.success_said = None;
        let (cause, message) = (error.cause, error.message.clone());
        self.setup.health.tell(ProbeFailed { cause, message });
    }

    /// Once for each cause, not for each try.
    pub(crate) fn database_failed(&mut self, cause: WriteCause, message: &str) {
        if begins(&mut self.database, cause, message) {
            error!(event = event::WRITE_FAILED, cause = cause.word(), "{message}; trying again");
            self.setup.published.note(event::WRITE_FAILED, self.now(), message);
        }
    }

    /// The spool cannot be read or written. Once for each cause.
    pub(crate) fn spool_failed(&mut self, cause: WriteCause, message: &str) {
        if begins(&mut self.spool, cause, message) {
            error!(event = event::SPOOL_FAILED, cause = cause.word(), "{message}; trying again");
            self.setup.published.note(event::SPOOL_FAILED, self.now(), message);
        }
    }

    pub(crate) fn database_recovered(&mut self) {
        if let Some(trouble) = self.database.take() {
            let lasted = humantime::format_duration(whole_ms(trouble.since.elapsed()));
            let told = format!("the database can be written again, after {lasted}");
            info!(event = event::WRITE_RECOVERED, cause = trouble.cause.word(), "{told}");
            self.setup.published.note(event::WRITE_RECOVERED, self.now(), told);
        }
    }

    fn spool_recovered(&mut self) {
        if let Some(trouble) = self.spool.take() {
            let lasted = humantime::format_duration(whole_ms(trouble.since.elapsed()));
            info!("the spool can be written again, after {lasted}");
        }
    }

    /// Why the database failed last; `None`: it has been written since, or never failed.
    pub(crate) fn database_failure(&self) -> Option<&str> {
        self.database.as_ref().map(|trouble| trouble.message.as_str())
    }

    /// New batches go to the database or the spool from now on. That ends the gap `holding`.
    pub(crate) fn batches_go_to(&self, destination: Destination) {
        let before = self.setup.published.destination.replace(destination);
        if before == Destination::Nowhere {
            self.setup.published.remember(Note::gap_closed(GapCause::Holding, None, self.now()));
        }
    }

    /// Neither database nor spool took a batch. That opens the gap `holding`.
    pub(crate) fn batches_go_nowhere(&self, message: &str) {
        let before = self.setup.published.destination.replace(Destination::Nowhere);
        if before == Destination::Nowhere {
            return;
        }
        let detail = format!(
            "neither database nor spool could be written ({message}): QoS 1 and 2 waited at the \
             broker; of QoS 0 what memory could not hold is counted as dropped (holding)"
        );
        let note = Note::gap_opened(GapCause::Holding, None, self.now(), detail);
        self.setup.published.remember(note);
    }

    /// So many more messages could not become rows.
    pub(crate) fn quarantined(&mut self, more: u64) {
        self.quarantined_unsaid += more;
        let silent =
            self.quarantine_said.is_some_and(|said| said.elapsed() < QUARANTINE_SAID_EVERY);
        if self.quarantined_unsaid == 0 || silent {
            return;
        }
        let n = std::mem::take(&mut self.quarantined_unsaid);
        self.quarantine_said = Some(Instant::now());
        warn!(
            event = event::QUARANTINED,
            count = n,
            "{n} messages could not become rows and are kept in barograph_quarantine, each with \
             its bytes and the reason; look with: barograph quarantine list"
        );
    }
}

/// The newest row of each route, and the one before it. From the end, so that each is copied once.
fn remember_latest(rows: &mut NewestRows, batch: &Batch, receipt: &Receipt) {
    let mut seen: BTreeMap<RouteId, u32> = BTreeMap::new();
    for (record, values) in stored(batch, receipt).rev() {
        let seen = seen.entry(record.route).or_default();
        *seen += 1;
        let row = || (record.received_at, values.to_vec());
        match *seen {
            1 => {
                let before = rows.latest.insert(record.route, row());
                // A batch that is told of again says nothing new.
                if let Some(before) = before.filter(|before| before.0 != record.received_at) {
                    rows.previous.insert(record.route, before);
                }
            }
            2 => {
                rows.previous.insert(record.route, row());
            }
            _ => {}
        }
    }
}

fn rows_of(batch: &Batch, receipt: &Receipt) -> Vec<Row> {
    let row = |(record, values): (&Record, &[Value])| Row {
        route: record.route,
        received_at: record.received_at,
        values: values.to_vec(),
    };
    stored(batch, receipt).map(row).collect()
}

/// The rows that are in their route's table now, by this batch.
fn stored<'a>(
    batch: &'a Batch,
    receipt: &'a Receipt,
) -> impl DoubleEndedIterator<Item = (&'a Record, &'a [Value])> {
    let is_stored = |place: &usize| receipt.passed_by.binary_search(place).is_err();
    let records = batch.records.iter().enumerate();
    let rows = records.filter_map(move |(place, record)| match &record.body {
        Body::Rows(rows) if is_stored(&place) => Some((record, rows)),
        Body::Rows(_) | Body::Quarantined(_) | Body::Filtered(_) => None,
    });
    rows.flat_map(|(record, rows)| rows.iter().map(move |values| (record, values)))
}

/// Whether this cause was not reported since the last success.
fn begins(trouble: &mut Option<WriteTrouble>, cause: WriteCause, message: &str) -> bool {
    let is_new = trouble.as_ref().is_none_or(|trouble| trouble.cause != cause);
    let since = trouble.as_ref().map_or_else(Instant::now, |trouble| trouble.since);
    *trouble = Some(WriteTrouble { cause, message: message.to_owned(), since });
    is_new
}
