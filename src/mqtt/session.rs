//! One session over one connection: reads, acknowledges, pings, and ends with it.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use barograph_actors::message::delivery::{Delivery, UnixMillis};
use barograph_actors::ports::{
    BrokerSession, Down, DownKind, Filter, Greeting, Incoming, Liveness, NotSent, Publication,
};
use barograph_config::{Mqtt, Qos};
use bytes::BytesMut;
use rustix::net::sockopt::set_tcp_quickack;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::outgoing::{BARRIER_ID, Outgoing};
use super::oversized::Oversized;
use super::packet::{Keep, Packet, Publish, Wire, frame};
use super::stream::BrokerStream;

/// Room that a read is given, in bytes.
const READ_ROOM: usize = 32 * 1024;
/// For sending what is queued and the farewell.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);
/// Pings in a keep-alive.
const PINGS: u32 = 3;
/// So many pings in a row without any byte from the broker, and the connection counts as dead when the
/// next one is due: a whole keep-alive after the first of them, and at most 1.33 after the last byte.
const SILENT_PINGS_MAX: u32 = PINGS;
/// No client subscribes to this: leaving it changes nothing, and the answer proves that the broker has
/// taken all that was sent before.
const BARRIER_FILTER: &str = "barograph/barrier";
/// MQTT's overhead beside topic and payload that a packet within `max_packet_size` may have here
/// before it is skipped rather than buffered.
const HEADROOM: u64 = 1024;

/// One session over one connection.
pub struct MqttSession {
    stream: Box<dyn BrokerStream>,
    wire: Box<dyn Wire>,
    input: BytesMut,
    output: BytesMut,
    outgoing: Outgoing,
    /// Written, but perhaps still in TLS's buffer.
    unflushed: bool,
    /// What came last is nothing that we answer.
    unanswered: bool,
    skipping: Option<Oversized>,
    packet_max: u64,
    ping: Interval,
    ping_period: Duration,
    silent_pings: u32,
    /// A barrier is under way.
    barrier: bool,
    /// When the last byte came.
    heard: Instant,
    /// Since when the broker has owed an answer, while it does.
    asked: Instant,
    polled_at: Instant,
    broker: String,
    now: fn() -> UnixMillis,
}

impl std::fmt::Debug for MqttSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MqttSession").field("broker", &self.broker).finish_non_exhaustive()
    }
}

impl MqttSession {
    pub(super) fn new(
        stream: Box<dyn BrokerStream>,
        wire: Box<dyn Wire>,
        settings: &Mqtt,
        now: fn() -> UnixMillis,
    ) -> Self {
        let ping_period = settings.keep_alive / PINGS;
        let mut ping = interval_at(Instant::now() + ping_period, ping_period);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            stream,
            wire,
            input: BytesMut::with_capacity(READ_ROOM),
            output: BytesMut::new(),
            outgoing: Outgoing::default(),
            unflushed: false,
            unanswered: false,
            skipping: None,
            packet_max: settings.max_packet_size.saturating_add(HEADROOM),
            ping,
            ping_period,
            silent_pings: 0,
            barrier: false,
            heard: Instant::now(),
            asked: Instant::now(),
            polled_at: Instant::now(),
            broker: settings.url.to_string(),
            now,
        }
    }

    /// CONNECT and its answer.
    pub(super) async fn greet(
        &mut self,
        settings: &Mqtt,
        will: Option<&Publication>,
        keep: Keep,
    ) -> Result<Greeting, Down> {
        self.wire.connect(settings, will, keep, &mut self.output);
        loop {
            if let Some(packet) = self.buffered_packet()? {
                return match packet {
                    Packet::ConnAck { refused: Some(down), .. } | Packet::Disconnect(down) => {
                        Err(down)
                    }
                    Packet::ConnAck { session_present, refused: None, takes } => {
                        self.outgoing.takes = takes;
                        Ok(Greeting { session_present })
                    }
                    other @ (Packet::Publish(_)
                    | Packet::PubRel(_)
                    | Packet::SubAck(..)
                    | Packet::UnsubAck(_)
                    | Packet::PubAck(..)
                    | Packet::PingResp
                    | Packet::Unexpected(_)) => {
                        Err(self.protocol_error(format_args!("{other:?} in place of CONNACK")))
                    }
                };
            }
            self.transfer().await?;
        }
    }

    /// Moves bytes: sends what is queued, or reads, or pings when it is time. Cancel-safe: each arm
    /// either happened or did not.
    async fn transfer(&mut self) -> Result<(), Down> {
        if self.input.capacity() - self.input.len() < READ_ROOM / 4 {
            self.input.reserve(READ_ROOM);
        }
        self.hasten_kernel();
        let moved =
            move_bytes(&mut self.stream, &mut self.input, &mut self.output, &mut self.unflushed);
        tokio::select! {
            biased;
            moved = moved => match moved {
                Ok(Moved::Sent) => Ok(()),
                Ok(Moved::Read(0)) => Err(self.closed()),
                Ok(Moved::Read(_)) => {
                    self.silent_pings = 0;
                    self.heard = Instant::now();
                    Ok(())
                }
                Err(error) => Err(self.network_error(&error)),
            },
            _ = self.ping.tick() => self.ping(),
        }
    }

    /// Before it is waited for more: what the broker said last has no answer that would take the kernel's
    /// acknowledgement along, and the kernel would put that off for up to 40 ms. A broker without TCP_NODELAY (a stock
    /// Mosquitto) holds its next packet back until then.
    fn hasten_kernel(&mut self) {
        if std::mem::take(&mut self.unanswered)
            && self.output.is_empty()
            && let Err(error) = set_tcp_quickack(self.stream.tcp(), true)
        {
            tracing::debug!("TCP_QUICKACK: {error}");
        }
    }

    fn ping(&mut self) -> Result<(), Down> {
        if self.silent_pings >= SILENT_PINGS_MAX {
            let silence = humantime::format_duration(self.ping_period * self.silent_pings);
            return Err(Down {
                kind: DownKind::Timeout,
                message: format!(
                    "{} has sent nothing for {silence}, not even an answer to a ping; the \
                    connection counts as dead",
                    self.broker
                ),
            });
        }
        self.ask();
        self.silent_pings += 1;
        self.wire.pingreq(&mut self.output);
        Ok(())
    }

    /// Whether the broker owes an answer.
    fn is_owed(&self) -> bool {
        self.silent_pings > 0 || self.barrier || self.outgoing.is_waiting()
    }

    /// To be called before something is asked.
    fn ask(&mut self) {
        if !self.is_owed() {
            self.asked = Instant::now();
        }
    }

    /// The next packet of what has been read.
    fn buffered_packet(&mut self) -> Result<Option<Packet>, Down> {
        let framed = frame(&self.input).map_err(|error| self.protocol_error(error))?;
        let Some((header, length)) = framed else { return Ok(None) };
        if self.input.len() < header + length {
            return Ok(None);
        }
        let decoded = self.wire.decode(&mut self.input);
        decoded.map(Some).map_err(|error| self.protocol_error(error))
    }

    /// The next thing of what has been read that the recorder wants to know of; answers what needs
    /// only an answer.
    fn buffered(&mut self) -> Result<Option<Incoming>, Down> {
        loop {
            if let Some(skipped) = self.skip()? {
                return Ok(skipped);
            }
            let size = self.input.len();
            let Some(packet) = self.buffered_packet()? else { return Ok(None) };
            let packet_size = (size - self.input.len()) as u64;
            self.unanswered = !packet.is_answered();
            match packet {
                Packet::Publish(publish) => {
                    let payload_size = publish.payload.len() as u64;
                    return Ok(Some(self.delivery(publish, payload_size, packet_size)));
                }
                // Whatever it releases was received before, here or on an earlier connection: the
                // answer is always the same.
                Packet::PubRel(packet_id) => {
                    self.wire.pubcomp(packet_id, &mut self.output);
                    return Ok(Some(Incoming::Released(packet_id)));
                }
                Packet::UnsubAck(BARRIER_ID) => {
                    self.barrier = false;
                    return Ok(Some(Incoming::BarrierPassed));
                }
                Packet::SubAck(id, answers) if self.outgoing.answered(id) => {
                    return Ok(Some(Incoming::Subscribed(id, answers)));
                }
                Packet::UnsubAck(id) if self.outgoing.answered(id) => {
                    return Ok(Some(Incoming::Unsubscribed(id)));
                }
                Packet::PubAck(id, outcome) if self.outgoing.published(id) => {
                    return Ok(Some(Incoming::Published(id, outcome)));
                }
                Packet::PingResp => {}
                Packet::Disconnect(down) => return Err(down),
                unexpected @ (Packet::ConnAck { .. }
                | Packet::SubAck(..)
                | Packet::UnsubAck(_)
                | Packet::PubAck(..)
                | Packet::Unexpected(_)) => {
                    let detail = format_args!("an unexpected packet: {unexpected:?}");
                    return Err(self.protocol_error(detail));
                }
            }
        }
    }

    /// Goes on skipping, or begins to where the next packet is too large; `None` where there is
    /// nothing to skip.
    fn skip(&mut self) -> Result<Option<Option<Incoming>>, Down> {
        if self.skipping.is_none() {
            let framed = frame(&self.input).map_err(|error| self.protocol_error(error))?;
            match framed {
                Some((header, length)) if (header + length) as u64 > self.packet_max => {
                    self.skipping = Some(Oversized::begin(&mut self.input, header, length));
                }
                Some(_) | None => return Ok(None),
            }
        }
        let complete =
            self.skipping.as_mut().is_some_and(|oversized| oversized.take(&mut self.input));
        match self.skipping.take() {
            Some(oversized) if complete => {
                let finished = oversized.finish(self.wire.has_properties());
                let (publish, payload_size, packet_size) =
                    finished.map_err(|error| self.protocol_error(error))?;
                Ok(Some(Some(self.delivery(publish, payload_size, packet_size))))
            }
            unfinished => {
                self.skipping = unfinished;
                Ok(Some(None))
            }
        }
    }

    fn delivery(&self, publish: Publish, whole_size: u64, packet_size: u64) -> Incoming {
        let Publish { topic, payload, qos, retain, dup, packet_id, properties, subscription } =
            publish;
        let received_at = (self.now)();
        let delivery = Delivery {
            topic,
            payload,
            whole_size,
            packet_size,
            qos,
            retain,
            dup,
            packet_id,
            received_at,
            properties,
        };
        Incoming::Delivery(delivery, subscription)
    }

    /// A clean close without a word. With MQTT 3.1.1 that is also all that can be seen of a session
    /// taken over.
    fn closed(&self) -> Down {
        Down {
            kind: DownKind::Closed,
            message: format!(
                "{} closed the connection (a restart of the broker, or another client with our \
                 mqtt.client_id: the broker's log says which)",
                self.broker
            ),
        }
    }

    fn network_error(&self, error: &io::Error) -> Down {
        Down {
            kind: DownKind::Network,
            message: format!("the connection to {} broke ({error})", self.broker),
        }
    }

    fn protocol_error(&self, detail: impl fmt::Display) -> Down {
        let message = format!(
            "{} sent what is not MQTT as we know it: {detail}; look at mqtt.url and mqtt.protocol",
            self.broker
        );
        Down { kind: DownKind::Protocol, message }
    }
}

/// What one step on the socket did.
enum Moved {
    /// Something was written.
    Sent,
    /// So many bytes were read; 0: the broker has closed the connection.
    Read(usize),
}

/// Writes what is queued, as far as the socket takes it; else reads. Cancel-safe.
async fn move_bytes(
    stream: &mut Box<dyn BrokerStream>,
    input: &mut BytesMut,
    output: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<Moved> {
    // Neither future keeps anything between two polls.
    poll_fn(|cx| {
        if *unflushed || !output.is_empty() {
            let sent = pin!(send(stream, output, unflushed)).poll(cx);
            if let Poll::Ready(sent) = sent {
                return Poll::Ready(sent.map(|()| Moved::Sent));
            }
        }
        pin!(stream.read_buf(input)).poll(cx).map_ok(Moved::Read)
    })
    .await
}

/// A write, and the flush after the last one. Cancel-safe.
async fn send(
    stream: &mut Box<dyn BrokerStream>,
    output: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    if !output.is_empty() {
        *unflushed = true;
        stream.write_buf(output).await?;
    }
    if output.is_empty() {
        stream.flush().await?;
        *unflushed = false;
    }
    Ok(())
}

impl BrokerSession for MqttSession {
    async fn next(&mut self) -> Result<Incoming, Down> {
        // While nothing was read, the broker's silence means nothing.
        if self.polled_at.elapsed() > self.ping_period {
            self.silent_pings = 0;
        }
        loop {
            if let Some(incoming) = self.buffered()? {
                return Ok(incoming);
            }
            self.polled_at = Instant::now();
            self.transfer().await?;
        }
    }

    fn next_now(&mut self) -> Option<Result<Incoming, Down>> {
        self.buffered().transpose()
    }

    fn liveness(&self) -> Liveness {
        Liveness { heard: self.heard, asked: self.is_owed().then_some(self.asked) }
    }

    fn acknowledge(&mut self, qos: Qos, packet_id: u16) {
        match qos {
            Qos::AtMostOnce => {}
            Qos::AtLeastOnce => self.wire.puback(packet_id, &mut self.output),
            Qos::ExactlyOnce => self.wire.pubrec(packet_id, &mut self.output),
        }
    }

    fn barrier(&mut self) {
        self.ask();
        self.barrier = true;
        self.wire.unsubscribe(BARRIER_ID, &[BARRIER_FILTER.to_owned()], &mut self.output);
    }

    fn subscribe(&mut self, filters: &[Filter]) -> u16 {
        self.ask();
        let id = self.outgoing.ask();
        let identifier = filters.first().filter(|_| self.outgoing.takes.identifiers);
        self.wire.subscribe(id, filters, identifier.map(Filter::shape), &mut self.output);
        id
    }

    fn unsubscribe(&mut self, filters: &[String]) -> u16 {
        self.ask();
        let id = self.outgoing.ask();
        self.wire.unsubscribe(id, filters, &mut self.output);
        id
    }

    fn publish(&mut self, message: &Publication) -> Result<Option<u16>, NotSent> {
        self.ask();
        let (id, message) = self.outgoing.admit(message, self.output.len())?;
        self.wire.publish(&message, id, &mut self.output);
        Ok(id)
    }

    async fn disconnect(mut self) {
        self.wire.disconnect(&mut self.output);
        let farewell = async {
            while self.unflushed || !self.output.is_empty() {
                send(&mut self.stream, &mut self.output, &mut self.unflushed).await?;
            }
            // The broker closes when it has taken everything. To close first, with unread
            // messages on our side, would reset the connection and take the acknowledgements along.
            while self.stream.read_buf(&mut self.input).await? > 0 {
                self.input.clear();
            }
            Ok::<(), io::Error>(())
        };
        if let Ok(Err(error)) = timeout(FAREWELL_WITHIN, farewell).await {
            tracing::debug!("the farewell was not heard: {error}");
        }
    }
}
