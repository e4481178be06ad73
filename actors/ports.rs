//! The ports: what the recorder needs of the world. `src` has the real ones, the tests have fakes
//! that inject faults.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use barograph_config::Qos;

use crate::account::Tally;
use crate::batch::{Batch, Receipt};
use crate::delivery::{ConnectionId, Delivery, UnixMillis};
use crate::published::Event;

/// Time and chance.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// The wall clock.
    pub now: fn() -> UnixMillis,
    /// A number in 0..=1, anew at each call.
    pub jitter: fn() -> f64,
    /// 63 random bits, anew at each call.
    pub random: fn() -> i64,
}

/// A durable store of batches. Its calls block: it lives on a thread of its own.
pub trait Journal {
    /// Makes a batch durable, in one transaction: rows, ledger, counters, and the `events` that
    /// waited. Idempotent by the batch's id: a batch that is already durable gives a receipt with
    /// `repeated` set.
    ///
    /// # Errors
    /// Nothing of the batch was stored (`Outcome::Refused`), or nobody knows (`Outcome::Unknown`:
    /// open anew and append again).
    fn append(&mut self, batch: &Batch, events: &[Event]) -> Result<Receipt, WriteError>;

    /// Stores events alone.
    ///
    /// # Errors
    /// As [`Journal::append`].
    fn record_events(&mut self, events: &[Event]) -> Result<(), WriteError>;

    /// What became of all deliveries since the database began, by its own account.
    fn account(&self) -> Tally;

    /// Checkpoints and closes.
    fn close(self: Box<Self>);
}

/// Opens the journal: at the start, and again after each error that leaves the handle in doubt.
pub trait OpenJournal: Send {
    /// Opens it; blocks.
    ///
    /// # Errors
    /// Says whether waiting can help.
    fn open(&mut self) -> Result<Box<dyn Journal>, OpenError>;
}

/// Why the journal cannot be opened.
#[derive(Debug, Clone)]
pub struct OpenError {
    /// Why, as a kind.
    pub cause: WriteCause,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// Set where waiting cannot help: the exit code.
    pub permanent: Option<i32>,
}

/// Why a write failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteCause {
    /// Another process holds the database's write lock (or a lock that excludes us).
    Locked,
    /// No room on the disk.
    Full,
    /// The device failed.
    Io,
    /// The file system or the file is read-only.
    ReadOnly,
    /// We may not.
    Permission,
    /// The file is not there.
    Missing,
    /// The path leads to another file than the one we hold.
    Replaced,
    /// The file is damaged.
    Corrupt,
    /// The file is no database.
    NotADatabase,
    /// A table does not fit its route.
    SchemaClash,
    /// Anything else.
    Other,
}

impl WriteCause {
    /// The word that the log uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Full => "full",
            Self::Io => "io_error",
            Self::ReadOnly => "read_only",
            Self::Permission => "permission",
            Self::Missing => "missing",
            Self::Replaced => "replaced",
            Self::Corrupt => "corrupt",
            Self::NotADatabase => "not_a_database",
            Self::SchemaClash => "schema_clash",
            Self::Other => "other",
        }
    }
}

/// What is known of a failed write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Nothing of it is stored.
    Refused,
    /// It may be stored or not: open the file anew and append again, the ledger knows. (Measured:
    /// after EIO at fsync the refused row was there in 16 of 21 cases.)
    Unknown,
}

/// A write failed.
#[derive(Debug, Clone)]
pub struct WriteError {
    /// Why, as a kind.
    pub cause: WriteCause,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// What is known.
    pub outcome: WriteOutcome,
    /// The handle is of no more use: the file must be opened anew.
    pub reopen: bool,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for WriteError {}

/// Makes connections to the broker.
pub trait Broker: Clone + Send + Unpin + 'static {
    /// One connection. Nothing of it can speak on another one.
    type Session: Session;

    /// Connects, with the kept session, and asks for the subscriptions; gives up after a bounded
    /// time.
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
pub trait Session: Unpin + 'static {
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

    /// Queues the acknowledgement of a delivery of this connection (PUBACK, or PUBREC at QoS 2).
    fn acknowledge(&mut self, qos: Qos, packet_id: u16);

    /// Queues a barrier: [`Incoming::BarrierPassed`] comes when the broker has taken everything
    /// queued before it.
    fn barrier(&mut self);

    /// Sends what is queued and says goodbye; bounded in time.
    fn disconnect(self) -> impl Future<Output = ()>;
}

/// What comes from the broker.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Delivery(Delivery),
    /// The answer to our subscriptions, in the order of the routes: the reason, where one was
    /// refused.
    Subscribed(Vec<Result<Qos, String>>),
    /// The barrier came back.
    BarrierPassed,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Nobody listens there.
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
            Self::WindowFull => "window_full",
        }
    }
}
