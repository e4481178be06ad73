//! The operator's socket: how a running recorder is watched and told what to do. A Unix socket beside the
//! lock file, for its owner alone; a line of JSON for each request and each answer (`protocol`).
//!
//! It must never disturb the recording: it lives on a thread of its own, reads published state, asks an
//! actor only where the command is about that actor, and then with a time limit. Connections, the size of
//! a request, idle time and the time for a write are bounded (`server`). A socket that cannot be made is
//! a warning.

mod actions;
pub mod client;
pub mod command_queue;
mod connection;
mod event_feed;
pub mod fault_socket;
mod flow;
pub(crate) mod peer;
pub mod protocol;
mod row_feed;
mod server;
mod slow_commands;
pub mod socket;
pub(crate) mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::Addr;
use barograph_actors::health::checks::KeptMemory;
use barograph_actors::message::route::Router;
use barograph_actors::message::routing::Routing;
use barograph_actors::ports::requests::SessionRequests;
use barograph_actors::status::Published;
use barograph_actors::status::settings::InForce;
use barograph_actors::supervisor::Supervisor;
use barograph_actors::tree::Links;
use barograph_config::Settings;
use tracing::warn;

use crate::exit::Failed;
use crate::metrics::Exposition;
use crate::os::signals::Signals;
use crate::sqlite::Changed;
pub use server::{Goodbye, serve};
use socket::Listening;

/// What page and commands read: published state, and what belongs to it.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The settings in force.
    pub in_force: InForce,
    /// The routes, by their ids.
    pub routing: Routing,
    /// What everyone may see.
    pub published: Published,
    /// What the health actor remembers.
    pub memory: KeptMemory,
    /// The metrics.
    pub(crate) exposition: Arc<Exposition>,
}

impl Sources {
    /// The routes as they are now, with what is derived from them.
    pub fn router(&self) -> Arc<Router> {
        self.in_force.router(&self.routing)
    }
}

/// What the commands need.
#[derive(Debug, Clone)]
pub struct Control {
    /// What is read.
    pub sources: Sources,
    /// Restarts actors.
    pub supervisor: Addr<Supervisor>,
    /// Actors that are asked something.
    pub links: Links,
    /// The broker session.
    pub orders: SessionRequests,
    /// The way to the ordered stop.
    pub signals: Signals,
    /// What takes its time.
    pub slow: SlowCommands,
}

/// By the name of the alert channel, what it answered.
pub type ChannelAnswers = BTreeMap<String, String>;

/// Commands that block, and run on threads of their own; the command line has them, too.
#[derive(Debug, Clone, Copy)]
pub struct SlowCommands {
    /// Sends a test to one alert channel, or to all: by name, what each answered.
    pub test_alerts: fn(&Settings, Option<&str>) -> Result<ChannelAnswers, Failed>,
    /// Decodes what is in quarantine again, by the routes of these settings.
    pub replay: fn(Settings) -> Result<Changed, Failed>,
}

impl Control {
    fn router(&self) -> Arc<Router> {
        self.sources.router()
    }
}

/// Makes the socket beside the lock, which must be held. Without one the recorder records all the same.
pub fn open(settings: &Settings) -> Option<Listening> {
    let path = socket::path_beside(&settings.instance.lock_file);
    match socket::listen(&path) {
        Ok(listening) => Some(listening),
        Err(error) => {
            warn!(
                "the operator's socket {} cannot be made ({error}): recording goes on, but \
                commands (`barograph status`, `stop`) cannot reach this recorder; signals can",
                path.display()
            );
            None
        }
    }
}
