//! The real tree over fake ports, in an actix system whose time is paused: it passes only while
//! everyone waits.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix::{Actor, Addr, System};
use barograph_config::Settings;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::broker::FakeBroker;
use super::journal::Disk;
use super::post::Post;
use super::spool::{FakeKeeper, FakeSpools};
use crate::health::actor::ServiceManager;
use crate::health::checks::KeptMemory;
use crate::health::notify::Alerts;
use crate::health::probes::SystemSnapshot;
use crate::message::delivery::UnixMillis;
use crate::message::routing::Routing;
use crate::ports::requests::SessionRequests;
use crate::ports::{Environment, KeepEvents, OpenJournal, OpenSpool};
use crate::status::Published;
use crate::status::settings::InForce;
use crate::supervisor::actor::{InstanceLock, Observer};
use crate::supervisor::child::ThreadPlacement;
use crate::supervisor::{Exit, Fault, Inject, Policy, Pulse, Shutdown, Supervisor, TreeOutcome};
use crate::tree::{self, TreeParts};
use crate::watchtower::actor::{PageServer, Serving};

/// Pauses are whole, and chance counts upwards.
pub(crate) const WORLD: Environment =
    Environment { now, jitter: || 1.0, random, minute_of_day: || 720 };

/// The wall clock agrees with the steady one.
fn now() -> UnixMillis {
    thread_local! {
        static BEGAN: Instant = Instant::now();
    }
    let since = BEGAN.with(|began| Instant::now().saturating_duration_since(*began));
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn random() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Runs a test with paused time. What still lives at its end dies without a goodbye, as if by `kill
/// -9`.
pub(crate) fn with_paused_time<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    System::with_tokio_rt(|| runtime).block_on(test)
}

/// Waits until something is so, for at most so many seconds.
pub(crate) async fn eventually(seconds: u64, what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !so() {
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The settings by default, with one route: `a/#`, one required number.
pub(crate) fn settings() -> Settings {
    load(
        "[[route]]\ntopic = 'a/#'\ntable = 'a'\n[route.columns]\nn = { type = 'integer', required = \
         true }\n",
    )
}

/// The settings of a file with this text, in an empty environment.
pub(crate) fn load(text: &str) -> Settings {
    let world = barograph_config::World {
        env: BTreeMap::new(),
        cwd: PathBuf::from("/nowhere"),
        hostname: "attic".to_owned(),
        etc_file: PathBuf::from("/nowhere/barograph.toml"),
    };
    match barograph_config::load_text(text, &world) {
        Ok(loaded) => loaded.settings,
        Err(error) => panic!("{error}"),
    }
}

/// What an observer has seen: `name state`, in order, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Rc<RefCell<Sights>>);

#[derive(Debug, Default)]
pub(crate) struct Sights {
    pub(crate) said: Vec<(Instant, String)>,
    pub(crate) exits: Vec<(&'static str, Exit)>,
    pub(crate) outcome: Option<TreeOutcome>,
    pub(crate) abandoned: Option<i32>,
}

impl Seen {
    pub(crate) fn look(&self) -> Ref<'_, Sights> {
        self.0.borrow()
    }

    fn say(&self, what: String) {
        self.0.borrow_mut().said.push((Instant::now(), what));
    }

    /// Everything of these states, in order.
    pub(crate) fn in_order(&self, states: &[&str]) -> Vec<String> {
        let is_one = |said: &&String| states.iter().any(|state| said.ends_with(state));
        self.look().said.iter().map(|(_, said)| said).filter(is_one).cloned().collect()
    }

    /// When it was said, each time.
    pub(crate) fn times(&self, what: &str) -> Vec<Instant> {
        self.look().said.iter().filter(|(_, said)| said == what).map(|(at, _)| *at).collect()
    }

    pub(crate) fn has(&self, what: &str) -> bool {
        !self.times(what).is_empty()
    }

    pub(crate) async fn outcome(&self, seconds: u64) -> TreeOutcome {
        eventually(seconds, "the tree ends", || self.look().outcome.is_some()).await;
        self.look().outcome.clone().expect("just seen")
    }
}

impl Observer for Seen {
    fn ready(&mut self) {
        self.say("ready".to_owned());
    }

    fn stopping(&mut self, reason: &str) {
        self.say(format!("because {reason}"));
    }

    fn born(&mut self, _: &'static str, _: &Pulse) {}

    fn renewed(&mut self, name: &'static str, why: &str) {
        self.say(format!("{name} renewed: {why}"));
    }

    fn child(&mut self, name: &'static str, state: &str, _: u32, last_exit: Option<&Exit>) {
        self.say(format!("{name} {state}"));
        if let Some(exit) = last_exit {
            self.0.borrow_mut().exits.push((name, exit.clone()));
        }
    }

    fn lock_lost(&mut self, _: &str) {}

    fn ended(&mut self, outcome: &TreeOutcome) {
        self.0.borrow_mut().outcome = Some(outcome.clone());
    }

    fn abandoned(&mut self, code: i32) {
        self.0.borrow_mut().abandoned = Some(code);
    }
}

/// The recorder, started.
pub(crate) struct House {
    pub(crate) broker: FakeBroker,
    pub(crate) disk: Disk,
    pub(crate) published: Published,
    pub(crate) orders: SessionRequests,
    pub(crate) routing: Routing,
    pub(crate) in_force: InForce,
    pub(crate) post: Post,
    pub(crate) seen: Seen,
    pub(crate) supervisor: Addr<Supervisor>,
}

impl House {
    /// One process of the recorder over a broker and a disk that may have known another.
    pub(crate) fn start(broker: &FakeBroker, settings: Settings) -> Self {
        let (disk, published, seen) = (broker.disk.clone(), Published::default(), Seen::default());
        let (orders, post) = (SessionRequests::default(), Post::default());
        let alerts = settings.alerts.clone();
        let (opener, spools) = (disk.clone(), FakeSpools(disk.clone()));
        let keeper = disk.clone();
        let policy = Policy::from(&settings.supervisor);
        let stuck_after = settings.supervisor.stuck_after;
        let routing = Routing::new(settings.routes.clone());
        let (in_force, connector) = (InForce::new(settings), broker.clone());
        let routes = routing.clone();
        let children = tree::children(TreeParts {
            routing: routing.clone(),
            in_force: in_force.clone(),
            broker: Box::new(move || connector.clone()),
            journal: Box::new(move || {
                let mut opener = opener.clone();
                opener.reroute(&routes.now());
                Box::new(opener) as Box<dyn OpenJournal>
            }),
            spool: Box::new(move || Box::new(spools.clone()) as Box<dyn OpenSpool>),
            keeper: Box::new(move || Box::new(FakeKeeper(keeper.clone())) as Box<dyn KeepEvents>),
            manager: Box::new(|| Box::new(NoManager)),
            probe: Box::new(|| Box::new(survey)),
            page: Box::new(|| Box::new(NoPage)),
            world: WORLD,
            published: published.clone(),
            memory: KeptMemory::default(),
            alerts: Alerts::new(&alerts, "attic", Box::new(post.clone()), orders.clone()),
            orders: orders.clone(),
            placement: ThreadPlacement::Shared,
            links: tree::Links::default(),
        });
        let observer = Box::new(seen.clone());
        let supervisor = Supervisor::new(
            children,
            policy,
            stuck_after,
            WORLD.jitter,
            observer,
            Box::new(NoLock),
        );
        Self {
            broker: broker.clone(),
            disk,
            published,
            orders,
            routing,
            in_force,
            post,
            seen,
            supervisor: supervisor.start(),
        }
    }

    /// A recorder with nothing before it, ready.
    pub(crate) async fn new(settings: Settings) -> Self {
        let house = Self::start(&FakeBroker::new(Disk::default()), settings);
        eventually(60, "ready", || house.seen.has("ready")).await;
        house
    }

    pub(crate) async fn inject(&self, child: &str, fault: Fault) -> bool {
        let inject = Inject { child: child.to_owned(), fault };
        self.supervisor.send(inject).await.unwrap_or(false)
    }

    /// Until the broker has been told of everything, and the database has it.
    pub(crate) async fn settle(&self) {
        let settled = || self.broker.is_settled() && self.disk.platter().spooled() == 0;
        eventually(600, "the broker is owed nothing, and the spool is empty", settled).await;
    }

    pub(crate) async fn shut_down(&self) -> TreeOutcome {
        // As the real observer of the tree does.
        self.published.tree.update(|tree| tree.stopping = true);
        self.supervisor.do_send(Shutdown);
        self.seen.outcome(60).await
    }
}

/// Nobody watches over a house.
struct NoManager;

impl ServiceManager for NoManager {
    fn status(&mut self, _: &str) {}
    fn alive(&mut self) {}
}

/// Nobody looks at a house.
struct NoPage;

impl PageServer for NoPage {
    fn begin(&mut self) {}

    fn look(&mut self) -> Serving {
        Serving::Alive
    }

    fn end(&mut self) {}
}

/// All is well outside.
fn survey(answer: oneshot::Sender<SystemSnapshot>) {
    let read = Some(Ok(Duration::from_millis(1)));
    let _nobody_asks = answer.send(SystemSnapshot { read, ..SystemSnapshot::default() });
}

/// A house needs no lock.
struct NoLock;

impl InstanceLock for NoLock {
    fn lost(&self) -> Option<String> {
        None
    }
}
