//! What the broker remembers of one client, connected or not.
//!
//! Outgoing messages pass through here: a queue, then the in-flight window, where they have a
//! packet id and stay until the client has acknowledged them. Packets are drawn one by one
//! ([`Session::next_packet`]), when the socket has room: so a client that does not read fills its
//! bounded queue and no other memory.

use std::collections::{BTreeMap, HashSet, VecDeque};

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    ConnAck, ConnectReturnCode, LastWill, Packet, PubAck, PubComp, PubRec, PubRel, Publish,
};

use super::Limits;
use super::hub::{ConnectionId, Stats};
use barograph_config::filter_matches;

/// Filters of one session; one more is refused in the SUBACK.
const SUBSCRIPTIONS_LEN_MAX: usize = 1000;

/// The connection that a session has at the moment.
#[derive(Debug)]
pub(super) struct Attached {
    /// Which connection it is.
    pub(super) connection: ConnectionId,
    /// To be published when that connection ends without a DISCONNECT.
    pub(super) will: Option<LastWill>,
}

/// How far the handshake of a message in flight has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The PUBLISH was sent: a PUBACK (QoS 1) or PUBREC (QoS 2) is due.
    Published,
    /// QoS 2, the client has taken the message: a PUBCOMP is due.
    Released,
}

#[derive(Debug)]
struct InFlight {
    publish: Publish,
    stage: Stage,
}

/// One client's subscriptions and everything owed to it.
#[derive(Debug)]
pub(super) struct Session {
    limits: Limits,
    /// Ends with its connection.
    clean: bool,
    attached: Option<Attached>,
    /// The QoS granted to each filter.
    subscriptions: BTreeMap<String, QoS>,
    /// Replies and redeliveries. They go before anything fresh and die with the connection.
    outbox: VecDeque<Packet>,
    /// QoS 0 messages. A queue of their own, because a closed window must not hold them up.
    fleeting: VecDeque<Publish>,
    /// QoS 1 and 2 messages that have no packet id yet.
    waiting: VecDeque<Publish>,
    /// In the order of first sending, which is the order of redelivery.
    in_flight: VecDeque<InFlight>,
    last_packet_id: u16,
    /// Packet ids of QoS 2 messages *from* the client: taken, and the PUBREL still to come.
    taken: HashSet<u16>,
}

impl Session {
    /// A session that remembers nothing and has no connection.
    pub(super) fn new(limits: Limits) -> Session {
        Session {
            limits,
            clean: false,
            attached: None,
            subscriptions: BTreeMap::new(),
            outbox: VecDeque::new(),
            fleeting: VecDeque::new(),
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            last_packet_id: 0,
            taken: HashSet::new(),
        }
    }

    /// Gives the session its connection and puts out the CONNACK, then whatever an earlier
    /// connection left unfinished: PUBLISH with DUP and the packet id it had, or PUBREL where the
    /// client had already taken the message.
    pub(super) fn attach(&mut self, attached: Attached, clean: bool, session_present: bool) {
        self.clean = clean;
        self.attached = Some(attached);
        let connack = ConnAck::new(ConnectReturnCode::Success, session_present);
        self.outbox.push_back(Packet::ConnAck(connack));
        self.outbox.extend(self.in_flight.iter().map(|message| match message.stage {
            Stage::Published => Packet::Publish(Publish { dup: true, ..message.publish.clone() }),
            Stage::Released => Packet::PubRel(PubRel::new(message.publish.pkid)),
        }));
    }

    /// Takes the connection away, and with it what only made sense there.
    pub(super) fn detach(&mut self, stats: &mut Stats) -> Option<Attached> {
        self.outbox.clear();
        stats.dropped += self.fleeting.len() as u64;
        self.fleeting.clear();
        self.attached.take()
    }

    /// Whether the session ends with its connection.
    pub(super) fn is_clean(&self) -> bool {
        self.clean
    }

    /// The connection it has, if any.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        self.attached.as_ref().map(|attached| attached.connection)
    }

    /// Messages that the client has not acknowledged or not even been sent.
    pub(super) fn pending_len(&self) -> usize {
        self.fleeting.len() + self.waiting.len() + self.in_flight.len()
    }

    /// Replies and redeliveries that wait for room on the socket.
    pub(super) fn outbox_len(&self) -> usize {
        self.outbox.len()
    }

    /// Puts out a reply.
    pub(super) fn reply(&mut self, packet: Packet) {
        self.outbox.push_back(packet);
    }

    /// Adds or replaces a subscription; `false` if there are too many.
    pub(super) fn subscribe(&mut self, filter: String, qos: QoS) -> bool {
        let room = self.subscriptions.len() < SUBSCRIPTIONS_LEN_MAX;
        let granted = room || self.subscriptions.contains_key(&filter);
        if granted {
            self.subscriptions.insert(filter, qos);
        }
        granted
    }

    /// Ends a subscription, if there is one.
    pub(super) fn unsubscribe(&mut self, filter: &str) {
        self.subscriptions.remove(filter);
    }

    /// The highest QoS that any matching subscription was granted. Overlapping subscriptions
    /// deliver a message once.
    pub(super) fn granted(&self, topic: &str) -> Option<QoS> {
        let matching =
            self.subscriptions.iter().filter(|(filter, _)| filter_matches(filter, topic));
        matching.map(|(_, qos)| *qos).reduce(|a, b| if a < b { b } else { a })
    }

    /// Queues a message for the client. QoS 0 messages are not kept for a client that is away.
    pub(super) fn enqueue(&mut self, message: Publish, stats: &mut Stats) {
        let is_fleeting = message.qos == QoS::AtMostOnce;
        if is_fleeting && self.attached.is_none() {
            stats.dropped += 1;
            return;
        }
        if self.fleeting.len() + self.waiting.len() >= self.limits.queue_len_max {
            stats.dropped += 1;
            if self.fleeting.pop_front().is_none() {
                return;
            }
        }
        let queue = if is_fleeting { &mut self.fleeting } else { &mut self.waiting };
        queue.push_back(message);
    }

    /// The next packet to write: replies and redeliveries, then QoS 0, then what the window allows.
    pub(super) fn next_packet(&mut self, stats: &mut Stats) -> Option<Packet> {
        let packet = self
            .outbox
            .pop_front()
            .or_else(|| self.fleeting.pop_front().map(Packet::Publish))
            .or_else(|| self.launch().map(Packet::Publish))?;
        if let Packet::Publish(publish) = &packet {
            let counter = if publish.dup { &mut stats.redelivered } else { &mut stats.delivered };
            *counter += 1;
        }
        Some(packet)
    }

    /// Moves the next waiting message into the window.
    fn launch(&mut self) -> Option<Publish> {
        if self.in_flight.len() >= usize::from(self.limits.in_flight_len_max) {
            return None;
        }
        let mut publish = self.waiting.pop_front()?;
        publish.pkid = self.free_packet_id();
        self.in_flight.push_back(InFlight { publish: publish.clone(), stage: Stage::Published });
        Some(publish)
    }

    /// The next id in turn that no message in flight has. There is one: the window is smaller than
    /// the number of ids, or as large and not full.
    fn free_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            let id = self.last_packet_id;
            if !self.in_flight.iter().any(|message| message.publish.pkid == id) {
                return id;
            }
        }
    }

    /// Takes a PUBACK; `false` if nothing waited for it.
    pub(super) fn puback(&mut self, packet_id: u16) -> bool {
        self.finish(packet_id, QoS::AtLeastOnce, Stage::Published)
    }

    /// Takes a PUBCOMP; `false` if nothing waited for it.
    pub(super) fn pubcomp(&mut self, packet_id: u16) -> bool {
        self.finish(packet_id, QoS::ExactlyOnce, Stage::Released)
    }

    fn finish(&mut self, packet_id: u16, qos: QoS, stage: Stage) -> bool {
        let place = self.in_flight.iter().position(|message| {
            let publish = &message.publish;
            publish.pkid == packet_id && publish.qos == qos && message.stage == stage
        });
        place.and_then(|place| self.in_flight.remove(place)).is_some()
    }

    /// Takes a PUBREC and answers with PUBREL, also to a repeated one; `false` if nothing waited
    /// for it.
    pub(super) fn pubrec(&mut self, packet_id: u16) -> bool {
        let message = self.in_flight.iter_mut().find(|message| {
            message.publish.pkid == packet_id && message.publish.qos == QoS::ExactlyOnce
        });
        let Some(message) = message else { return false };
        message.stage = Stage::Released;
        self.outbox.push_back(Packet::PubRel(PubRel::new(packet_id)));
        true
    }

    /// Acknowledges a message from the client; `false` if it is a QoS 2 message that was taken
    /// before. The packet id alone decides (MQTT-4.3.3-2), so a publisher that reuses an id before
    /// its PUBREL loses that message: rumqttc 0.25.1 was seen to, when cut several times in a row.
    pub(super) fn take(&mut self, publish: &Publish) -> bool {
        match publish.qos {
            QoS::AtMostOnce => true,
            QoS::AtLeastOnce => {
                self.outbox.push_back(Packet::PubAck(PubAck::new(publish.pkid)));
                true
            }
            QoS::ExactlyOnce => {
                self.outbox.push_back(Packet::PubRec(PubRec::new(publish.pkid)));
                self.taken.insert(publish.pkid)
            }
        }
    }

    /// Takes a PUBREL. It is answered even if nothing is known of it: the client repeats it until
    /// it is.
    pub(super) fn pubrel(&mut self, packet_id: u16) {
        self.taken.remove(&packet_id);
        self.outbox.push_back(Packet::PubComp(PubComp::new(packet_id)));
    }
}
