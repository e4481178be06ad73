//! How the recorder is: what `status` answers on the operator socket and on the page.

use std::borrow::Cow;

use barograph_actors::message::batch::Value;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AnyValue;
use crate::time::UtcText;

/// How the recorder is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) now: UtcText,
    #[schema(pattern = "^(ok|degraded|critical)$")]
    pub(crate) health: Cow<'static, str>,
    pub(crate) summary: String,
    pub(crate) mode: ModeStatus,
    pub(crate) paused_since: Option<UtcText>,
    pub(crate) version: Cow<'static, str>,
    pub(crate) pid: u32,
    pub(crate) started: Option<UtcText>,
    pub(crate) broker: BrokerStatus,
    pub(crate) database: DatabaseStatus,
    pub(crate) spool: SpoolStatus,
    pub(crate) rates: RatesStatus,
    pub(crate) flow: FlowStatus,
    pub(crate) routes: Vec<RouteStatus>,
    /// The supervisor first.
    pub(crate) actors: Vec<ActorStatus>,
    /// The worst first.
    pub(crate) issues: Vec<IssueStatus>,
    pub(crate) account: AccountStatus,
}

/// Whether the database takes messages; if not, since when and why.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct ModeStatus {
    #[schema(pattern = "^(normal|retrying|degraded|recovering|holding)$")]
    pub(crate) mode: Cow<'static, str>,
    pub(crate) since: Option<UtcText>,
    pub(crate) cause: Option<Cow<'static, str>>,
}

/// The connection to the broker.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct BrokerStatus {
    pub(crate) url: String,
    pub(crate) client_id: String,
    #[schema(pattern = "^(starting|connected|disconnected)$")]
    pub(crate) connection: Cow<'static, str>,
    pub(crate) since: Option<UtcText>,
    /// Why there is no connection.
    pub(crate) why: Option<String>,
    pub(crate) session_present: Option<bool>,
}

/// The database. Sizes are in bytes; null when the disk did not say.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct DatabaseStatus {
    pub(crate) path: String,
    pub(crate) bytes: Option<u64>,
    pub(crate) wal_bytes: Option<u64>,
    pub(crate) free_bytes: Option<u64>,
    pub(crate) last_commit: Option<UtcText>,
    pub(crate) failures_in_a_row: u32,
    pub(crate) last_failure: Option<String>,
    /// When its disk is full as it went over the last day; null: it does not fill, or too little has been seen.
    pub(crate) full_in_seconds: Option<u64>,
    /// Rows whose history is summed up for the charts, of those that were there before; null: all of it is.
    pub(crate) summing_up: Option<SummingUp>,
}

/// Rows of the past that are summed up.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct SummingUp {
    pub(crate) done: u64,
    pub(crate) of: u64,
}

/// The spool. Sizes are in bytes; null when the disk did not say.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct SpoolStatus {
    pub(crate) path: String,
    pub(crate) messages: u64,
    pub(crate) bytes: Option<u64>,
    pub(crate) free_bytes: Option<u64>,
}

/// Means of the last minute; over 0 s: not measured yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct RatesStatus {
    pub(crate) received_per_second: f64,
    pub(crate) stored_per_second: f64,
    pub(crate) commits_per_second: f64,
    pub(crate) over_seconds: u64,
}

/// How messages move, and where they wait. Means and times are those of the last minute; null without a commit in it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct FlowStatus {
    pub(crate) received: u64,
    pub(crate) held: u64,
    pub(crate) acknowledged: u64,
    pub(crate) batch_rows_mean: Option<f64>,
    pub(crate) commit_ms_p50: Option<f64>,
    pub(crate) commit_ms_p99: Option<f64>,
    #[schema(pattern = "^(nothing|window|commit|spool|broker)$")]
    pub(crate) waits_in: Cow<'static, str>,
}

/// A route, and its newest reading.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct RouteStatus {
    pub(crate) route: String,
    pub(crate) topic: String,
    pub(crate) stored: u64,
    pub(crate) latest: Option<NewestReading>,
}

/// The newest row of a route.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct NewestReading {
    pub(crate) received_at: UtcText,
    pub(crate) values: Vec<ColumnReading>,
}

/// A value of a row.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ColumnReading {
    pub(crate) column: String,
    #[schema(value_type = AnyValue)]
    pub(crate) value: Value,
    pub(crate) unit: Option<String>,
}

/// An actor of the tree.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct ActorStatus {
    pub(crate) actor: Cow<'static, str>,
    pub(crate) state: Cow<'static, str>,
    pub(crate) since: Option<UtcText>,
    pub(crate) pulse_age_ms: Option<u64>,
    pub(crate) restarts: u32,
    pub(crate) last_exit: Option<String>,
    /// Over the last minute; null where it is not counted.
    pub(crate) messages_per_second: Option<f64>,
}

/// Something that is wrong now.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct IssueStatus {
    pub(crate) id: String,
    #[schema(pattern = "^(warning|critical)$")]
    pub(crate) severity: Cow<'static, str>,
    pub(crate) since: UtcText,
    pub(crate) summary: String,
    pub(crate) hint: String,
    pub(crate) acknowledged: Option<AcknowledgedBy>,
}

/// A person knows of an issue: since when, and who.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct AcknowledgedBy {
    pub(crate) at: UtcText,
    pub(crate) by: String,
}

/// Where every message is, since the process began: received is the sum of the others, or it is not balanced.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct AccountStatus {
    pub(crate) received: u64,
    /// Of those received: by earlier processes, which left them in the spool or in a database that was damaged.
    pub(crate) received_before: u64,
    pub(crate) stored: u64,
    /// Rows of the stored ones: a message may have several.
    pub(crate) rows: u64,
    pub(crate) duplicate: u64,
    /// Not wanted by the settings.
    pub(crate) filtered: u64,
    pub(crate) quarantined: u64,
    pub(crate) dropped: u64,
    pub(crate) spooled: u64,
    pub(crate) held: u64,
    pub(crate) balanced: bool,
}
