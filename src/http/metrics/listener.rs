//! What is served at `[metrics] listen`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use barograph_actors::message::event;
use barograph_actors::status::issue::Finding;
use tracing::warn;

use super::routes::{PATH, routes};
use crate::http::connections::Limits;
use crate::http::listener::{Service, Words};
use crate::http::place::BoundListener;
use crate::http::server::Server;
use crate::metrics::Exposition;

const WORDS: Words = Words {
    what: "the metrics are",
    setting: "metrics.listen",
    taken: "metrics_port_taken",
    unusable: "metrics_not_served",
};

/// Connections at a time: a scraper or two, and a person who looks.
const LIMITS: Limits = Limits { all: 16, per_address: 16 };

/// The page of metrics, at an address.
pub(super) struct MetricsService {
    pub(super) address: SocketAddr,
    pub(super) exposition: Arc<Exposition>,
    /// The address that was had.
    pub(super) at: SocketAddr,
}

impl Service for MetricsService {
    const NAME: &'static str = "metrics";
    const RETRY_MIN: Duration = Duration::from_secs(1);
    const EVENTS: (&'static str, &'static str) = (event::METRICS_SERVED, event::METRICS_NOT_SERVED);

    fn bind(&mut self) -> io::Result<BoundListener> {
        let listener = TcpListener::bind(self.address)?;
        self.at = listener.local_addr()?;
        Ok(BoundListener::Tcp(listener))
    }

    fn server(&mut self, bound: BoundListener) -> io::Result<Server> {
        if !self.at.ip().is_loopback() {
            warn!(
                "anyone who reaches {} can read the metrics: there is no password; set \
                 metrics.listen to 127.0.0.1, or let a firewall or a proxy decide who may read \
                 them",
                self.at
            );
        }
        Server::new(bound, routes(&self.exposition), LIMITS, None)
    }

    fn listen(&self) -> String {
        self.at.to_string()
    }

    fn place(&self) -> String {
        format!("the metrics can be read at http://{}{PATH}", self.at)
    }

    fn finding(&self, error: &io::Error, _attempt: u32) -> Option<Finding> {
        Some(WORDS.of_port(self.address, error))
    }

    async fn farewell(&mut self) {}
}
