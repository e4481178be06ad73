//! What the tests share: processes, a broker, a load, a network that breaks, and a look into the database.
//!
//! Nothing here knows the program from inside: it is driven by its command line, its TOML file, signals and sockets,
//! and judged by its log, its exit code and its database.

pub(crate) mod aloud;
pub(crate) mod asking;
pub(crate) mod browser;
pub(crate) mod certs;
pub(crate) mod database;
pub(crate) mod disk;
pub(crate) mod faults;
pub(crate) mod folder;
pub(crate) mod heavy;
pub(crate) mod hostile;
pub(crate) mod locker;
pub(crate) mod mosquitto;
pub(crate) mod needs;
pub(crate) mod network;
pub(crate) mod notify;
pub(crate) mod operator;
pub(crate) mod packet_log;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod publisher;
pub(crate) mod random;
pub(crate) mod recorder;
pub(crate) mod scene;
pub(crate) mod scrape;
pub(crate) mod settings;
pub(crate) mod sinks;
pub(crate) mod strace;
pub(crate) mod wait;
pub(crate) mod web;
pub(crate) mod websocket;
pub(crate) mod wire;
