//! The ports: what the recorder needs of the world. `src` has the real ones, the tests have fakes
//! that inject faults.

mod broker;
pub mod requests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use broker::{
    Broker, BrokerRefusal, BrokerSession, Connecting, Down, DownKind, Filter, Greeting, Incoming,
    Liveness, NotSent, Publication,
};

use crate::message::account::{RouteId, Tally};
use crate::message::batch::{Batch, BatchId, Receipt};
use crate::message::delivery::UnixMillis;
use crate::message::note::{Event, Note};
use crate::message::route::Router;
use crate::message::write::{Checkpointed, WriteCause, WriteOutcome};

/// Time and chance.
#[derive(Debug, Clone, Copy)]
pub struct Environment {
    /// The wall clock.
    pub now: fn() -> UnixMillis,
    /// A number in 0..=1, anew at each call.
    pub jitter: fn() -> f64,
    /// 63 random bits, anew at each call.
    pub random: fn() -> i64,
    /// The minute of the day, in local time.
    pub minute_of_day: fn() -> u16,
}

/// A durable store of batches. Its calls block: it lives on a thread of its own.
pub trait Journal: Maintenance {
    /// Makes a batch durable, in one transaction: rows, ledger, counters, and the `notes` that
    /// waited. Idempotent by the batch's id: a batch that is already durable gives a receipt with
    /// `repeated` set.
    ///
    /// # Errors
    /// Nothing of the batch was stored ([`WriteOutcome::Refused`]), or that is unknown
    /// ([`WriteOutcome::Unknown`]: open anew and append again).
    fn append(&mut self, batch: &Batch, notes: &[Note]) -> Result<Receipt, WriteError>;

    /// Takes over what a spool holds, oldest first, in one transaction together with the position
    /// reached. Idempotent: what was taken over before is passed by. Gives a receipt for each that
    /// was written now.
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn take_over(&mut self, spool: i64, front: &[Spooled]) -> Result<Vec<Receipt>, WriteError>;

    /// Stores notes alone.
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn record(&mut self, notes: &[Note]) -> Result<(), WriteError>;

    /// The first use of the database by the process that started then, before it writes anything else:
    /// keeps the last sign of life that an earlier process left here, for [`Note::RunBegins`].
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn begin_run(&mut self, started: UnixMillis) -> Result<(), WriteError>;

    /// Leaves a sign of life, without pressing it onto the disk: a power cut may take the last of them.
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn heartbeat(&mut self) -> Result<(), WriteError>;

    /// How far the database has taken over the spool of this id; 0: nothing of it.
    fn taken_over(&self, spool: i64) -> i64;

    /// What became of all deliveries since the database began, by its own account.
    fn account(&self) -> Tally;

    /// Closes, and leaves as little as can be for the next opening. `orderly`: the process stops now, and says so in its sign of life.
    fn close(self: Box<Self>, orderly: bool);
}

/// What a journal does for itself, beside the path of a message. Its calls block, too.
pub trait Maintenance {
    /// Notes outside of the database what it holds, so that a later one knows of it. Not durably: a power cut
    /// may take it.
    fn remember(&self) {}

    /// One bounded step of what can wait: bounds, compaction, what is left of a damaged database,
    /// the summing up of history.
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn tidy_up(&mut self) -> Result<TidiedUp, WriteError>;

    /// Routes whose history from before is still being summed up, and how far that is.
    fn summing_up(&self) -> BTreeMap<RouteId, Progress> {
        BTreeMap::new()
    }

    /// Merges the log of recent writes into the database as far as readers allow, without waiting for them.
    ///
    /// # Errors
    /// The database cannot be written.
    fn checkpoint(&mut self) -> Result<Checkpointed, WriteError>;
}

/// How far something long has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// So much is done.
    pub done: u64,
    /// Of so much.
    pub of: u64,
}

/// What a step of maintenance came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TidiedUp {
    /// There is nothing to do for a while.
    Done,
    /// There is more to do.
    More,
    /// Rows of an earlier database were copied into this one: what the account has more by them.
    Recovered(Tally),
}

/// A second durable store, for batches that the journal cannot take: a queue, first in first out.
/// Its calls block.
pub trait Spool {
    /// Drawn at random when it was made: positions mean something only together with it.
    fn id(&self) -> i64;

    /// Makes a batch durable, and the `notes` that waited, at the end of the queue.
    ///
    /// # Errors
    /// It is not known to be stored.
    fn append(&mut self, batch: &Batch, notes: &[Note]) -> Result<(), WriteError>;

    /// Stores notes alone, at the end of the queue.
    ///
    /// # Errors
    /// As [`Spool::append`].
    fn record(&mut self, notes: &[Note]) -> Result<(), WriteError>;

    /// The batch at the end of the queue.
    fn last(&self) -> Option<BatchId>;

    /// When something was last written, by this process or an earlier one.
    fn last_seen(&self) -> Option<UnixMillis>;

    /// The oldest batches, in order: at least one if there is one, then more until they have this
    /// many records together.
    ///
    /// # Errors
    /// It cannot be read.
    fn front(&mut self, records_max: usize) -> Result<Vec<Spooled>, WriteError>;

    /// Forgets what the journal has taken over: everything up to this position.
    ///
    /// # Errors
    /// It cannot be written; then it is forgotten another time.
    fn forget_through(&mut self, position: i64) -> Result<(), WriteError>;

    /// Deliveries in it.
    fn len(&self) -> u64;

    /// Whether nothing is in it.
    fn is_empty(&self) -> bool;

    /// As [`Journal::heartbeat`].
    ///
    /// # Errors
    /// As [`Spool::append`].
    fn heartbeat(&mut self) -> Result<(), WriteError>;

    /// Closes it; an empty one leaves no file behind.
    fn close(self: Box<Self>);
}

/// A batch in the spool, with what was noted at its time.
#[derive(Debug, Clone)]
pub struct Spooled {
    /// Its place in the queue; later ones have larger ones.
    pub position: i64,
    /// The batch; `None` for notes alone.
    pub batch: Option<Batch>,
    /// Notes that came along.
    pub notes: Vec<Note>,
}

/// Opens the spool.
pub trait OpenSpool: Send {
    /// Whether one is there, from a failure that has not been recovered from yet.
    fn is_there(&self) -> bool;

    /// Opens it, and makes it where there is none; blocks. The events say what was found.
    ///
    /// # Errors
    /// It cannot be used.
    fn open(&mut self) -> Result<(Box<dyn Spool>, Vec<Note>), WriteError>;
}

/// Keeps events that neither journal nor spool takes, so that the next process has them. Bounded: of too
/// many the newest are kept.
pub trait KeepEvents: Send {
    /// Keeps these in place of those that were kept before.
    ///
    /// # Errors
    /// They cannot be kept.
    fn keep(&mut self, events: &[Event]) -> std::io::Result<()>;

    /// Those that are kept, oldest first.
    fn kept(&mut self) -> Vec<Event>;
}

/// Opens the journal: at the start, and again after each error that leaves the handle in doubt.
pub trait OpenJournal: Send {
    /// Opens it; blocks.
    ///
    /// # Errors
    /// Says whether waiting can help.
    fn open(&mut self) -> Result<Box<dyn Journal>, OpenError>;

    /// From now on it is opened for these routes.
    fn reroute(&mut self, router: &Arc<Router>);

    /// The process ends, and no journal is open: what only its memory has of an earlier database is made
    /// durable elsewhere, if that can be done within this time. Gives what is lost, each as a noun.
    fn let_go(&mut self, within: Duration) -> Vec<String> {
        let _nothing_is_kept = within;
        Vec::new()
    }
}

/// Why the journal cannot be opened.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct OpenError {
    /// Why, as a kind.
    pub cause: WriteCause,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// Whether waiting can help.
    pub outlook: Outlook,
}

/// Whether what is wrong may end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It may: it is tried again.
    MayPass,
    /// Only a person can mend it.
    NeedsAPerson,
}

/// A write failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct WriteError {
    /// Why, as a kind.
    pub cause: WriteCause,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// What is known.
    pub outcome: WriteOutcome,
    /// The handle is of no more use: the file must be opened anew.
    pub reopen: bool,
}
