//! `DbWriterActor`: the only writer to the database. It lives on a thread of its own, because the
//! journal's calls block.
//!
//! A batch that cannot be written is tried again, with exponential back-off, for as long as it
//! takes; nothing is acknowledged meanwhile and the broker holds the rest. Between tries the actor
//! is free to be asked to stop.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, ResponseFuture};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::account::Sums;
use crate::batch::{Batch, BatchId, Body, Receipt};
use crate::event;
use crate::health::HealthActor;
use crate::ports::{Journal, OpenError, OpenJournal, World, WriteCause, WriteError, WriteOutcome};
use crate::published::Published;
use crate::stats::StatsActor;
use crate::supervise::restart::backoff;
use crate::supervise::{Cause, Fault, Lifeline, Link, Stop};

/// First pause after a failed write.
const RETRY_MIN: Duration = Duration::from_millis(50);
/// Longest pause between two tries of a write.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Period of the sign of life, and of writing events that no batch has taken along.
const TICK: Duration = Duration::from_millis(500);
/// Quarantined messages are told of at most this often: a flood of bad payloads must not become a
/// flood of lines.
const QUARANTINE_SAID_EVERY: Duration = Duration::from_secs(10);

/// Asks for a batch to be made durable. The answer comes when it is; `Err` only when the writer
/// stops before.
#[derive(Debug, Clone)]
pub struct Append(pub Arc<Batch>);

/// The writer stops: the batch was not written, as far as it knows.
#[derive(Debug, Clone, Copy)]
pub struct Stopping;

impl Message for Append {
    type Result = Result<Receipt, Stopping>;
}

/// A batch is durable.
#[derive(Debug, Clone)]
pub struct WriteSucceeded {
    /// Which.
    pub batch: BatchId,
    /// What became of its deliveries.
    pub sums: Sums,
    /// How long the write took.
    pub took: Duration,
}

impl Message for WriteSucceeded {
    type Result = ();
}

/// A batch could not be written; it is tried again.
#[derive(Debug, Clone)]
pub struct WriteFailed {
    /// Which.
    pub batch: BatchId,
    /// Why.
    pub cause: WriteCause,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// Tries so far.
    pub attempt: u32,
    /// Whether it may be stored nevertheless.
    pub outcome: WriteOutcome,
}

impl Message for WriteFailed {
    type Result = ();
}

/// What the writer needs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Who judges.
    pub health: Link<HealthActor>,
    /// Who counts.
    pub stats: Link<StatsActor>,
    /// What everyone may see.
    pub published: Published,
    /// Time and chance.
    pub world: World,
}

/// The batch in hand.
struct Pending {
    batch: Arc<Batch>,
    answer: oneshot::Sender<Receipt>,
    attempt: u32,
}

/// A failure that has been told of and has not ended.
struct Trouble {
    cause: WriteCause,
    since: Instant,
}

/// The only writer to the database.
pub struct DbWriterActor {
    opener: Box<dyn OpenJournal>,
    journal: Option<Box<dyn Journal>>,
    setup: Setup,
    pending: Option<Pending>,
    trouble: Option<Trouble>,
    quarantine_said: Option<Instant>,
    quarantined_unsaid: u64,
    lifeline: Lifeline,
}

impl std::fmt::Debug for DbWriterActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DbWriterActor")
            .field("open", &self.journal.is_some())
            .finish_non_exhaustive()
    }
}

impl DbWriterActor {
    /// A new life; it opens the journal when it is started.
    pub fn new(opener: Box<dyn OpenJournal>, setup: Setup, lifeline: Lifeline) -> Self {
        Self {
            opener,
            journal: None,
            setup,
            pending: None,
            trouble: None,
            quarantine_said: None,
            quarantined_unsaid: 0,
            lifeline,
        }
    }

    /// Opens the journal at the start. What waiting may mend is waited for; what only a person can
    /// mend ends the process.
    fn open_at_start(&mut self, attempt: u32, ctx: &mut Context<Self>) {
        self.lifeline.pulse().beat();
        match self.open() {
            Ok(()) => {
                self.say_recovered();
                self.lifeline.ready();
            }
            Err(OpenError { permanent: Some(code), message, .. }) => {
                self.lifeline.fail(Cause::permanent(message, code));
                ctx.stop();
            }
            Err(OpenError { permanent: None, cause, message }) => {
                self.say_failed(cause, &message);
                ctx.run_later(self.pause(attempt), move |writer, ctx| {
                    writer.open_at_start(attempt.saturating_add(1), ctx);
                });
            }
        }
    }

    fn open(&mut self) -> Result<(), OpenError> {
        let journal = self.opener.open()?;
        let account = journal.account();
        self.journal = Some(journal);
        // Counted anew at each opening: what a failed commit left in doubt is then known.
        self.setup.published.update(|state| match &state.base {
            Some(base) => state.tally = account.since(base),
            None => state.base = Some(account),
        });
        Ok(())
    }

    fn pause(&self, attempt: u32) -> Duration {
        backoff(RETRY_MIN, RETRY_MAX, attempt, (self.setup.world.jitter)())
    }

    /// One try at the batch in hand.
    fn try_pending(&mut self, ctx: &mut Context<Self>) {
        let Some(mut pending) = self.pending.take() else { return };
        self.lifeline.pulse().beat();
        pending.attempt = pending.attempt.saturating_add(1);
        let began = Instant::now();
        match self.append(&pending.batch) {
            Ok(receipt) => {
                self.succeeded(&pending.batch, &receipt, began.elapsed());
                // Whoever asked may be gone: the batch is durable all the same, and known again by
                // its name.
                let _unheard = pending.answer.send(receipt);
            }
            Err(error) => {
                self.failed(&pending, &error);
                let pause = self.pause(pending.attempt);
                self.pending = Some(pending);
                ctx.run_later(pause, |writer, ctx| writer.try_pending(ctx));
            }
        }
    }

    fn append(&mut self, batch: &Batch) -> Result<Receipt, WriteError> {
        let events = self.setup.published.take_events();
        let written = self.with_journal(|journal| journal.append(batch, events.as_slice()));
        if written.as_ref().is_ok_and(|receipt| !receipt.repeated) {
            events.are_durable();
        }
        written
    }

    /// Uses the open journal, or opens it first. A handle of unknown state is dropped: the next use
    /// opens anew, and the ledger says what was stored.
    fn with_journal<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Journal) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        if self.journal.is_none() {
            self.open().map_err(|error| WriteError {
                cause: error.cause,
                message: error.message,
                outcome: WriteOutcome::Refused,
                reopen: true,
            })?;
        }
        let journal = self.journal.as_mut().expect("opened above");
        let result = work(journal.as_mut());
        if result.as_ref().is_err_and(|error| error.reopen) {
            self.journal = None;
        }
        result
    }

    fn succeeded(&mut self, batch: &Batch, receipt: &Receipt, took: Duration) {
        self.say_recovered();
        for event in &receipt.events {
            warn!(event = event.name, "{}", event.detail);
        }
        let sums = receipt.tally.sums();
        let now = (self.setup.world.now)();
        self.setup.published.update(|state| {
            if !receipt.repeated {
                state.tally.merge(&receipt.tally);
            }
            state.last_commit = Some(now);
            if state.watched {
                for record in &batch.records {
                    if let Body::Row(values) = &record.body {
                        state.latest.insert(record.route, (record.received_at, values.clone()));
                    }
                }
            }
        });
        self.say_quarantined(sums.quarantined);
        let message = WriteSucceeded { batch: batch.id, sums, took };
        self.setup.health.tell(message.clone());
        self.setup.stats.tell(message);
    }

    fn failed(&mut self, pending: &Pending, error: &WriteError) {
        self.say_failed(error.cause, &error.message);
        let message = WriteFailed {
            batch: pending.batch.id,
            cause: error.cause,
            message: error.message.clone(),
            attempt: pending.attempt,
            outcome: error.outcome,
        };
        self.setup.health.tell(message.clone());
        self.setup.stats.tell(message);
    }

    /// Once for each cause, not for each try.
    fn say_failed(&mut self, cause: WriteCause, message: &str) {
        if self.trouble.as_ref().is_some_and(|trouble| trouble.cause == cause) {
            return;
        }
        let since = self.trouble.as_ref().map_or_else(Instant::now, |trouble| trouble.since);
        self.trouble = Some(Trouble { cause, since });
        let told = format!(
            "{message}. Nothing is acknowledged meanwhile: the broker keeps the \
            messages; trying again"
        );
        error!(event = event::WRITE_FAILED, cause = cause.word(), "{told}");
        self.setup.published.note(event::WRITE_FAILED, (self.setup.world.now)(), told);
    }

    fn say_recovered(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            let lasted = Duration::from_millis(
                u64::try_from(trouble.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            );
            let told = format!(
                "the database can be written again, after {}",
                humantime::format_duration(lasted)
            );
            info!(event = event::WRITE_RECOVERED, cause = trouble.cause.word(), "{told}");
            self.setup.published.note(event::WRITE_RECOVERED, (self.setup.world.now)(), told);
        }
    }

    fn say_quarantined(&mut self, more: u64) {
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
             its bytes and the reason"
        );
    }

    fn tick(&mut self) {
        self.lifeline.pulse().beat();
        if self.pending.is_some() || self.journal.is_none() {
            return;
        }
        self.say_quarantined(0);
        self.write_events();
    }

    fn write_events(&mut self) {
        let events = self.setup.published.take_events();
        if events.as_slice().is_empty() {
            return;
        }
        match self.with_journal(|journal| journal.record_events(events.as_slice())) {
            Ok(()) => events.are_durable(),
            Err(error) => self.say_failed(error.cause, &error.message),
        }
    }
}

impl Actor for DbWriterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(TICK, |writer, _| writer.tick());
        self.open_at_start(1, ctx);
    }
}

impl Handler<Append> for DbWriterActor {
    type Result = ResponseFuture<Result<Receipt, Stopping>>;

    /// A batch still in hand is one whose asker died; its next life asks for the same batch again,
    /// and this question takes its place.
    fn handle(&mut self, Append(batch): Append, ctx: &mut Context<Self>) -> Self::Result {
        let (answer, receipt) = oneshot::channel();
        let waits = self.pending.replace(Pending { batch, answer, attempt: 0 }).is_some();
        if !waits {
            self.try_pending(ctx);
        }
        Box::pin(async move { receipt.await.map_err(|_| Stopping) })
    }
}

impl Handler<Stop> for DbWriterActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.pending = None;
        if self.journal.is_some() {
            self.write_events();
        }
        if let Some(journal) = self.journal.take() {
            journal.close();
        }
        ctx.stop();
    }
}

impl Handler<Fault> for DbWriterActor {
    type Result = ();

    fn handle(&mut self, fault: Fault, ctx: &mut Context<Self>) {
        fault.commit(|| ctx.stop());
    }
}
