//! A small MQTT 3.1.1 broker inside the process: one for show.
//!
//! `barograph demo` must run on a machine without Mosquitto, and tests need a broker that can be
//! told to misbehave. It speaks rumqttc's own codec, so it costs no dependency. rumqttd was
//! rejected: 193 more crates, no way to stop it, and redeliveries with new packet ids and without
//! DUP, which no recorder can recognise.
//!
//! What it does: QoS 0, 1 and 2 in both directions, kept sessions, wildcards, retained messages,
//! last wills, keep-alive, session takeover, and redelivery with DUP, the original packet ids and
//! the original order.
//!
//! What it does not do, and why nobody should put it into production: it keeps nothing on disk (its
//! sessions and retained messages end with it), speaks neither TLS nor WebSocket nor MQTT 5, knows
//! at most one login and no access rights (a client may publish even to `$SYS`), publishes no
//! `$SYS` of its own, has no shared subscriptions, never expires a session, and looks at every
//! session for every message.
//!
//! The parts: `hub` is the broker without sockets, packet in and packets out; `session` is what
//! it remembers of one client; `connection` moves bytes; `shared` ties these two together;
//! `mischief` is the handle of tests.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, error, warn};

mod connection;
mod hub;
mod mischief;
mod session;
mod shared;
mod topic;

pub use hub::Stats;
pub use mischief::{Door, Mischief};
use shared::Shared;

/// Open sockets, with or without a CONNECT; one more is closed as soon as it is accepted.
const CONNECTIONS_LEN_MAX: usize = 256;

/// Milliseconds to wait after a failed accept. The usual cause, too many open files, does not pass
/// by trying at once.
const ACCEPT_PAUSE_MS: u64 = 100;

/// Bounds on what the broker keeps for one client and reads from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// QoS 1 and 2 messages sent to one client and not yet acknowledged. At least 1; searched one
    /// by one, so meant for tens or hundreds.
    pub in_flight_len_max: u16,
    /// Messages that wait for one client behind the window. At least 1. Past it the oldest QoS 0
    /// message goes, and where there is none, the one that just arrived.
    pub queue_len_max: usize,
    /// Bytes of one incoming packet, without its fixed header. A longer one ends its connection.
    pub packet_bytes_max: usize,
}

impl Default for Limits {
    /// The window is Mosquitto's; queue and packet size suit a demo that shall not grow beyond some
    /// MiB.
    fn default() -> Limits {
        Limits { in_flight_len_max: 20, queue_len_max: 10_000, packet_bytes_max: 1024 * 1024 }
    }
}

/// A broker that is bound to its port and not yet serving.
#[derive(Debug)]
pub struct Broker {
    listener: TcpListener,
    local_addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Broker {
    /// Binds to `addr`; port 0 lets the system choose one. Connections queue up in the system until
    /// [`Broker::serve`].
    ///
    /// # Errors
    /// What the system answers, for example that the address is in use.
    pub async fn bind(addr: SocketAddr) -> io::Result<Broker> {
        let listener = TcpListener::bind(addr).await?;
        let local_addr = listener.local_addr()?;
        Ok(Broker { listener, local_addr, shared: Arc::new(Shared::new(Limits::default())) })
    }

    /// Replaces the default limits. To be called before [`Broker::mischief`]: whatever was set
    /// there is forgotten.
    pub fn with_limits(self, limits: Limits) -> Broker {
        Broker { shared: Arc::new(Shared::new(limits)), ..self }
    }

    /// Where clients reach it; tells the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// A handle to watch the broker and make it misbehave, from any thread, also while it serves.
    pub fn mischief(&self) -> Mischief {
        Mischief::new(Arc::clone(&self.shared))
    }

    /// Serves clients until `shutdown` completes, then drops every connection (no wills are
    /// published) and its state.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.welcome(&mut connections, stream, peer),
                    Err(error) => {
                        warn!(%error, "demo broker: cannot accept a connection, trying again");
                        tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                    }
                },
                Some(ended) = connections.join_next() => report_panic(ended),
            }
        }
        connections.shutdown().await;
    }

    fn welcome(&self, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr) {
        if connections.len() >= CONNECTIONS_LEN_MAX {
            warn!(%peer, CONNECTIONS_LEN_MAX, "demo broker: too many connections, one turned away");
            return;
        }
        let shared = Arc::clone(&self.shared);
        connections.spawn(async move {
            match connection::run(stream, shared).await {
                Ok(()) => debug!(%peer, "demo broker: connection ended"),
                Err(cause) => debug!(%peer, %cause, "demo broker: connection ended"),
            }
        });
    }
}

/// No connection is expected to panic, whatever bytes it is sent. Should one do so, the others go
/// on and this says it.
fn report_panic(ended: Result<(), JoinError>) {
    if let Err(cause) = ended {
        error!(%cause, "demo broker: a connection's task failed");
    }
}

#[cfg(test)]
mod tests;
