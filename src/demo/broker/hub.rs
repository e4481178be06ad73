//! The broker without its sockets. Packets of one connection are handled strictly in order, so an UNSUBACK proves
//! that the acknowledgements before it were taken.

use std::collections::{BTreeMap, HashSet, VecDeque};

use barograph_config::filter_matches;
use bytes::Bytes;
use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, Publish, SubAck,
    SubscribeFilter, SubscribeReasonCode, UnsubAck,
};
use rumqttc::mqttbytes::{Protocol, QoS, valid_filter, valid_topic};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::debug;

/// Packets that wait for the socket of one client, beyond which the connection ends; and messages at QoS 1 that wait
/// for one client, beyond which new ones are dropped.
const WAITING_LEN_MAX: usize = 10_000;
/// Messages sent to one client and not yet acknowledged, as in Mosquitto.
pub(super) const IN_FLIGHT_LEN_MAX: usize = 20;

/// A client on one connection.
#[derive(Debug)]
pub(super) struct DemoClient {
    id: String,
    connection: u64,
}

/// What the broker keeps of one client, connected or not.
#[derive(Debug, Default)]
struct DemoSession {
    connection: u64,
    /// To the socket; none while the client is away.
    outgoing: Option<Sender<Packet>>,
    /// The session ends with the connection.
    clean: bool,
    /// The QoS granted to each filter.
    subscriptions: BTreeMap<String, QoS>,
    /// Messages at QoS 1 not yet sent.
    queue: VecDeque<Publish>,
    /// Messages sent and not acknowledged, in the order of first sending, which is the order of redelivery.
    in_flight: Vec<Publish>,
    last_packet_id: u16,
    /// Packet ids of QoS 2 messages from the client whose PUBREL is still to come.
    unreleased: HashSet<u16>,
}

impl DemoSession {
    /// Sends to a client that is connected. One that does not read is disconnected.
    fn send(&mut self, packet: Packet) {
        if self.outgoing.as_ref().is_some_and(|outgoing| outgoing.try_send(packet).is_err()) {
            self.outgoing = None;
        }
    }

    /// Gives the client a message, at QoS 0 now or never.
    fn deliver(&mut self, message: Publish) {
        if message.qos == QoS::AtMostOnce {
            self.send(Packet::Publish(message));
        } else if self.queue.len() < WAITING_LEN_MAX {
            self.queue.push_back(message);
            self.fill_window();
        } else {
            debug!(topic = message.topic, "demo broker: queue full; message dropped");
        }
    }

    /// Grants at most QoS 1.
    fn subscribe(&mut self, filter: SubscribeFilter) -> SubscribeReasonCode {
        if !valid_filter(&filter.path) {
            return SubscribeReasonCode::Failure;
        }
        let granted = lower(filter.qos, QoS::AtLeastOnce);
        self.subscriptions.insert(filter.path, granted);
        SubscribeReasonCode::Success(granted)
    }

    fn fill_window(&mut self) {
        while self.outgoing.is_some()
            && self.in_flight.len() < IN_FLIGHT_LEN_MAX
            && let Some(mut message) = self.queue.pop_front()
        {
            message.pkid = self.free_packet_id();
            self.in_flight.push(message.clone());
            self.send(Packet::Publish(message));
        }
    }

    /// The next id in turn that no message in flight has.
    fn free_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            let id = self.last_packet_id;
            if self.in_flight.iter().all(|message| message.pkid != id) {
                return id;
            }
        }
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct DemoSessions {
    sessions: BTreeMap<String, DemoSession>,
    last_connection: u64,
}

impl DemoSessions {
    /// Admits a client, with any login; an older connection of the same client ends. The receiver has what to send
    /// it: the CONNACK, what was in flight, with DUP, and so on; it ends when the hub ends the connection.
    ///
    /// # Errors
    /// The return code to refuse it with.
    pub(super) fn connect(
        &mut self,
        connect: Connect,
    ) -> Result<(DemoClient, Receiver<Packet>), ConnectReturnCode> {
        let Connect { protocol, client_id: mut id, clean_session: clean, .. } = connect;
        if protocol != Protocol::V4 {
            return Err(ConnectReturnCode::RefusedProtocolVersion);
        }
        if id.is_empty() && !clean {
            return Err(ConnectReturnCode::BadClientId);
        }
        self.last_connection += 1;
        let connection = self.last_connection;
        if id.is_empty() {
            id = format!("anonymous-{connection}");
        }
        if clean || self.sessions.get(&id).is_some_and(|session| session.clean) {
            self.sessions.remove(&id);
        }
        let connack = ConnAck::new(ConnectReturnCode::Success, self.sessions.contains_key(&id));
        let (outgoing, receiver) = channel(WAITING_LEN_MAX);
        let session = self.sessions.entry(id.clone()).or_default();
        (session.connection, session.outgoing, session.clean) = (connection, Some(outgoing), clean);
        session.send(Packet::ConnAck(connack));
        for message in session.in_flight.clone() {
            session.send(Packet::Publish(Publish { dup: true, ..message }));
        }
        session.fill_window();
        Ok((DemoClient { id, connection }, receiver))
    }

    /// The client's session, unless its connection has ended.
    fn session(&mut self, client: &DemoClient) -> Option<&mut DemoSession> {
        let session = self.sessions.get_mut(&client.id)?;
        (session.connection == client.connection).then_some(session)
    }

    /// Ends a connection. Nothing happens if it has ended before.
    pub(super) fn leave(&mut self, client: &DemoClient) {
        let Some(session) = self.session(client) else { return };
        session.outgoing = None;
        if session.clean {
            self.sessions.remove(&client.id);
        }
    }

    /// Takes a packet from a client.
    ///
    /// # Errors
    /// The client broke the protocol; its connection must end.
    pub(super) fn receive(
        &mut self,
        client: &DemoClient,
        packet: Packet,
    ) -> Result<(), &'static str> {
        let Some(session) = self.session(client) else {
            return Err("the connection has ended");
        };
        match packet {
            Packet::Publish(publish) => {
                if publish.topic.is_empty() || !valid_topic(&publish.topic) {
                    return Err("PUBLISH to something that is no topic");
                }
                if publish.qos == QoS::AtLeastOnce {
                    session.send(Packet::PubAck(PubAck::new(publish.pkid)));
                } else if publish.qos == QoS::ExactlyOnce {
                    session.send(Packet::PubRec(PubRec::new(publish.pkid)));
                    if !session.unreleased.insert(publish.pkid) {
                        return Ok(());
                    }
                }
                self.distribute(publish);
            }
            Packet::PubRel(release) => {
                session.unreleased.remove(&release.pkid);
                session.send(Packet::PubComp(PubComp::new(release.pkid)));
            }
            Packet::PubAck(ack) => {
                session.in_flight.retain(|message| message.pkid != ack.pkid);
                session.fill_window();
            }
            Packet::Subscribe(subscribe) => {
                let codes = subscribe.filters.into_iter().map(|filter| session.subscribe(filter));
                let answer = SubAck::new(subscribe.pkid, codes.collect());
                session.send(Packet::SubAck(answer));
            }
            Packet::Unsubscribe(unsubscribe) => {
                session.subscriptions.retain(|filter, _| !unsubscribe.topics.contains(filter));
                session.send(Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)));
            }
            Packet::PingReq => session.send(Packet::PingResp),
            Packet::Disconnect => self.leave(client),
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::PubRec(_)
            | Packet::PubComp(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp => return Err("a packet that does not belong here"),
        }
        Ok(())
    }

    /// Gives a message to each session that subscribed to it, once and at the highest QoS granted.
    fn distribute(&mut self, publish: Publish) {
        // A copy, because the payload is a slice of a read buffer and would keep all of it.
        let payload = Bytes::copy_from_slice(&publish.payload);
        let message = Publish { dup: false, retain: false, pkid: 0, payload, ..publish };
        for session in self.sessions.values_mut() {
            let filters = session.subscriptions.iter();
            let matching = filters.filter(|(filter, _)| filter_matches(filter, &message.topic));
            let granted = matching.map(|(_, qos)| *qos).reduce(|a, b| if a < b { b } else { a });
            if let Some(granted) = granted {
                session.deliver(Publish { qos: lower(message.qos, granted), ..message.clone() });
            }
        }
    }
}

fn lower(a: QoS, b: QoS) -> QoS {
    if a < b { a } else { b }
}
