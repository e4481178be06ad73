//! The message that everybody receives: a reading of the field sensor, numbered by its x.

use rusqlite::Connection;

use crate::support::publisher::Load;
use crate::support::scene::Scene;
/// The recorder's route; QoS 2 is the most it asks for, so a message keeps the QoS it was published with.
pub(crate) use crate::support::settings::MAGNETIC as ROUTE;
use crate::support::wire::Wire;

pub(crate) const TOPIC: &str = "backacres/house/weatherstation/magneticfluxsensor/";
pub(crate) const FILTER: &str = "+/+/weatherstation/magneticfluxsensor/#";
/// The session at the broker, whoever holds it.
pub(crate) const CLIENT_ID: &str = "recorder";
pub(crate) const TABLE: &str = "magnetic_flux_data";

/// The brokers that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokerKind {
    /// As our sample mosquitto.conf says.
    Sample,
    /// Mosquitto's defaults: without TCP_NODELAY.
    Stock,
}

impl BrokerKind {
    pub(crate) const ALL: [Self; 2] = [Self::Sample, Self::Stock];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Stock => "stock",
        }
    }

    /// A folder, and a broker of this kind that keeps also messages of QoS 0.
    pub(crate) fn scene(self) -> Scene {
        let lines = "allow_anonymous true\nqueue_qos0_messages true";
        match self {
            Self::Sample => Scene::with_broker(|_| lines.to_owned()),
            Self::Stock => Scene::with_delaying_broker(lines),
        }
    }
}

/// What the recorder makes of that route.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS magnetic_flux_data (id INTEGER PRIMARY KEY AUTOINCREMENT, x REAL NOT NULL,
    y REAL NOT NULL, z REAL NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX IF NOT EXISTS idx_magnetic_flux_data_created ON magnetic_flux_data (created_at);
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
";

pub(crate) const INSERT: &str =
    "INSERT INTO magnetic_flux_data (x, y, z, created_at) VALUES (?1, ?2, ?3, ?4)";

pub(crate) fn payload(number: i64) -> Vec<u8> {
    format!(r#"{{"x":{number},"y":-558,"z":-305}}"#).into_bytes()
}

/// Numbered readings, as fast as the broker takes them.
pub(crate) fn load(qos: u8, count: i64) -> Load {
    Load { topic: TOPIC, payload, ..Load::numbered(qos).count(count) }
}

/// Publishes one at QoS 1.
pub(crate) fn put(wire: &mut Wire, number: i64) {
    let packet_id = u16::try_from(number % 60_000 + 1).expect("at most 60,000");
    wire.put_publish(TOPIC, &payload(number), 1, false, packet_id);
}

/// The same table, in WAL mode and FULL, without a recorder.
pub(crate) fn open(database: &std::path::Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(database)?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}
