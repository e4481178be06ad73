//! What commands answer.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::status::AcknowledgedBy;

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum CommandReply {
    /// `stop`: the ordered stop has begun.
    Stop { stopping: bool, pid: u32 },
    /// `restart-actor`
    RestartActor { actor: String, state: Cow<'static, str> },
    /// `pause`, `resume`
    Pause { paused: bool },
    /// `checkpoint`
    Checkpoint(CheckpointReply),
    /// `log-level`, until the recorder ends.
    LogLevel { level: Cow<'static, str> },
    /// `acknowledge-issue`
    AcknowledgeIssue { issue: String, acknowledged: AcknowledgedBy },
    /// `quarantine-replay`
    QuarantineReplay { stored: u64, there_already: u64, stay: u64 },
    /// `fault`
    Fault { actor: String, fault: FaultKind },
    /// `alert-test`: by the name of the channel, what it answered.
    AlertTest(BTreeMap<String, String>),
}

/// A fault on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The actor panics.
    Panic,
    /// It stops.
    Stop,
    /// It does nothing for a while.
    Hang,
}

/// What a checkpoint came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct CheckpointReply {
    /// Pages that were in the WAL.
    pub(crate) pages: u64,
    /// Those of them that are in the database's own file now.
    pub(crate) folded_in: u64,
    /// The WAL is empty.
    pub(crate) wholly: bool,
    /// Who holds back the rest.
    pub(crate) held_by: Vec<String>,
}

/// What commands of the page take; most take nothing.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document of the interface: commands read their own")]
pub(crate) struct CommandArguments {
    /// `restart-actor`, `fault`: which.
    actor: Option<String>,
    /// `acknowledge-issue`: its id.
    issue: Option<String>,
    /// `log-level`
    level: Option<String>,
    /// `alert-test`: of this channel alone.
    channel: Option<String>,
    /// `fault`
    fault: Option<FaultKind>,
    /// `fault`: how long a hang lasts.
    ms: Option<u64>,
}
