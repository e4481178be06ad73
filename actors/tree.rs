//! The recorder's tree: the one list of its children. The order is the order of starts; stops go in
//! reverse, so that the broker session ends first and the writer last.

use std::time::Duration;

use tokio::time::Instant;

use crate::db_writer::actor::DbWriterActor;
use crate::db_writer::setup::WriterMemory;
use crate::health::actor::{HealthActor, ServiceManager};
use crate::health::checks::KeptMemory;
use crate::health::notify::Alerts;
use crate::health::probes::SystemProbe;
use crate::message::children::{DB_WRITER, HEALTH, MQTT, OBSERVERS, STATS, WATCHTOWER};
use crate::message::routing::Routing;
use crate::mqtt::actor::MqttActor;
use crate::mqtt::window::WindowHandoff;
use crate::ports::requests::SessionRequests;
use crate::ports::{Broker, Environment, KeepEvents, OpenJournal, OpenSpool};
use crate::stats::actor::StatsActor;
use crate::status::mode::FailureLimits;
use crate::status::settings::InForce;
use crate::status::{Published, StatePart};
use crate::supervisor::child::ThreadPlacement;
use crate::supervisor::{ChildSpec, Link};
use crate::watchtower::actor::{PageServer, WatchtowerActor};
use crate::{db_writer, health, mqtt, stats};

/// Commits what is in hand within 4 s and says goodbye within 1 s.
const MQTT_STOPS_WITHIN: Duration = Duration::from_millis(5_500);
/// Checkpoints and closes.
const WRITER_STOPS_WITHIN: Duration = Duration::from_millis(2_500);
/// Has nothing to finish.
const OBSERVER_STOPS_WITHIN: Duration = Duration::from_millis(300);
/// Closes the connections of the viewers.
const WATCHTOWER_STOPS_WITHIN: Duration = Duration::from_millis(1_500);

/// The real world, or a faked one.
pub struct TreeParts<B: Broker> {
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
    /// Makes keepers of events that neither takes, likewise.
    pub keeper: Box<dyn FnMut() -> Box<dyn KeepEvents>>,
    /// Makes ways to the service manager, one for each life of the judge.
    pub manager: Box<dyn FnMut() -> Box<dyn ServiceManager>>,
    /// Makes those who look at the world outside, likewise.
    pub probe: Box<dyn FnMut() -> SystemProbe>,
    /// Makes servers of the page, one for each life of the Watchtower.
    pub page: Box<dyn FnMut() -> Box<dyn PageServer>>,
    /// Time and chance.
    pub world: Environment,
    /// What everyone may see.
    pub published: Published,
    /// Where others ask the broker session for something.
    pub orders: SessionRequests,
    /// Who tells people of issues.
    pub alerts: Alerts,
    /// What the health actor's lives remember.
    pub memory: KeptMemory,
    /// Where the children live.
    pub placement: ThreadPlacement,
    /// The links that are used from outside the tree.
    pub links: Links,
}

/// Children that are asked for something from outside the tree.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// The writer.
    pub writer: Link<DbWriterActor>,
}

/// The children of the tree.
pub fn children<B: Broker>(parts: TreeParts<B>) -> Vec<ChildSpec> {
    let handles = ActorHandles::of(&parts);
    let TreeParts {
        mut broker,
        mut journal,
        mut spool,
        mut keeper,
        mut manager,
        mut probe,
        mut page,
        published,
        placement,
        ..
    } = parts;
    published.tree.update(|tree| tree.started = Some((handles.world.now)()));
    let (writer, health, stats) =
        (handles.writer.clone(), handles.health.clone(), handles.stats.clone());
    let (to_writer, to_health, to_stats, to_mqtt) =
        (handles.clone(), handles.clone(), handles.clone(), handles);
    let children = vec![
        ChildSpec::of(DB_WRITER, WRITER_STOPS_WITHIN, placement, writer, move |lifeline| {
            let (journal, spool, keeper) = (journal(), spool(), keeper());
            let setup = to_writer.writer();
            Box::new(move || DbWriterActor::new(journal, spool, keeper, setup, lifeline))
        }),
        ChildSpec::of(HEALTH, OBSERVER_STOPS_WITHIN, placement, health, move |lifeline| {
            let (setup, manager, probe) = (to_health.health(), manager(), probe());
            Box::new(move || HealthActor::new(setup, manager, probe, lifeline))
        }),
        ChildSpec::of(STATS, OBSERVER_STOPS_WITHIN, placement, stats, move |lifeline| {
            let setup = to_stats.stats();
            Box::new(move || StatsActor::new(setup, lifeline))
        }),
        ChildSpec::of(MQTT, MQTT_STOPS_WITHIN, placement, Link::new(), move |lifeline| {
            let (broker, setup) = (broker(), to_mqtt.mqtt());
            Box::new(move || MqttActor::new(broker, setup, lifeline))
        }),
        ChildSpec::of(
            WATCHTOWER,
            WATCHTOWER_STOPS_WITHIN,
            placement,
            Link::new(),
            move |lifeline| {
                let page = page();
                Box::new(move || WatchtowerActor::new(page, lifeline))
            },
        ),
    ];
    let expendable = |child: ChildSpec| match OBSERVERS.contains(&child.name) {
        true => child.expendable(),
        false => child,
    };
    children.into_iter().map(expendable).collect()
}

/// What the children share. A life gets what holds when it begins.
#[derive(Clone)]
struct ActorHandles {
    in_force: InForce,
    routing: Routing,
    world: Environment,
    published: Published,
    orders: SessionRequests,
    alerts: Alerts,
    memory: KeptMemory,
    writer: Link<DbWriterActor>,
    health: Link<HealthActor>,
    stats: Link<StatsActor>,
    handoff: WindowHandoff,
    writer_memory: StatePart<WriterMemory>,
    began: Instant,
}

impl ActorHandles {
    fn of<B: Broker>(parts: &TreeParts<B>) -> Self {
        Self {
            in_force: parts.in_force.clone(),
            routing: parts.routing.clone(),
            world: parts.world,
            published: parts.published.clone(),
            orders: parts.orders.clone(),
            alerts: parts.alerts.clone(),
            memory: parts.memory.clone(),
            writer: parts.links.writer.clone(),
            health: Link::new(),
            stats: Link::new(),
            handoff: WindowHandoff::default(),
            writer_memory: StatePart::default(),
            began: Instant::now(),
        }
    }

    fn writer(&self) -> db_writer::setup::WriterSetup {
        db_writer::setup::WriterSetup {
            health: self.health.clone(),
            published: self.published.clone(),
            routing: self.routing.clone(),
            world: self.world,
            limits: self.in_force.now().health.clone(),
            memory: self.writer_memory.clone(),
        }
    }

    fn health(&self) -> health::actor::HealthSetup {
        let settings = self.in_force.now();
        health::actor::HealthSetup {
            decide: self.writer.recipient(),
            reopen: self.writer.recipient(),
            memory: self.memory.clone(),
            router: self.routing.now(),
            published: self.published.clone(),
            world: self.world,
            limits: FailureLimits::from(&settings.health),
            in_force: self.in_force.clone(),
            alerts: self.alerts.clone(),
        }
    }

    fn stats(&self) -> stats::actor::StatsSetup {
        stats::actor::StatsSetup {
            router: self.routing.now(),
            published: self.published.clone(),
            world: self.world,
            interval: self.in_force.now().log.stats_interval,
            began: self.began,
        }
    }

    fn mqtt(&self) -> mqtt::receiver::ReceiverSetup {
        mqtt::receiver::ReceiverSetup {
            router: self.routing.now(),
            routing: self.routing.clone(),
            mqtt: self.in_force.now().mqtt.clone(),
            in_force: self.in_force.clone(),
            world: self.world,
            writer: self.writer.clone(),
            health: self.health.clone(),
            published: self.published.clone(),
            handoff: self.handoff.clone(),
            orders: self.orders.clone(),
        }
    }
}
