//! What the writer is given at its start.

use barograph_config::Health;

use crate::health::actor::HealthActor;
use crate::message::account::Tally;
use crate::message::routing::Routing;
use crate::ports::Environment;
use crate::status::{Published, StatePart};
use crate::supervisor::Link;

/// What the writer needs.
#[derive(Debug, Clone)]
pub struct WriterSetup {
    /// `HealthActor`.
    pub health: Link<HealthActor>,
    /// What everyone may see.
    pub published: Published,
    /// The routes: the writer is the one who changes them.
    pub routing: Routing,
    /// Time and chance.
    pub world: Environment,
    /// When the database is given up, and how it is probed then.
    pub limits: Health,
    /// What a life must know of the ones before.
    pub memory: StatePart<WriterMemory>,
}

/// What the writer has done since the process began.
#[derive(Debug, Default)]
pub struct WriterMemory {
    /// The database's account when the process began; `None`: the database does not know of this process.
    pub(crate) base: Option<Tally>,
    /// Routes whose counts `base` knows: those of later routes begin when they do.
    pub(crate) routes_counted: usize,
    /// The beginning of this process is noted ([`Note::RunBegins`](crate::message::note::Note::RunBegins)).
    pub(crate) run_noted: bool,
    /// The events that an earlier process could not write were taken over.
    pub(crate) kept_events_taken: bool,
    /// A spool was opened.
    pub(crate) spool_seen: bool,
}
