//! The operating system: locks, signals, systemd, processes, the log, the clock.

pub mod io;
pub mod lock;
pub mod logging;
pub mod paths;
pub mod process;
pub mod replace;
pub mod signals;
pub mod systemd;
pub mod world;
