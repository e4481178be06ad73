//! What comes on the line: the connection's ups and downs, deliveries, answers.

use std::collections::HashMap;
use std::sync::Arc;

use barograph_config::{CoverFilter, Qos};
use tokio::time::Instant;
use tracing::{info, warn};

use super::Receiver;
use super::pause::Pause;
use crate::health::actor::ConnectionChanged;
use crate::message::batch::Opening;
use crate::message::delivery::{ConnectionId, Delivery};
use crate::message::event;
use crate::message::note::{GapCause, Note};
use crate::mqtt::barriers::Barriers;
use crate::mqtt::broker_news as news;
use crate::mqtt::connection::ConnectionEvent;
use crate::mqtt::decode::decode_noticing;
use crate::mqtt::subscriptions::served_filters;
use crate::ports::{Broker, BrokerRefusal, Down, DownKind, Incoming};
use crate::status::arrivals::Arrived;
use crate::status::{Connection, Destination};

impl<B: Broker> Receiver<B> {
    pub(super) fn on_line(&mut self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::Connected(id, greeting) => {
                self.on_connected(id, greeting.session_present)
            }
            ConnectionEvent::Unreachable(down, pause) => {
                if !self.said.contains(&down.kind) {
                    let now = (self.setup.world.now)();
                    news::unreachable(&self.setup.published, &down, pause, now);
                }
                self.on_down(down);
                self.lifeline.ready();
            }
            ConnectionEvent::Lost(down, _) => {
                let taken_over = down.kind == DownKind::TakenOver;
                let name =
                    if taken_over { event::SESSION_TAKEN_OVER } else { event::BROKER_DISCONNECTED };
                warn!(event = name, cause = down.kind.word(), "{}", down.message);
                self.setup.published.note(name, (self.setup.world.now)(), down.message.clone());
                self.on_down(down);
            }
            ConnectionEvent::Incoming(Incoming::Delivery(delivery, subscription)) => {
                self.on_delivery(delivery, subscription);
            }
            ConnectionEvent::Incoming(Incoming::Subscribed(id, answers)) => {
                if let Some(topics) = self.subscriptions.answered(id) {
                    self.on_subscribed(topics, answers);
                } else {
                    self.on_echo_subscribed(id, &answers);
                }
            }
            ConnectionEvent::Incoming(Incoming::Unsubscribed(id)) => {
                if let Some(topics) = self.subscriptions.left(id) {
                    self.setup.routing.left(&topics);
                }
            }
            ConnectionEvent::Incoming(Incoming::Published(id, outcome)) => {
                self.guard.answered(id, Instant::now());
                if !self.on_echo_published(id, &outcome)
                    && let Some((_, session)) = self.line.session()
                {
                    self.publications.answered(id, &outcome, session, &mut self.guard);
                }
            }
            ConnectionEvent::Incoming(Incoming::BarrierPassed) => self.on_barrier_passed(),
            ConnectionEvent::Incoming(Incoming::Released(packet_id)) => {
                self.barriers.released(packet_id, Instant::now());
                self.prove_acknowledgements();
            }
        }
    }

    fn on_connected(&mut self, id: ConnectionId, session_present: bool) {
        let at = (self.setup.world.now)();
        self.note_slow_start();
        self.start_noted = true;
        let session = self.line.session_name();
        info!(event = event::BROKER_CONNECTED, session_present, "connected to {session}");
        self.setup.published.note(event::BROKER_CONNECTED, at, format!("connected to {session}"));
        self.setup.published.broker.update(|broker| {
            broker.connection = Connection::Up(at);
            broker.taken_over = false;
            broker.session_present = Some(session_present);
            broker.connections += 1;
        });
        self.setup.health.tell(ConnectionChanged { down: None });
        self.setup.published.remember(Note::gap_closed(GapCause::BrokerUnreachable, None, at));
        self.pause = Pause::None;
        self.end_pause();
        self.said.clear();
        self.barriers = Barriers::default();
        self.settling = None;
        self.window().open(id, Opening { session_present, session, at });
        self.subscribe();
        if let Some((_, session)) = self.line.session() {
            self.publications.begin(session, &mut self.guard);
        }
        self.lifeline.ready();
    }

    pub(super) fn on_down(&mut self, down: Down) {
        self.guard.ended(Some(down.kind), Instant::now());
        self.publications.end();
        self.echo_monitor.end();
        let silent_since = self.end_stall(Some(down.kind));
        if down.kind != DownKind::Deaf {
            self.end_deafness();
        }
        let at = (self.setup.world.now)();
        let message = down.message.clone();
        if matches!(self.pause, Pause::Over) {
            self.pause = Pause::None;
            self.end_pause();
            news::gap_from(&self.setup.published, silent_since, &down);
        } else {
            news::unreachable_from(&self.setup.published, silent_since, &down);
        }
        self.setup.published.broker.update(|broker| {
            let since = match broker.connection {
                Connection::Down(since, _) => since,
                Connection::Starting | Connection::Up(_) => at,
            };
            broker.connection = Connection::Down(since, message);
            broker.taken_over = down.kind == DownKind::TakenOver;
        });
        if !self.said.contains(&down.kind) {
            self.said.push(down.kind);
        }
        self.setup.health.tell(ConnectionChanged { down: Some(down.message) });
    }

    fn on_delivery(&mut self, delivery: Delivery, subscription: Option<u32>) {
        if self.echo_monitor.is_echo(&delivery.topic) {
            return self.on_echo(&delivery);
        }
        if let Some(dropped) = self.drops.look(&delivery)
            && self.setup.router.find(&delivery.topic).is_none()
        {
            return news::dropped(&self.setup.published, dropped, (self.setup.world.now)());
        }
        self.barriers.quiet = false;
        if self.copies.is_copy(&delivery, subscription) {
            return self.on_copy(&delivery);
        }
        if !delivery.retain && !delivery.dup && delivery.qos != Qos::AtMostOnce {
            self.settle_filters();
        }
        self.echo_monitor.admitted(delivery.qos);
        let (router, max) = (&self.setup.router, self.setup.mqtt.max_packet_size);
        let readings = &mut self.readings;
        let record = decode_noticing(delivery, router, max, &mut |column, refusal| {
            readings.notice(column, &refusal.detail);
        });
        readings.look(&record);
        self.intake.look(&record, router);
        self.arrived.add(record.route, Arrived { deliveries: 1, bytes: record.packet_size });
        self.heard.insert(record.route);
        if self.setup.published.destination.get() == Destination::Nowhere {
            self.window().admit_while_holding(record);
        } else {
            self.window().admit(record);
        }
    }

    /// The second copy of a message, by another subscription: it is acknowledged in its turn, and is no delivery.
    fn on_copy(&mut self, delivery: &Delivery) {
        if !delivery.dup && delivery.qos != Qos::AtMostOnce {
            self.window().pass_id();
        }
        let session = self.line.session().map(|(_, session)| session);
        self.echo_monitor.pass_over(delivery, session);
    }

    fn on_subscribed(&mut self, filters: Vec<String>, answers: Vec<Result<Qos, BrokerRefusal>>) {
        let router = Arc::clone(&self.setup.router);
        let parts: HashMap<&str, &CoverFilter> =
            router.cover().iter().map(|part| (part.filter.as_str(), part)).collect();
        for (filter, answer) in filters.into_iter().zip(answers) {
            let Some(part) = parts.get(filter.as_str()) else { continue };
            self.setup.published.broker.update(|broker| {
                let served = router.served(part).map(|(id, _)| (id, answer.clone()));
                broker.granted.extend(served);
            });
            match answer {
                Ok(_) => self.subscriptions.grant(filter),
                Err(reason) => {
                    let names: Vec<&str> =
                        router.served(part).map(|(_, route)| route.name()).collect();
                    let now = (self.setup.world.now)();
                    news::subscription_refused(
                        &self.setup.published,
                        &filter,
                        &names,
                        &reason,
                        now,
                    );
                }
            }
        }
        if self.subscriptions.all_answered() {
            self.settling = Some(served_filters(&router, self.subscriptions.granted()));
        }
        self.prove_acknowledgements();
    }

    /// The retained messages of new subscriptions have all arrived: a message from after them has,
    /// or everything was answered and a barrier came back with nothing before it. (A broker sends
    /// only so many at a time: a barrier alone overtakes the rest.)
    fn settle_filters(&mut self) {
        if let Some(filters) = self.settling.take() {
            self.window().settle_filters(filters);
        }
    }

    fn on_barrier_passed(&mut self) {
        if let Some(number) = self.barriers.passed()
            && let Some((id, _)) = self.line.session()
        {
            self.window().confirm(id, number);
        }
        if self.barriers.quiet {
            self.settle_filters();
        }
        self.prove_acknowledgements();
    }
}
