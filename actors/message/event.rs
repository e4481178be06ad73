//! Event names: the value of the field `event` in the log and of the column `event` in
//! `barograph_events`. All of them are here, and each is explained in docs/operation.md; a test holds
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
/// Connecting failed; written once for each reason, not for each attempt.
pub const BROKER_UNREACHABLE: &str = "broker_unreachable";
/// Another client connected with our client id.
pub const SESSION_TAKEN_OVER: &str = "session_taken_over";
/// Another client id is used from now on: by `mqtt.client_id`.
pub const CLIENT_ID_CHANGED: &str = "client_id_changed";
/// A connection that delivered nothing was closed, to be opened again.
pub const SESSION_RENEWED: &str = "session_renewed";
/// The broker refused a filter.
pub const SUBSCRIPTION_REFUSED: &str = "subscription_refused";
/// The broker no longer knew the session that it kept for us.
pub const BROKER_FORGOT_SESSION: &str = "broker_forgot_session";
/// The broker repeats what it had delivered and we had acknowledged long ago.
pub const BROKER_ROLLED_BACK: &str = "broker_rolled_back";
/// More was received than may wait for the database; the broker keeps the rest.
pub const WINDOW_FULL: &str = "window_full";
/// A batch could not be written and is retried. Written once for each cause, not for each attempt.
pub const WRITE_FAILED: &str = "write_failed";
/// The first batch after a failure was written.
pub const WRITE_RECOVERED: &str = "write_recovered";
/// The mode changed: normal, retrying, degraded, recovering,
/// holding.
pub const MODE_CHANGED: &str = "mode_changed";
/// The database took the last of the spool.
pub const SPOOL_DRAINED: &str = "spool_drained";
/// The spool was damaged; it is kept under another name, and what can be read of it is used.
pub const SPOOL_SET_ASIDE: &str = "spool_set_aside";
/// The spool cannot take anything.
pub const SPOOL_FAILED: &str = "spool_failed";
/// The database was damaged; it is kept under another name, and recording goes on in a new one.
pub const DATABASE_SET_ASIDE: &str = "database_set_aside";
/// The database's file was deleted, moved or replaced while it was open.
pub const DATABASE_REPLACED: &str = "database_replaced";
/// A new database was made, and an earlier one of this recorder held rows that are not in it.
pub const DATABASE_BEGAN_ANEW: &str = "database_began_anew";
/// The process ends with rows that only an open handle had: they are lost.
pub const DATABASE_LOST: &str = "database_lost";
/// What could be read of a damaged or deleted database has been copied over.
pub const DATABASE_SALVAGED: &str = "database_salvaged";
/// Messages arrive, and nothing has become durable for `health.no_write_issue_after`.
pub const NO_WRITES: &str = "no_writes";
/// A route received no message for its `silent_after`.
pub const ROUTE_SILENT: &str = "route_silent";
/// A silent route received a message again.
pub const ROUTE_HEARD: &str = "route_heard";
/// The wall clock was set, or the machine slept.
pub const CLOCK_JUMP: &str = "clock_jump";
/// The process did not run for more than 2 s: it was stopped, or the machine was overloaded.
pub const FROZEN: &str = "frozen";
/// The broker reports dropped messages.
pub const BROKER_DROPPED: &str = "broker_dropped";
/// Quarantined messages were dropped, because there were too many or they were too old.
pub const QUARANTINE_TRIMMED: &str = "quarantine_trimmed";
/// A person replayed or dropped quarantined messages.
pub const QUARANTINE_CHANGED: &str = "quarantine_changed";
/// The database file was opened.
pub const DATABASE_OPENED: &str = "database_opened";
/// A table, a column or an index was added for a route.
pub const SCHEMA_EXTENDED: &str = "schema_extended";
/// Messages went to quarantine; written at most once in a while.
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
/// An actor was restarted in order, because an operator asked for it or its settings changed.
pub const ACTOR_RENEWED: &str = "actor_renewed";
/// A person paused the recorder: the broker keeps the messages.
pub const PAUSED: &str = "paused";
/// A paused recorder receives again.
pub const RESUMED: &str = "resumed";
/// The settings were read again: what changed, or that nothing did.
pub const RELOADED: &str = "reloaded";
/// The settings cannot be used, or some of them cannot be put in force.
pub const RELOAD_FAILED: &str = "reload_failed";
/// Other routes wait until what came by the old ones is durable.
pub const RELOAD_WAITS: &str = "reload_waits";
/// An issue began.
pub const ISSUE_APPEARED: &str = "issue_appeared";
/// An issue became worse, or milder.
pub const ISSUE_CHANGED: &str = "issue_changed";
/// A person acknowledged an issue: its alerts no longer repeat.
pub const ISSUE_ACKNOWLEDGED: &str = "issue_acknowledged";
/// An issue ended.
pub const ISSUE_RESOLVED: &str = "issue_resolved";
/// The recorder attempted what may end an issue.
pub const RECOVERY_ATTEMPTED: &str = "recovery_attempted";
/// A channel accepted an alert.
pub const ALERT_SENT: &str = "alert_sent";
/// A channel does not accept alerts; written once for each cause.
pub const ALERT_FAILED: &str = "alert_failed";
/// A channel that failed accepts alerts again.
pub const ALERT_RECOVERED: &str = "alert_recovered";
/// The metrics can be read.
pub const METRICS_SERVED: &str = "metrics_served";
/// The address of the metrics cannot be bound; it is tried again.
pub const METRICS_NOT_SERVED: &str = "metrics_not_served";
/// The page is served.
pub const PAGE_SERVED: &str = "page_served";
/// The address of the page cannot be bound; it is tried again.
pub const PAGE_NOT_SERVED: &str = "page_not_served";
/// The page's certificate was read, or the new one cannot be used.
pub const PAGE_CERTIFICATE: &str = "page_certificate";
/// Logins with wrong tokens were refused.
pub const LOGIN_REFUSED: &str = "login_refused";

/// A person gave the running recorder a command: which, and by whom.
pub const OPERATOR_COMMAND: &str = "operator_command";

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
    CLIENT_ID_CHANGED,
    SESSION_RENEWED,
    SUBSCRIPTION_REFUSED,
    BROKER_FORGOT_SESSION,
    BROKER_ROLLED_BACK,
    WINDOW_FULL,
    WRITE_FAILED,
    WRITE_RECOVERED,
    MODE_CHANGED,
    SPOOL_DRAINED,
    SPOOL_SET_ASIDE,
    SPOOL_FAILED,
    DATABASE_SET_ASIDE,
    DATABASE_REPLACED,
    DATABASE_BEGAN_ANEW,
    DATABASE_LOST,
    DATABASE_SALVAGED,
    NO_WRITES,
    ROUTE_SILENT,
    ROUTE_HEARD,
    CLOCK_JUMP,
    FROZEN,
    BROKER_DROPPED,
    QUARANTINE_TRIMMED,
    QUARANTINE_CHANGED,
    DATABASE_OPENED,
    SCHEMA_EXTENDED,
    QUARANTINED,
    STATS,
    STOPPING,
    STOPPED,
    FORCED_EXIT,
    LOCK_LOST,
    ACTOR_RENEWED,
    PAUSED,
    RESUMED,
    RELOADED,
    RELOAD_FAILED,
    RELOAD_WAITS,
    ISSUE_APPEARED,
    ISSUE_CHANGED,
    ISSUE_ACKNOWLEDGED,
    ISSUE_RESOLVED,
    RECOVERY_ATTEMPTED,
    ALERT_SENT,
    ALERT_FAILED,
    ALERT_RECOVERED,
    METRICS_SERVED,
    METRICS_NOT_SERVED,
    PAGE_SERVED,
    PAGE_NOT_SERVED,
    PAGE_CERTIFICATE,
    LOGIN_REFUSED,
    OPERATOR_COMMAND,
];

/// The constant that has this name: the spool gives names back as text.
pub fn known(name: &str) -> Option<&'static str> {
    ALL.iter().copied().find(|known| *known == name)
}
