//! One life of the writer: a plain struct over two ports, the journal (the database) and the spool.
//!
//! Where a batch goes:
//!
//! 1. while something is in the spool, to the spool's end: the order of arrival is kept;
//! 2. else to the database, as long as it is not given up;
//! 3. a database that fails for a cause that lasts, or too often in a row, is given up: the batch
//!    goes to the spool (the reflex; no other actor is asked), and the database is probed with back-off.
//!    A probe takes over the front of the spool; when nothing is left there, the database is in order
//!    again.
//!
//! The one place of that is [`Published::destination`], which outlives the writer.
//!
//! The spool holds deliveries as they came. Whether one is a redelivery is judged when the database
//! takes it over, by the same ledger and in the same order as if there had been no spool.

mod beginning;
mod drain;
mod reroute;

use std::time::Duration;

use tokio::time::Instant;
use tracing::error;

use crate::db_writer::probe::ProbeSchedule;
use crate::db_writer::reporter::WriteReporter;
use crate::db_writer::setup::WriterSetup;
use crate::message::batch::{Batch, Receipt};
use crate::message::delivery::UnixMillis;
use crate::message::event;
use crate::message::note::Event;
use crate::message::write::{CheckpointError, Checkpointed, Decision, Place, WriteOutcome};
use crate::ports::{
    Journal, KeepEvents, OpenError, OpenJournal, OpenSpool, Outlook, Spool, TidiedUp, WriteError,
};
use crate::status::mode::FailureLimits;
use crate::status::{Destination, Published};

pub(crate) use drain::Next;

/// How long a stop may take to make durable what only an open handle has.
const LET_GO_MAX: Duration = Duration::from_secs(4);

/// Period of noting outside of the database what it holds, while it grows.
const REMEMBER_EVERY: Duration = Duration::from_secs(1);

/// Period of the sign of life.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);

/// One life of the writer.
pub(crate) struct Writer {
    journal_port: Box<dyn OpenJournal>,
    journal: Option<Box<dyn Journal>>,
    spool_port: Box<dyn OpenSpool>,
    spool: Option<Box<dyn Spool>>,
    /// A spool is there that has not been opened yet.
    spool_unopened: bool,
    failures: u32,
    probe: ProbeSchedule,
    limits: FailureLimits,
    setup: WriterSetup,
    pub(crate) reporter: WriteReporter,
    heartbeat_at: Instant,
    upkeep_at: Instant,
    /// Something was stored since what the database holds was noted outside.
    has_stored: bool,
    remember_at: Instant,
    /// Deliveries stored since more of them made upkeep due.
    since_upkeep: usize,
    keeper: Box<dyn KeepEvents>,
    /// The events that the keeper has.
    kept: Vec<Event>,
}

impl Writer {
    pub(crate) fn new(
        journal_port: Box<dyn OpenJournal>,
        spool_port: Box<dyn OpenSpool>,
        keeper: Box<dyn KeepEvents>,
        setup: WriterSetup,
    ) -> Self {
        let now = Instant::now();
        Self {
            journal: None,
            spool_unopened: spool_port.is_there(),
            journal_port,
            spool_port,
            spool: None,
            failures: 0,
            probe: ProbeSchedule::new(&setup.limits),
            limits: FailureLimits::from(&setup.limits),
            reporter: WriteReporter::new(setup.clone()),
            setup,
            heartbeat_at: now + HEARTBEAT_EVERY,
            upkeep_at: now,
            has_stored: false,
            remember_at: now,
            since_upkeep: 0,
            keeper,
            kept: Vec::new(),
        }
    }

    /// Opens the database at the start. One that cannot be opened now is given up, and probed.
    ///
    /// # Errors
    /// Only a person can mend it: it is not what the settings say, or it cannot be written and never
    /// could be. (With a spool beside it, it could once.)
    pub(crate) fn open_at_start(&mut self) -> Result<(), OpenError> {
        self.take_kept_events();
        if let Err(error) = self.open_journal() {
            if error.outlook == Outlook::NeedsAPerson && !self.outlasts(&error) {
                return Err(error);
            }
            let error = refused(error);
            self.reporter.probe_failed(&error);
            self.give_up();
        }
        if self.spool_unopened {
            self.leave_database();
            let _told_at_the_first_write = self.open_spool();
        } else {
            self.note_run();
        }
        self.write_notes();
        Ok(())
    }

    /// Whether the spool carries on although the database cannot be opened: something is in it, so the
    /// database could be opened once.
    fn outlasts(&self, error: &OpenError) -> bool {
        self.spool_unopened && error.cause.is_lasting() && !error.cause.is_the_operators()
    }

    fn open_journal(&mut self) -> Result<(), OpenError> {
        let journal = self.journal_port.open()?;
        self.take_journal(journal)
    }

    fn take_journal(&mut self, mut journal: Box<dyn Journal>) -> Result<(), OpenError> {
        if self.setup.memory.read(|memory| memory.base.is_none()) {
            let started = self.started();
            journal.begin_run(started).map_err(|WriteError { cause, message, .. }| OpenError {
                cause,
                message,
                outlook: Outlook::MayPass,
            })?;
        }
        self.count_anew(&journal.account());
        if let Some(spool) = &mut self.spool {
            let position = journal.taken_over(spool.id());
            forget(spool.as_mut(), position);
        }
        self.journal = Some(journal);
        // There may be something to copy from the database before.
        self.upkeep_at = Instant::now();
        Ok(())
    }

    fn published(&self) -> &Published {
        &self.setup.published
    }

    /// When the process began.
    fn started(&self) -> UnixMillis {
        self.published().tree.read(|tree| tree.started).unwrap_or_default()
    }

    /// Where new batches go.
    fn destination(&self) -> Destination {
        self.published().destination.get()
    }

    fn open_spool(&mut self) -> Result<&mut Box<dyn Spool>, WriteError> {
        if self.spool.is_none() {
            let (mut spool, notes) = self.spool_port.open()?;
            notes.into_iter().for_each(|note| self.published().remember(note));
            if let Some(journal) = &self.journal {
                let position = journal.taken_over(spool.id());
                forget(spool.as_mut(), position);
            }
            let there = spool.len();
            let is_first =
                !self.setup.memory.update(|memory| std::mem::replace(&mut memory.spool_seen, true));
            self.published().storage.update(|storage| {
                storage.spooled = there;
                if is_first {
                    storage.spooled_before = there;
                }
            });
            self.spool_unopened = false;
            self.spool = Some(spool);
            self.note_run();
        }
        Ok(self.spool.as_mut().expect("opened above"))
    }

    /// Something is in the spool, and new batches must queue behind it. Also where it cannot be read:
    /// what comes now may be a redelivery of what is in it, and only the order of arrival tells.
    fn has_queue(&self) -> bool {
        self.spool.as_ref().map_or(self.spool_unopened, |spool| !spool.is_empty())
    }

    /// One try at a batch; it tells of it. `attempt` counts the tries at this batch.
    ///
    /// # Errors
    /// It is not known to be durable anywhere: the same batch must be tried again.
    pub(crate) fn write(&mut self, batch: &Batch, attempt: u32) -> Result<(), WriteError> {
        let is_given_up = self.destination() != Destination::Database;
        if !is_given_up {
            let Err(error) = self.store(batch, attempt) else { return Ok(()) };
            self.failures = self.failures.saturating_add(1);
            if !self.limits.are_exceeded(error.cause, self.failures) {
                return Err(error);
            }
            self.give_up();
        }
        let Err(spool_error) = self.spool_it(batch, attempt) else { return Ok(()) };
        // Nothing is queued in front of it: the database will do as well, if it does again.
        if is_given_up && !self.has_queue() && self.store(batch, attempt).is_ok() {
            self.in_order_again();
            return Ok(());
        }
        self.reporter.batches_go_nowhere(&spool_error.message);
        Err(spool_error)
    }

    /// To the database.
    fn store(&mut self, batch: &Batch, attempt: u32) -> Result<(), WriteError> {
        let began = Instant::now();
        self.look_for_freeze();
        let notes = self.published().take_notes();
        let stored: Result<Receipt, WriteError> =
            self.with_journal(|journal| journal.append(batch, notes.as_slice()));
        match stored {
            Ok(receipt) => {
                if !receipt.repeated {
                    notes.are_durable();
                    self.release_kept_events();
                }
                self.failures = 0;
                self.reporter.stored(batch, &receipt, began.elapsed());
                self.upkeep_grows(batch.records.len());
                self.has_stored = true;
                Ok(())
            }
            Err(error) => {
                self.reporter.write_failed(batch, Place::Database, &error, attempt);
                Err(error)
            }
        }
    }

    /// To the spool.
    fn spool_it(&mut self, batch: &Batch, attempt: u32) -> Result<(), WriteError> {
        let began = Instant::now();
        self.look_for_freeze();
        // The first opening may leave a note, which comes before the others.
        let opened = self.open_spool().map(|_| ());
        let notes = self.published().take_notes();
        let spooled = opened.and_then(|()| {
            self.with_spool(|spool| {
                // The one that asked the first time died before the answer came.
                let repeated = spool.last() == Some(batch.id);
                if !repeated {
                    spool.append(batch, notes.as_slice())?;
                }
                Ok((repeated, spool.len()))
            })
        });
        match spooled {
            Ok((repeated, in_spool)) => {
                if !repeated {
                    notes.are_durable();
                    self.release_kept_events();
                }
                self.reporter.batches_go_to(Destination::Spool);
                self.reporter.spooled(batch, in_spool, began.elapsed());
                Ok(())
            }
            Err(error) => {
                self.reporter.write_failed(batch, Place::Spool, &error, attempt);
                Err(error)
            }
        }
    }

    /// Uses the open journal, or opens it first. A handle of unknown state is dropped: the next use
    /// opens anew, and the ledger says what was stored.
    fn with_journal<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Journal) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        if self.journal.is_none() {
            self.open_journal().map_err(refused)?;
        }
        let journal = self.journal.as_mut().expect("opened above");
        let result = work(journal.as_mut());
        if result.as_ref().is_err_and(|error| error.reopen) {
            self.journal = None;
        }
        result
    }

    fn with_spool<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Spool) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let result = work(self.open_spool()?.as_mut());
        if result.as_ref().is_err_and(|error| error.reopen) {
            self.spool = None;
            self.spool_unopened = self.spool_port.is_there();
        }
        result
    }

    /// New batches go to the spool from now on, and the database is probed after a pause.
    fn give_up(&mut self) {
        if self.leave_database() {
            self.probe.put_off((self.setup.world.jitter)());
        }
    }

    /// New batches go to the spool from now on; whether they went to the database before.
    fn leave_database(&self) -> bool {
        let leaves = self.destination() == Destination::Database;
        if leaves {
            self.reporter.batches_go_to(Destination::Spool);
        }
        leaves
    }

    /// The database is in order; an empty spool leaves no file behind.
    fn in_order_again(&mut self) {
        if self.spool.as_ref().is_some_and(|spool| spool.is_empty())
            && let Some(spool) = self.spool.take()
        {
            spool.close();
        }
        self.reporter.batches_go_to(Destination::Database);
        self.failures = 0;
        self.probe.begin_anew();
    }

    /// `HealthActor` has decided. What has not taken a batch yet is not in order by decision.
    pub(crate) fn obey(&mut self, decision: Decision) {
        let can_store = !self.has_queue() && self.journal.is_some();
        match (decision, self.destination()) {
            (Decision::UseSpool, _) => self.give_up(),
            (Decision::UseDatabase, Destination::Spool) if can_store => self.in_order_again(),
            (Decision::UseDatabase, _) => {}
        }
    }

    /// Writes the notes that wait, wherever batches go now, and leaves a sign of life when it is
    /// time. What fails is tried again, and told of as any failed write.
    pub(crate) fn write_notes(&mut self) {
        let now = Instant::now();
        if self.has_stored
            && now >= self.remember_at
            && let Some(journal) = &self.journal
        {
            journal.remember();
            (self.has_stored, self.remember_at) = (false, now + REMEMBER_EVERY);
        }
        let heartbeat = now >= self.heartbeat_at;
        self.look_for_freeze();
        let to_spool = self.destination() != Destination::Database;
        if !self.published().has_notes() && !heartbeat {
            return;
        }
        if to_spool && self.open_spool().is_err() {
            // The next batch, if there is one, tells of it.
            return;
        }
        let notes = self.published().take_notes();
        if heartbeat {
            self.heartbeat_at = now + HEARTBEAT_EVERY;
        }
        let there_are_notes = !notes.as_slice().is_empty();
        let written = if to_spool {
            self.with_spool(|spool| match there_are_notes {
                true => spool.record(notes.as_slice()),
                false => spool.heartbeat(),
            })
        } else {
            self.with_journal(|journal| match there_are_notes {
                true => journal.record(notes.as_slice()),
                false => journal.heartbeat(),
            })
        };
        match written {
            Ok(()) => {
                notes.are_durable();
                self.release_kept_events();
            }
            Err(error) if !to_spool => {
                drop(notes);
                self.journal_failed(&error);
            }
            // The next batch, if there is one, tells of it.
            Err(_) => {}
        }
    }

    /// Merges the log of recent writes into the database.
    ///
    /// # Errors
    /// The database is given up, or cannot be written.
    pub(crate) fn checkpoint(&mut self) -> Result<Checkpointed, CheckpointError> {
        if self.destination() != Destination::Database
            && let Some(why) = self.reporter.database_failure()
        {
            return Err(CheckpointError::GivenUp(why.to_owned()));
        }
        self.with_journal(|journal| journal.checkpoint())
            .map_err(|error| CheckpointError::Failed(Box::new(error)))
    }

    fn journal_failed(&mut self, error: &WriteError) {
        self.failures = self.failures.saturating_add(1);
        self.reporter.probe_failed(error);
        if self.limits.are_exceeded(error.cause, self.failures) {
            self.give_up();
        }
    }

    /// Opens the database anew. A handle whose file was taken away finds that out by its first use, as
    /// in any write, and leaves what only it can see; one that is in order is closed.
    pub(crate) fn reopen(&mut self) {
        if self.destination() != Destination::Database {
            return;
        }
        if self.with_journal(|journal| journal.heartbeat()).is_ok()
            && let Some(journal) = self.journal.take()
        {
            journal.close(false);
        }
        if let Err(error) = self.with_journal(|journal| journal.heartbeat()) {
            self.journal_failed(&error);
        }
    }

    /// Writes what notes there are, and closes both places.
    pub(crate) fn close(mut self) {
        if self.published().tree.read(|tree| tree.stopping) {
            self.let_go();
        }
        self.write_notes();
        // The database may have been given up over them: then the spool takes them.
        self.write_notes();
        self.keep_events();
        if let Some(spool) = self.spool.take() {
            spool.close();
        }
        if let Some(journal) = self.journal.take() {
            journal.close(true);
        }
    }

    /// The process ends: what only its memory has of an earlier database is made durable, as far as the time
    /// allows, and what is lost is logged and noted.
    fn let_go(&mut self) {
        let until = Instant::now() + LET_GO_MAX;
        if let Some(journal) = &mut self.journal {
            while Instant::now() < until && matches!(journal.tidy_up(), Ok(TidiedUp::Recovered(_)))
            {
            }
            return;
        }
        for lost in self.journal_port.let_go(LET_GO_MAX) {
            let detail = format!(
                "stopping loses {lost}: its file was deleted while it was open, and neither a new \
                 database nor the spool's disk has room for it"
            );
            error!(event = event::DATABASE_LOST, "{detail}");
            self.published().note(event::DATABASE_LOST, (self.setup.world.now)(), detail);
        }
    }
}

/// What the journal has taken over need not be kept. A spool that cannot be written now forgets it
/// another time: the journal's position makes sure that nothing is taken over twice.
fn forget(spool: &mut dyn Spool, position: i64) {
    if let Err(error) = spool.forget_through(position) {
        tracing::debug!("the spool keeps for now what the database has: {error}");
    }
}

fn refused(error: OpenError) -> WriteError {
    WriteError {
        cause: error.cause,
        message: error.message,
        outcome: WriteOutcome::Refused,
        reopen: true,
    }
}
