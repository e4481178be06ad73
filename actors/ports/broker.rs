//! The port to the broker: connections, what is asked of them, and what comes by them.

use std::future::Future;
use std::pin::Pin;

use barograph_config::Qos;
use bytes::Bytes;
use tokio::time::Instant;

use crate::message::delivery::{ConnectionId, Delivery};

/// Makes connections to the broker.
pub trait Broker: Clone + Send + Unpin + 'static {
    /// One connection. Nothing of it can speak on another one.
    type Session: BrokerSession;

    /// Connects, with the kept session; gives up after a bounded time.
    fn connect(&self, id: ConnectionId) -> Connecting<Self::Session>;

    /// Names the session: broker and client id.
    fn session_name(&self) -> String;
}

/// A connection being made.
pub type Connecting<S> = Pin<Box<dyn Future<Output = Result<(S, Greeting), Down>>>>;

/// What the broker said when it accepted us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// It had kept our session.
    pub session_present: bool,
}

/// One connection to the broker, after it has accepted us.
pub trait BrokerSession: Unpin + 'static {
    /// The next thing from the broker; also sends what waits to be sent. Cancel-safe: dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// The connection is over.
    fn next(&mut self) -> impl Future<Output = Result<Incoming, Down>>;

    /// What has come already and needs no waiting for; `None`: nothing, or too little to tell.
    fn next_now(&mut self) -> Option<Result<Incoming, Down>> {
        None
    }

    /// When the broker last said anything, and whether it owes an answer.
    fn liveness(&self) -> Liveness {
        Liveness { heard: Instant::now(), asked: None }
    }

    /// Queues the acknowledgement of a delivery of this connection (PUBACK, or PUBREC at QoS 2).
    fn acknowledge(&mut self, qos: Qos, packet_id: u16);

    /// Queues a barrier: [`Incoming::BarrierPassed`] comes when the broker has taken everything
    /// queued before it.
    fn barrier(&mut self);

    /// Queues the request for these subscriptions, of one shape, beside those that are there; gives the number
    /// that the answer carries ([`Incoming::Subscribed`]).
    fn subscribe(&mut self, filters: &[Filter]) -> u16;

    /// Queues the end of these subscriptions; gives the number that the answer carries
    /// ([`Incoming::Unsubscribed`]).
    fn unsubscribe(&mut self, filters: &[String]) -> u16;

    /// Queues a message of our own; it leaves with the next write. At QoS 1 it has a number, and
    /// [`Incoming::Published`] says what the broker answered; at QoS 0 there is no answer. (What
    /// the broker cannot do, QoS 1 or retaining, is left out; QoS 2 counts as 1.) One that the
    /// connection takes along is not sent again by itself.
    ///
    /// # Errors
    /// Nothing was queued.
    fn publish(&mut self, message: &Publication) -> Result<Option<u16>, NotSent>;

    /// Sends what is queued and says goodbye; bounded in time.
    fn disconnect(self) -> impl Future<Output = ()>;
}

/// What a connection itself shows of the broker, whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liveness {
    /// When the last byte came.
    pub heard: Instant,
    /// Since when there has been a question (a ping, a request, a message of ours) without an answer; `None`:
    /// everything is answered.
    pub asked: Option<Instant>,
}

/// What comes from the broker.
#[derive(Debug)]
pub enum Incoming {
    /// A message, and the identifier of the one subscription that it came by (0: of one without identifier). `None`: that
    /// is not known, or it came by several.
    Delivery(Delivery, Option<u32>),
    /// The answer to the request of this number, filter by filter: what was granted, or the reason
    /// why not.
    Subscribed(u16, Vec<Result<Qos, BrokerRefusal>>),
    /// The subscriptions of this request have ended.
    Unsubscribed(u16),
    /// The broker took our message of this number, or says why not.
    Published(u16, Result<(), BrokerRefusal>),
    /// The barrier came back.
    BarrierPassed,
    /// The broker released a delivery of QoS 2 (PUBREL), and the answer (PUBCOMP) is queued.
    Released(u16),
}

/// A topic filter, and the quality of service asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The filter.
    pub topic: String,
    /// The best quality that we want.
    pub qos: Qos,
    /// It is subscribed to already, and what the broker retains is to come once more.
    pub is_repeated: bool,
}

impl Filter {
    /// A filter that is subscribed to for the first time.
    pub fn new(topic: &str, qos: Qos) -> Self {
        Self { topic: topic.to_owned(), qos, is_repeated: false }
    }

    /// A number of where its wildcards are. Two filters of one shape that overlap are the same one: so where a message
    /// comes once for each of two subscriptions, their shapes differ. It is the subscription identifier (MQTT 5), from 1
    /// to 268,435,455, and the same in each process.
    pub fn shape(&self) -> u32 {
        let levels = self.topic.split('/').map(|level| match level {
            "+" => 2_u64,
            "#" => 3,
            _ => 1,
        });
        // FNV-1a.
        let hash = levels.fold(0xcbf2_9ce4_8422_2325_u64, |hash, level| {
            (hash ^ level).wrapping_mul(0x0100_0000_01b3)
        });
        let bits = u32::try_from((hash >> 32 ^ hash) & 0x0fff_ffff).unwrap_or_default();
        bits.max(1)
    }
}

/// A message of our own; also a last will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Topic name.
    pub topic: String,
    /// The bytes.
    pub payload: Bytes,
    /// 0 or 1.
    pub qos: Qos,
    /// The broker keeps it for later subscribers.
    pub retain: bool,
}

/// The broker refused a subscription or a message: its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BrokerRefusal(pub String);

/// Why a message of our own was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// As many as may be are on their way and not answered.
    #[error("the broker has not answered the messages before it")]
    Busy,
    /// The broker said that it takes no packet of this size.
    #[error("it is larger than the broker takes")]
    TooLarge,
    /// The broker ended connections over messages on this topic.
    #[error(
        "the broker closes the connection when we publish there: it probably does not allow it; \
        nothing is published there until the broker session restarts"
    )]
    HungUp,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Down {
    /// As a kind.
    pub kind: DownKind,
    /// What is wrong, where, and what to do.
    pub message: String,
}

/// Why there is no connection, as a kind: the log says each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownKind {
    /// The name is not known.
    Dns,
    /// Nothing listens there.
    Refused,
    /// No answer in time.
    Timeout,
    /// No trust.
    Tls,
    /// The broker does not accept the user name and password, or the client.
    Credentials,
    /// Another client connected with our client id.
    TakenOver,
    /// The broker ended it.
    Closed,
    /// The network ended it.
    Network,
    /// What came was not MQTT as we know it.
    Protocol,
    /// We ended it: it delivered nothing.
    Deaf,
    /// We ended it: more has arrived than may wait for the database.
    WindowFull,
}

impl DownKind {
    /// The word that the log uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Credentials => "credentials",
            Self::TakenOver => "taken_over",
            Self::Closed => "closed",
            Self::Network => "network",
            Self::Protocol => "protocol",
            Self::Deaf => "deaf",
            Self::WindowFull => "window_full",
        }
    }
}
