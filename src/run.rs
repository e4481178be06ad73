//! `barograph run`: takes the locks, builds the tree, and stays until it ends. It takes its world
//! as arguments, so that the demo runs the real thing.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, System};
use barograph_actors::exit_code;
use barograph_actors::health::notify::Alerts;
use barograph_actors::health::notify::retained_state::last_will;
use barograph_actors::message::account::{Account, Sums};
use barograph_actors::message::event;
use barograph_actors::message::moment::Moment;
use barograph_actors::message::routing::Routing;
use barograph_actors::mistake::{Mistake, makes};
use barograph_actors::ports::requests::SessionRequests;
use barograph_actors::ports::{KeepEvents, OpenJournal, OpenSpool};
use barograph_actors::status::settings::InForce;
use barograph_actors::status::summary::summary;
use barograph_actors::status::{ChildState, Published};
use barograph_actors::supervisor::actor::Observer;
use barograph_actors::supervisor::child::ThreadPlacement;
use barograph_actors::supervisor::{Exit, Policy, Pulse, Supervisor, TreeOutcome};
use barograph_actors::tree::{self, Links, TreeParts};
use barograph_config::{Part, Settings, Synchronous};
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::client_id;
use crate::commands::{alert, replay};
use crate::exit::Failed;
use crate::http;
use crate::http::metrics::MetricsServer;
use crate::http::{AuthState, Page};
use crate::ipc::command_queue::{self, CommandQueue, CommandSender};
use crate::ipc::socket::OperatorSocketFile;
use crate::ipc::{self, Control, SlowCommands, Sources, fault_socket};
use crate::metrics::MeasuredFiles;
use crate::mqtt::MqttBroker;
use crate::notify::Threads;
use crate::os::lock::{DatabaseLock, Lock, LockError, Locks};
use crate::os::paths::real_path;
use crate::os::signals::{STOP_WITHIN, Signals};
use crate::os::systemd;
use crate::os::world;
use crate::probe;
use crate::reload::{self, SettingsSource};
use crate::sqlite::{
    Catalog, DamagedHandles, EventFile, Opener, Spools, event_file_path, spool_path,
};
use barograph_actors::health::checks::KeptMemory;

/// A start that takes longer than a child may take is announced to systemd with so much to spare.
const START_SLACK: Duration = Duration::from_secs(5);

const SLOW_COMMANDS: SlowCommands =
    SlowCommands { test_alerts: alert::test_all, replay: replay::replay_beside_us };

/// What a run needs besides the settings.
#[derive(Debug, Default)]
pub struct Options {
    /// Where to open the socket for faults, if anywhere.
    pub fault_socket: Option<PathBuf>,
    /// What everyone may see.
    pub published: Published,
    /// Where others ask the broker session for something.
    pub orders: SessionRequests,
    /// Where the settings came from; without it they cannot be reloaded.
    pub source: Option<SettingsSource>,
    /// `mqtt.client_id` is not set: the kept one is used, or one is made.
    pub makes_client_id: bool,
}

/// Records until asked to stop; gives the exit code.
///
/// # Errors
/// It could not begin.
pub fn run(mut settings: Settings, signals: &Signals, options: Options) -> Result<i32, Failed> {
    http::take_handed_over();
    let locks = take_locks(&mut settings)?;
    client_id::settle(&mut settings, !options.makes_client_id, &options.published);
    let listening = ipc::open(&settings);
    let faults = options.fault_socket.as_deref().map(bind_faults).transpose()?;
    say_start(&settings);
    let system = System::new();
    let Options { published, orders, source, .. } = options;
    let (in_force, routing) = (InForce::new(settings.clone()), Routing::new(settings.routes));
    let alerts = alerts_of(&in_force.now(), orders.clone());
    let metrics = metrics_of(&in_force, &routing, &published);
    let (links, door) = (Links::default(), AuthState::default());
    let (listener, placed) = listening.map(|it| (it.listener, it.placed)).unzip();
    let exposition = metrics.lock().exposition();
    let (seen, known, shown) = (in_force.clone(), routing.clone(), published.clone());
    let memory = KeptMemory::default();
    let sources = Sources { in_force: seen, routing: known, published: shown, memory, exposition };
    let witness = Witness {
        published: published.clone(),
        start_within: in_force.now().supervisor.stuck_after,
        socket: placed,
    };
    let (commands, queue) = command_queue::command_queue(faults.is_some());
    let outside = ExternalHandles {
        orders: orders.clone(),
        alerts: alerts.clone(),
        links: links.clone(),
        commands,
        door: door.clone(),
        fault_injection: faults.is_some(),
    };
    let supervisor =
        system.block_on(async { supervisor(&sources, outside, witness, locks).start() });
    signals.supervised_by(supervisor.clone().recipient());
    let (signalled, asked, slow) = (signals.clone(), supervisor.clone(), SLOW_COMMANDS);
    let control = Control { sources, supervisor: asked, links, orders, signals: signalled, slow };
    let goodbye = take_orders(listener, queue, control);
    if let Some(source) = source {
        let supervisor = supervisor.clone();
        let listeners = vec![
            who_is_told(alerts),
            who_is_scraped(Arc::clone(&metrics)),
            who_opens_the_page(door, published.clone()),
        ];
        let parts =
            reload::ReloadParts { source, in_force, routing, published, supervisor, listeners };
        take_reloads(signals, parts);
    }
    take_faults(faults, supervisor);
    let ended = system.run_with_code();
    metrics.lock().listen(None);
    if let Some(goodbye) = goodbye {
        goodbye.say();
    }
    ended.map_err(|error| Failed {
        code: exit_code::ESCALATED,
        message: format!("the event loop ended: {error}"),
    })
}

/// SIGHUP reloads the settings from now on.
fn take_reloads(signals: &Signals, parts: reload::ReloadParts) {
    match reload::start(parts) {
        Ok(reload) => signals.reloaded_by(move || reload.ask()),
        Err(error) => warn!("the settings cannot be reloaded: {error}"),
    }
}

fn alerts_of(settings: &Settings, orders: SessionRequests) -> Alerts {
    let name = &settings.mqtt.client_id;
    Alerts::new(&settings.alerts, name, Box::new(Threads::default()), orders)
}

/// On the socket for them, where there is one.
fn take_faults(listener: Option<UnixListener>, supervisor: Addr<Supervisor>) {
    if let Some(listener) = listener
        && let Err(error) = fault_socket::serve(listener, supervisor)
    {
        warn!("no faults can be injected: {error}");
    }
}

/// On the operator's socket, where there is one, and from the page.
fn take_orders(
    listener: Option<UnixListener>,
    queue: CommandQueue,
    control: Control,
) -> Option<ipc::Goodbye> {
    if let Err(error) = command_queue::attend(queue, control.clone()) {
        warn!("the page cannot give commands: {error}");
    }
    ipc::serve(listener?, control)
        .inspect_err(|error| warn!("operator socket unavailable: {error}"))
        .ok()
}

/// The page of metrics, served where the settings say so.
fn metrics_of(
    in_force: &InForce,
    routing: &Routing,
    published: &Published,
) -> Arc<Mutex<MetricsServer>> {
    let settings = in_force.now();
    let database = settings.database.path.clone();
    let places = MeasuredFiles { spool: spool_path(&settings.spool.dir, &database), database };
    let mut metrics = MetricsServer::new(published.clone(), routing.clone(), places);
    metrics.listen(settings.metrics.listen);
    Arc::new(Mutex::new(metrics))
}

fn who_is_scraped(metrics: Arc<Mutex<MetricsServer>>) -> reload::ReloadListener {
    Box::new(move |parts, settings| {
        if parts.contains(&Part::Metrics) {
            metrics.lock().listen(settings.metrics.listen);
        }
    })
}

/// A renewed certificate is not seen in the settings.
fn who_opens_the_page(door: AuthState, published: Published) -> reload::ReloadListener {
    Box::new(move |parts, settings| door.reloaded(parts, settings, &published))
}

fn bind_faults(path: &Path) -> Result<UnixListener, Failed> {
    fault_socket::bind(path).map_err(|error| Failed {
        code: exit_code::CANNOT_CREATE,
        message: format!("the fault socket {} cannot be made: {error}", path.display()),
    })
}

/// Both locks, before anything else is touched. The database's path becomes the one without links.
fn take_locks(settings: &mut Settings) -> Result<Locks, Failed> {
    let path = &settings.database.path;
    // A place that was usable once, and that the spool can stand in for meanwhile.
    let spool_dir = settings.spool.dir.clone();
    let was_usable = Catalog::of(&spool_dir, path).is_there();
    settings.database.path = match real_path(path) {
        Ok(path) => path,
        Err(_) if was_usable => absolute(path).unwrap_or_else(|_| path.clone()),
        Err(error) => {
            let code = exit_code::CANNOT_CREATE;
            let message = format!(
                "the folder of the database {} cannot be used ({error}); create it, or set \
                 database.path",
                path.display()
            );
            return Err(Failed { code, message });
        }
    };
    let failed = |error: LockError| Failed {
        code: match error {
            LockError::Held { .. } => exit_code::LOCKED,
            LockError::Unwritable { .. } => exit_code::CANNOT_CREATE,
        },
        message: error.to_string(),
    };
    let lock_file = &settings.instance.lock_file;
    let instance = match Lock::take(lock_file, "instance.lock_file") {
        Err(error @ LockError::Unwritable { .. }) if was_usable => {
            let name = lock_file.file_name().unwrap_or_default();
            warn!("{error}; the lock is taken in the spool's folder meanwhile");
            Lock::take(&spool_dir.join(name), "instance.lock_file")
        }
        taken => taken,
    };
    let instance = instance.map_err(failed)?;
    let database = DatabaseLock::take(&settings.database.path, was_usable).map_err(failed)?;
    Ok(Locks { instance, database })
}

fn say_start(settings: &Settings) {
    let routes: Vec<_> = settings
        .routes
        .iter()
        .map(|r| format!("{} -> {}", r.topic, if r.ignore { "ignored" } else { &r.table }))
        .collect();
    info!(
        event = event::STARTING,
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        broker = %settings.mqtt.url,
        client_id = settings.mqtt.client_id,
        database = %settings.database.path.display(),
        routes = routes.join(", "),
        "barograph {} records {} into {}",
        env!("CARGO_PKG_VERSION"),
        settings.mqtt.url,
        settings.database.path.display(),
    );
    for (name, _) in Mistake::ALL.into_iter().filter(|(_, mistake)| makes(*mistake)) {
        warn!(
            "this program was built to fail tests and makes the mistake {name}: do not record with \
            it"
        );
    }
    if settings.database.synchronous == Synchronous::Normal {
        warn!(
            "database.synchronous = \"normal\": a power cut may take the last messages, although \
             they were acknowledged; \"full\" keeps them"
        );
    }
}

/// The interfaces between the tree and what is outside of it.
struct ExternalHandles {
    orders: SessionRequests,
    alerts: Alerts,
    links: Links,
    commands: CommandSender,
    door: AuthState,
    fault_injection: bool,
}

fn supervisor(
    sources: &Sources,
    outside: ExternalHandles,
    witness: Witness,
    locks: Locks,
) -> Supervisor {
    let Sources { in_force, routing, .. } = sources;
    let seen_by_page = sources.clone();
    let ExternalHandles { orders, alerts, links, commands, door, fault_injection } = outside;
    let settings = in_force.now();
    let policy = Policy::from(&settings.supervisor);
    let stuck_after = settings.supervisor.stuck_after;
    let wrecks = DamagedHandles::default();
    let (seen, watched) = (in_force.clone(), wrecks.clone());
    let events = event_file_path(&settings.instance.lock_file);
    let parts = TreeParts {
        in_force: in_force.clone(),
        routing: routing.clone(),
        broker: brokers(in_force.clone()),
        journal: journals(in_force.clone(), routing.clone(), wrecks, locks.database.clone()),
        spool: spools(in_force.clone(), routing.clone()),
        keeper: Box::new(move || Box::new(EventFile::at(events.clone())) as Box<dyn KeepEvents>),
        manager: Box::new(|| Box::new(systemd::Manager::default())),
        probe: Box::new(move || probe::system_probe(&seen.now(), &watched)),
        page: Box::new(move || {
            let (sources, commands) = (seen_by_page.clone(), commands.clone());
            Box::new(Page::new(sources, commands, door.clone(), fault_injection))
        }),
        world: world::REAL,
        published: witness.published.clone(),
        alerts,
        memory: sources.memory.clone(),
        orders,
        placement: ThreadPlacement::OwnThreads,
        links,
    };
    let jitter = world::REAL.jitter;
    let (observer, locks) = (Box::new(witness), Box::new(locks));
    Supervisor::new(tree::children(parts), policy, stuck_after, jitter, observer, locks)
}

/// Alerts change in place: what was told stays told.
fn who_is_told(alerts: Alerts) -> reload::ReloadListener {
    Box::new(move |parts, settings| {
        if parts.contains(&Part::Alerts) {
            let now = Moment { wall: world::now(), steady: tokio::time::Instant::now() };
            alerts.set(&settings.alerts, now);
        }
    })
}

fn brokers(in_force: InForce) -> Box<dyn FnMut() -> MqttBroker> {
    Box::new(move || {
        let settings = in_force.now();
        let broker = MqttBroker::new(settings.mqtt.clone(), world::now);
        match last_will(&settings.alerts) {
            Some(will) => broker.with_will(will),
            None => broker,
        }
    })
}

/// What was damaged under one life of the writer is left to the next.
fn journals(
    in_force: InForce,
    routing: Routing,
    wrecks: DamagedHandles,
    lock: DatabaseLock,
) -> Box<dyn FnMut() -> Box<dyn OpenJournal>> {
    Box::new(move || {
        let settings = in_force.now();
        Box::new(Opener {
            database: settings.database.clone(),
            quarantine: settings.quarantine.clone(),
            router: in_force.router(&routing),
            world: world::REAL,
            wrecks: wrecks.clone(),
            spool_dir: settings.spool.dir.clone(),
            lock: lock.clone(),
            client_id: settings.mqtt.client_id.clone(),
        })
    })
}

fn spools(in_force: InForce, routing: Routing) -> Box<dyn FnMut() -> Box<dyn OpenSpool>> {
    let wrecks = DamagedHandles::default();
    Box::new(move || {
        let settings = in_force.now();
        Box::new(Spools {
            settings: settings.spool.clone(),
            database: settings.database.path.clone(),
            routing: routing.clone(),
            packet_max: settings.mqtt.max_packet_size,
            world: world::REAL,
            wrecks: wrecks.clone(),
        })
    })
}

/// Tells the world of the tree: the log, published state, systemd.
struct Witness {
    published: Published,
    /// How long a child may take to start before it counts as stuck.
    start_within: Duration,
    /// Goes while the lock is still held: then it cannot be the next instance's.
    socket: Option<OperatorSocketFile>,
}

impl Observer for Witness {
    fn ready(&mut self) {
        info!(event = event::READY, "ready: the database is open and the broker was tried");
        self.published.note(event::READY, world::now(), "recording began");
        systemd::ready(&summary(&self.published.snapshot()));
    }

    fn stopping(&mut self, reason: &str) {
        info!(event = event::STOPPING, reason, "stopping in order");
        self.published.note(event::STOPPING, world::now(), reason);
        self.published.tree.update(|tree| tree.stopping = true);
        systemd::stopping(reason);
        systemd::needs(STOP_WITHIN);
    }

    fn born(&mut self, name: &'static str, pulse: &Pulse) {
        self.published.set_pulse(name, pulse.clone());
    }

    fn renewed(&mut self, name: &'static str, why: &str) {
        self.published.note(event::ACTOR_RENEWED, world::now(), format!("{name}: {why}"));
    }

    fn child(&mut self, name: &'static str, state: &str, restarts: u32, last_exit: Option<&Exit>) {
        if state == "starting" {
            systemd::needs(self.start_within + START_SLACK);
        }
        if last_exit == Some(&Exit::Stuck) && state == "restarting" {
            say_replaced(&self.published, name);
        }
        if let Some(exit) = last_exit
            && state == "restarting"
        {
            self.published.note(event::ACTOR_RESTARTED, world::now(), format!("{name}: {exit}"));
        }
        self.published.tree.update(|tree| {
            let child = tree.children.entry(name).or_insert_with(ChildState::default);
            state.clone_into(&mut child.state);
            child.since = Some(world::now());
            child.restarts = restarts;
            if let Some(exit) = last_exit {
                child.last_exit = Some(exit.to_string());
            }
        });
    }

    fn lock_lost(&mut self, trouble: &str) {
        let lost = (world::now(), trouble.to_owned());
        self.published.tree.update(|tree| tree.lock_lost = Some(lost));
    }

    fn ended(&mut self, outcome: &TreeOutcome) {
        say_end(&self.published, outcome);
        if let Some(socket) = &self.socket {
            socket.remove();
        }
        System::current().stop_with_code(outcome.code);
    }

    fn abandoned(&mut self, code: i32) {
        std::process::exit(code);
    }
}

fn say_replaced(published: &Published, name: &str) {
    let told = format!("actor {name} was stuck: a new one on another thread replaces it");
    warn!(event = event::RECOVERY_ATTEMPTED, what = "replace_actor", why = "stuck", "{told}");
    published.note(event::RECOVERY_ATTEMPTED, world::now(), told);
}

/// The account of this run. What is held was not acknowledged, and is still at the broker.
fn say_end(published: &Published, outcome: &TreeOutcome) {
    let account = published.snapshot().account();
    let Account { received, sums, spooled, held } = account;
    let Sums { stored, rows, duplicate, filtered, quarantined, dropped } = sums;
    info!(
        event = event::STOPPED,
        code = outcome.code,
        received,
        stored,
        rows,
        duplicate,
        filtered,
        quarantined,
        spooled,
        held,
        dropped,
        balanced = account.is_balanced(),
        "stopped with exit code {}: {account}",
        outcome.code,
    );
}
