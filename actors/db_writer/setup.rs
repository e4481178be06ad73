//! What the writer is given at its start.

use barograph_config::Health;

use crate::health::actor::HealthActor;
use crate::message::routing::Routing;
use crate::ports::Environment;
use crate::stats::actor::StatsActor;
use crate::status::Published;
use crate::supervisor::Link;

/// What the writer needs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Who judges.
    pub health: Link<HealthActor>,
    /// Who counts.
    pub stats: Link<StatsActor>,
    /// What everyone may see.
    pub published: Published,
    /// The routes: the writer is the one who changes them.
    pub routing: Routing,
    /// Time and chance.
    pub world: Environment,
    /// When the database is given up, and how it is probed then.
    pub limits: Health,
}
