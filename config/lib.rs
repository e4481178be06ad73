//! What the operator of Barograph may say: the settings, their defaults, and every problem of a file at once.
//!
//! Raw words go in, resolved [`Settings`] come out. The words come from four layers, each stronger than the one
//! before: the built-in default, the TOML file, environment variables (`BAROGRAPH_MQTT__URL`), command-line flags.
//!
//! Rejected: `serde` with `#[derive(Deserialize)]`. It stops at the first mistake, it knows no second layer, and
//! its texts speak of types and not of what to write instead. Here the TOML tree is read with its positions, each
//! key is declared once (`keys.rs`), and a mistake becomes a [`Problem`] while the reading goes on.
//!
//! Relative paths, wherever they were written, are relative to the working directory of the process, not to the
//! file that names them: `./weather_data.db` is the same file from every layer.
//!
//! Absent on purpose: nothing in this crate opens a database, a socket or a certificate. The only files it reads
//! are the settings file, `password_file` and the like, and `/proc/sys/kernel/hostname`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alert;
mod alerts;
mod broker_url;
mod channels;
mod columns;
mod credentials;
mod defaults;
mod derived;
mod derived_section;
mod difference;
mod http_url;
mod indexes;
mod keys;
mod lines;
mod load;
mod names;
mod page;
mod print;
mod problems;
mod quiet_hours;
mod reader;
mod recovery;
mod redact;
mod route_set;
mod routes;
mod section;
mod sections;
mod settings;
mod spoken;
mod syntax;
mod topic;
mod values;
mod watchtower;
mod watchtower_section;
mod words;
mod world;

#[cfg(test)]
mod alert_tests;
#[cfg(test)]
mod case_tests;
#[cfg(test)]
mod derived_tests;
#[cfg(test)]
mod difference_tests;
#[cfg(test)]
mod layer_tests;
#[cfg(test)]
mod print_tests;
#[cfg(test)]
mod problem_tests;
#[cfg(test)]
mod route_tests;
#[cfg(test)]
mod shipped_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod watchtower_tests;

pub use alert::{Alert, AlertSeverity, Channel, Email, EmailTls, QuietHours};
pub use derived::{Derived, DerivedKind};
pub use difference::{Difference, Part, differences};
pub use keys::{KnownKey, known_keys};
pub use load::{LoadError, Loaded, NamedBy, load, load_text};
pub use problems::{Place, Problem, Problems};
pub use settings::{
    BrokerUrl, ClientAuth, Column, Database, Format, Health, Index, Instance, Kind, Level, Log,
    Metrics, Mqtt, OnBad, Protocol, Qos, Quarantine, Route, Secret, Settings, Spool, Supervision,
    Synchronous,
};
pub use topic::{filter_matches, filters_overlap};
pub use watchtower::{Listen, PageTls, Watchtower};
pub use world::{Overrides, World};

/// The commented default file, `config/barograph.toml`, as it is shipped: loading it is loading nothing.
pub const DEFAULT_FILE: &str = include_str!("barograph.toml");
