//! Writes: what is asked of the writer, and what it tells of each write. `WriteSucceeded` and `WriteFailed` drive the
//! mode.

use std::sync::{Arc, Weak};

use actix::Message;

use super::batch::{Batch, BatchId};
use super::route::Router;

/// Asks for a batch to be made durable. The answer comes when it is; `Err` only when the writer
/// stops before.
#[derive(Debug, Clone)]
pub struct Append(pub Arc<Batch>);

/// The batch is durable, in one place or the other.
#[derive(Debug, Clone, Copy)]
pub struct Durable;

/// The writer stops: the batch was not written, as far as it knows.
#[derive(Debug, Clone, Copy)]
pub struct Stopping;

impl Message for Append {
    type Result = Result<Durable, Stopping>;
}

/// Asks for other routes. Nothing that was decoded by the old ones may be under way.
#[derive(Debug, Clone)]
pub struct Reroute {
    /// The routes.
    pub router: Arc<Router>,
    /// The asker, which keeps everything else away meanwhile: only while it lives.
    pub asker: Weak<()>,
}

/// What the writer says to it. Where it is decided, [`Routing`](super::routing::Routing) has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RerouteResult {
    /// The new routes are in force, or cannot be.
    Decided,
    /// It may be asked again.
    NotNow,
}

impl Message for Reroute {
    type Result = RerouteResult;
}

/// Where a batch is, or should have been, written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The database.
    Database,
    /// The spool, while the database cannot be written.
    Spool,
}

impl Place {
    /// The word of the metrics' label `place`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Spool => "spool",
        }
    }
}

/// Batches become durable. Sent for the first one after any other message about writing, and then at most four times a
/// second.
#[derive(Debug, Clone, Copy)]
pub struct WriteSucceeded {
    /// Where.
    pub place: Place,
}

impl Message for WriteSucceeded {
    type Result = ();
}

/// A batch could not be written; it is tried again, here or elsewhere.
#[derive(Debug, Clone)]
pub struct WriteFailed {
    /// Which.
    pub batch: BatchId,
    /// Where.
    pub place: Place,
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

/// A database that was given up is still no use.
#[derive(Debug, Clone)]
pub struct ProbeFailed {
    /// Why.
    pub cause: WriteCause,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl Message for ProbeFailed {
    type Result = ();
}

/// The database has taken over some of the spool.
#[derive(Debug, Clone, Copy)]
pub struct Drained {
    /// Deliveries taken over now.
    pub records: u64,
    /// Deliveries left; 0: the spool is empty, and the database in order.
    pub left: u64,
}

impl Message for Drained {
    type Result = ();
}

/// `HealthActor`'s decision.
#[derive(Debug, Clone, Copy)]
pub struct Decided(pub Decision);

impl Message for Decided {
    type Result = ();
}

/// Asks for the log of recent writes to be merged into the database. `Err` says why that cannot be.
#[derive(Debug, Clone, Copy)]
pub struct Checkpoint;

impl Message for Checkpoint {
    type Result = Result<Checkpointed, CheckpointError>;
}

/// Why the WAL was not folded into the database. It stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The writer stops.
    #[error("the writer is stopping")]
    Stopping,
    /// The database is not written at present.
    #[error("the database is given up until it can be written again: {0}")]
    GivenUp(String),
    /// The database refused.
    #[error(transparent)]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// Asks for the database to be opened anew, because it looks odd from outside; while a batch is in hand
/// that is not needed, as every write looks for itself.
#[derive(Debug, Clone, Copy)]
pub struct Reopen;

impl Message for Reopen {
    type Result = ();
}

/// What the judge tells the writer. Each is obeyed where it makes sense, and does no harm where the
/// writer's reflex was quicker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Write to the spool, and probe the database with back-off.
    UseSpool,
    /// The database is in order again.
    UseDatabase,
}

/// What a checkpoint came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpointed {
    /// Blocks that were in the log of recent writes.
    pub blocks: u64,
    /// Those of them that are in the database itself now.
    pub merged: u64,
    /// The log is empty. If not, another process reads what only the log has, or writes.
    pub is_complete: bool,
}

/// Why a write failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteCause {
    /// Another process holds the database's write lock (or a lock that excludes us).
    Locked,
    /// Another process was in the way for a moment.
    Busy,
    /// No room on the disk.
    Full,
    /// The device failed.
    Io,
    /// The file system or the file is read-only.
    ReadOnly,
    /// We may not.
    Permission,
    /// The file is not there.
    Missing,
    /// The path leads to another file than the one we hold.
    Replaced,
    /// The file is damaged.
    Corrupt,
    /// The file is no database.
    NotADatabase,
    /// A table does not fit its route.
    SchemaClash,
    /// Anything else.
    Other,
}

impl WriteCause {
    /// Every cause.
    pub const ALL: [Self; 12] = [
        Self::Locked,
        Self::Busy,
        Self::Full,
        Self::Io,
        Self::ReadOnly,
        Self::Permission,
        Self::Missing,
        Self::Replaced,
        Self::Corrupt,
        Self::NotADatabase,
        Self::SchemaClash,
        Self::Other,
    ];

    /// Whether trying again at once is of no use: something else must change first. The other
    /// causes often pass by themselves within a few tries.
    pub fn is_lasting(self) -> bool {
        match self {
            Self::Locked
            | Self::Full
            | Self::ReadOnly
            | Self::Permission
            | Self::Missing
            | Self::Corrupt
            | Self::NotADatabase
            | Self::SchemaClash => true,
            Self::Busy | Self::Io | Self::Replaced | Self::Other => false,
        }
    }

    /// Whether the settings and the database contradict each other: a person must choose.
    pub fn is_the_operators(self) -> bool {
        matches!(self, Self::SchemaClash)
    }

    /// The word that the log uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::Io => "io_error",
            Self::ReadOnly => "read_only",
            Self::Permission => "permission",
            Self::Missing => "missing",
            Self::Replaced => "replaced",
            Self::Corrupt => "corrupt",
            Self::NotADatabase => "not_a_database",
            Self::SchemaClash => "schema_clash",
            Self::Other => "other",
        }
    }
}

/// What is known of a failed write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Nothing of it is stored.
    Refused,
    /// It may be stored or not: open the file anew and append again, the ledger knows. (Measured:
    /// after EIO at fsync the refused row was there in 16 of 21 cases.)
    Unknown,
}
