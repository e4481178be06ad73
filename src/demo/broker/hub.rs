//! The broker without its sockets: a packet goes in, packets come out.
//!
//! A connection is a number here. What is to be written to it is drawn with [`Hub::next_packet`];
//! which connections have something to write, or were ended from elsewhere, is told by
//! [`Hub::take_stirred`]. Packets of one connection are handled strictly in order, so the UNSUBACK
//! proves to a client that its earlier acknowledgements were taken.

use std::collections::{BTreeMap, BTreeSet};

use barograph_config::filter_matches;
use bytes::Bytes;
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode, LastWill, Packet, Publish, SubAck, Subscribe, SubscribeFilter,
    SubscribeReasonCode, UnsubAck, Unsubscribe,
};
use rumqttc::mqttbytes::{Protocol, QoS};

use super::Limits;
use super::mischief::{Door, Rules};
use super::session::{Attached, Session};
use super::topic;

/// Sessions, of clients connected or away; a further client is refused as "service unavailable".
const SESSIONS_LEN_MAX: usize = 1000;

/// Topics with a retained message; on a further one the message is delivered and not retained.
const RETAINED_LEN_MAX: usize = 10_000;

/// Names a connection; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId(u64);

/// What the broker has counted since it was bound, in messages unless said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Clients connected now.
    pub connected: usize,
    /// Connections accepted with a CONNACK.
    pub connects: u64,
    /// Connections refused with a CONNACK.
    pub refusals: u64,
    /// Taken from clients, wills included.
    pub published: u64,
    /// QoS 2 messages not taken, because their packet id was one whose PUBREL is still owed: the
    /// same message again, or a publisher that reuses its ids too early.
    pub repeated: u64,
    /// Given to a connection for the first time.
    pub delivered: u64,
    /// Given to a connection again, with DUP.
    pub redelivered: u64,
    /// Done with: PUBACK (QoS 1) or PUBCOMP (QoS 2) received.
    pub acked: u64,
    /// PUBACK, PUBREC and PUBCOMP packets that answered nothing in flight.
    pub stray_acks: u64,
    /// Given up, for a client that subscribed to them: its queue was full, it was away (QoS 0), or
    /// its session ended before it acknowledged them.
    pub dropped: u64,
    /// Queued or in flight now, over all sessions.
    pub pending: usize,
}

/// Why a client is disconnected: it broke the protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    /// MQTT-3.1.0-2.
    #[error("a second CONNECT on the same connection")]
    SecondConnect,
    /// CONNACK, SUBACK, UNSUBACK, PINGRESP.
    #[error("a packet that only a server may send")]
    ServerPacket,
    /// MQTT-3.3.2-2, MQTT-4.7.3-1.
    #[error("PUBLISH to {0:?}, which is not a valid topic")]
    Topic(String),
    /// MQTT-2.3.1-1.
    #[error("a packet id of zero")]
    PacketIdZero,
    /// MQTT-3.10.3-2.
    #[error("UNSUBSCRIBE without a filter")]
    EmptyUnsubscribe,
}

/// All sessions, retained messages and rules.
#[derive(Debug)]
pub(super) struct Hub {
    limits: Limits,
    /// How it was told to misbehave.
    pub(super) rules: Rules,
    sessions: BTreeMap<String, Session>,
    /// The client id of each connection. Whoever is here is attached to its session, and the
    /// reverse.
    connections: BTreeMap<ConnectionId, String>,
    retained: BTreeMap<String, Publish>,
    stirred: BTreeSet<ConnectionId>,
    stats: Stats,
    last_connection: u64,
}

impl Hub {
    /// A broker that knows nobody.
    pub(super) fn new(limits: Limits) -> Hub {
        let limits = Limits {
            in_flight_len_max: limits.in_flight_len_max.max(1),
            queue_len_max: limits.queue_len_max.max(1),
            packet_bytes_max: limits.packet_bytes_max,
        };
        Hub {
            limits,
            rules: Rules::default(),
            sessions: BTreeMap::new(),
            connections: BTreeMap::new(),
            retained: BTreeMap::new(),
            stirred: BTreeSet::new(),
            stats: Stats::default(),
            last_connection: 0,
        }
    }

    /// The limits in force.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// The counters, and the gauges as they are now.
    pub(super) fn stats(&self) -> Stats {
        let pending = self.sessions.values().map(Session::pending_len).sum();
        Stats { connected: self.connections.len(), pending, ..self.stats }
    }

    /// Admits a client and attaches it to its session; an older connection of the same client ends.
    /// The CONNACK is the first packet to draw. A refusal is the return code to answer with.
    pub(super) fn connect(&mut self, connect: Connect) -> Result<ConnectionId, ConnectReturnCode> {
        if let Err(code) = self.admit(&connect) {
            self.stats.refusals += 1;
            return Err(code);
        }
        self.last_connection += 1;
        self.stats.connects += 1;
        let id = ConnectionId(self.last_connection);
        let client = match connect.client_id.as_str() {
            "" => format!("anonymous-{}", self.last_connection),
            name => name.to_owned(),
        };
        if let Some(older) = self.sessions.get(&client).and_then(Session::connection) {
            self.leave(older);
        }
        if connect.clean_session {
            self.forget(&client);
        }
        let session_present = self.sessions.contains_key(&client);
        let limits = self.limits;
        let session = self.sessions.entry(client.clone()).or_insert_with(|| Session::new(limits));
        let attached = Attached { connection: id, will: connect.last_will };
        session.attach(attached, connect.clean_session, session_present);
        self.connections.insert(id, client);
        Ok(id)
    }

    fn admit(&self, connect: &Connect) -> Result<(), ConnectReturnCode> {
        if connect.protocol != Protocol::V4 {
            return Err(ConnectReturnCode::RefusedProtocolVersion);
        }
        match &self.rules.door {
            Door::Open => {}
            Door::Login(expected) if connect.login.as_ref() == Some(expected) => {}
            Door::Login(_) => return Err(ConnectReturnCode::BadUserNamePassword),
            Door::Refuse(code) => return Err(*code),
        }
        if connect.client_id.is_empty() && !connect.clean_session {
            return Err(ConnectReturnCode::BadClientId);
        }
        // MQTT 3.1.1 has no return code of its own for a will that could never be published.
        if connect.last_will.as_ref().is_some_and(|will| !topic::is_valid_topic(&will.topic)) {
            return Err(ConnectReturnCode::NotAuthorized);
        }
        let is_known = self.sessions.contains_key(&connect.client_id);
        if !is_known && self.sessions.len() >= SESSIONS_LEN_MAX {
            return Err(ConnectReturnCode::ServiceUnavailable);
        }
        Ok(())
    }

    /// Whether the connection was not yet ended, from either side.
    pub(super) fn is_attached(&self, connection: ConnectionId) -> bool {
        self.connections.contains_key(&connection)
    }

    /// Ends a connection that broke: its will is published. Nothing happens if it has ended before.
    pub(super) fn leave(&mut self, connection: ConnectionId) {
        if let Some(will) = self.part(connection) {
            self.stats.published += 1;
            let mut message = Publish::from_bytes(will.topic, will.qos, will.message);
            message.retain = will.retain;
            self.distribute(message);
        }
    }

    /// Separates a connection from its session; the will is the caller's to publish or to discard.
    fn part(&mut self, connection: ConnectionId) -> Option<LastWill> {
        let client = self.connections.remove(&connection)?;
        self.stirred.insert(connection);
        let session = self.sessions.get_mut(&client)?;
        let attached = session.detach(&mut self.stats)?;
        if session.is_clean() {
            self.forget(&client);
        }
        attached.will
    }

    fn forget(&mut self, client: &str) {
        let pending = self.sessions.remove(client).map_or(0, |session| session.pending_len());
        self.stats.dropped += pending as u64;
    }

    /// Ends all connections as a failing network would. Returns how many there were.
    pub(super) fn cut_all(&mut self) -> usize {
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in &all {
            self.leave(*connection);
        }
        all.len()
    }

    /// Ends all connections, publishing no will, and forgets all sessions. Returns how many
    /// sessions there were.
    pub(super) fn forget_sessions(&mut self) -> usize {
        let pending: usize = self.sessions.values().map(Session::pending_len).sum();
        self.stats.dropped += pending as u64;
        self.stirred.extend(self.connections.keys());
        self.connections.clear();
        let forgotten = self.sessions.len();
        self.sessions.clear();
        forgotten
    }

    /// Connections that may have packets to draw, or were ended, since this was last asked.
    pub(super) fn take_stirred(&mut self) -> BTreeSet<ConnectionId> {
        std::mem::take(&mut self.stirred)
    }

    /// The next packet to write to a connection.
    pub(super) fn next_packet(&mut self, connection: ConnectionId) -> Option<Packet> {
        let client = self.connections.get(&connection)?;
        self.sessions.get_mut(client)?.next_packet(&mut self.stats)
    }

    /// Replies that a connection has not drawn.
    pub(super) fn outbox_len(&self, connection: ConnectionId) -> usize {
        let client = self.connections.get(&connection);
        client.and_then(|client| self.sessions.get(client)).map_or(0, Session::outbox_len)
    }

    /// Takes a packet from a client. Packets of an ended connection (behind a DISCONNECT) are
    /// ignored.
    ///
    /// # Errors
    /// The client broke the protocol: the caller is to end the connection.
    pub(super) fn receive(&mut self, from: ConnectionId, packet: Packet) -> Result<(), Violation> {
        let Some(session) =
            self.connections.get(&from).and_then(|client| self.sessions.get_mut(client))
        else {
            return Ok(());
        };
        match packet {
            Packet::Publish(publish) => return self.receive_publish(from, publish),
            Packet::PubAck(ack) => {
                let known = session.puback(ack.pkid);
                self.count_last_ack(known);
            }
            Packet::PubComp(ack) => {
                let known = session.pubcomp(ack.pkid);
                self.count_last_ack(known);
            }
            Packet::PubRec(ack) => {
                let known = session.pubrec(ack.pkid);
                self.stats.stray_acks += u64::from(!known);
            }
            Packet::PubRel(release) => session.pubrel(release.pkid),
            Packet::Subscribe(subscribe) => return self.receive_subscribe(from, subscribe),
            Packet::Unsubscribe(unsubscribe) => return receive_unsubscribe(session, unsubscribe),
            Packet::PingReq => session.reply(Packet::PingResp),
            // A client that says goodbye takes its will along.
            Packet::Disconnect => drop(self.part(from)),
            Packet::Connect(_) => return Err(Violation::SecondConnect),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                return Err(Violation::ServerPacket);
            }
        }
        Ok(())
    }

    fn count_last_ack(&mut self, known: bool) {
        let counter = if known { &mut self.stats.acked } else { &mut self.stats.stray_acks };
        *counter += 1;
    }

    fn receive_publish(&mut self, from: ConnectionId, publish: Publish) -> Result<(), Violation> {
        if !topic::is_valid_topic(&publish.topic) {
            return Err(Violation::Topic(publish.topic));
        }
        let session = self.connections.get(&from).and_then(|name| self.sessions.get_mut(name));
        if session.is_some_and(|session| session.take(&publish)) {
            self.stats.published += 1;
            self.distribute(publish);
        } else {
            self.stats.repeated += 1;
        }
        Ok(())
    }

    /// Gives a message to everybody who subscribed to it.
    fn distribute(&mut self, publish: Publish) {
        let message = Publish {
            dup: false,
            retain: false,
            pkid: 0,
            // A copy, because the payload is a slice of the connection's read buffer and would keep
            // all of it.
            payload: Bytes::copy_from_slice(&publish.payload),
            ..publish
        };
        for session in self.sessions.values_mut() {
            if let Some(granted) = session.granted(&message.topic) {
                let qos = lower(message.qos, granted);
                session.enqueue(Publish { qos, ..message.clone() }, &mut self.stats);
                self.stirred.extend(session.connection());
            }
        }
        if publish.retain {
            self.retain(message);
        }
    }

    /// Keeps a message for later subscribers; an empty one ends the keeping.
    fn retain(&mut self, message: Publish) {
        let room = self.retained.len() < RETAINED_LEN_MAX;
        if message.payload.is_empty() {
            self.retained.remove(&message.topic);
        } else if room || self.retained.contains_key(&message.topic) {
            self.retained.insert(message.topic.clone(), message);
        }
    }

    fn receive_subscribe(
        &mut self,
        from: ConnectionId,
        subscribe: Subscribe,
    ) -> Result<(), Violation> {
        if subscribe.pkid == 0 {
            return Err(Violation::PacketIdZero);
        }
        let Some(session) =
            self.connections.get(&from).and_then(|client| self.sessions.get_mut(client))
        else {
            return Ok(());
        };
        let mut return_codes = Vec::with_capacity(subscribe.filters.len());
        for SubscribeFilter { path, qos } in subscribe.filters {
            let may = topic::is_valid_filter(&path) && !self.rules.refused_filters.contains(&path);
            if !may || !session.subscribe(path.clone(), qos) {
                return_codes.push(SubscribeReasonCode::Failure);
                continue;
            }
            return_codes.push(SubscribeReasonCode::Success(qos));
            for kept in self.retained.values().filter(|kept| filter_matches(&path, &kept.topic)) {
                let qos = lower(kept.qos, qos);
                let message = Publish { retain: true, qos, ..kept.clone() };
                session.enqueue(message, &mut self.stats);
            }
        }
        session.reply(Packet::SubAck(SubAck::new(subscribe.pkid, return_codes)));
        Ok(())
    }
}

fn receive_unsubscribe(session: &mut Session, unsubscribe: Unsubscribe) -> Result<(), Violation> {
    if unsubscribe.pkid == 0 {
        return Err(Violation::PacketIdZero);
    }
    if unsubscribe.topics.is_empty() {
        return Err(Violation::EmptyUnsubscribe);
    }
    for filter in &unsubscribe.topics {
        session.unsubscribe(filter);
    }
    session.reply(Packet::UnsubAck(UnsubAck { pkid: unsubscribe.pkid }));
    Ok(())
}

fn lower(a: QoS, b: QoS) -> QoS {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests;
