//! The settings of Barograph: their declarations, their defaults, and every problem of a file at once.
//!
//! Raw values go in, resolved [`Settings`] come out. The values come from four layers, each stronger than the one before:
//! the built-in default, the TOML file, environment variables (`BAROGRAPH_MQTT__URL`), command-line flags.
//!
//! Each setting is declared once, in the file of its section, with `settings!` (`declare.rs`): reading, printing, the
//! difference at a reload, `docs/settings.md` and the line of the shipped file follow from the declaration.
//!
//! Rejected: `serde` with `#[derive(Deserialize)]`. It stops at the first mistake, it knows no second layer, and its
//! messages name types and not what to write instead. Here the TOML tree is read with its positions, and a mistake
//! becomes a `SettingProblem` while the reading goes on.
//!
//! Relative paths, in every layer, are relative to the working directory of the process, not to the file that names
//! them: `./weather_data.db` is the same file in every layer.
//!
//! Absent on purpose: nothing in this crate opens a database, a socket or a certificate. The only files it reads are the
//! settings file, `password_file` and the like, and `/proc/sys/kernel/hostname`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alert;
mod declare;
mod difference;
mod docs;
mod field;
mod key_pair;
mod load;
mod mqtt;
mod page;
mod part;
mod read;
mod route;
mod secret;
mod secret_file;
mod sections;
mod settings;
mod watchtower;
mod word;

#[cfg(test)]
mod tests;

pub use alert::channel::Channel;
pub use alert::email::{Email, EmailTls};
pub use alert::quiet_hours::QuietHours;
pub use alert::{Alert, AlertSeverity};
pub use difference::{Difference, differences};
pub use docs::{KnownKey, known_keys, settings_page};
pub use field::Computed;
pub use key_pair::{ClientAuth, KeyPair, PageTls};
pub use load::{LoadError, Loaded, load, load_text};
pub use mqtt::broker_url::BrokerUrl;
pub use mqtt::qos::Qos;
pub use mqtt::{Mqtt, Protocol};
pub use part::Part;
pub use read::problems::Problems;
pub use read::world::{Overrides, World};
pub use route::Route;
pub use route::column::{Column, Kind, OnBad};
pub use route::cover::{CoverFilter, cover};
pub use route::derived::{Derived, DerivedKind};
pub use route::filter_trie::FilterTrie;
pub use route::index::Index;
pub use route::message_part::{DecimalMark, MessagePart, PayloadFormat, Retained};
pub use route::topic::{Capture, filter_matches};
pub use route::value::{Condition, Constant, Constants, Mapping};
pub use secret::Secret;
pub use sections::{
    Database, Format, Health, Instance, Log, LogLevel, Metrics, Quarantine, SpoolSettings,
    Supervision, Synchronous,
};
pub use settings::Settings;
pub use watchtower::{Listen, Watchtower};

/// The commented default file, `config/barograph.toml`, as it is shipped: loading it changes no default.
pub const DEFAULT_FILE: &str = include_str!("barograph.toml");
