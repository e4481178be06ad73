//! The recorder's tree: the one list of its children. The order is the order of starts; stops go in
//! reverse, so that the broker session ends first and the writer last.

use std::sync::Arc;
use std::time::Duration;

use barograph_config::Settings;
use tokio::time::Instant;

use crate::alerts::Alerts;
use crate::db_writer::{self, DbWriterActor};
use crate::health::{self, HealthActor, ServiceManager};
use crate::mode::Limits;
use crate::mqtt::MqttActor;
use crate::orders::Orders;
use crate::ports::{Broker, OpenJournal, OpenSpool, World};
use crate::published::Published;
use crate::recording;
use crate::route::Router;
use crate::stats::{self, StatsActor};
use crate::supervise::child::Housing;
use crate::supervise::{ChildSpec, Link};
use crate::survey::Surveyor;
use crate::window::Estate;

/// The only writer to the database.
pub const DB_WRITER: &str = "db_writer";
/// Judges.
pub const HEALTH: &str = "health";
/// Counts.
pub const STATS: &str = "stats";
/// The broker session.
pub const MQTT: &str = "mqtt";

/// Commits what is in hand within 4 s and says goodbye within 1 s.
const MQTT_STOPS_WITHIN: Duration = Duration::from_millis(5_500);
/// Checkpoints and closes.
const WRITER_STOPS_WITHIN: Duration = Duration::from_millis(2_500);
/// Has nothing to finish.
const OBSERVER_STOPS_WITHIN: Duration = Duration::from_millis(300);

/// The real world, or a faked one.
pub struct Parts<B: Broker> {
    /// The settings in force.
    pub settings: Settings,
    /// Makes connections.
    pub broker: B,
    /// Makes openers of the journal, one for each life of the writer.
    pub journal: Box<dyn FnMut() -> Box<dyn OpenJournal>>,
    /// Makes openers of the spool, likewise.
    pub spool: Box<dyn FnMut() -> Box<dyn OpenSpool>>,
    /// Makes ways to the service manager, one for each life of the judge.
    pub manager: Box<dyn FnMut() -> Box<dyn ServiceManager>>,
    /// Makes those who look at the world outside, likewise.
    pub surveyor: Box<dyn FnMut() -> Surveyor>,
    /// Time and chance.
    pub world: World,
    /// What everyone may see.
    pub published: Published,
    /// Where others ask the broker session for something.
    pub orders: Orders,
    /// Who tells people of issues.
    pub alerts: Alerts,
    /// Where the children live.
    pub housing: Housing,
    /// Who is reached from outside the tree.
    pub links: Links,
}

/// Children that are asked for something from outside the tree.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// The writer.
    pub writer: Link<DbWriterActor>,
}

/// A process begins.
fn begin(published: &Published, world: World) {
    published.update(|state| {
        state.started = Some((world.now)());
        state.spool_unseen = true;
    });
}

/// The children of the tree.
pub fn children<B: Broker>(parts: Parts<B>) -> Vec<ChildSpec> {
    let Parts { settings, broker, mut journal, mut spool, .. } = parts;
    let Parts { mut manager, mut surveyor, world, published, orders, alerts, housing, .. } = parts;
    begin(&published, world);
    let router = Arc::new(Router::new(settings.routes.clone()));
    let (writer, health, stats) = (parts.links.writer, Link::new(), Link::new());
    let writer_setup = db_writer::Setup {
        health: health.clone(),
        stats: stats.clone(),
        published: published.clone(),
        router: Arc::clone(&router),
        world,
        limits: settings.health.clone(),
    };
    let health_setup = health::Setup {
        writer: writer.clone(),
        router: Arc::clone(&router),
        published: published.clone(),
        world,
        limits: Limits::from(&settings.health),
        settings: Arc::new(settings.clone()),
        alerts,
    };
    let stats_setup = counting(&settings, &router, &published, world);
    let mqtt_setup = recording::Setup {
        router,
        mqtt: settings.mqtt,
        commit_interval: settings.database.commit_interval,
        world,
        writer: writer.clone(),
        health: health.clone(),
        published: published.clone(),
        estate: Estate::default(),
        orders,
    };
    vec![
        ChildSpec::of(DB_WRITER, WRITER_STOPS_WITHIN, housing, writer, move |lifeline| {
            let (journal, spool, setup) = (journal(), spool(), writer_setup.clone());
            Box::new(move || DbWriterActor::new(journal, spool, setup, lifeline))
        }),
        ChildSpec::of(HEALTH, OBSERVER_STOPS_WITHIN, housing, health, move |lifeline| {
            let (setup, manager, surveyor) = (health_setup.clone(), manager(), surveyor());
            Box::new(move || HealthActor::new(setup, manager, surveyor, lifeline))
        })
        .expendable(),
        stats_child(stats_setup, housing, stats),
        ChildSpec::of(MQTT, MQTT_STOPS_WITHIN, housing, Link::new(), move |lifeline| {
            let (broker, setup) = (broker.clone(), mqtt_setup.clone());
            Box::new(move || MqttActor::new(broker, setup, lifeline))
        }),
    ]
}

fn counting(
    settings: &Settings,
    router: &Arc<Router>,
    published: &Published,
    world: World,
) -> stats::Setup {
    stats::Setup {
        router: Arc::clone(router),
        published: published.clone(),
        world,
        interval: settings.log.stats_interval,
        began: Instant::now(),
    }
}

fn stats_child(setup: stats::Setup, housing: Housing, link: Link<StatsActor>) -> ChildSpec {
    let child = ChildSpec::of(STATS, OBSERVER_STOPS_WITHIN, housing, link, move |lifeline| {
        let setup = setup.clone();
        Box::new(move || StatsActor::new(setup, lifeline))
    });
    child.expendable()
}
