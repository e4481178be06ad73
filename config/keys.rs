//! Every key the file may hold, declared once: with what it wants, its limits, and an example.
//!
//! Reading, unknown-key suggestions, environment variables and the public [`known_keys`] all use these lists.
//! The limits are generous: they catch a slip of the unit, not a taste.

use std::fmt;
use std::time::Duration;

use crate::world::PREFIX;

/// What a key wants to hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wants {
    /// Any text but an empty one.
    Text,
    /// A text that is never repeated.
    Secret,
    /// The broker's URL, whose credentials are never repeated.
    Url,
    /// A URL that is never repeated: whoever knows it may use it.
    SecretUrl,
    /// A path.
    Path,
    /// One of the words of an enum.
    Word,
    /// A duration with its unit, within limits, perhaps in whole seconds only.
    Duration { min: Duration, max: Duration, whole_seconds: bool },
    /// A size: a text with its unit, or an integer of bytes.
    Size { min: u64, max: u64 },
    /// A whole number.
    Whole { min: i64, max: i64 },
    /// Any finite number.
    Real,
    /// `true` or `false`.
    Flag,
    /// A list of names.
    Names,
    /// A table.
    Table,
    /// A list of tables, such as `[[route]]`.
    Tables,
}

impl Wants {
    /// Whether the file holds it in quotes, so that an environment variable may leave them out.
    pub(crate) fn is_said_as_text(self) -> bool {
        match self {
            Self::Text | Self::Secret | Self::Url | Self::SecretUrl => true,
            Self::Path | Self::Word => true,
            Self::Duration { .. } | Self::Size { .. } => true,
            Self::Whole { .. } | Self::Real | Self::Flag => false,
            Self::Names | Self::Table | Self::Tables => false,
        }
    }
}

/// One key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it wants.
    pub(crate) wants: Wants,
    /// A good value as TOML, for the message that refuses a bad one.
    pub(crate) example: &'static str,
}

/// A table of the file and its keys.
#[derive(Debug)]
pub(crate) struct Table {
    /// How the file writes it: `mqtt`, `route`; `route.columns.*` for the attributes of one column.
    pub(crate) name: &'static str,
    /// Its keys.
    pub(crate) keys: &'static [Key],
}

impl Table {
    /// The declaration of a key that the reading code names.
    pub(crate) fn key(&self, name: &str) -> &'static Key {
        self.keys.iter().find(|key| key.name == name).expect("the reading code names declared keys")
    }
}

const fn key(name: &'static str, wants: Wants, example: &'static str) -> Key {
    Key { name, wants, example }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// As humantime counts it: 365.25 days.
const YEAR: u64 = 31_557_600;

/// Limits in milliseconds.
const fn millis(min: u64, max: u64) -> Wants {
    Wants::Duration {
        min: Duration::from_millis(min),
        max: Duration::from_millis(max),
        whole_seconds: false,
    }
}

/// Limits in seconds; only whole ones are taken, because MQTT counts them so.
const fn seconds(min: u64, max: u64) -> Wants {
    Wants::Duration {
        min: Duration::from_secs(min),
        max: Duration::from_secs(max),
        whole_seconds: true,
    }
}

/// The file itself.
pub(crate) const ROOT: Table = Table {
    name: "",
    keys: &[
        key("instance", Wants::Table, "[instance]"),
        key("mqtt", Wants::Table, "[mqtt]"),
        key("database", Wants::Table, "[database]"),
        key("spool", Wants::Table, "[spool]"),
        key("health", Wants::Table, "[health]"),
        key("quarantine", Wants::Table, "[quarantine]"),
        key("supervisor", Wants::Table, "[supervisor]"),
        key("log", Wants::Table, "[log]"),
        key("metrics", Wants::Table, "[metrics]"),
        key("watchtower", Wants::Table, "[watchtower]"),
        key("alert", Wants::Tables, "[[alert]]"),
        key("route", Wants::Tables, "[[route]]"),
    ],
};

/// `[instance]`
pub(crate) const INSTANCE: Table = Table {
    name: "instance",
    keys: &[key("lock_file", Wants::Path, r#""/var/lib/barograph/barograph.lock""#)],
};

/// `[mqtt]`
pub(crate) const MQTT: Table = Table {
    name: "mqtt",
    keys: &[
        key("url", Wants::Url, r#""mqtt://localhost:1883""#),
        key("protocol", Wants::Word, r#""3.1.1""#),
        key("client_id", Wants::Text, r#""barograph-attic""#),
        key("username", Wants::Text, r#""barograph""#),
        key("password", Wants::Secret, r#""...""#),
        key("password_file", Wants::Path, r#""/etc/barograph/password""#),
        key("keep_alive", seconds(5, 18 * HOUR), r#""60s""#),
        key("session_expiry", seconds(1, 100 * YEAR), r#""7days""#),
        key("receive_maximum", Wants::Whole { min: 1, max: 65_535 }, "1000"),
        key("max_packet_size", Wants::Size { min: 128, max: 256 << 20 }, r#""1 MiB""#),
        key("max_unacked", Wants::Size { min: 1, max: 1 << 40 }, r#""4 MiB""#),
        key("reconnect_min", millis(10, DAY * 1000), r#""1s""#),
        key("reconnect_max", millis(10, DAY * 1000), r#""60s""#),
        key("ca_file", Wants::Path, r#""/etc/barograph/ca.pem""#),
        key("client_cert", Wants::Path, r#""/etc/barograph/client.pem""#),
        key("client_key", Wants::Path, r#""/etc/barograph/client.key""#),
        key("watch_drops", Wants::Flag, "true"),
        key("echo", Wants::Flag, "true"),
        key("echo_interval", millis(1000, HOUR * 1000), r#""60s""#),
    ],
};

/// `[database]`
pub(crate) const DATABASE: Table = Table {
    name: "database",
    keys: &[
        key("path", Wants::Path, r#""./weather_data.db""#),
        key("busy_timeout", millis(0, 10 * MINUTE * 1000), r#""1s""#),
        key("commit_interval", millis(0, HOUR * 1000), r#""0s""#),
        key("synchronous", Wants::Word, r#""full""#),
    ],
};

/// `[spool]`
pub(crate) const SPOOL: Table = Table {
    name: "spool",
    keys: &[
        key("dir", Wants::Path, r#""/var/lib/barograph/spool""#),
        key("max_size", Wants::Size { min: 64 << 10, max: 1 << 44 }, r#""256 MiB""#),
        key("min_free", Wants::Size { min: 0, max: 1 << 44 }, r#""64 MiB""#),
    ],
};

/// `[health]`
pub(crate) const HEALTH: Table = Table {
    name: "health",
    keys: &[
        key("max_write_failures", Wants::Whole { min: 1, max: 1_000_000 }, "10"),
        key("no_write_issue_after", millis(100, DAY * 1000), r#""60s""#),
        key("probe_min", millis(10, DAY * 1000), r#""1s""#),
        key("probe_max", millis(10, DAY * 1000), r#""60s""#),
        key("check_interval", millis(1000, HOUR * 1000), r#""60s""#),
        key("clock_sync", Wants::Flag, "true"),
    ],
};

/// `[quarantine]`
pub(crate) const QUARANTINE: Table = Table {
    name: "quarantine",
    keys: &[
        key("max_rows", Wants::Whole { min: 1, max: 1 << 40 }, "100000"),
        key("max_age", millis(1000, 100 * YEAR * 1000), r#""365days""#),
    ],
};

/// `[supervisor]`
pub(crate) const SUPERVISOR: Table = Table {
    name: "supervisor",
    keys: &[
        key("backoff_min", millis(1, DAY * 1000), r#""100ms""#),
        key("backoff_max", millis(1, DAY * 1000), r#""30s""#),
        key("intensity", Wants::Whole { min: 1, max: 1_000_000 }, "10"),
        key("intensity_period", millis(100, 30 * DAY * 1000), r#""60s""#),
        key("stable_after", millis(1, 30 * DAY * 1000), r#""60s""#),
        key("stuck_after", millis(100, DAY * 1000), r#""30s""#),
    ],
};

/// `[log]`
pub(crate) const LOG: Table = Table {
    name: "log",
    keys: &[
        key("level", Wants::Word, r#""info""#),
        key("format", Wants::Word, r#""text""#),
        key("file", Wants::Path, r#""/var/log/barograph/barograph.log""#),
        key("stats_interval", millis(1000, DAY * 1000), r#""5min""#),
        key("rotate_size", Wants::Size { min: 64 << 10, max: 1 << 40 }, r#""10 MiB""#),
        key("rotate_keep", Wants::Whole { min: 1, max: 1000 }, "5"),
    ],
};

/// `[metrics]`
pub(crate) const METRICS: Table =
    Table { name: "metrics", keys: &[key("listen", Wants::Text, r#""127.0.0.1:9464""#)] };

/// `[watchtower]`
pub(crate) const WATCHTOWER: Table = Table {
    name: "watchtower",
    keys: &[
        key("listen", Wants::Text, r#""127.0.0.1:8000""#),
        key("anonymous_read", Wants::Flag, "true"),
        key("admin_token_file", Wants::Path, r#""/etc/barograph/admin-token""#),
        key("read_token_file", Wants::Path, r#""/etc/barograph/read-token""#),
        key("cert_file", Wants::Path, r#""/etc/barograph/page.pem""#),
        key("key_file", Wants::Path, r#""/etc/barograph/page.key""#),
        key("hosts", Wants::Names, r#"["station.example"]"#),
        key("max_connections", Wants::Whole { min: 1, max: 100_000 }, "1536"),
        key("max_connections_per_address", Wants::Whole { min: 1, max: 100_000 }, "64"),
    ],
};

/// `[[alert]]`: what all of them know, and then what only some types know ([`ChannelKind::keys`]).
///
/// [`ChannelKind::keys`]: crate::alert::ChannelKind::keys
pub(crate) const ALERT: Table = Table {
    name: "alert",
    keys: &[
        key("name", Wants::Text, r#""phone""#),
        key("type", Wants::Word, r#""webhook""#),
        key("min_severity", Wants::Word, r#""warning""#),
        key("after", millis(0, DAY * 1000), r#""1min""#),
        key("repeat", millis(MINUTE * 1000, YEAR * 1000), r#""12h""#),
        key("quiet_hours", Wants::Text, r#""22:00-07:00""#),
        key("resolved", Wants::Flag, "true"),
        key("max_per_hour", Wants::Whole { min: 1, max: 3600 }, "20"),
        key("timeout", millis(1000, 5 * MINUTE * 1000), r#""10s""#),
        key("ca_file", Wants::Path, r#""/etc/barograph/alert-ca.pem""#),
        key("url", Wants::SecretUrl, r#""https://station.example/hook""#),
        key("url_file", Wants::Path, r#""/etc/barograph/hook""#),
        key("headers", Wants::Table, "[alert.headers]"),
        key("secret", Wants::Secret, r#""...""#),
        key("secret_file", Wants::Path, r#""/etc/barograph/hook-secret""#),
        key("token", Wants::Secret, r#""...""#),
        key("token_file", Wants::Path, r#""/etc/barograph/token""#),
        key("chat_id", Wants::Text, r#""-1001234567890""#),
        key("host", Wants::Text, r#""mail.example""#),
        key("port", Wants::Whole { min: 1, max: 65_535 }, "587"),
        key("tls", Wants::Word, r#""starttls""#),
        key("username", Wants::Text, r#""barograph@mail.example""#),
        key("password", Wants::Secret, r#""...""#),
        key("password_file", Wants::Path, r#""/etc/barograph/mail-password""#),
        key("from", Wants::Text, r#""barograph@mail.example""#),
        key("to", Wants::Names, r#"["you@mail.example"]"#),
        key("topic", Wants::Text, r#""barograph/attic/health""#),
        key("discovery", Wants::Flag, "true"),
        key("discovery_prefix", Wants::Text, r#""homeassistant""#),
        key("argv", Wants::Names, r#"["/usr/local/bin/notify", "--urgent"]"#),
    ],
};

/// One header in `[alert.headers]`, whose name is the operator's word.
pub(crate) const ALERT_HEADER: Key = key("headers", Wants::Secret, r#""...""#);

/// `[[route]]`
pub(crate) const ROUTE: Table = Table {
    name: "route",
    keys: &[
        key("topic", Wants::Text, r#""+/+/weatherstation/weathermeters/#""#),
        key("table", Wants::Text, r#""weather_data""#),
        key("qos", Wants::Whole { min: 0, max: 2 }, "1"),
        key("unique", Wants::Names, r#"["timestamp"]"#),
        key("columns", Wants::Table, "{ temperature = \"temperature\" }"),
        key("indexes", Wants::Table, "{ idx_weather_created = [\"created_at\"] }"),
        key("silent_after", millis(100, YEAR * 1000), r#""5min""#),
        key("time_column", Wants::Text, r#""timestamp""#),
        key("derived", Wants::Tables, "[[route.derived]]"),
    ],
};

/// `[[route.derived]]`
pub(crate) const DERIVED: Table = Table {
    name: "route.derived",
    keys: &[
        key("name", Wants::Text, r#""wind_speed""#),
        key("kind", Wants::Word, r#""counter_rate""#),
        key("of", Wants::Names, r#"["anemometer_count"]"#),
        key("unit", Wants::Text, r#""m/s""#),
        key("per", Wants::Real, "1.5"),
        key("factor", Wants::Real, "0.2794"),
        key("offset", Wants::Real, "0.5"),
    ],
};

/// The attributes of one column in `[route.columns]`.
pub(crate) const COLUMN: Table = Table {
    name: "route.columns.*",
    keys: &[
        key("field", Wants::Text, r#""utc""#),
        key("type", Wants::Word, r#""real""#),
        key("required", Wants::Flag, "true"),
        key("min", Wants::Real, "-60"),
        key("max", Wants::Real, "60"),
        key("unit", Wants::Text, r#""°C""#),
        key("on_bad", Wants::Word, r#""quarantine""#),
        key("stuck_after", Wants::Whole { min: 2, max: 1_000_000 }, "100"),
    ],
};

/// The tables whose keys an environment variable can set, too.
pub(crate) const SECTIONS: [&Table; 10] = [
    &INSTANCE,
    &MQTT,
    &DATABASE,
    &SPOOL,
    &HEALTH,
    &QUARANTINE,
    &SUPERVISOR,
    &LOG,
    &METRICS,
    &WATCHTOWER,
];

/// A key that the settings file knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownKey {
    /// Its table as the file writes it: `mqtt`, `alert`, `route`, `route.derived`, or `route.columns.*` for the attributes
    /// of one column.
    pub table: &'static str,
    /// Its name in that table.
    pub name: &'static str,
}

impl KnownKey {
    /// The environment variable that sets it, `BAROGRAPH_MQTT__URL`; `None` for keys of alerts and routes.
    pub fn variable(&self) -> Option<String> {
        let settable = SECTIONS.iter().any(|section| section.name == self.table);
        settable
            .then(|| format!("{PREFIX}{}__{}", self.table.to_uppercase(), self.name.to_uppercase()))
    }
}

impl fmt::Display for KnownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.name)
    }
}

/// Every key of the settings file, in the order of the shipped one.
pub fn known_keys() -> impl Iterator<Item = KnownKey> {
    SECTIONS.into_iter().chain([&ALERT, &ROUTE, &COLUMN, &DERIVED]).flat_map(|table| {
        table.keys.iter().map(|key| KnownKey { table: table.name, name: key.name })
    })
}

/// Longest name that is compared with the known ones, in bytes.
const NEAREST_LEN_MAX: usize = 100;

/// The name nearest to a misspelt one, if any is near enough to be meant.
pub(crate) fn nearest<'n>(
    wrong: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    // The comparison takes memory for the product of both lengths.
    if wrong.len() > NEAREST_LEN_MAX {
        return None;
    }
    let wrong = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong, &name.to_lowercase()), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 3)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::{known_keys, nearest};

    #[test]
    fn nearest_name_is_offered_only_when_near() {
        let known = ["url", "keep_alive", "client_id"];
        assert_eq!(nearest("keepalive", known), Some("keep_alive"));
        assert_eq!(nearest("Client-ID", known), Some("client_id"));
        assert_eq!(nearest("uri", known), Some("url"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn variables_are_named_after_section_and_key() {
        let names: Vec<String> = known_keys().filter_map(|key| key.variable()).collect();
        assert!(names.contains(&"BAROGRAPH_MQTT__KEEP_ALIVE".to_owned()), "{names:?}");
        assert!(known_keys().filter(|key| key.table.starts_with("route")).count() >= 13);
        assert!(!names.iter().any(|name| name.contains("ROUTE")), "routes live in the file only");
    }
}
