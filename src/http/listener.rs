//! A listener for HTTP: a thread that gets its address, and serves until it is told to stop. An address
//! that cannot be had is tried again with back-off; recording does not wait for it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use barograph_actors::status::Published;
use barograph_actors::status::issue::{Finding, Severity};
use barograph_actors::supervisor::Pulse;
use barograph_actors::supervisor::restart::backoff;
use parking_lot::Mutex;
use rustix::process::{getpid, getpriority_process, setpriority_process};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{info, warn};

use super::own_request::OwnAddress;
use super::place::BoundListener;
use super::server::Server;
use crate::os::process::{Holder, port_holder};
use crate::os::world;

/// Longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(15);
/// Period of the sign of life.
const TICK: Duration = Duration::from_millis(500);
/// How long the end of the thread is waited for.
const STOP_WITHIN: Duration = Duration::from_millis(1_400);
/// How long its tasks may take to end.
const TASKS_END_WITHIN: Duration = Duration::from_millis(500);
/// Threads that may block: for queries of the database, and for the sizes of files.
const BLOCKING_THREADS: usize = 4;
/// Added to the niceness of the process for all of its threads: recording goes first.
const NICER: i32 = 10;

/// What is served, and where.
pub(crate) trait Service: Send + 'static {
    /// The name of its threads; findings are published under it.
    const NAME: &'static str;
    /// First pause after the address could not be had.
    const RETRY_MIN: Duration;
    /// Events: it is served, and it is not.
    const EVENTS: (&'static str, &'static str);

    /// Gets the address. With SO_REUSEADDR, as the standard library does: what a process that was
    /// killed left in TIME_WAIT is no obstacle.
    fn bind(&mut self) -> io::Result<BoundListener>;

    /// A server there.
    fn server(&mut self, bound: BoundListener) -> io::Result<Server>;

    /// The address that was had.
    fn listen(&self) -> String;

    /// In words: where it is served.
    fn place(&self) -> String;

    /// What is wrong, when the address cannot be had. `None`: it will be had in a moment.
    fn finding(&self, error: &io::Error, attempt: u32) -> Option<Finding>;

    /// Before the server stops: tells the connected clients, and waits a little.
    fn farewell(&mut self) -> impl Future<Output = ()>;
}

/// What a finding says when an address is not served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    /// Subject and verb of its summary: `the page is`, `the metrics are`.
    pub(crate) what: &'static str,
    /// The setting that holds the address.
    pub(crate) setting: &'static str,
    /// The id when another program has the port.
    pub(crate) taken: &'static str,
    /// The id for every other cause.
    pub(crate) unusable: &'static str,
}

impl Words {
    /// The address cannot be bound.
    pub(crate) fn of_port(&self, address: SocketAddr, error: &io::Error) -> Finding {
        if error.kind() == io::ErrorKind::AddrInUse {
            return self.port_taken(address, port_holder(address));
        }
        let summary = format!("{address} cannot be used ({error})");
        let look = format!(
            "look at {}: the address must be one of this machine, and ports below 1024 need a \
             privilege",
            self.setting
        );
        self.finding(self.unusable, &summary, &look)
    }

    /// Another program has the port.
    pub(crate) fn port_taken(&self, address: SocketAddr, holder: Option<Holder>) -> Finding {
        let holder = match holder {
            Some(holder) => format!("another program has it ({holder})"),
            None => "another program has it, and which one cannot be seen".to_owned(),
        };
        let hint = format!("end that program, or set another port in {}", self.setting);
        self.finding(self.taken, &format!("{address} is taken, {holder}"), &hint)
    }

    /// The address is not served: why, and what a person can do.
    pub(crate) fn finding(&self, id: &str, why: &str, hint: &str) -> Finding {
        Finding {
            id: id.to_owned(),
            severity: Severity::Warning,
            summary: format!("{} not served: {why}", self.what),
            hint: format!("recording goes on; {hint}. The recorder keeps trying"),
        }
    }
}

/// A listener, trying or serving. Dropped, it ends by itself; nothing waits for it.
#[derive(Debug)]
pub(crate) struct Listener {
    stop: oneshot::Sender<()>,
    ended: mpsc::Receiver<()>,
    pulse: Pulse,
    address: Arc<Mutex<Option<OwnAddress>>>,
}

impl Listener {
    /// Starts it; `None`, and a line in the log, where there is no thread to be had.
    pub(crate) fn start<S: Service>(service: S, published: Published) -> Option<Self> {
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = mpsc::channel::<()>();
        let pulse = Pulse::new();
        let beating = pulse.clone();
        let address = Arc::<Mutex<Option<OwnAddress>>>::default();
        let bound_to = Arc::clone(&address);
        let work = move || {
            // Dropped however the thread ends.
            let _end = end;
            let task = Task { service, published: published.clone(), told: None, bound_to };
            match runtime(S::NAME) {
                Ok(runtime) => {
                    runtime.block_on(async {
                        tokio::select! {
                            () = task.run(stopped) => {}
                            () = beat(beating) => {}
                        }
                    });
                    runtime.shutdown_timeout(TASKS_END_WITHIN);
                }
                Err(error) => {
                    warn!("{} is not served: no thread can be started ({error})", S::NAME)
                }
            }
            published.found(S::NAME, None);
        };
        match thread::Builder::new().name(S::NAME.to_owned()).spawn(work) {
            Ok(_runs) => Some(Self { stop, ended, pulse, address }),
            Err(error) => {
                warn!("{} is not served: no thread can be started ({error})", S::NAME);
                None
            }
        }
    }

    /// How long its thread has given no sign of life; `None`: it has ended.
    pub(crate) fn since_last_beat(&self) -> Option<Duration> {
        match self.ended.try_recv() {
            Err(mpsc::TryRecvError::Disconnected) => None,
            Ok(()) | Err(mpsc::TryRecvError::Empty) => Some(self.pulse.since_last_beat()),
        }
    }

    /// Where it listens, if it does.
    pub(super) fn address(&self) -> Option<OwnAddress> {
        self.address.lock().clone()
    }

    /// Stops it, and waits a little until the port is free.
    pub(crate) fn stop(self) {
        let _ended_already = self.stop.send(());
        let _disconnected = self.ended.recv_timeout(STOP_WITHIN);
    }
}

/// A runtime with one worker for the connections, beside the calling thread, which accepts them. The calling thread
/// gets the lower priority, and the others inherit it.
fn runtime(name: &str) -> io::Result<Runtime> {
    let of_process = getpriority_process(Some(getpid())).unwrap_or(0);
    let _not_permitted = setpriority_process(None, of_process.saturating_add(NICER));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name(name)
        .enable_all()
        .build()
}

/// The sign of life of both threads: it waits for a task on the worker.
async fn beat(pulse: Pulse) {
    loop {
        let _ends_with_the_runtime = tokio::spawn(async {}).await;
        pulse.beat();
        tokio::time::sleep(TICK).await;
    }
}

/// The thread's work.
struct Task<S> {
    service: S,
    published: Published,
    /// What was last logged of an address that could not be bound: each cause is logged once.
    told: Option<String>,
    bound_to: Arc<Mutex<Option<OwnAddress>>>,
}

impl<S: Service> Task<S> {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut attempt = 0_u32;
        loop {
            let bound = self.service.bind();
            *self.bound_to.lock() = bound.as_ref().ok().and_then(OwnAddress::of);
            match bound.and_then(|bound| self.service.server(bound)) {
                Ok(server) => {
                    self.serving();
                    let farewell = async {
                        let _asked = (&mut stopped).await;
                        self.service.farewell().await;
                    };
                    tokio::select! {
                        never = server.run() => match never {},
                        () = farewell => return,
                    }
                }
                Err(error) => self.failing(&error, attempt),
            }
            attempt = attempt.saturating_add(1);
            let pause = backoff(S::RETRY_MIN, RETRY_MAX, attempt, (world::REAL.jitter)());
            if timeout(pause, &mut stopped).await.is_ok() {
                return;
            }
        }
    }

    fn serving(&mut self) {
        let told = self.service.place();
        info!(event = S::EVENTS.0, listen = self.service.listen(), "{told}");
        if self.told.take().is_some() {
            self.published.note(S::EVENTS.0, world::now(), told);
        }
        self.published.found(S::NAME, None);
    }

    fn failing(&mut self, error: &io::Error, attempt: u32) {
        let Some(finding) = self.service.finding(error, attempt) else { return };
        if self.told.as_ref() != Some(&finding.id) {
            let Finding { id, summary, hint, .. } = &finding;
            warn!(event = S::EVENTS.1, "{summary}: {hint}");
            self.published.note(S::EVENTS.1, world::now(), summary.clone());
            self.told = Some(id.clone());
        }
        self.published.found(S::NAME, Some(finding));
    }
}
