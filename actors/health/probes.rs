//! What the judge has to fetch from the world outside: a port. It may take as long as a hanging disk
//! does, so nothing waits for it: it is requested, and arrives when it is ready.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::message::moment::Moment;

/// One look at the world outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemSnapshot {
    /// How long the database took to answer a read through a connection of its own; `Err`: it did
    /// not, and why. `None`: it was not read, because it is not what we hold (see `replaced`).
    pub read: Option<Result<Duration, ReadFailed>>,
    /// The path of the database no longer leads to the open file: what is there instead.
    pub replaced: Option<String>,
    /// What earlier databases of this recorder held and is not in this one, each as a sentence.
    pub earlier: Vec<String>,
    /// Size of the database's -wal, in bytes.
    pub wal: u64,
    /// Who reads in a transaction that keeps the -wal from being used again; looked for only while it
    /// is large.
    pub wal_reader: Option<String>,
    /// Where the database is.
    pub database: Option<DiskSpace>,
    /// Where the spool is, or will be.
    pub spool: Option<DiskSpace>,
    /// What the spool's files take, in bytes.
    pub spool_size: u64,
    /// Whether the kernel calls the clock synchronised; `None`: it cannot be known here.
    pub clock: Option<bool>,
    /// How long the machine has been up.
    pub up: Duration,
}

/// A read of the database through a connection of its own failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadFailed(pub String);

/// The room on a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Tells disks apart.
    pub device: u64,
    /// For us to use.
    pub free: u64,
    /// Altogether.
    pub size: u64,
}

/// Fetches a survey, on a thread of its own, and answers when it is there.
pub type SystemProbe = Box<dyn FnMut(oneshot::Sender<SystemSnapshot>) + Send>;

/// What is known of the world outside.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// The last survey, and when it came.
    pub last: Option<(Moment, SystemSnapshot)>,
    /// When one was asked for that has not come yet.
    pub asked: Option<Moment>,
}

impl Outside {
    /// The last survey.
    pub fn survey(&self) -> Option<&SystemSnapshot> {
        self.last.as_ref().map(|(_, survey)| survey)
    }
}
