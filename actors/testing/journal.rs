//! A journal in memory: the disk outlives the journals that are opened on it, and a test says which
//! writes fail, and how.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::db_writer::ledger::Ledger;
use crate::db_writer::plan::{Known, LedgerState, Placed, plan};
use crate::message::account::{Outcome, Tally};
use crate::message::batch::{Batch, Body, Receipt, Record, Value};
use crate::message::delivery::UnixMillis;
use crate::message::note::{Event, GapCause, GapChange, Note, RunBegins};
use crate::message::route::Router;
use crate::message::write::{Checkpointed, WriteCause, WriteOutcome};
use crate::ports::{Journal, Maintenance, OpenError, OpenJournal, Spooled, TidiedUp, WriteError};

/// What one write meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteFault {
    Refusal(WriteCause),
    /// An I/O error that says nothing: it was stored, or not.
    UnknownAndStored,
    UnknownAndLost,
    PanicBefore,
    PanicAfter,
}

#[derive(Debug, Default)]
pub(crate) struct Platter {
    counts: BTreeMap<i64, usize>,
    ledger: LedgerState,
    account: Tally,
    pub(crate) events: Vec<Event>,
    /// One each for the next writes; then they succeed.
    pub(crate) faults: VecDeque<WriteFault>,
    /// The routes that it is opened for.
    router: Option<Arc<Router>>,
    /// For the next openings.
    pub(crate) open_faults: VecDeque<OpenError>,
    /// Every write is refused, for this cause.
    pub(crate) failing: Option<WriteCause>,
    /// Every write to the spool is refused, for this cause.
    pub(crate) spool_failing: Option<WriteCause>,
    /// The spool: its id, and what is in it.
    pub(crate) spool: Option<(i64, VecDeque<Spooled>)>,
    /// The last position that was given in it: one that was taken over is not given again.
    pub(super) spool_position: i64,
    /// When something was last written to it.
    pub(crate) spool_seen: Option<UnixMillis>,
    /// What neither place took.
    pub(crate) kept_events: Vec<Event>,
    /// Position reached in the spool of this id.
    taken_over: (i64, i64),
    /// Every number in the order in which it was stored.
    pub(crate) order: Vec<i64>,
    pub(crate) gaps: Vec<GapChange>,
    /// Each write to the database that is a sign of life: when, and how many changes to gaps it had then.
    pub(crate) signs_of_life: Vec<(Instant, usize)>,
    /// Processes that began, as the database was told.
    pub(crate) runs: Vec<RunBegins>,
    pub(crate) opened: usize,
    pub(crate) tries: Vec<Instant>,
    /// When, and how many records.
    pub(crate) commits: Vec<(Instant, usize)>,
    /// Uses of a journal after a write of unknown outcome, which leaves it in doubt.
    pub(crate) misused: usize,
    /// False alarms: no broker of these tests ever rolls back.
    pub(crate) rollbacks: usize,
}

impl Platter {
    fn note(&mut self, notes: &[Note]) {
        for note in notes {
            match note {
                Note::Event(event) => self.events.push(event.clone()),
                Note::Gap(change) => self.gaps.push(change.clone()),
                Note::RunBegins(run) if self.runs.last() == Some(run) => {}
                Note::RunBegins(run) => self.runs.push(*run),
                Note::Stats(_) => {}
            }
        }
    }

    fn store(&mut self, record: &Record) -> Placed {
        match &record.body {
            Body::Rows(rows) => {
                for values in rows.iter() {
                    let Value::Integer(n) = values[0] else { panic!("a number, not {values:?}") };
                    *self.counts.entry(n).or_default() += 1;
                    self.order.push(n);
                }
                Placed { outcome: Outcome::Stored, rows: rows.count() as u64 }
            }
            Body::Quarantined(refusal) => Outcome::Quarantined(refusal.reason).into(),
            Body::Filtered(filtered) => Outcome::Filtered(*filtered).into(),
        }
    }

    fn sign_of_life(&mut self) {
        self.signs_of_life.push((Instant::now(), self.gaps.len()));
    }

    /// Neither place takes a write, as if another process held both.
    pub(crate) fn lock(&mut self, locked: bool) {
        let failing = locked.then_some(WriteCause::Locked);
        (self.failing, self.spool_failing) = (failing, failing);
    }

    /// Deliveries in the spool.
    pub(crate) fn spooled(&self) -> usize {
        let queue = self.spool.iter().flat_map(|(_, queue)| queue);
        queue.filter_map(|spooled| spooled.batch.as_ref()).map(|batch| batch.records.len()).sum()
    }
}

/// Clones share the one disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    pub(crate) fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock()
    }

    pub(crate) fn counts(&self) -> BTreeMap<i64, usize> {
        self.platter().counts.clone()
    }

    /// How often a number is on the disk, in the database or in the spool.
    pub(crate) fn count(&self, n: i64) -> usize {
        let platter = self.platter();
        let is_it = |record: &&Record| match &record.body {
            Body::Rows(rows) => rows.iter().any(|row| row[0] == Value::Integer(n)),
            Body::Quarantined(_) | Body::Filtered(_) => false,
        };
        let queue = platter.spool.iter().flat_map(|(_, queue)| queue);
        let spooled = queue.filter_map(|spooled| spooled.batch.as_ref());
        let spooled = spooled.flat_map(|batch| &batch.records).filter(is_it).count();
        platter.counts.get(&n).copied().unwrap_or(0) + spooled
    }

    pub(crate) fn rows(&self) -> usize {
        self.platter().counts.values().sum()
    }

    /// The retained messages of the subscriptions have been recorded.
    /// Deliveries in the ledger that are not confirmed.
    pub(crate) fn unconfirmed(&self) -> usize {
        let ledger = Ledger::load(&self.platter().ledger.rows);
        ledger.unconfirmed_below(i64::MAX).map(|(_, entries, _)| entries.len()).sum()
    }

    pub(crate) fn knows_filters(&self) -> bool {
        !self.platter().ledger.settled_filters.is_empty()
    }

    /// Events of this name that are stored.
    pub(crate) fn events(&self, name: &str) -> usize {
        self.platter().events.iter().filter(|event| event.name == name).count()
    }
}

impl OpenJournal for Disk {
    fn open(&mut self) -> Result<Box<dyn Journal>, OpenError> {
        let mut platter = self.platter();
        if let Some(error) = platter.open_faults.pop_front() {
            return Err(error);
        }
        platter.opened += 1;
        let router = platter.router.clone();
        let router = router.unwrap_or_else(|| Arc::new(Router::new(Vec::new())));
        let known = Known::load(platter.ledger.clone());
        Ok(Box::new(FakeJournal { disk: self.clone(), known, in_doubt: false, router }))
    }

    fn reroute(&mut self, router: &Arc<Router>) {
        self.platter().router = Some(Arc::clone(router));
    }
}

struct FakeJournal {
    disk: Disk,
    known: Known,
    in_doubt: bool,
    router: Arc<Router>,
}

impl FakeJournal {
    fn commit(&mut self, platter: &mut Platter, batch: &Batch, notes: &[Note]) -> Receipt {
        let now = UnixMillis(platter.ledger.rows.last().map_or(1, |row| row.number + 1));
        let plan = plan(&self.known, batch, &platter.ledger.rows, &self.router, now);
        let Ok(outcomes) = plan.place(|record| Ok::<_, Infallible>(platter.store(record)));
        platter.ledger.apply(&plan, &outcomes);
        let is_rollback = |cause| cause == GapCause::BrokerRolledBack;
        platter.rollbacks += plan.gaps.iter().filter(|gap| is_rollback(gap.cause)).count();
        platter.account.merge(&outcomes.tally);
        platter.note(notes);
        platter.sign_of_life();
        platter.commits.push((Instant::now(), batch.records.len()));
        self.known.adopt(plan, outcomes)
    }

    /// The tables of this journal are those of its routes: a row must have been decoded by the same.
    fn assert_it_fits_its_routes(&self, batch: &Batch) {
        for record in &batch.records {
            let Body::Rows(rows) = &record.body else { continue };
            let Some(route) = self.router.get(record.route) else { continue };
            assert_eq!(rows.last().len(), route.columns.len(), "a row of other columns");
        }
    }

    /// Writes as the next fault lets it.
    fn write<T: Default>(
        &mut self,
        commit: impl FnOnce(&mut Self, &mut Platter) -> T,
    ) -> Result<T, WriteError> {
        let disk = self.disk.clone();
        let mut platter = disk.platter();
        platter.tries.push(Instant::now());
        platter.misused += usize::from(self.in_doubt);
        let fault = match platter.failing {
            Some(cause) => return Err(failed(cause, WriteOutcome::Refused)),
            None => platter.faults.pop_front(),
        };
        self.in_doubt =
            matches!(fault, Some(WriteFault::UnknownAndStored | WriteFault::UnknownAndLost));
        match fault {
            None => Ok(commit(self, &mut platter)),
            Some(WriteFault::Refusal(cause)) => Err(failed(cause, WriteOutcome::Refused)),
            Some(WriteFault::UnknownAndLost) => Err(failed(WriteCause::Io, WriteOutcome::Unknown)),
            Some(WriteFault::UnknownAndStored) => {
                commit(self, &mut platter);
                Err(failed(WriteCause::Io, WriteOutcome::Unknown))
            }
            Some(WriteFault::PanicBefore) => panic!("injected before the commit"),
            Some(WriteFault::PanicAfter) => {
                commit(self, &mut platter);
                panic!("injected after the commit")
            }
        }
    }
}

pub(super) fn failed(cause: WriteCause, outcome: WriteOutcome) -> WriteError {
    let reopen = outcome == WriteOutcome::Unknown;
    WriteError { cause, message: "injected".to_owned(), outcome, reopen }
}

impl Journal for FakeJournal {
    fn append(&mut self, batch: &Batch, notes: &[Note]) -> Result<Receipt, WriteError> {
        self.assert_it_fits_its_routes(batch);
        if self.disk.platter().ledger.last() == Some(batch.id) {
            self.disk.platter().misused += usize::from(self.in_doubt);
            return Ok(Receipt::repeated());
        }
        let receipt = self.write(|journal, platter| Some(journal.commit(platter, batch, notes)))?;
        Ok(receipt.expect("a commit gives a receipt"))
    }

    fn take_over(&mut self, spool: i64, front: &[Spooled]) -> Result<Vec<Receipt>, WriteError> {
        let done = self.taken_over(spool);
        self.write(|journal, platter| {
            let mut receipts = Vec::new();
            for spooled in front.iter().filter(|spooled| spooled.position > done) {
                match &spooled.batch {
                    Some(batch) if platter.ledger.last() == Some(batch.id) => {
                        receipts.push(Receipt::repeated());
                    }
                    Some(batch) => receipts.push(journal.commit(platter, batch, &spooled.notes)),
                    None => platter.note(&spooled.notes),
                }
                platter.taken_over = (spool, spooled.position);
            }
            receipts
        })
    }

    fn record(&mut self, notes: &[Note]) -> Result<(), WriteError> {
        let mut platter = self.disk.platter();
        match platter.failing {
            Some(cause) => Err(failed(cause, WriteOutcome::Refused)),
            None => {
                platter.note(notes);
                platter.sign_of_life();
                Ok(())
            }
        }
    }

    fn begin_run(&mut self, _: UnixMillis) -> Result<(), WriteError> {
        Ok(())
    }

    fn heartbeat(&mut self) -> Result<(), WriteError> {
        self.disk.platter().sign_of_life();
        Ok(())
    }

    fn taken_over(&self, spool: i64) -> i64 {
        let (of, position) = self.disk.platter().taken_over;
        if of == spool { position } else { 0 }
    }

    fn account(&self) -> Tally {
        self.disk.platter().account.clone()
    }

    fn close(self: Box<Self>, _: bool) {}
}

impl Maintenance for FakeJournal {
    fn tidy_up(&mut self) -> Result<TidiedUp, WriteError> {
        Ok(TidiedUp::Done)
    }

    fn checkpoint(&mut self) -> Result<Checkpointed, WriteError> {
        Ok(Checkpointed { blocks: 0, merged: 0, is_complete: true })
    }
}
