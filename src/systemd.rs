//! The service manager's socket. Without systemd nothing happens here.

use sd_notify::NotifyState;

/// Tells systemd one thing; it is a matter of courtesy, and a failure is no reason to stop
/// recording.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd was not told: {error}");
    }
}

/// The database is open and the first connection attempt was made.
pub fn ready(sentence: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(sentence)]);
}

/// The ordered stop begins.
pub fn stopping(reason: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(reason)]);
}

/// How the recorder is, in one sentence.
pub fn status(sentence: &str) {
    tell(&[NotifyState::Status(sentence)]);
}
