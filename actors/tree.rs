//! The recorder's tree: the one list of its children. The order is the order of starts; stops go in
//! reverse, so that the broker session ends first and the writer last.

use std::time::Duration;

use tokio::time::Instant;

use crate::db_writer::{self, DbWriterActor};
use crate::health::{self, HealthActor, TellStatus};
use crate::in_force::InForce;
use crate::mode::Limits;
use crate::mqtt::MqttActor;
use crate::orders::Orders;
use crate::ports::{Broker, OpenJournal, OpenSpool, World};
use crate::published::Published;
use crate::recording;
use crate::routing::Routing;
use crate::stats::{self, StatsActor};
use crate::supervise::child::Housing;
use crate::supervise::{ChildSpec, Link};
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
    /// The settings: each life begins with those in force then.
    pub in_force: InForce,
    /// The routes.
    pub routing: Routing,
    /// Makes what makes connections, one for each life of the session.
    pub broker: Box<dyn FnMut() -> B>,
    /// Makes openers of the journal, one for each life of the writer.
    pub journal: Box<dyn FnMut() -> Box<dyn OpenJournal>>,
    /// Makes openers of the spool, likewise.
    pub spool: Box<dyn FnMut() -> Box<dyn OpenSpool>>,
    /// Makes ways to the service manager, one for each life of the judge.
    pub status: Box<dyn FnMut() -> TellStatus>,
    /// Time and chance.
    pub world: World,
    /// What everyone may see.
    pub published: Published,
    /// Where others ask the broker session for something.
    pub orders: Orders,
    /// Where the children live.
    pub housing: Housing,
}

/// The children of the tree.
pub fn children<B: Broker>(parts: Parts<B>) -> Vec<ChildSpec> {
    let Parts {
        in_force,
        routing,
        mut broker,
        mut journal,
        mut spool,
        mut status,
        world,
        published,
        orders,
        housing,
    } = parts;
    published.update(|state| {
        state.started = Some((world.now)());
        state.spool_unseen = true;
    });
    let (writer, health, stats) = (Link::new(), Link::new(), Link::new());

    let (settings, routes) = (in_force.clone(), routing.clone());
    let writer_setup = {
        let (health, stats, published) = (health.clone(), stats.clone(), published.clone());
        move || db_writer::Setup {
            health: health.clone(),
            stats: stats.clone(),
            published: published.clone(),
            routing: routes.clone(),
            world,
            limits: settings.now().health.clone(),
        }
    };
    let (settings, routes) = (in_force.clone(), routing.clone());
    let health_setup = {
        let (writer, published) = (writer.clone(), published.clone());
        move || health::Setup {
            writer: writer.clone(),
            router: routes.now(),
            published: published.clone(),
            world,
            limits: Limits::from(&settings.now().health),
        }
    };
    let (settings, routes, began) = (in_force.clone(), routing.clone(), Instant::now());
    let stats_setup = {
        let published = published.clone();
        move || stats::Setup {
            router: routes.now(),
            published: published.clone(),
            interval: settings.now().log.stats_interval,
            began,
        }
    };
    let mqtt_setup = {
        let (writer, health, estate) = (writer.clone(), health.clone(), Estate::default());
        move || recording::Setup {
            router: routing.now(),
            routing: routing.clone(),
            mqtt: in_force.now().mqtt.clone(),
            in_force: in_force.clone(),
            world,
            writer: writer.clone(),
            health: health.clone(),
            published: published.clone(),
            estate: estate.clone(),
            orders: orders.clone(),
        }
    };
    vec![
        ChildSpec::of(DB_WRITER, WRITER_STOPS_WITHIN, housing, writer, move |lifeline| {
            let (journal, spool, setup) = (journal(), spool(), writer_setup());
            Box::new(move || DbWriterActor::new(journal, spool, setup, lifeline))
        }),
        ChildSpec::of(HEALTH, OBSERVER_STOPS_WITHIN, housing, health, move |lifeline| {
            let (setup, tell) = (health_setup(), status());
            Box::new(move || HealthActor::new(setup, tell, lifeline))
        })
        .expendable(),
        ChildSpec::of(STATS, OBSERVER_STOPS_WITHIN, housing, stats, move |lifeline| {
            let setup = stats_setup();
            Box::new(move || StatsActor::new(setup, lifeline))
        })
        .expendable(),
        ChildSpec::of(MQTT, MQTT_STOPS_WITHIN, housing, Link::new(), move |lifeline| {
            let (broker, setup) = (broker(), mqtt_setup());
            Box::new(move || MqttActor::new(broker, setup, lifeline))
        }),
    ]
}
