//! The service manager's socket. Without systemd nothing happens here.

use std::sync::atomic::{AtomicBool, Ordering};

use sd_notify::NotifyState;

/// Said once: until then a reload is a part of the start.
static READY: AtomicBool = AtomicBool::new(false);

/// Tells systemd one thing; it is a matter of courtesy, and a failure is no reason to stop
/// recording.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd was not told: {error}");
    }
}

/// The database is open and the first connection attempt was made.
pub fn ready(sentence: &str) {
    READY.store(true, Ordering::Release);
    tell(&[NotifyState::Ready, NotifyState::Status(sentence)]);
}

/// The ordered stop begins.
pub fn stopping(reason: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(reason)]);
}

/// The settings are being read again; [`reloaded`] must follow.
pub fn reloading() {
    if !READY.load(Ordering::Acquire) {
        return;
    }
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("the clock cannot be read: {error}"),
    }
}

/// What the settings say is in force, as far as it can be.
pub fn reloaded() {
    if READY.load(Ordering::Acquire) {
        tell(&[NotifyState::Ready]);
    }
}

/// How the recorder is, in one sentence.
pub fn status(sentence: &str) {
    tell(&[NotifyState::Status(sentence)]);
}
