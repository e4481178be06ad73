//! The listener: a thread that gets the address, and serves until it is told to stop. An address that
//! cannot be had is tried again with back-off; recording does not wait for it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use actix_web::rt::System;
use barograph_actors::event;
use barograph_actors::issue::{Finding, Severity};
use barograph_actors::published::Published;
use barograph_actors::supervise::restart::backoff;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::exposition::Exposition;
use super::server::{self, PATH};
use crate::process::port_holder;
use crate::world;

/// First pause after the address could not be had.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// Longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(15);
/// How long the end of the thread is waited for.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// The id of the finding that somebody else has the port.
const PORT_TAKEN: &str = "metrics_port_taken";
/// The id of the finding that the address cannot be had for another reason.
const NOT_SERVED: &str = "metrics_not_served";

/// A listener, trying or serving.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Listener {
    /// Starts it; `None`, and a line in the log, where there is no thread to be had.
    pub(super) fn start(
        address: SocketAddr,
        exposition: Arc<Exposition>,
        published: Published,
    ) -> Option<Self> {
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = mpsc::channel::<()>();
        let work = move || {
            // Dropped however the thread ends.
            let _end = end;
            let task = Task { address, exposition, published: published.clone(), told: None };
            System::new().block_on(task.run(stopped));
            published.found(FINDER, None);
        };
        match thread::Builder::new().name("metrics".to_owned()).spawn(work) {
            Ok(_runs) => Some(Self { address, stop, ended }),
            Err(error) => {
                warn!("the metrics are not served: no thread can be had ({error})");
                None
            }
        }
    }

    /// The address that it was given.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it, and waits a little until the port is free.
    pub(super) fn stop(self) {
        let _ended_already = self.stop.send(());
        let _disconnected = self.ended.recv_timeout(STOP_WITHIN);
    }
}

/// Under this name findings are published.
const FINDER: &str = "metrics";

/// The thread's work.
struct Task {
    address: SocketAddr,
    exposition: Arc<Exposition>,
    published: Published,
    /// What was last said of an address that could not be had: each is said once.
    told: Option<String>,
}

impl Task {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut attempt = 0_u32;
        loop {
            match self.bind() {
                Ok((listener, at)) => {
                    attempt = 0;
                    self.serving(at);
                    match self.serve(listener, &mut stopped).await {
                        Ended::Asked => return,
                        Ended::Failed(error) => self.failing(&error),
                    }
                }
                Err(error) => self.failing(&error),
            }
            attempt = attempt.saturating_add(1);
            let pause = backoff(RETRY_MIN, RETRY_MAX, attempt, (world::REAL.jitter)());
            if tokio::time::timeout(pause, &mut stopped).await.is_ok() {
                return;
            }
        }
    }

    /// With SO_REUSEADDR, as the standard library does: what a process that was killed left in
    /// TIME_WAIT is no obstacle.
    fn bind(&self) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(self.address)?;
        let at = listener.local_addr()?;
        Ok((listener, at))
    }

    async fn serve(&self, listener: TcpListener, stopped: &mut oneshot::Receiver<()>) -> Ended {
        let server = match server::server(listener, &self.exposition) {
            Ok(server) => server,
            Err(error) => return Ended::Failed(error),
        };
        let handle = server.handle();
        tokio::pin!(server);
        tokio::select! {
            ended = &mut server => Ended::Failed(
                ended.err().unwrap_or_else(|| io::Error::other("the server ended")),
            ),
            _asked = stopped => {
                let stopping = handle.stop(false);
                tokio::join!(stopping, server).1.map_or_else(Ended::Failed, |()| Ended::Asked)
            }
        }
    }

    fn serving(&mut self, at: SocketAddr) {
        let told = format!("the metrics can be read at http://{at}{PATH}");
        info!(event = event::METRICS_SERVED, listen = %at, "{told}");
        if self.told.take().is_some() {
            self.published.note(event::METRICS_SERVED, world::now(), told);
        }
        self.published.found(FINDER, None);
        if !at.ip().is_loopback() {
            warn!(
                "the metrics are served to whoever reaches {at}: there is no password; set \
                 metrics.listen to 127.0.0.1, or let a firewall or a proxy decide who may read them"
            );
        }
    }

    fn failing(&mut self, error: &io::Error) {
        let finding = finding(self.address, error);
        if self.told.as_ref() != Some(&finding.id) {
            let Finding { id, sentence, hint, .. } = &finding;
            warn!(event = event::METRICS_NOT_SERVED, "{sentence}: {hint}");
            self.published.note(event::METRICS_NOT_SERVED, world::now(), sentence.clone());
            self.told = Some(id.clone());
        }
        self.published.found(FINDER, Some(finding));
    }
}

/// How serving came to an end.
enum Ended {
    /// Somebody asked for it.
    Asked,
    /// By itself.
    Failed(io::Error),
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
