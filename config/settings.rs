//! The resolved settings: what the rest of the program reads. No optional left open that a default could close,
//! no string that a type could hold, no secret that `Debug` could print.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::alert::Alert;
use crate::derived::Derived;
use crate::watchtower::Watchtower;

/// Everything the operator may say, checked and resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The one running instance.
    pub instance: Instance,
    /// The broker and our session there.
    pub mqtt: Mqtt,
    /// The database file and how it is written.
    pub database: Database,
    /// Where batches go while the database cannot take them.
    pub spool: Spool,
    /// When the recorder gives the database up for a while.
    pub health: Health,
    /// What is kept of messages that cannot become rows.
    pub quarantine: Quarantine,
    /// How dead actors are restarted.
    pub supervisor: Supervision,
    /// The log.
    pub log: Log,
    /// Where the numbers can be fetched.
    pub metrics: Metrics,
    /// The page.
    pub watchtower: Watchtower,
    /// Who is told of issues: names never repeat, at most one is on MQTT.
    pub alerts: Vec<Alert>,
    /// What is recorded, and where: never empty, filters never overlap.
    pub routes: Vec<Route>,
}

/// `[instance]`
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The lock that makes this the only instance; default `barograph.lock` beside the database.
    pub lock_file: PathBuf,
}

/// `[mqtt]`
#[derive(Debug, Clone, PartialEq)]
pub struct Mqtt {
    /// Where the broker listens.
    pub url: BrokerUrl,
    /// The protocol version spoken.
    pub protocol: Protocol,
    /// Names our session at the broker; must stay the same from start to start. Default `barograph-<hostname>`.
    pub client_id: String,
    /// User name for the broker.
    pub username: Option<String>,
    /// Password for the broker (from `password` or read from `password_file`).
    pub password: Option<Secret>,
    /// The keep-alive announced in CONNECT, whole seconds, 5 s to 18 h; default 60 s.
    pub keep_alive: Duration,
    /// How long the broker keeps our session while we are away (MQTT 5 only); default 7 days.
    pub session_expiry: Duration,
    /// Receive maximum announced in CONNECT (MQTT 5 only), 1 to 65535; default 1000.
    pub receive_maximum: u16,
    /// Largest MQTT packet whose payload is decoded, in bytes; larger ones are quarantined with their first bytes. Default 1 MiB.
    pub max_packet_size: u64,
    /// Most bytes of deliveries held in memory without a commit behind them, in bytes; default 4 MiB.
    pub max_unacked: u64,
    /// First pause before connecting again; doubles, with jitter, up to `reconnect_max`. Default 1 s.
    pub reconnect_min: Duration,
    /// Longest pause before connecting again; default 60 s.
    pub reconnect_max: Duration,
    /// PEM file with the certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM files with our certificate chain and its key, always both.
    pub client_auth: Option<ClientAuth>,
    /// Subscribe to the broker's own count of messages it dropped (`$SYS`); default true.
    pub watch_drops: bool,
    /// A message to ourselves every minute tells a deaf connection from a silent station; default true.
    pub echo: bool,
    /// How often, 1 s to 1 h; default 60 s.
    pub echo_interval: Duration,
}

/// Our own certificate for the broker.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientAuth {
    /// PEM file with our certificate chain.
    pub cert_file: PathBuf,
    /// PEM file with its private key.
    pub key_file: PathBuf,
}

/// `mqtt://host:port` or `mqtts://host:port`, without the credentials it may have been written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Host name or address (an IPv6 address without its brackets).
    pub host: String,
    /// TCP port; default 1883, with TLS 8883.
    pub port: u16,
    /// `mqtts://`
    pub tls: bool,
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// MQTT protocol version: `"3.1.1"` or `"5"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 3.1.1
    V311,
    /// MQTT 5
    V5,
}

/// A word that never reaches a log, an error or `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a word.
    pub fn new(word: impl Into<String>) -> Self {
        Self(word.into())
    }

    /// The word itself, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `[database]`
#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    /// The SQLite file; default `./weather_data.db`.
    pub path: PathBuf,
    /// How long one attempt to write waits for a lock held elsewhere; default 1 s. Then it is tried again, for ever.
    pub busy_timeout: Duration,
    /// Commit at most this often, to spare a flash card; default 0: as soon as the disk is free.
    pub commit_interval: Duration,
    /// How hard a commit is pressed onto the disk.
    pub synchronous: Synchronous,
}

/// SQLite's `synchronous` pragma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// Every commit survives a power cut.
    Full,
    /// A power cut may take the last commits, acknowledged ones too.
    Normal,
}

/// `[spool]`
#[derive(Debug, Clone, PartialEq)]
pub struct Spool {
    /// The folder of the spool file; default `spool` beside the database. May be on another disk.
    pub dir: PathBuf,
    /// Most bytes that the spool may take on the disk; default 256 MiB.
    pub max_size: u64,
    /// Bytes of that disk that the spool leaves free; default 64 MiB.
    pub min_free: u64,
}

/// `[health]`
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Writes that may fail in a row, for causes that often pass by themselves, before batches go to the spool; default 10.
    pub max_write_failures: u32,
    /// Messages arrive and nothing becomes durable for this long: batches go to the spool, and it is said. Default 60 s.
    pub no_write_issue_after: Duration,
    /// First pause before a database that was given up is tried again; doubles, with jitter, up to `probe_max`. Default 1 s.
    pub probe_min: Duration,
    /// Longest pause before a database that was given up is tried again; default 60 s.
    pub probe_max: Duration,
    /// How often everything is checked without a cause, 1 s to 1 h; default 60 s.
    pub check_interval: Duration,
    /// Say it when the kernel calls the clock unsynchronised; default true.
    pub clock_sync: bool,
}

/// `[quarantine]`
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantine {
    /// Most rows kept in quarantine; beyond it the oldest are dropped, and counted. Default 100,000.
    pub max_rows: u64,
    /// Rows older than this are dropped from quarantine, and counted; default 365 days.
    pub max_age: Duration,
}

/// `[supervisor]`
#[derive(Debug, Clone, PartialEq)]
pub struct Supervision {
    /// Pause before the first restart of an actor; doubles, with jitter. Default 100 ms.
    pub backoff_min: Duration,
    /// Longest pause before a restart; default 30 s.
    pub backoff_max: Duration,
    /// Restarts allowed (over all actors) within `intensity_period` before the process gives up; default 10.
    pub intensity: u32,
    /// The sliding window of `intensity`; default 60 s.
    pub intensity_period: Duration,
    /// An actor that ran this long without dying starts again at `backoff_min`; default 60 s.
    pub stable_after: Duration,
    /// An actor whose pulse has stood still this long is stuck; default 30 s.
    pub stuck_after: Duration,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Least severity written.
    pub level: Level,
    /// One line of text or one JSON object per event.
    pub format: Format,
    /// Appended to; default: standard error.
    pub file: Option<PathBuf>,
    /// Period of the line that says how much was received and stored; default 5 min.
    pub stats_interval: Duration,
    /// `file` is rotated when it is this large, in bytes; `None`, the default: never, logrotate does it.
    pub rotate_size: Option<u64>,
    /// How many old files (`name.1`, the youngest, and so on) are kept, 1 to 1000; default 5.
    pub rotate_keep: u32,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// Address and port that answer `/metrics`; `None`, the default: nobody listens. Port 0 is any free one.
    pub listen: Option<SocketAddr>,
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `"error"`
    Error,
    /// `"warn"`
    Warn,
    /// `"info"`
    Info,
    /// `"debug"`
    Debug,
    /// `"trace"`
    Trace,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a person.
    Text,
    /// For a machine: one JSON object a line.
    Json,
}

/// `[[route]]`: the messages of one topic filter become the rows of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// MQTT topic filter; no other route's filter overlaps it.
    pub topic: String,
    /// The table; an SQL identifier without quoting, not beginning with `barograph_` or `sqlite_`.
    pub table: String,
    /// Quality of service asked for in SUBSCRIBE.
    pub qos: Qos,
    /// Natural key: columns whose values are never stored twice. Empty: none.
    pub unique: Vec<String>,
    /// Columns in the order of the file; never empty; names unique regardless of case, never `id` or `created_at`.
    pub columns: Vec<Column>,
    /// Indexes made with the table.
    pub indexes: Vec<Index>,
    /// No message for this long, while the broker is connected, is a gap; `None`: silence is nothing odd.
    pub silent_after: Option<Duration>,
    /// The column (integer or real) with the time of the measurement, in seconds or milliseconds since 1970 UTC, from which
    /// the time from measurement to commit is told.
    pub time_column: Option<String>,
    /// Values that follow from the columns, for those who look; their names are unlike the columns', regardless of case. A
    /// reload that changes nothing else changes them here, and not in the routes that the data path goes by.
    pub derived: Vec<Derived>,
}

/// MQTT quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// At most once.
    AtMostOnce = 0,
    /// At least once (exactly once in the database).
    AtLeastOnce = 1,
    /// Exactly once.
    ExactlyOnce = 2,
}

/// An index of a route's table: `[route.indexes]`, name = list of columns (`created_at` and `id` allowed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its SQL name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
}

/// One column and where its value comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// SQL identifier.
    pub name: String,
    /// RFC 6901 JSON pointer into the payload (`/utc`; a bare field name of the file has become one; "" is the whole payload).
    pub pointer: String,
    /// Type of the value.
    pub kind: Kind,
    /// A message without the field is quarantined.
    pub required: bool,
    /// Smallest good value (integer and real only).
    pub min: Option<f64>,
    /// Largest good value (integer and real only).
    pub max: Option<f64>,
    /// Unit, for people.
    pub unit: Option<String>,
    /// What a bad value does.
    pub on_bad: OnBad,
    /// So many identical readings in a row are an issue, 2 to 1,000,000; `None`: a value may stand still.
    pub stuck_after: Option<u32>,
}

/// Type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole number, stored as INTEGER.
    Integer,
    /// Number, stored as REAL.
    Real,
    /// JSON string, stored as TEXT.
    Text,
    /// `true` or `false`, stored as INTEGER 1 or 0.
    Boolean,
    /// Any JSON value, stored as compact JSON text.
    Json,
}

/// What a value of the wrong type or out of bounds does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBad {
    /// The whole message goes to quarantine (the default).
    Quarantine,
    /// The column becomes NULL, the rest is stored. Not for required columns.
    Null,
}
