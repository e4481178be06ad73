//! What holds when nobody says anything: the built-in default, which the shipped file repeats word for word.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::alert::EmailTls;
use crate::derived::{Derived, DerivedKind};
use crate::settings::{
    BrokerUrl, Column, Database, Format, Health, Index, Instance, Kind, Level, Log, Metrics, Mqtt,
    OnBad, Protocol, Qos, Quarantine, Route, Settings, Spool, Supervision, Synchronous,
};
use crate::watchtower::{Listen, Watchtower};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MIB: u64 = 1 << 20;

impl Settings {
    /// The built-in settings of a host of this name.
    pub fn default_with(hostname: &str) -> Self {
        let database = Database {
            path: PathBuf::from("./weather_data.db"),
            busy_timeout: Duration::from_secs(1),
            commit_interval: Duration::ZERO,
            synchronous: Synchronous::Full,
        };
        Self {
            instance: Instance { lock_file: lock_beside(&database.path) },
            mqtt: mqtt(hostname),
            spool: Spool {
                dir: spool_beside(&database.path),
                max_size: 256 * MIB,
                min_free: 64 * MIB,
            },
            database,
            health: Health {
                max_write_failures: 10,
                no_write_issue_after: MINUTE,
                probe_min: Duration::from_secs(1),
                probe_max: MINUTE,
                check_interval: MINUTE,
                clock_sync: true,
            },
            quarantine: Quarantine { max_rows: 100_000, max_age: 365 * DAY },
            supervisor: Supervision {
                backoff_min: Duration::from_millis(100),
                backoff_max: Duration::from_secs(30),
                intensity: 10,
                intensity_period: MINUTE,
                stable_after: MINUTE,
                stuck_after: Duration::from_secs(30),
            },
            log: Log {
                level: Level::Info,
                format: Format::Text,
                file: None,
                stats_interval: 5 * MINUTE,
                rotate_size: None,
                rotate_keep: 5,
            },
            metrics: Metrics { listen: None },
            watchtower: watchtower(),
            alerts: Vec::new(),
            routes: vec![weathermeters(), magneticfluxsensor()],
        }
    }
}

fn watchtower() -> Watchtower {
    Watchtower {
        listen: Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 8000))),
        anonymous_read: false,
        admin_token: None,
        read_token: None,
        tls: None,
        hosts: Vec::new(),
        max_connections: 1536,
        max_connections_per_address: 64,
    }
}

fn mqtt(hostname: &str) -> Mqtt {
    Mqtt {
        url: BrokerUrl { host: "localhost".to_owned(), port: 1883, tls: false },
        protocol: Protocol::V311,
        client_id: client_id(hostname),
        username: None,
        password: None,
        keep_alive: MINUTE,
        session_expiry: 7 * DAY,
        receive_maximum: 1000,
        max_packet_size: MIB,
        max_unacked: 4 * MIB,
        reconnect_min: Duration::from_secs(1),
        reconnect_max: MINUTE,
        ca_file: None,
        client_auth: None,
        watch_drops: true,
        echo: true,
        echo_interval: Duration::from_secs(60),
    }
}

/// `barograph-<hostname>`.
pub(crate) fn client_id(hostname: &str) -> String {
    format!("barograph-{hostname}")
}

/// The lock file's default place: in the database's directory.
pub(crate) fn lock_beside(database: &Path) -> PathBuf {
    database.with_file_name("barograph.lock")
}

/// The spool's default place: a folder in the database's directory.
pub(crate) fn spool_beside(database: &Path) -> PathBuf {
    database.with_file_name("spool")
}

/// The index of a route that names none.
pub(crate) fn created_index(table: &str) -> Index {
    Index { name: format!("idx_{table}_created"), columns: vec!["created_at".to_owned()] }
}

/// A column that takes its value from the field, and may be absent.
pub(crate) fn column(name: &str, pointer: String, kind: Kind) -> Column {
    Column {
        name: name.to_owned(),
        pointer,
        kind,
        required: false,
        min: None,
        max: None,
        unit: None,
        on_bad: OnBad::Quarantine,
        stuck_after: None,
    }
}

fn of_field(name: &str, field: &str, kind: Kind) -> Column {
    column(name, format!("/{field}"), kind)
}

fn measured(name: &str, unit: &str) -> Column {
    Column { unit: Some(unit.to_owned()), ..of_field(name, name, Kind::Real) }
}

fn index(name: &str, column: &str) -> Index {
    Index { name: name.to_owned(), columns: vec![column.to_owned()] }
}

/// The anemometer gives 1.5 counts a second for 1 m/s, the rain gauge one for 0.2794 mm.
fn of_weathermeters() -> Vec<Derived> {
    let derived = Derived::new;
    vec![
        Derived {
            per: 1.5,
            ..derived("wind_speed", DerivedKind::CounterRate, &["anemometer_count"], "m/s")
        },
        Derived {
            factor: 0.2794,
            ..derived("rain", DerivedKind::CounterDelta, &["rain_gauge_count"], "mm")
        },
        derived("dew_point", DerivedKind::DewPoint, &["temperature", "humidity"], "°C"),
    ]
}

/// Tesla for one step of the magnetometer.
const TESLA: f64 = 9.174e-8;

fn of_magneticfluxsensor() -> Vec<Derived> {
    let of_axis = |name, axis| Derived {
        factor: TESLA,
        ..Derived::new(name, DerivedKind::Scale, &[axis], "T")
    };
    vec![
        of_axis("flux_x", "x"),
        of_axis("flux_y", "y"),
        of_axis("flux_z", "z"),
        Derived {
            factor: TESLA,
            ..Derived::new("magnetic_flux", DerivedKind::Magnitude, &["x", "y", "z"], "T")
        },
        Derived::new("magnetic_heading", DerivedKind::Heading, &["x", "y"], "°"),
    ]
}

fn weathermeters() -> Route {
    Route {
        topic: "+/+/weatherstation/weathermeters/#".to_owned(),
        table: "weather_data".to_owned(),
        qos: Qos::AtLeastOnce,
        unique: Vec::new(),
        columns: vec![
            Column { required: true, ..of_field("timestamp", "utc", Kind::Integer) },
            of_field("sample_interval", "sampleinterval", Kind::Integer),
            measured("temperature", "°C"),
            measured("humidity", "%"),
            measured("pressure", "hPa"),
            measured("irradiance", "W/m²"),
            Column {
                unit: Some("°".to_owned()),
                ..of_field("wind_direction", "winddirectionsensor", Kind::Integer)
            },
            of_field("rain_gauge_count", "raingaugecount", Kind::Integer),
            of_field("anemometer_count", "anemometercount", Kind::Integer),
        ],
        indexes: vec![
            index("idx_weather_timestamp", "timestamp"),
            index("idx_weather_created", "created_at"),
        ],
        silent_after: Some(5 * MINUTE),
        time_column: None,
        derived: of_weathermeters(),
    }
}

fn magneticfluxsensor() -> Route {
    let required = |name| Column { required: true, ..of_field(name, name, Kind::Real) };
    Route {
        topic: "+/+/weatherstation/magneticfluxsensor/#".to_owned(),
        table: "magnetic_flux_data".to_owned(),
        qos: Qos::AtLeastOnce,
        unique: Vec::new(),
        columns: vec![required("x"), required("y"), required("z")],
        indexes: vec![index("idx_flux_created", "created_at")],
        silent_after: Some(5 * MINUTE),
        time_column: None,
        derived: of_magneticfluxsensor(),
    }
}

/// The server of Telegram's bots.
pub(crate) const TELEGRAM: &str = "https://api.telegram.org";

/// The first level under which Home Assistant looks for devices.
pub(crate) const DISCOVERY_PREFIX: &str = "homeassistant";

/// The topic of our own health: below the client's name, in which nothing may be a wildcard.
pub(crate) fn health_topic(client_id: &str) -> String {
    format!("barograph/{}/health", client_id.replace(['+', '#'], "_"))
}

/// The port on which a mail server takes messages.
pub(crate) fn mail_port(tls: EmailTls) -> u16 {
    match tls {
        EmailTls::StartTls => 587,
        EmailTls::Tls => 465,
        EmailTls::None => 25,
    }
}
