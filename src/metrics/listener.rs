//! What is served at `[metrics] listen`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use barograph_actors::event;
use barograph_actors::issue::{Finding, Severity};
use tracing::warn;

use super::exposition::Exposition;
use super::server::{self, PATH};
use crate::listener::Service;
use crate::process::port_holder;

/// The id of the finding that somebody else has the port.
const PORT_TAKEN: &str = "metrics_port_taken";
/// The id of the finding that the address cannot be had for another reason.
const NOT_SERVED: &str = "metrics_not_served";

/// The page of metrics, at an address.
pub(super) struct MetricsService {
    pub(super) address: SocketAddr,
    pub(super) exposition: Arc<Exposition>,
    /// The address that was had.
    pub(super) at: SocketAddr,
}

impl Service for MetricsService {
    type Bound = TcpListener;

    const NAME: &'static str = "metrics";
    const RETRY_MIN: Duration = Duration::from_secs(1);
    const EVENTS: (&'static str, &'static str) = (event::METRICS_SERVED, event::METRICS_NOT_SERVED);

    fn bind(&mut self) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(self.address)?;
        self.at = listener.local_addr()?;
        Ok(listener)
    }

    fn server(&mut self, listener: TcpListener) -> io::Result<Server> {
        if !self.at.ip().is_loopback() {
            warn!(
                "the metrics are served to whoever reaches {}: there is no password; set \
                 metrics.listen to 127.0.0.1, or let a firewall or a proxy decide who may read them",
                self.at
            );
        }
        server::server(listener, &self.exposition)
    }

    fn listen(&self) -> String {
        self.at.to_string()
    }

    fn place(&self) -> String {
        format!("the metrics can be read at http://{}{PATH}", self.at)
    }

    fn finding(&self, error: &io::Error, _attempt: u32) -> Option<Finding> {
        Some(finding(self.address, error))
    }

    async fn farewell(&mut self) {}
}

fn finding(address: SocketAddr, error: &io::Error) -> Finding {
    let severity = Severity::Warning;
    if error.kind() == io::ErrorKind::AddrInUse {
        let holder = match port_holder(address) {
            Some(holder) => format!("another program has it ({holder})"),
            None => "another program has it, and which one is hidden from us".to_owned(),
        };
        return Finding {
            id: PORT_TAKEN.to_owned(),
            severity,
            sentence: format!("the metrics are not served: {address} is taken, {holder}"),
            hint: "recording goes on; end that program, or set another port in metrics.listen. It \
                   is tried again by itself"
                .to_owned(),
        };
    }
    Finding {
        id: NOT_SERVED.to_owned(),
        severity,
        sentence: format!("the metrics are not served: {address} cannot be used ({error})"),
        hint:
            "recording goes on; look at metrics.listen: the address must be one of this machine, \
               and ports below 1024 need a privilege. It is tried again by itself"
                .to_owned(),
    }
}
