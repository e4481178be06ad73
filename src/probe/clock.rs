//! What the kernel knows of its clocks.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::libc::TIME_ERROR;
use rtime_clock::adjtime::{Timex, adjtimex};

/// systemd-timesyncd makes this when it has set the clock.
const TIMESYNCD_DID: &str = "/run/systemd/timesync/synchronized";

/// Whether something keeps the clock right; `None`: it cannot be known. (A service without the right to
/// set clocks may not even be allowed to ask the kernel.)
pub(super) fn is_synchronised() -> Option<bool> {
    match adjtimex(&mut Timex::new()) {
        Ok(state) => Some(state != TIME_ERROR),
        Err(_) => Path::new(TIMESYNCD_DID).exists().then_some(true),
    }
}

/// How long the machine has been up.
pub(super) fn up() -> Option<Duration> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers() {
        assert!(is_synchronised().is_some());
        assert!(up().is_some_and(|up| up > Duration::ZERO));
    }
}
