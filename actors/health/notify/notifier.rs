//! The port to the channels: an alert is handed over, and what became of it is asked for later. Nobody
//! ever waits for a channel.

use std::sync::Arc;
use std::time::Duration;

use barograph_config::Alert;

use super::notification::Notification;

/// An alert, and the channel it goes to.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// The channel.
    pub channel: Arc<Alert>,
    /// Of this channel: comes back with the outcome.
    pub number: u64,
    /// What is told.
    pub notification: Notification,
}

/// What became of a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertOutcome {
    /// Name of the channel.
    pub channel: String,
    /// The parcel's.
    pub number: u64,
    /// What the other side said.
    pub result: Result<String, Failure>,
}

/// An attempt to deliver failed. (It may have been delivered all the same: an answer can be lost.)
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{said}; {hint}")]
pub struct Failure {
    /// What was tried and what the other side said, without a secret.
    pub said: String,
    /// What a person can do.
    pub hint: String,
    /// How long the other side asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Takes alerts to channels.
pub trait Notifier: Send {
    /// Takes a parcel on its way; never blocks. Each channel has at most one under way: the next is
    /// handed over after the outcome of the one before.
    ///
    /// # Errors
    /// It could not even begin.
    fn submit(&mut self, parcel: Parcel) -> Result<(), Failure>;

    /// What has become of parcels since the last call; never blocks.
    fn outcomes(&mut self) -> Vec<AlertOutcome>;
}
