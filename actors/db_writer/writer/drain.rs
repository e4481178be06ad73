//! What the writer does between two batches, one bounded step at a time: taking over from the spool,
//! which is also how a database that was given up is probed, and upkeep.

use std::time::Duration;

use tokio::time::Instant;

use super::{Writer, forget, refused};
use crate::message::batch::{Batch, Receipt};
use crate::message::write::Place;
use crate::ports::{Spooled, TidiedUp, WriteError};
use crate::status::Destination;

/// Deliveries that one step takes over from the spool: a transaction of some 10 ms, after which new
/// batches have their turn.
const TAKE_OVER_RECORDS: usize = 2_000;

/// Pause between two steps of upkeep while there is more to do: new batches come first.
const UPKEEP_PAUSE: Duration = Duration::from_millis(5);

/// Deliveries after which upkeep does not wait any longer: summing them up is a step.
const UPKEEP_DELIVERIES: usize = 2_000;

/// Pause of the upkeep after it failed.
const UPKEEP_RETRY: Duration = Duration::from_secs(1);

/// Pause of the upkeep while there is nothing to do.
const UPKEEP_REST: Duration = Duration::from_secs(20);

/// When the next step is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// As soon as new batches have had their turn.
    Now,
    /// After a while.
    After(Duration),
}

impl Writer {
    /// One step of what is not a new batch: taking over from the spool, probing, upkeep.
    pub(crate) fn step(&mut self) -> Next {
        let now = Instant::now();
        if self.look_for_freeze() {
            self.write_notes();
        }
        if self.destination() == Destination::Database {
            return self.upkeep(now);
        }
        let pause = self.probe.due_in(now);
        if !pause.is_zero() {
            return Next::After(pause);
        }
        match self.take_over_some() {
            Ok(()) if self.has_queue() => {
                self.probe.begin_anew();
                Next::Now
            }
            Ok(()) => {
                self.in_order_again();
                self.reporter.drained();
                Next::Now
            }
            Err((place, error)) => {
                match place {
                    Place::Database => self.reporter.probe_failed(&error),
                    Place::Spool => self.reporter.spool_failed(error.cause, &error.message),
                }
                self.probe.put_off((self.setup.world.jitter)());
                Next::After(self.probe.due_in(now))
            }
        }
    }

    /// The front of the spool, or, when there is nothing, a write of its own: either shows whether
    /// the database works.
    fn take_over_some(&mut self) -> Result<(), (Place, WriteError)> {
        let of_database = |error| (Place::Database, error);
        let mut front: Vec<Spooled> = Vec::new();
        let mut id = 0;
        if self.spool.is_some() || self.spool_unopened {
            if self.journal.is_none() {
                self.open_journal().map_err(|error| of_database(refused(error)))?;
            }
            (id, front) = self
                .with_spool(|spool| Ok((spool.id(), spool.front(TAKE_OVER_RECORDS)?)))
                .map_err(|error| (Place::Spool, error))?;
        }
        let Some(last) = front.last().map(|spooled| spooled.position) else {
            return self.write_notes_to_journal().map_err(of_database);
        };
        let taken = self.with_journal(|journal| journal.take_over(id, &front));
        let receipts = taken.map_err(of_database)?;
        let mut left = 0;
        if let Some(spool) = &mut self.spool {
            forget(spool.as_mut(), last);
            left = spool.len();
        }
        // Those passed by come first: they are the ones without a receipt.
        let passed_by = front.iter().filter(|s| s.batch.is_some()).count() - receipts.len();
        let batches = front.iter().filter_map(|spooled| spooled.batch.as_ref()).skip(passed_by);
        let written: Vec<(&Batch, Receipt)> = batches.zip(receipts).collect();
        self.reporter.took_over(&written, left);
        Ok(())
    }

    /// A write of its own to the database. What waits goes with it, unless it must queue behind what is in the
    /// spool.
    pub(super) fn write_notes_to_journal(&mut self) -> Result<(), WriteError> {
        if self.has_queue() {
            return self.with_journal(|journal| journal.record(&[]));
        }
        let notes = self.published().take_notes();
        self.with_journal(|journal| journal.record(notes.as_slice()))?;
        notes.are_durable();
        self.release_kept_events();
        Ok(())
    }

    /// So many deliveries were stored.
    pub(super) fn upkeep_grows(&mut self, deliveries: usize) {
        self.since_upkeep += deliveries;
        if self.since_upkeep >= UPKEEP_DELIVERIES {
            self.since_upkeep = 0;
            self.upkeep_at = Instant::now();
        }
    }

    fn upkeep(&mut self, now: Instant) -> Next {
        if now < self.upkeep_at || self.journal.is_none() {
            return Next::After(UPKEEP_REST);
        }
        let tidied = self.with_journal(|journal| Ok((journal.tidy_up()?, journal.summing_up())));
        let tidied = tidied.map(|(tidied, rollups)| {
            self.published().storage.update(|storage| storage.rollups = rollups);
            tidied
        });
        match tidied {
            Ok(TidiedUp::Done) => {
                self.upkeep_at = now + UPKEEP_REST;
                Next::After(UPKEEP_REST)
            }
            Ok(TidiedUp::More) => Next::After(UPKEEP_PAUSE),
            Ok(TidiedUp::Recovered(tally)) => {
                self.published().storage.update(|storage| {
                    storage.salvaged += tally.sums().total();
                    storage.tally.merge(&tally);
                });
                Next::After(UPKEEP_PAUSE)
            }
            Err(error) => {
                self.reporter.probe_failed(&error);
                self.upkeep_at = now + UPKEEP_RETRY;
                Next::After(UPKEEP_RETRY)
            }
        }
    }
}
