//! Where the page is served, and the findings when it cannot be.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use barograph_actors::message::event;
use barograph_actors::status::issue::Finding;
use barograph_config::{Listen, PageTls, Secret};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;

use super::auth::{AuthState, Gate};
use super::connections::Limits;
use super::place::{self, BoundListener, ListenSocketFile};
use super::server::Server;
use super::{Closing, Tower, routes};
use crate::http::listener::{Service, Words};
use crate::ipc::Sources;
use crate::ipc::command_queue::CommandSender;
use crate::os::process::port_holder;
use crate::sqlite::read::Pool;

const WORDS: Words = Words {
    what: "the page is",
    setting: "watchtower.listen",
    taken: "page_port_taken",
    unusable: "page_not_served",
};
/// The id of the finding that the certificate cannot be used.
const NO_CERTIFICATE: &str = "page_certificate";

const HINT_UNIX: &str =
    "look at watchtower.listen: the folder must be there, and be ours to write to";
const HINT_SYSTEMD: &str = "look at barograph.socket, or set an address in watchtower.listen";

/// So often is a port tried that a life before this one may still have.
const OWN_PORT_TRIES: u32 = 5;

/// For the last frames of the viewers.
const FAREWELL_WITHIN: Duration = Duration::from_millis(700);
/// Between two looks whether they are gone.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Files that are left for the recording, and for whatever else is open.
const FILES_KEPT: u64 = 128;

/// The page, at its address.
pub(super) struct PageService {
    tower: Tower,
    closing: watch::Sender<Closing>,
    listen: Listen,
    /// The address that was had.
    at: String,
    placed: Option<ListenSocketFile>,
    door: AuthState,
    fault_injection: bool,
    tokens: Tokens,
}

/// The admin's and the readers'.
type Tokens = [Option<Secret>; 2];

fn tokens_of(sources: &Sources) -> Tokens {
    let settings = sources.in_force.now();
    [settings.watchtower.admin_token.clone(), settings.watchtower.read_token.clone()]
}

impl PageService {
    pub(super) fn new(
        sources: Sources,
        commands: CommandSender,
        door: AuthState,
        fault_injection: bool,
    ) -> Self {
        let settings = sources.in_force.now();
        let (closing, closes) = watch::channel(Closing::Not);
        let listen = settings.watchtower.listen.clone();
        let tower = Tower {
            history: Pool::new(settings.database.path.clone()),
            memory: Arc::default(),
            sources,
            commands,
            closing: closes,
            sockets: Arc::new(AtomicUsize::new(0)),
        };
        let at = listen.to_string();
        let tokens = tokens_of(&tower.sources);
        Self { tower, closing, at, listen, placed: None, door, fault_injection, tokens }
    }

    /// Whether TLS is spoken: not over a Unix socket.
    fn files(&self) -> Option<PageTls> {
        let files = self.tower.sources.in_force.now().watchtower.tls.clone();
        files.filter(|_| !matches!(self.listen, Listen::Unix(_)))
    }

    fn read_certificate(&self) -> io::Result<()> {
        let published = &self.tower.sources.published;
        match self.files() {
            Some(files) => self.door.certificate.read(&files, published).map_err(unusable),
            None => {
                self.door.certificate.forget(published);
                Ok(())
            }
        }
    }
}

fn unusable(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Drop for PageService {
    /// However this ends: the writer must be the last to close the database.
    fn drop(&mut self) {
        self.tower.history.close();
    }
}

impl Service for PageService {
    const NAME: &'static str = "watchtower";
    const RETRY_MIN: Duration = Duration::from_millis(200);
    const EVENTS: (&'static str, &'static str) = (event::PAGE_SERVED, event::PAGE_NOT_SERVED);

    fn bind(&mut self) -> io::Result<BoundListener> {
        self.read_certificate()?;
        let (bound, placed) = place::bind(&self.listen)?;
        self.placed = placed;
        if let BoundListener::Tcp(listener) = &bound {
            self.at = listener.local_addr()?.to_string();
        }
        Ok(bound)
    }

    fn server(&mut self, bound: BoundListener) -> io::Result<Server> {
        let tls = self.files().is_some().then(|| self.door.certificate.acceptor());
        let tls = tls.transpose().map_err(unusable)?;
        let by_file = matches!(bound, BoundListener::Unix(_));
        let tls = tls.filter(|_| !by_file);
        let settings = self.tower.sources.in_force.now();
        let published = self.tower.sources.published.clone();
        let gate = Gate::new(&settings.watchtower, self.door.clone(), by_file, published);
        let gate = gate.with_faults(self.fault_injection);
        let limits = Limits {
            all: (settings.watchtower.max_connections as usize).min(files_for_connections()),
            per_address: settings.watchtower.max_connections_per_address as usize,
        };
        Server::new(bound, routes::all(&self.tower, gate), limits, tls)
    }

    fn listen(&self) -> String {
        self.at.clone()
    }

    fn place(&self) -> String {
        let scheme = if self.files().is_some() { "https" } else { "http" };
        match self.at.parse::<SocketAddr>() {
            Ok(address) => format!("the page is at {scheme}://{address}/"),
            Err(_no_port) => format!("the page is at {}", self.at),
        }
    }

    fn finding(&self, error: &io::Error, attempt: u32) -> Option<Finding> {
        if error.kind() == io::ErrorKind::InvalidData {
            let hint = "correct the files that watchtower.cert_file and watchtower.key_file name";
            return Some(WORDS.finding(NO_CERTIFICATE, &error.to_string(), hint));
        }
        let at = &self.listen;
        let unusable = |hint| {
            Some(WORDS.finding(WORDS.unusable, &format!("{at} cannot be used ({error})"), hint))
        };
        match at {
            Listen::Off => None,
            Listen::Tcp(address) => of_port(*address, error, attempt),
            Listen::Unix(_) if error.kind() == io::ErrorKind::AddrInUse => {
                let why = format!("another program listens at {at}");
                let hint = "end that program, or set another path in watchtower.listen";
                Some(WORDS.finding(WORDS.taken, &why, hint))
            }
            Listen::Unix(_) => unusable(HINT_UNIX),
            Listen::Systemd => unusable(HINT_SYSTEMD),
        }
    }

    async fn farewell(&mut self) {
        let closing = if self.tower.sources.published.tree.get().stopping {
            Closing::GoingAway
        } else if self.tokens != tokens_of(&self.tower.sources) {
            Closing::TokensChanged
        } else {
            Closing::Restart
        };
        self.closing.send_replace(closing);
        let began = Instant::now();
        while self.tower.sockets.load(Ordering::Relaxed) > 0 && began.elapsed() < FAREWELL_WITHIN {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// `None`: a life before this one has it, which is about to let go.
fn of_port(address: SocketAddr, error: &io::Error, attempt: u32) -> Option<Finding> {
    if error.kind() != io::ErrorKind::AddrInUse {
        return Some(WORDS.of_port(address, error));
    }
    let holder = port_holder(address);
    let ours = holder.as_ref().is_some_and(|holder| holder.pid == Some(std::process::id()));
    let soon_free = ours && attempt < OWN_PORT_TRIES;
    (!soon_free).then(|| WORDS.port_taken(address, holder))
}

/// As many as there can be without taking files from the recording. The limit that may be raised is.
fn files_for_connections() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current };
    let limit = limit.unwrap_or(u64::MAX);
    usize::try_from(limit.saturating_sub(FILES_KEPT).max(1)).unwrap_or(usize::MAX)
}
