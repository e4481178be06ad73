//! What the page's API answers beside status and events.

use std::borrow::Cow;
use std::collections::BTreeMap;

use barograph_actors::message::batch::Value;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AnyValue;
use super::history::PageEvent;
use super::refusal::Refusal;
use super::status::IssueStatus;
use crate::sqlite::Gap;

/// `issues`, the worst first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Issues {
    pub(crate) issues: Vec<IssueStatus>,
}

/// `events`, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Events {
    pub(crate) events: Vec<PageEvent>,
}

/// `gaps`, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Gaps {
    pub(crate) gaps: Vec<Gap>,
}

/// `routes`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Routes {
    pub(crate) routes: Vec<RouteEntry>,
}

/// What is recorded of a table.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteEntry {
    /// Its name is that of its table.
    pub(crate) route: String,
    pub(crate) topic: String,
    #[schema(maximum = 2)]
    pub(crate) qos: u8,
    pub(crate) silent_after_s: Option<f64>,
    pub(crate) time_column: Option<String>,
    /// When its first row came.
    pub(crate) first_at_ms: Option<i64>,
    pub(crate) columns: Vec<ColumnEntry>,
    pub(crate) derived: Vec<DerivedEntry>,
}

/// A column of a table.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ColumnEntry {
    pub(crate) name: String,
    #[schema(pattern = "^(integer|real|text|boolean|time|blob|json)$")]
    pub(crate) kind: Cow<'static, str>,
    pub(crate) unit: Option<String>,
    /// What people call it.
    pub(crate) label: Option<String>,
    /// Digits behind the decimal point that are shown.
    pub(crate) decimals: Option<u32>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
}

/// A value that follows from columns.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DerivedEntry {
    pub(crate) name: String,
    #[schema(
        pattern = "^(counter_rate|counter_delta|scale|magnitude|dew_point|sea_level_pressure|heading)$"
    )]
    pub(crate) kind: Cow<'static, str>,
    pub(crate) of: Vec<String>,
    pub(crate) unit: Option<String>,
    pub(crate) per: Option<f64>,
    pub(crate) factor: f64,
    pub(crate) offset: f64,
}

/// `latest`: the newest reading of each route.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Latest {
    pub(crate) now_ms: i64,
    pub(crate) routes: Vec<LatestEntry>,
}

/// The newest reading of a table, and what follows from it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LatestEntry {
    pub(crate) route: String,
    /// When the newest row came, be it before the last start; null: there is none.
    pub(crate) received_at_ms: Option<i64>,
    pub(crate) silent: bool,
    #[schema(value_type = BTreeMap<String, AnyValue>)]
    pub(crate) values: BTreeMap<String, Value>,
    /// Columns whose last reading is beyond their bounds.
    pub(crate) out_of_bounds: Vec<String>,
    pub(crate) derived: BTreeMap<String, Option<f64>>,
}

/// Rows of a table that have come since the last frame.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct NewRows {
    pub(crate) route: String,
    /// The newest few, each with its time of arrival in milliseconds since 1970 UTC.
    pub(crate) rows: Vec<(i64, Vec<Value>)>,
    /// How many more there were.
    pub(crate) skipped: u64,
    /// What follows from the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) derived: Option<BTreeMap<String, Option<f64>>>,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    /// May command.
    pub(crate) admin: bool,
    pub(crate) signed_in: bool,
    /// Reading needs no token.
    pub(crate) anonymous_read: bool,
    /// There is an admin token.
    pub(crate) commands: bool,
    pub(crate) fault_injection: bool,
}

/// What `login` takes.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Credentials {
    pub(crate) token: String,
}

/// `login`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedIn {
    pub(crate) admin: bool,
}

/// What is wrong, and what to do about it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    pub(crate) error: Refusal,
}
