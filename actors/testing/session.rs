//! One connection to the fake broker.

use std::collections::VecDeque;

use barograph_config::{Qos, filter_matches};
use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::broker::{FakeBroker, FakeBrokerState, INFLIGHT_MAX, Meets, Message};
use crate::message::delivery::{ConnectionId, Delivery, UnixMillis};
use crate::ports::{
    Broker, BrokerSession, Connecting, Down, DownKind, Filter, Greeting, Incoming, Liveness,
    NotSent, Publication,
};

/// A connection as the broker sees it.
#[derive(Debug)]
pub(crate) struct FakeConnection {
    id: ConnectionId,
    /// Under way to the client: packet id, DUP.
    inbox: VecDeque<Coming>,
    /// Reached the client on this connection and is not acknowledged, in order.
    unacknowledged: VecDeque<(u16, Message)>,
    pub(super) ended: Option<Down>,
}

#[derive(Debug)]
enum Coming {
    Message(u16, bool, Message),
    Subscribed(u16, Vec<Filter>),
    Unsubscribed(u16),
    Published(u16),
    BarrierPassed(Instant),
    /// PUBREL.
    Release(u16),
}

/// What the client has said and nobody has sent yet.
#[derive(Debug)]
enum Going {
    Acknowledgement(Qos, u16),
    /// PUBCOMP.
    Completion(u16),
    Barrier,
    Subscribe(u16, Vec<Filter>),
    Unsubscribe(u16, Vec<String>),
    Publish(Option<u16>, Publication),
}

#[derive(Debug)]
pub(crate) struct FakeSession {
    broker: FakeBroker,
    id: ConnectionId,
    outbox: Vec<Going>,
    /// The last number of a request or a message.
    last_id: u16,
    heard: Instant,
    /// Questions without an answer, and since when there has been one.
    unanswered: u32,
    asked: Instant,
}

impl Broker for FakeBroker {
    type Session = FakeSession;

    fn connect(&self, id: ConnectionId) -> Connecting<FakeSession> {
        let broker = self.clone();
        Box::pin(async move {
            broker.state().connects.push(Instant::now());
            let meets = broker.state().meets.pop_front();
            let kind = match meets {
                Some(Meets::Refusal(kind)) => kind,
                Some(Meets::Silence(time)) => {
                    tokio::time::sleep(time).await;
                    DownKind::Timeout
                }
                None => return Ok(broker.accept(id)),
            };
            Err(Down { kind, message: format!("cannot connect: {}", kind.word()) })
        })
    }

    fn session_name(&self) -> String {
        "fake/client".to_owned()
    }
}

impl FakeBroker {
    fn accept(&self, id: ConnectionId) -> (FakeSession, Greeting) {
        let mut state = self.state();
        let session_present = std::mem::replace(&mut state.kept, true);
        let half_answered = std::mem::take(&mut state.half_answered);
        let holds_releases = state.holds_releases;
        let again =
            state.owed.iter().filter_map(|(id, message)| match half_answered.contains(id) {
                true => (!holds_releases).then_some(Coming::Release(*id)),
                false => Some(Coming::Message(*id, true, message.clone())),
            });
        let inbox: VecDeque<Coming> = again.collect();
        let unacknowledged = VecDeque::new();
        state.connection = Some(FakeConnection { id, inbox, unacknowledged, ended: None });
        (
            FakeSession {
                broker: self.clone(),
                id,
                outbox: Vec::new(),
                last_id: 0,
                heard: Instant::now(),
                unanswered: 0,
                asked: Instant::now(),
            },
            Greeting { session_present },
        )
    }
}

impl FakeConnection {
    /// When the answer that comes next arrives.
    fn answer_at(&self) -> Option<Instant> {
        match self.inbox.front() {
            Some(Coming::BarrierPassed(at)) => Some(*at),
            Some(
                Coming::Message(..)
                | Coming::Subscribed(..)
                | Coming::Unsubscribed(_)
                | Coming::Published(_)
                | Coming::Release(_),
            )
            | None => None,
        }
    }
}

impl FakeBrokerState {
    /// Sends what there is room for.
    fn pump(&mut self) {
        if self.mute {
            return;
        }
        let Some(connection) = &mut self.connection else { return };
        while let Some(message) = self.queue.front()
            && (message.qos == Qos::AtMostOnce || self.owed.len() < INFLIGHT_MAX)
        {
            let message = self.queue.pop_front().expect("looked at");
            let id = if message.qos == Qos::AtMostOnce {
                0
            } else {
                self.next_id = self.next_id % u16::MAX + 1;
                self.owed.push_back((self.next_id, message.clone()));
                self.next_id
            };
            connection.inbox.push_back(Coming::Message(id, false, message));
        }
        while self.owed.len() < INFLIGHT_MAX
            && let Some((id, message)) = self.requeued.pop_front()
        {
            self.owed.push_back((id, message.clone()));
            connection.inbox.push_back(Coming::Message(id, true, message));
        }
    }

    fn say(&mut self, coming: Coming) {
        if let Some(connection) = &mut self.connection {
            connection.inbox.push_back(coming);
        }
    }

    fn hand_over(&mut self) -> Option<Incoming> {
        let connection = self.connection.as_mut()?;
        if connection.answer_at().is_some_and(|at| at > Instant::now()) {
            return None;
        }
        let (packet_id, dup, message) = match connection.inbox.pop_front()? {
            Coming::Subscribed(id, filters) => {
                let granted = filters.into_iter().map(|filter| Ok(filter.qos)).collect();
                return Some(Incoming::Subscribed(id, granted));
            }
            Coming::Unsubscribed(id) => return Some(Incoming::Unsubscribed(id)),
            Coming::Published(id) => return Some(Incoming::Published(id, Ok(()))),
            Coming::BarrierPassed(_) => return Some(Incoming::BarrierPassed),
            Coming::Release(packet_id) => return Some(Incoming::Released(packet_id)),
            Coming::Message(packet_id, dup, message) => (packet_id, dup, message),
        };
        if let Some((topic, payload)) = &message.own {
            let delivery = delivery(topic, payload.clone(), &message, (packet_id, dup));
            connection.unacknowledged.push_back((packet_id, message));
            return Some(Incoming::Delivery(delivery, None));
        }
        if message.qos != Qos::AtMostOnce {
            self.handed.insert(message.serial, message.n);
            connection.unacknowledged.push_back((packet_id, message.clone()));
        } else if !message.retain {
            self.handed_at_most_once.insert(message.n);
        }
        let payload = Bytes::from(format!("{{\"n\":{}}}", message.n));
        Some(Incoming::Delivery(delivery("a/b", payload, &message, (packet_id, dup)), None))
    }

    /// The promises that an acknowledgement can break.
    fn judge(&mut self, id: ConnectionId, packet_id: u16, stored: impl Fn(i64) -> usize) {
        let connection = self.connection.as_mut().filter(|connection| connection.id == id);
        let front = connection.and_then(|connection| connection.unacknowledged.pop_front());
        let Some((expected, message)) = front else {
            return self
                .wrong
                .push(format!("{packet_id} acknowledged, and nothing is owed on this connection"));
        };
        if expected != packet_id {
            self.wrong.push(format!("{packet_id} acknowledged, and it was the turn of {expected}"));
        }
        if message.own.is_some() {
            return;
        }
        self.acknowledged.insert(message.serial, message.n);
        let promised = self.acknowledged.values().filter(|n| **n == message.n).count();
        if stored(message.n) < promised {
            self.wrong.push(format!("{} acknowledged and not stored", message.n));
        }
    }
}

fn delivery(
    topic: &str,
    payload: Bytes,
    message: &Message,
    (packet_id, dup): (u16, bool),
) -> Delivery {
    Delivery {
        topic: topic.to_owned(),
        whole_size: payload.len() as u64,
        packet_size: payload.len() as u64,
        payload,
        qos: message.qos,
        retain: message.retain,
        dup,
        packet_id,
        received_at: UnixMillis(0),
        properties: Vec::new(),
    }
}

impl FakeSession {
    fn ask(&mut self) {
        if self.unanswered == 0 {
            self.asked = Instant::now();
        }
        self.unanswered += 1;
    }

    fn send(&mut self) {
        let mut state = self.broker.state();
        for going in self.outbox.drain(..) {
            if state.deaf {
                continue;
            }
            match going {
                // Until the exchange is complete the message may come again, as Mosquitto does with
                // those beyond its window when the connection ends between PUBREC and PUBCOMP.
                Going::Acknowledgement(Qos::ExactlyOnce, packet_id) => {
                    state.half_answered.insert(packet_id);
                    if !state.holds_releases {
                        state.say(Coming::Release(packet_id));
                    }
                }
                Going::Acknowledgement(Qos::AtMostOnce | Qos::AtLeastOnce, packet_id)
                | Going::Completion(packet_id) => {
                    state.owed.retain(|(id, _)| *id != packet_id);
                    state.half_answered.remove(&packet_id);
                    state.pump();
                }
                Going::Barrier => {
                    let at = Instant::now() + state.lag;
                    state.barriers.push(Instant::now());
                    if let Some(connection) = &mut state.connection {
                        connection.inbox.push_back(Coming::BarrierPassed(at));
                    }
                }
                Going::Subscribe(id, filters) => {
                    let is_own = |topic: &&str| topic.starts_with("barograph/");
                    let own = filters.iter().map(|filter| filter.topic.as_str()).find(is_own);
                    match own {
                        Some(topic) => drop(state.own_topics.insert(topic.to_owned())),
                        None if filters.iter().any(|it| filter_matches(&it.topic, "a/b")) => {
                            let retained = state.retained.clone();
                            state.queue.extend(retained);
                        }
                        None => {}
                    }
                    state.say(Coming::Subscribed(id, filters));
                }
                Going::Unsubscribe(id, filters) => {
                    state.own_topics.retain(|topic| !filters.contains(topic));
                    state.given_up.extend(filters);
                    state.say(Coming::Unsubscribed(id));
                }
                Going::Publish(id, message) => {
                    if state.own_topics.contains(&message.topic) {
                        let own = Some((message.topic.clone(), message.payload.clone()));
                        let (qos, retain) = (message.qos, false);
                        state.queue.push_back(Message { serial: 0, n: 0, qos, retain, own });
                    }
                    state.published.push(message);
                    id.into_iter().for_each(|id| state.say(Coming::Published(id)));
                }
            }
        }
    }

    fn step(&mut self) -> Option<Result<Incoming, Down>> {
        let ended = match &self.broker.state().connection {
            Some(connection) if connection.id == self.id => connection.ended.clone(),
            Some(_) | None => Some(Down { kind: DownKind::Closed, message: "gone".to_owned() }),
        };
        if let Some(down) = ended {
            return Some(Err(down));
        }
        if self.broker.state().stalled {
            return None;
        }
        self.send();
        let mut state = self.broker.state();
        state.pump();
        let incoming = state.hand_over()?;
        self.heard = Instant::now();
        let is_answer = matches!(
            incoming,
            Incoming::Subscribed(..)
                | Incoming::Unsubscribed(_)
                | Incoming::Published(..)
                | Incoming::BarrierPassed
        );
        self.unanswered -= u32::from(is_answer);
        if let Incoming::Released(packet_id) = incoming {
            self.outbox.push(Going::Completion(packet_id));
        }
        Some(Ok(incoming))
    }
}

impl BrokerSession for FakeSession {
    async fn next(&mut self) -> Result<Incoming, Down> {
        let changed = std::sync::Arc::clone(&self.broker.changed);
        loop {
            let changed = changed.notified();
            if let Some(result) = self.step() {
                return result;
            }
            let answer_at =
                self.broker.state().connection.as_ref().and_then(FakeConnection::answer_at);
            tokio::select! {
                () = changed => {}
                () = sleep_until(answer_at.unwrap_or_else(Instant::now)), if answer_at.is_some() => {}
            }
        }
    }

    fn liveness(&self) -> Liveness {
        let asked = (self.unanswered > 0).then_some(self.asked);
        Liveness { heard: self.heard, asked }
    }

    fn acknowledge(&mut self, qos: Qos, packet_id: u16) {
        let disk = self.broker.disk.clone();
        self.broker.state().judge(self.id, packet_id, |n| disk.count(n));
        self.outbox.push(Going::Acknowledgement(qos, packet_id));
    }

    fn barrier(&mut self) {
        self.ask();
        self.outbox.push(Going::Barrier);
    }

    fn subscribe(&mut self, filters: &[Filter]) -> u16 {
        self.ask();
        self.last_id += 1;
        self.outbox.push(Going::Subscribe(self.last_id, filters.to_vec()));
        self.last_id
    }

    fn unsubscribe(&mut self, filters: &[String]) -> u16 {
        self.ask();
        self.last_id += 1;
        self.outbox.push(Going::Unsubscribe(self.last_id, filters.to_vec()));
        self.last_id
    }

    fn publish(&mut self, message: &Publication) -> Result<Option<u16>, NotSent> {
        let has_number = message.qos != Qos::AtMostOnce;
        if has_number {
            self.ask();
        }
        self.last_id += u16::from(has_number);
        let id = has_number.then_some(self.last_id);
        self.outbox.push(Going::Publish(id, message.clone()));
        Ok(id)
    }

    async fn disconnect(mut self) {
        if self
            .broker
            .state()
            .connection
            .as_ref()
            .is_some_and(|connection| connection.ended.is_none())
        {
            self.send();
        }
    }
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        let mut state = self.broker.state();
        if state.connection.as_ref().is_some_and(|connection| connection.id == self.id) {
            state.connection = None;
            state.deaf = false;
        }
    }
}

/// Only numbers what is published.
#[derive(Debug, Default)]
pub(crate) struct NumberingSession(u16);

impl BrokerSession for NumberingSession {
    async fn next(&mut self) -> Result<Incoming, Down> {
        std::future::pending().await
    }

    fn acknowledge(&mut self, _: Qos, _: u16) {}

    fn barrier(&mut self) {}

    fn subscribe(&mut self, _: &[Filter]) -> u16 {
        0
    }

    fn unsubscribe(&mut self, _: &[String]) -> u16 {
        0
    }

    fn publish(&mut self, _: &Publication) -> Result<Option<u16>, NotSent> {
        self.0 += 1;
        Ok(Some(self.0))
    }

    async fn disconnect(self) {}
}
