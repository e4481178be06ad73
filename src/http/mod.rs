//! The Watchtower: the page, and what it asks for (`API.md` has the interface). It observes, and never
//! disturbs: it reads published state and the database by connections of its own, lives on threads of its own
//! with a lower priority than the recording, and holds no address of the data path. What an operator orders
//! goes through a `CommandSender` to the code of the operator's socket.
//!
//! The way of a request: the connection's limits (`server`, `connections`), who may ask (`auth`), what is asked
//! (`assets`, `api`, `live`, `command`).

pub(crate) mod api;
mod assets;
mod auth;
mod command;
mod connections;
mod listener;
mod live;
pub mod metrics;
mod own_request;
mod place;
mod quality;
mod refusal;
mod routes;
mod server;
mod service;
mod socket;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use barograph_actors::watchtower::actor::{PageServer, Serving};
use barograph_config::Listen;
use tokio::sync::watch;

use crate::http::listener::Listener;
use crate::http::own_request::{OwnAddress, OwnRequest};
use crate::ipc::Sources;
use crate::ipc::command_queue::CommandSender;
use crate::sqlite::read::Pool;
pub use auth::AuthState;
pub use place::take_handed_over;
use service::PageService;

/// A listener that gives no sign of life for so long is asked something; without an answer it is silent.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// What every request may read. Clones share it; a life of the Watchtower has one.
#[derive(Debug, Clone)]
pub(crate) struct Tower {
    /// Published state and settings.
    pub(crate) sources: Sources,
    /// Where an admin gives orders.
    pub(crate) commands: CommandSender,
    /// The database, to be read.
    pub(crate) history: Pool,
    /// What changes seldom.
    pub(crate) memory: Arc<api::TableEndsCache>,
    /// Whether the page ends, and how: connections are closed with that reason.
    pub(crate) closing: watch::Receiver<Closing>,
    /// WebSockets that are open.
    pub(crate) sockets: Arc<AtomicUsize>,
}

/// How the page ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It does not.
    Not,
    /// The recorder stops: 1001, going away.
    GoingAway,
    /// Only the page restarts: 1012, service restart.
    Restart,
    /// It restarts because the tokens changed: 4001 to connections that were opened by one.
    TokensChanged,
}

/// The page of one life of the Watchtower.
#[derive(Debug)]
pub struct Page {
    sources: Sources,
    commands: CommandSender,
    door: AuthState,
    fault_injection: bool,
    listener: Option<Listener>,
    /// The name of its socket, if it is a Unix socket of ours.
    socket: Option<PathBuf>,
    own_request: OwnRequest,
}

impl Page {
    /// It does not listen yet. Sessions and delays are those of before a restart.
    pub fn new(
        sources: Sources,
        commands: CommandSender,
        door: AuthState,
        fault_injection: bool,
    ) -> Self {
        let own_request = OwnRequest::default();
        Self { sources, commands, door, fault_injection, listener: None, socket: None, own_request }
    }
}

impl PageServer for Page {
    fn begin(&mut self) {
        let settings = self.sources.in_force.now();
        if settings.watchtower.listen != Listen::Off {
            let (sources, commands) = (self.sources.clone(), self.commands.clone());
            let door = self.door.clone();
            let service = PageService::new(sources, commands, door, self.fault_injection);
            self.listener = Listener::start(service, self.sources.published.clone());
            if let Listen::Unix(path) = &settings.watchtower.listen {
                self.socket = Some(path.clone());
            }
        }
    }

    fn look(&mut self) -> Serving {
        let beat = self.listener.as_ref().map(Listener::since_last_beat);
        let asked = self.listener.as_ref().and_then(Listener::address);
        let named = |bound| self.socket.clone().map_or(bound, OwnAddress::Unix);
        let asked = asked.map(named);
        judge(beat, || self.own_request.is_answered(asked))
    }

    fn end(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.stop();
        }
    }
}

/// By how long its threads have given no sign of life (`None`: there is no listener; it has ended), and where that is
/// long, by whether it answers.
fn judge(listener: Option<Option<Duration>>, answers: impl FnOnce() -> bool) -> Serving {
    match listener {
        None => Serving::Alive,
        Some(None) => Serving::Ended("the thread that serves the page ended".to_owned()),
        Some(Some(since)) if since >= SILENT_AFTER && !answers() => Serving::Silent,
        Some(Some(_)) => Serving::Alive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_is_a_page_that_is_silent_unless_it_answers() {
        let (fresh, old) = (Duration::from_millis(400), SILENT_AFTER);
        let ended = Serving::Ended("the thread that serves the page ended".to_owned());
        let table = [
            (None, false, Serving::Alive),
            (Some(Some(fresh)), false, Serving::Alive),
            (Some(Some(old)), false, Serving::Silent),
            (Some(Some(old)), true, Serving::Alive),
            (Some(None), true, ended),
        ];
        for (listener, answers, serving) in table {
            assert_eq!(judge(listener, || answers), serving, "{listener:?}, answers: {answers}");
        }
    }
}
