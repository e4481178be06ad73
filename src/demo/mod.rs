//! `barograph demo`: everything in one process, with nothing to set up. The broker is one for show;
//! station and recorder are the real ones.

pub mod broker;
mod browser;
mod past;
mod screen;
pub mod simulate;
pub mod station;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use barograph_actors::exit_code;
use barograph_actors::status::Published;
use barograph_config::{BrokerUrl, Listen, LogLevel, Secret, Settings};
use tokio::sync::oneshot;

use crate::commands::args::DemoArgs;
use crate::demo::simulate::SimulationPlan;
use crate::exit::Failed;
use crate::os::signals::Signals;
use crate::os::{logging, world};
use crate::run::{self, Options};
use broker::DemoBroker;
use screen::Screen;
use station::Station;

/// Time between two readings of the demo's station: one can watch it.
const INTERVAL: Duration = Duration::from_secs(1);
/// The database's name in its folder.
const DATABASE: &str = "weather_data.db";
/// Where the page is, unless another program has the port.
const PAGE_PORT: u16 = 8000;

/// Shows it all until Ctrl-C, then prints the account.
///
/// # Errors
/// It could not begin.
pub fn demo(args: &DemoArgs) -> Result<i32, Failed> {
    let folder = Folder::new(args.keep.as_deref())?;
    let signals = Signals::install()?;
    signals.stop_at_hangup();
    let page = page_address(args.page_port)?;
    let mut station = Station::new(world::now().0.unsigned_abs(), 0).with_interval(INTERVAL);
    let database = folder.path().join(DATABASE);
    if !database.exists() {
        let now = world::now();
        past::write(&database, &mut station, args.past, now).map_err(|error| failed(&error))?;
    }
    let world = Backstage::start(args.port, station)?;
    let token = format!("{:016x}", (world::REAL.random)());
    let mut settings = settings(world.address, page, folder.path());
    settings.watchtower.admin_token = Some(Secret::new(token.clone()));
    logging::start(&settings.log).map_err(|error| failed(&error))?;
    println!("A demo MQTT broker listens on {}: it is not for real use.", settings.mqtt.url);
    println!(
        "A simulated weather station publishes to it every {}.",
        humantime::format_duration(INTERVAL)
    );
    println!("The recorder records into {}. Ctrl-C ends it.", settings.database.path.display());
    println!("The page: http://{page}/ (to give commands, sign in with the token {token})\n");
    if !args.no_open {
        browser::open(page);
    }
    let published = Published::default();
    let screen = Screen::start(&published, settings.routes.clone());
    let options = Options { published: published.clone(), ..Options::default() };
    let code = run::run(settings, &signals, options);
    screen.stop();
    world.stop();
    screen::print_account(&published.snapshot());
    folder.leave();
    code
}

/// The port that was asked for; or the usual one, or any that is free.
fn page_address(port: Option<u16>) -> Result<SocketAddr, Failed> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let is_free = |port| TcpListener::bind(at(port)).and_then(|listener| listener.local_addr());
    match port {
        Some(port) => is_free(port),
        None => is_free(PAGE_PORT).or_else(|_| is_free(0)),
    }
    .map_err(|error| failed(&format!("the port of the page is not available: {error}")))
}

fn failed(error: &dyn std::fmt::Display) -> Failed {
    Failed { code: exit_code::CANNOT_CREATE, message: error.to_string() }
}

/// The built-in settings, on the demo's broker and folder; the log only speaks when something is
/// wrong.
fn settings(broker: SocketAddr, page: SocketAddr, folder: &Path) -> Settings {
    let mut settings = Settings::default_with("demo");
    settings.mqtt.url =
        BrokerUrl { host: broker.ip().to_string(), port: broker.port(), tls: false };
    settings.database.path = folder.join(DATABASE);
    settings.watchtower.listen = Listen::Tcp(page);
    settings.spool.dir = folder.join("spool");
    settings.instance.lock_file = folder.join("barograph.lock");
    settings.log.level = LogLevel::Warn;
    // Generated weather needs no true time.
    settings.health.clock_sync = false;
    settings
}

/// Where the database goes.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn new(keep: Option<&Path>) -> Result<Self, Failed> {
        let temporary = keep.is_none();
        let path = keep.map_or_else(
            || std::env::temp_dir().join(format!("barograph-demo-{:x}", (world::REAL.random)())),
            Path::to_owned,
        );
        let made =
            if temporary { std::fs::create_dir(&path) } else { std::fs::create_dir_all(&path) };
        made.map_err(|error| {
            failed(&format!("the folder {} cannot be made: {error}", path.display()))
        })?;
        Ok(Self { path, temporary })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// What was made for the demo goes with it; what was asked to be kept stays.
    fn leave(self) {
        if !self.temporary {
            println!("The database is {}.", self.path.join(DATABASE).display());
        } else if let Err(error) = std::fs::remove_dir_all(&self.path) {
            println!("The folder {} could not be removed: {error}", self.path.display());
        }
    }
}

/// Broker and station, on a thread of their own.
struct Backstage {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Backstage {
    fn start(port: u16, station: Station) -> Result<Self, Failed> {
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(play(port, station, &ready, stopped)),
                Err(error) => drop(ready.send(Err(error))),
            }
        });
        match address.recv() {
            Ok(Ok(address)) => Ok(Self { address, stop, thread }),
            Ok(Err(error)) => {
                Err(failed(&format!("the demo's broker cannot listen on port {port}: {error}")))
            }
            Err(_) => Err(failed(&"the demo's broker did not start")),
        }
    }

    fn stop(self) {
        let _already_gone = self.stop.send(());
        let _panicked = self.thread.join();
    }
}

async fn play(
    port: u16,
    station: Station,
    ready: &mpsc::Sender<std::io::Result<SocketAddr>>,
    stopped: oneshot::Receiver<()>,
) {
    let broker = match DemoBroker::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
        Ok(broker) => broker,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let address = broker.local_addr;
    let mut mqtt = Settings::default_with("demo").mqtt;
    mqtt.url = BrokerUrl { host: address.ip().to_string(), port: address.port(), tls: false };
    let plan = SimulationPlan { interval: INTERVAL, stations: vec![station] };
    drop(ready.send(Ok(address)));
    let shutdown = async { drop(stopped.await) };
    tokio::select! {
        () = broker.serve(shutdown) => {}
        () = simulate::publish(&mqtt, plan, |_| {}) => {}
    }
}
