//! Metrics for Prometheus, in its text format or OpenMetrics': `GET /metrics` of `[metrics] listen`.
//!
//! Nothing is counted here. Each scrape is encoded from one snapshot of published state, so that a
//! metric and the log cannot disagree. The listener has threads of its own and no address of the data
//! path: whatever a scraper does, recording does not notice. Without `[metrics] listen` there is
//! no thread.

mod listener;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;

use barograph_actors::message::routing::Routing;
use barograph_actors::status::Published;

use crate::http::listener::Listener;
use crate::metrics::{Exposition, MeasuredFiles};
use listener::MetricsService;

pub(crate) use routes::answer;

/// The metrics of this process, and the listener that serves them, if there is one.
#[derive(Debug)]
pub struct MetricsServer {
    exposition: Arc<Exposition>,
    published: Published,
    listener: Option<(SocketAddr, Listener)>,
}

impl MetricsServer {
    /// All metrics, for another server that shows them, too.
    pub(crate) fn exposition(&self) -> Arc<Exposition> {
        Arc::clone(&self.exposition)
    }

    /// It does not listen yet.
    pub fn new(published: Published, routing: Routing, places: MeasuredFiles) -> Self {
        let exposition = Exposition::new(published.clone(), routing, places);
        Self { exposition: Arc::new(exposition), published, listener: None }
    }

    /// Listens here from now on, and nowhere else; `None`: nowhere. It does not wait: an address that
    /// is taken is tried again, for as long as it takes, and is a finding meanwhile.
    pub fn listen(&mut self, address: Option<SocketAddr>) {
        if self.listener.as_ref().map(|(at, _)| *at) == address {
            return;
        }
        if let Some((_, old)) = self.listener.take() {
            old.stop();
        }
        self.listener = address.and_then(|address| {
            let exposition = Arc::clone(&self.exposition);
            let service = MetricsService { address, exposition, at: address };
            Some((address, Listener::start(service, self.published.clone())?))
        });
    }
}
