//! The names of the supervisor's children, as logs, events, settings and the page have them.

/// The only writer to the database.
pub const DB_WRITER: &str = "db_writer";
/// Judges.
pub const HEALTH: &str = "health";
/// Counts.
pub const STATS: &str = "stats";
/// The broker session.
pub const MQTT: &str = "mqtt";
/// Serves the page.
pub const WATCHTOWER: &str = "watchtower";

/// Those that observe: the recording goes on without them.
pub const OBSERVERS: [&str; 3] = [HEALTH, STATS, WATCHTOWER];
