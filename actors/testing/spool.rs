//! A spool in memory, on the same disk as the journal.

use std::collections::VecDeque;

use super::harness::WORLD;
use super::journal::{Disk, failed};
use crate::message::batch::{Batch, BatchId};
use crate::message::delivery::UnixMillis;
use crate::message::note::{Event, Note};
use crate::message::write::WriteOutcome;
use crate::ports::{KeepEvents, OpenSpool, Spool, Spooled, WriteError};

/// Opens the spool on this disk.
#[derive(Debug, Clone)]
pub(crate) struct FakeSpools(pub(crate) Disk);

impl OpenSpool for FakeSpools {
    fn is_there(&self) -> bool {
        self.0.platter().spool.is_some()
    }

    fn open(&mut self) -> Result<(Box<dyn Spool>, Vec<Note>), WriteError> {
        let mut platter = self.0.platter();
        if let Some(cause) = platter.spool_failing {
            return Err(failed(cause, WriteOutcome::Refused));
        }
        if platter.spool.is_none() {
            platter.spool = Some(((WORLD.random)(), VecDeque::new()));
            platter.spool_position = 0;
            platter.spool_seen = None;
        }
        let id = platter.spool.as_ref().map_or(0, |(id, _)| *id);
        Ok((Box::new(FakeSpool { disk: self.0.clone(), id }), Vec::new()))
    }
}

struct FakeSpool {
    disk: Disk,
    id: i64,
}

impl FakeSpool {
    fn push(&mut self, batch: Option<Batch>, notes: &[Note]) -> Result<(), WriteError> {
        let mut platter = self.disk.platter();
        if let Some(cause) = platter.spool_failing {
            return Err(failed(cause, WriteOutcome::Refused));
        }
        platter.spool_position += 1;
        let position = platter.spool_position;
        platter.spool_seen = Some((WORLD.now)());
        let spooled = Spooled { position, batch, notes: notes.to_vec() };
        platter.spool.as_mut().expect("it is open").1.push_back(spooled);
        Ok(())
    }

    fn with<T>(&self, look: impl FnOnce(&mut VecDeque<Spooled>) -> T) -> T {
        look(&mut self.disk.platter().spool.as_mut().expect("it is open").1)
    }
}

impl Spool for FakeSpool {
    fn id(&self) -> i64 {
        self.id
    }

    fn append(&mut self, batch: &Batch, notes: &[Note]) -> Result<(), WriteError> {
        self.push(Some(batch.clone()), notes)
    }

    fn record(&mut self, notes: &[Note]) -> Result<(), WriteError> {
        self.push(None, notes)
    }

    fn last(&self) -> Option<BatchId> {
        self.with(|queue| {
            queue.iter().rev().find_map(|spooled| spooled.batch.as_ref()).map(|b| b.id)
        })
    }

    fn last_seen(&self) -> Option<UnixMillis> {
        self.disk.platter().spool_seen
    }

    fn front(&mut self, records_max: usize) -> Result<Vec<Spooled>, WriteError> {
        Ok(self.with(|queue| queue.iter().take(records_max.min(3)).cloned().collect()))
    }

    fn forget_through(&mut self, position: i64) -> Result<(), WriteError> {
        self.with(|queue| queue.retain(|spooled| spooled.position > position));
        Ok(())
    }

    fn len(&self) -> u64 {
        self.disk.platter().spooled() as u64
    }

    fn is_empty(&self) -> bool {
        self.with(|queue| queue.is_empty())
    }

    fn heartbeat(&mut self) -> Result<(), WriteError> {
        self.disk.platter().spool_seen = Some((WORLD.now)());
        Ok(())
    }

    fn close(self: Box<Self>) {
        let mut platter = self.disk.platter();
        if platter.spool.as_ref().is_some_and(|(_, queue)| queue.is_empty()) {
            platter.spool = None;
        }
    }
}

/// Keeps events on this disk, where there is always room for them.
#[derive(Debug)]
pub(crate) struct FakeKeeper(pub(crate) Disk);

impl KeepEvents for FakeKeeper {
    fn keep(&mut self, events: &[Event]) -> std::io::Result<()> {
        self.0.platter().kept_events = events.to_vec();
        Ok(())
    }

    fn kept(&mut self) -> Vec<Event> {
        self.0.platter().kept_events.clone()
    }
}
