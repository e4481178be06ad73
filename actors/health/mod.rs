//! Judges the mode and the issues, tells people, and feeds the watchdog.

pub mod actor;
pub mod checks;
pub mod notify;
pub mod probes;
pub mod watch;
