//! Where the page is served, and what is said when it cannot be.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::dev::Server;
use barograph_actors::event;
use barograph_actors::issue::{Finding, Severity};
use barograph_config::Listen;
use tokio::sync::watch;

use super::{Closing, Tower, server};
use crate::control::Sources;
use crate::control::desk::Desk;
use crate::history::Pool;
use crate::listener::Service;
use crate::process::port_holder;

/// The id of the finding that somebody else has the port.
const PORT_TAKEN: &str = "page_port_taken";
/// The id of the finding that the address cannot be had for another reason.
const NOT_SERVED: &str = "page_not_served";

/// So often is a port tried that a life before this one may still have.
const OWN_PORT_TRIES: u32 = 5;

/// For the last frames of those who watch.
const FAREWELL_WITHIN: Duration = Duration::from_millis(700);
/// Between two looks whether they are gone.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The page, at its address.
pub(super) struct PageService {
    tower: Tower,
    closing: watch::Sender<Closing>,
    listen: Listen,
    /// The address that was had.
    at: String,
}

impl PageService {
    pub(super) fn new(sources: Sources, desk: Desk) -> Self {
        let settings = sources.in_force.now();
        let (closing, closes) = watch::channel(Closing::Not);
        let listen = settings.watchtower.listen.clone();
        let tower = Tower {
            history: Pool::new(settings.database.path.clone()),
            sources,
            desk,
            closing: closes,
            sockets: Arc::new(AtomicUsize::new(0)),
        };
        Self { tower, closing, at: listen.to_string(), listen }
    }
}

impl Drop for PageService {
    /// However this ends: the writer must be the last to close the database.
    fn drop(&mut self) {
        self.tower.history.close();
    }
}

/// A place that was had.
pub(super) enum Bound {
    /// A TCP port.
    Tcp(TcpListener),
}

impl Service for PageService {
    type Bound = Bound;

    const NAME: &'static str = "watchtower";
    const RETRY_MIN: Duration = Duration::from_millis(200);
    const EVENTS: (&'static str, &'static str) = (event::PAGE_SERVED, event::PAGE_NOT_SERVED);

    fn bind(&mut self) -> io::Result<Bound> {
        match &self.listen {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                self.at = listener.local_addr()?.to_string();
                Ok(Bound::Tcp(listener))
            }
            Listen::Off | Listen::Unix(_) | Listen::Systemd => {
                Err(io::Error::other("not built yet"))
            }
        }
    }

    fn server(&mut self, bound: Bound) -> io::Result<Server> {
        server::server(bound, &self.tower)
    }

    fn listen(&self) -> String {
        self.at.clone()
    }

    fn place(&self) -> String {
        format!("the page is at http://{}/", self.at)
    }

    fn finding(&self, error: &io::Error, attempt: u32) -> Option<Finding> {
        let severity = Severity::Warning;
        let taken = error.kind() == io::ErrorKind::AddrInUse;
        if let (true, Listen::Tcp(address)) = (taken, &self.listen) {
            return taken_by_whom(*address, attempt);
        }
        let at = &self.listen;
        Some(Finding {
            id: NOT_SERVED.to_owned(),
            severity,
            sentence: format!("the page is not served: {at} cannot be used ({error})"),
            hint: "recording goes on; look at watchtower.listen: the address must be one of this \
                   machine, and ports below 1024 need a privilege. It is tried again by itself"
                .to_owned(),
        })
    }

    async fn farewell(&mut self) {
        let stopping = self.tower.sources.published.snapshot().stopping;
        self.closing.send_replace(if stopping { Closing::GoingAway } else { Closing::Restart });
        let began = Instant::now();
        while self.tower.sockets.load(Ordering::Relaxed) > 0 && began.elapsed() < FAREWELL_WITHIN {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// `None`: a life before this one, which is about to let go.
fn taken_by_whom(address: SocketAddr, attempt: u32) -> Option<Finding> {
    let holder = port_holder(address);
    let ours = holder.as_ref().is_some_and(|holder| holder.pid == Some(std::process::id()));
    if ours && attempt < OWN_PORT_TRIES {
        return None;
    }
    let holder = match holder {
        Some(holder) => format!("another program has it ({holder})"),
        None => "another program has it, and which one is hidden from us".to_owned(),
    };
    Some(Finding {
        id: PORT_TAKEN.to_owned(),
        severity: Severity::Warning,
        sentence: format!("the page is not served: {address} is taken, {holder}"),
        hint:
            "recording goes on; end that program, or set another port in watchtower.listen. It is \
               tried again by itself"
                .to_owned(),
    })
}
