//! Other routes, without another connection: reading stops until the window is empty, so that nothing
//! decoded by the old routes is under way; the writer takes the new ones over, or refuses them; then
//! the difference of the subscriptions is asked of the broker.
//!
//! Where it stands is in [`Routing`]: a life that dies over it leaves it to the next one.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use barograph_config::Qos;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Receiver;
use crate::message::routing::Routing;
use crate::message::write::{Reroute, RerouteResult};
use crate::mqtt::intake_watch::IntakeWatch;
use crate::mqtt::subscriptions::{by_shape, filters, serving_more};
use crate::ports::{Broker, BrokerSession, Filter};
use crate::status::Destination;
use crate::status::readings::ReadingWatch;

/// How long reading may stop for it, at most: the broker counts us as dead before long.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Before the next try, where the window did not become empty or the writer could not say.
const PAUSE: Duration = Duration::from_secs(1);

/// A change of routes, as far as this life has come with it.
pub(super) struct Rerouting {
    news: watch::Receiver<()>,
    stage: RerouteStage,
    /// Gone with this life: then the writer must not do what it was asked to.
    alive: Arc<()>,
}

enum RerouteStage {
    /// Nothing is to be done, or not before then.
    Resting { until: Option<Instant> },
    /// Nothing is read, and what is here is written.
    Draining { since: Instant },
    /// The writer is asked; nothing is read.
    Asking(Pin<Box<dyn Future<Output = RerouteResult>>>),
}

impl Rerouting {
    pub(super) fn new(routing: &Routing) -> Self {
        let stage = RerouteStage::Resting { until: None };
        Self { news: routing.news(), stage, alive: Arc::new(()) }
    }

    pub(super) fn is_draining(&self) -> bool {
        match self.stage {
            RerouteStage::Resting { .. } => false,
            RerouteStage::Draining { .. } | RerouteStage::Asking(_) => true,
        }
    }

    /// What the writer says; never, when it is not asked. Cancel-safe.
    pub(super) async fn decision(&mut self) -> RerouteResult {
        match &mut self.stage {
            RerouteStage::Asking(question) => question.await,
            RerouteStage::Resting { until: None } => {
                // The place of the routes lives as long as the tree.
                if self.news.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                self.stage = RerouteStage::Resting { until: Some(Instant::now()) };
                RerouteResult::NotNow
            }
            RerouteStage::Resting { until: Some(_) } | RerouteStage::Draining { .. } => {
                std::future::pending().await
            }
        }
    }
}

impl<B: Broker> Receiver<B> {
    /// One step, if one is due.
    pub(super) fn follow_routes(&mut self) {
        let now = Instant::now();
        match self.rerouting.stage {
            RerouteStage::Resting { until: None } | RerouteStage::Asking(_) => {}
            RerouteStage::Resting { until: Some(until) } if now < until => {}
            RerouteStage::Resting { until: Some(_) } => self.begin_rerouting(now),
            RerouteStage::Draining { since } => {
                if self.window().is_empty() && self.writing.is_none() {
                    self.ask_for_routes();
                } else if since.elapsed() >= self.drain_within() {
                    self.rest(Some(now + PAUSE));
                }
            }
        }
    }

    fn drain_within(&self) -> Duration {
        DRAIN_WITHIN.min(self.setup.mqtt.keep_alive / 2)
    }

    fn begin_rerouting(&mut self, now: Instant) {
        let in_force = self.setup.routing.now();
        if !Arc::ptr_eq(&in_force, &self.setup.router) {
            self.use_routes(in_force);
        }
        if self.setup.routing.wanted().is_none() {
            self.rest(None);
        } else if self.setup.published.destination.get() == Destination::Nowhere {
            // Nothing will become durable soon: what comes is still taken, by the old routes.
            self.rest(Some(now + PAUSE));
        } else {
            self.hurry = true;
            self.rerouting.stage = RerouteStage::Draining { since: now };
            self.follow_routes();
        }
    }

    fn ask_for_routes(&mut self) {
        let Some(router) = self.setup.routing.wanted() else { return self.rest(None) };
        let writer = self.setup.writer.get();
        let question = Reroute { router, asker: Arc::downgrade(&self.rerouting.alive) };
        self.rerouting.stage = RerouteStage::Asking(Box::pin(async move {
            match writer {
                Some(writer) => writer.send(question).await.unwrap_or(RerouteResult::NotNow),
                None => RerouteResult::NotNow,
            }
        }));
    }

    pub(super) fn on_rerouted(&mut self, result: RerouteResult) {
        let again = match result {
            RerouteResult::Decided => Instant::now(),
            // Also: something new is to be looked at.
            RerouteResult::NotNow if self.rerouting.is_draining() => Instant::now() + PAUSE,
            RerouteResult::NotNow => return,
        };
        self.rest(Some(again));
    }

    fn rest(&mut self, until: Option<Instant>) {
        self.hurry = false;
        self.rerouting.stage = RerouteStage::Resting { until };
    }

    /// The writer has taken them over.
    fn use_routes(&mut self, router: Arc<crate::message::route::Router>) {
        let before = std::mem::replace(&mut self.setup.router, router);
        let readings = self.setup.published.readings().clone();
        self.readings = ReadingWatch::new(self.setup.router.routes(), readings);
        let faults = self.setup.published.route_faults().clone();
        self.intake = IntakeWatch::new(&self.setup.router, faults);
        let more = serving_more(&self.setup.router, &before);
        let before = filters(before.cover(), &self.setup.mqtt);
        self.subscribe_to_difference(&before, &more);
    }

    /// Asks for what the routes in force want and was not asked for before, or serves more than before; and gives back
    /// what no route wants any more. In this order: a topic that both have must not be missed in between. What comes
    /// twice meanwhile, `Copies` takes out.
    pub(super) fn subscribe_to_difference(&mut self, before: &[Filter], more: &HashSet<String>) {
        let wanted = filters(self.setup.router.cover(), &self.setup.mqtt);
        let topics: HashSet<&str> = wanted.iter().map(|filter| filter.topic.as_str()).collect();
        let mut unwanted = self.setup.routing.to_leave();
        unwanted.extend(before.iter().map(|filter| filter.topic.clone()));
        let is_echo = |topic: &str| self.echo_monitor.is_echo(topic);
        unwanted.retain(|topic| !topics.contains(topic.as_str()) && !is_echo(topic));
        unwanted.sort_unstable();
        unwanted.dedup();
        let known: HashMap<&str, Qos> =
            before.iter().map(|filter| (filter.topic.as_str(), filter.qos)).collect();
        let new = wanted.into_iter().filter_map(|filter| {
            let is_repeated =
                more.contains(&filter.topic) && known.contains_key(filter.topic.as_str());
            let is_new = known.get(filter.topic.as_str()) != Some(&filter.qos);
            (is_new || is_repeated).then_some(Filter { is_repeated, ..filter })
        });
        let new: Vec<Filter> = new.collect();
        let Some((_, session)) = self.line.session() else { return };
        let is_unchanged = new.is_empty() && unwanted.is_empty();
        if !before.is_empty() && !is_unchanged {
            self.copies.change();
        }
        for filters in by_shape(new) {
            self.subscriptions.ask(session.subscribe(&filters), &filters);
        }
        if !unwanted.is_empty() {
            self.subscriptions.leave(session.unsubscribe(&unwanted), unwanted);
        }
    }
}

impl fmt::Debug for Rerouting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let draining = self.is_draining();
        f.debug_struct("Rerouting").field("draining", &draining).finish_non_exhaustive()
    }
}
