//! What is wrong now: one list of checks, each a pure function of one look at everything, and a book
//! that remembers which of it lasts.
//!
//! A check answers at every look anew with what it finds; it keeps nothing. What only the passing of
//! time shows is in [`HealthMemory`], and what has to be fetched from the world outside in [`Outside`].

mod actors;
mod book;
mod broker;
mod clock;
mod database;
mod disks;
mod hearing;
mod lock;
mod memory;
mod routes;
mod settings;
mod trend;
mod values;
mod writes;

use std::time::Duration;

use barograph_config::Settings;

use crate::health::probes::Outside;
use crate::message::moment::Moment;
use crate::message::route::Router;
use crate::status::issue::{Finding, Severity};
use crate::status::{Published, Snapshot};

pub(crate) use actors::without_pulse;
pub use book::{Changes, IssueBook};
pub(crate) use database::needs_reopening;
pub use memory::{HealthMemory, KeptMemory};
pub use trend::Trend;

/// One look at everything.
#[derive(Debug, Clone, Copy)]
pub struct CheckInput<'a> {
    /// When.
    pub now: Moment,
    /// A snapshot of published state.
    pub state: &'a Snapshot,
    /// What is published beside it: pulses, when what was last seen.
    pub published: &'a Published,
    /// The routes.
    pub router: &'a Router,
    /// The settings in force.
    pub settings: &'a Settings,
    /// What was last fetched from outside.
    pub outside: &'a Outside,
    /// What earlier looks have shown.
    pub memory: &'a HealthMemory,
}

/// A check: what it finds wrong at a look.
pub type Check = fn(&CheckInput<'_>) -> Vec<Finding>;

/// Every check. The order is that of the issues that began at the same look.
pub const CHECKS: &[Check] = &[
    writes::failing_database,
    writes::failing_spool,
    writes::stalled,
    broker::unreachable,
    hearing::deaf,
    hearing::unheard,
    hearing::refused,
    hearing::lowered,
    hearing::paused,
    broker::dropping,
    database::replaced,
    database::earlier,
    database::unanswered,
    database::large_wal,
    disks::filling,
    disks::filling_spool,
    actors::stuck,
    actors::restarting,
    lock::lost,
    routes::silent,
    routes::never_seen,
    routes::several_sources,
    values::wrong,
    clock::jumped,
    clock::unsynchronised,
    found_elsewhere,
    settings::invalid,
    settings::not_in_force,
];

/// Findings from outside of the actors.
fn found_elsewhere(look: &CheckInput<'_>) -> Vec<Finding> {
    look.state.findings.values().cloned().collect()
}

/// Everything that all checks find.
pub fn findings(look: &CheckInput<'_>) -> Vec<Finding> {
    CHECKS.iter().flat_map(|check| check(look)).collect()
}

fn warning(id: impl Into<String>, summary: impl Into<String>, hint: impl Into<String>) -> Finding {
    let (id, summary, hint) = (id.into(), summary.into(), hint.into());
    Finding { id, severity: Severity::Warning, summary, hint }
}

fn critical(id: impl Into<String>, summary: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { severity: Severity::Critical, ..warning(id, summary, hint) }
}

/// A duration as people say it: nothing below a second.
fn spoken(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

/// Bytes as people say them.
fn bytes(n: u64) -> String {
    match n {
        0..1_024 => format!("{n} bytes"),
        1_024..1_048_576 => format!("{} KiB", n >> 10),
        1_048_576..10_737_418_240 => format!("{} MiB", n >> 20),
        _ => format!("{} GiB", n >> 30),
    }
}

#[cfg(test)]
pub(crate) mod testing;
