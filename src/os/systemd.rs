//! The service manager's socket. Without systemd nothing happens here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barograph_actors::health::actor::ServiceManager;
use sd_notify::NotifyState;

/// Said once: until then a reload is a part of the start.
static READY: AtomicBool = AtomicBool::new(false);

/// A ping is due after this share of the time that systemd waits for one.
const PING_SHARE: u32 = 3;

/// Tells systemd one thing; it is a matter of courtesy, and a failure is no reason to stop
/// recording.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd could not be notified: {error}");
    }
}

/// The database is open and the first connection attempt was made.
pub fn ready(summary: &str) {
    READY.store(true, Ordering::Release);
    tell(&[NotifyState::Ready, NotifyState::Status(&one_line(summary))]);
}

/// The ordered stop begins.
pub fn stopping(reason: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(&one_line(reason))]);
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

/// What is under way (a start, a stop) may take this much longer.
pub fn needs(more: Duration) {
    let usec = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(usec)]);
}

/// systemd, as the judge speaks to it.
#[derive(Debug)]
pub struct Manager {
    /// How long systemd waits for a ping (`WatchdogSec=`), if it waits for our process.
    watchdog: Option<Duration>,
    pinged: Option<Instant>,
}

impl Default for Manager {
    fn default() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled(), pinged: None }
    }
}

impl ServiceManager for Manager {
    fn status(&mut self, summary: &str) {
        tell(&[NotifyState::Status(&one_line(summary))]);
    }

    fn alive(&mut self) {
        let Some(within) = self.watchdog else { return };
        if self.pinged.is_none_or(|pinged| pinged.elapsed() >= within / PING_SHARE) {
            self.pinged = Some(Instant::now());
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// A line break would end the field.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
