//! A journal in memory: the disk outlives the journals that are opened on it, and a test says which
//! writes fail, and how.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::account::{Outcome, Repeat, Tally};
use crate::batch::{Batch, Body, Receipt, Record, Value};
use crate::delivery::UnixMillis;
use crate::ledger::{Ledger, Row};
use crate::ports::{Journal, OpenError, OpenJournal, WriteCause, WriteError, WriteOutcome};
use crate::published::Event;

/// What one write meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteFault {
    Refusal,
    /// An I/O error that says nothing: it was stored, or not.
    UnknownAndStored,
    UnknownAndLost,
    PanicBefore,
    PanicAfter,
}

#[derive(Debug, Default)]
pub(crate) struct Platter {
    counts: BTreeMap<i64, usize>,
    ledger: Vec<Row>,
    account: Tally,
    known_filters: Vec<String>,
    pub(crate) events: Vec<Event>,
    /// One each for the next writes; then they succeed.
    pub(crate) faults: VecDeque<WriteFault>,
    /// For the next openings.
    pub(crate) open_faults: VecDeque<OpenError>,
    /// Every write is refused.
    pub(crate) locked: bool,
    pub(crate) opened: usize,
    pub(crate) tries: Vec<Instant>,
    /// When, and how many records.
    pub(crate) commits: Vec<(Instant, usize)>,
    /// Uses of a journal after a write of unknown outcome, which leaves it in doubt.
    pub(crate) misused: usize,
    /// False alarms: no broker of these tests ever rolls back.
    pub(crate) rollbacks: usize,
}

/// Clones share the one disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    pub(crate) fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self) -> BTreeMap<i64, usize> {
        self.platter().counts.clone()
    }

    pub(crate) fn count(&self, n: i64) -> usize {
        self.platter().counts.get(&n).copied().unwrap_or(0)
    }

    pub(crate) fn rows(&self) -> usize {
        self.platter().counts.values().sum()
    }

    /// The retained messages of the subscriptions have been recorded.
    pub(crate) fn knows_filters(&self) -> bool {
        !self.platter().known_filters.is_empty()
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
        let ledger = Ledger::load(&platter.ledger);
        Ok(Box::new(FakeJournal { disk: self.clone(), ledger, in_doubt: false }))
    }
}

struct FakeJournal {
    disk: Disk,
    ledger: Ledger,
    in_doubt: bool,
}

impl FakeJournal {
    fn commit(&mut self, platter: &mut Platter, batch: &Batch, events: &[Event]) -> Receipt {
        if let Some(opening) = &batch.opening {
            if !opening.session_present {
                platter.ledger.clear();
                platter.known_filters.clear();
            }
            self.ledger.open(batch.connection, opening, &platter.ledger);
        }
        let mut tally = Tally::default();
        for record in &batch.records {
            platter.rollbacks += usize::from(self.ledger.rolled_back(record).is_some());
            tally.add(record.route, self.store(platter, record), 1);
        }
        if !batch.settled_filters.is_empty() {
            platter.known_filters.clone_from(&batch.settled_filters);
        }
        let number = platter.ledger.last().map_or(1, |row| row.number + 1);
        let row = Row::of(batch, number, UnixMillis(number), self.ledger.fresh_before(batch));
        platter.ledger.push(row.clone());
        self.ledger.push(&row);
        platter.account.merge(&tally);
        platter.events.extend_from_slice(events);
        platter.commits.push((Instant::now(), batch.records.len()));
        Receipt { ledger_number: number, repeated: false, tally, events: Vec::new() }
    }

    fn store(&self, platter: &mut Platter, record: &Record) -> Outcome {
        if self.ledger.is_redelivery(record) {
            return Outcome::Duplicate(Repeat::Redelivery);
        }
        if record.retain && !record.dup && !platter.known_filters.is_empty() {
            return Outcome::Duplicate(Repeat::Retained);
        }
        match &record.body {
            Body::Row(values) => {
                let [Value::Integer(n)] = values[..] else { panic!("one number, not {values:?}") };
                *platter.counts.entry(n).or_default() += 1;
                Outcome::Stored
            }
            Body::Quarantined(refusal) => Outcome::Quarantined(refusal.reason),
        }
    }
}

fn failed(outcome: WriteOutcome) -> WriteError {
    let reopen = outcome == WriteOutcome::Unknown;
    WriteError { cause: WriteCause::Io, message: "injected".to_owned(), outcome, reopen }
}

impl Journal for FakeJournal {
    fn append(&mut self, batch: &Batch, events: &[Event]) -> Result<Receipt, WriteError> {
        let disk = self.disk.clone();
        let mut platter = disk.platter();
        platter.tries.push(Instant::now());
        platter.misused += usize::from(self.in_doubt);
        if let Some(row) = platter.ledger.last().filter(|row| row.batch == batch.id) {
            let tally = Tally::default();
            return Ok(Receipt {
                ledger_number: row.number,
                repeated: true,
                tally,
                events: Vec::new(),
            });
        }
        let fault =
            if platter.locked { Some(WriteFault::Refusal) } else { platter.faults.pop_front() };
        self.in_doubt =
            matches!(fault, Some(WriteFault::UnknownAndStored | WriteFault::UnknownAndLost));
        match fault {
            None => Ok(self.commit(&mut platter, batch, events)),
            Some(WriteFault::Refusal) => Err(failed(WriteOutcome::Refused)),
            Some(WriteFault::UnknownAndLost) => Err(failed(WriteOutcome::Unknown)),
            Some(WriteFault::UnknownAndStored) => {
                self.commit(&mut platter, batch, events);
                Err(failed(WriteOutcome::Unknown))
            }
            Some(WriteFault::PanicBefore) => panic!("injected before the commit"),
            Some(WriteFault::PanicAfter) => {
                self.commit(&mut platter, batch, events);
                panic!("injected after the commit")
            }
        }
    }

    fn record_events(&mut self, events: &[Event]) -> Result<(), WriteError> {
        let mut platter = self.disk.platter();
        if platter.locked {
            return Err(failed(WriteOutcome::Refused));
        }
        platter.events.extend_from_slice(events);
        Ok(())
    }

    fn account(&self) -> Tally {
        self.disk.platter().account.clone()
    }

    fn close(self: Box<Self>) {}
}
