//! Event names: the value of the field `event` in the log and of the column `event` in
//! `barograph_events`. All of them are here, and each is explained in ARCHITECTURE.md; a test holds
//! that.

/// The program starts; the settings in force are named.
pub const STARTING: &str = "starting";
/// The database is open and the first connection to the broker was attempted.
pub const READY: &str = "ready";
/// An actor can do its work.
pub const ACTOR_STARTED: &str = "actor_started";
/// An actor ended and is started again.
pub const ACTOR_RESTARTED: &str = "actor_restarted";
/// Restarting cannot help: the process ends in order.
pub const ESCALATED: &str = "escalated";
/// An actor did not stop in its time; the stop goes on without it.
pub const STOP_TIMED_OUT: &str = "stop_timed_out";
/// The broker accepted us.
pub const BROKER_CONNECTED: &str = "broker_connected";
/// An established connection ended.
pub const BROKER_DISCONNECTED: &str = "broker_disconnected";
/// Connecting failed; said once for each reason, not for each try.
pub const BROKER_UNREACHABLE: &str = "broker_unreachable";
/// Another client connected with our client id.
pub const SESSION_TAKEN_OVER: &str = "session_taken_over";
/// The broker refused a filter.
pub const SUBSCRIPTION_REFUSED: &str = "subscription_refused";
/// The broker no longer knew the session that it kept for us.
pub const BROKER_FORGOT_SESSION: &str = "broker_forgot_session";
/// The broker repeats what it had delivered and we had acknowledged long ago.
pub const BROKER_ROLLED_BACK: &str = "broker_rolled_back";
/// More was received than may wait for the database; the broker keeps the rest.
pub const WINDOW_FULL: &str = "window_full";
/// A batch could not be written; it is tried again. Said once for each cause, not for each try.
pub const WRITE_FAILED: &str = "write_failed";
/// The first batch after a failure was written.
pub const WRITE_RECOVERED: &str = "write_recovered";
/// The database file was opened.
pub const DATABASE_OPENED: &str = "database_opened";
/// A table, a column or an index was added for a route.
pub const SCHEMA_EXTENDED: &str = "schema_extended";
/// Messages went to quarantine; said at most once in a while.
pub const QUARANTINED: &str = "quarantined";
/// The line with the counts.
pub const STATS: &str = "stats";
/// The ordered stop begins.
pub const STOPPING: &str = "stopping";
/// The program has stopped; the account is named.
pub const STOPPED: &str = "stopped";
/// The ordered stop took too long, or a second signal came.
pub const FORCED_EXIT: &str = "forced_exit";
/// The lock file was removed or replaced while we hold it.
pub const LOCK_LOST: &str = "lock_lost";

/// Every name above.
pub const ALL: &[&str] = &[
    STARTING,
    READY,
    ACTOR_STARTED,
    ACTOR_RESTARTED,
    ESCALATED,
    STOP_TIMED_OUT,
    BROKER_CONNECTED,
    BROKER_DISCONNECTED,
    BROKER_UNREACHABLE,
    SESSION_TAKEN_OVER,
    SUBSCRIPTION_REFUSED,
    BROKER_FORGOT_SESSION,
    BROKER_ROLLED_BACK,
    WINDOW_FULL,
    WRITE_FAILED,
    WRITE_RECOVERED,
    DATABASE_OPENED,
    SCHEMA_EXTENDED,
    QUARANTINED,
    STATS,
    STOPPING,
    STOPPED,
    FORCED_EXIT,
    LOCK_LOST,
];
