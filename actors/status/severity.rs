//! Whose an event is, and how it sounds, by its name. (A column would have to be added to databases that
//! exist and to the spool, and would say nothing of what was recorded before.)

use crate::message::children::{DB_WRITER, HEALTH, MQTT, STATS};
use crate::message::event;

/// Who tells of what no actor does.
const SUPERVISOR: &str = "supervisor";
/// As the tree calls it.
const WATCHTOWER: &str = crate::message::children::WATCHTOWER;

/// A person at the command line.
const OPERATOR: &str = "operator";

/// How an event sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSeverity {
    /// It is as it should be, or is again.
    Good,
    /// It happened.
    Plain,
    /// Unexpected; nothing is lost.
    Warning,
    /// Something is lost, or a person is needed.
    Bad,
}

impl EventSeverity {
    /// As a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Plain => "plain",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// The actor that an event is about. Where any actor may be meant, the detail begins with its name and a
/// colon.
pub fn actor_of<'a>(name: &str, detail: &'a str) -> &'a str {
    match name {
        event::ACTOR_RESTARTED | event::ACTOR_RENEWED => {
            detail.split_once(':').map_or(SUPERVISOR, |(actor, _)| actor)
        }
        _ => about(name).map_or("", |(actor, _)| actor),
    }
}

/// How an event sounds.
pub fn tone_of(name: &str) -> EventSeverity {
    about(name).map_or(EventSeverity::Plain, |(_, tone)| tone)
}

fn about(name: &str) -> Option<(&'static str, EventSeverity)> {
    use EventSeverity::{Bad, Good, Plain, Warning};
    Some(match name {
        event::READY => (SUPERVISOR, Good),
        event::STARTING | event::ACTOR_STARTED | event::STOPPING | event::STOPPED => {
            (SUPERVISOR, Plain)
        }
        event::ACTOR_RENEWED => (SUPERVISOR, Plain),
        event::ACTOR_RESTARTED | event::STOP_TIMED_OUT => (SUPERVISOR, Warning),
        event::ESCALATED | event::FORCED_EXIT | event::LOCK_LOST => (SUPERVISOR, Bad),
        event::BROKER_CONNECTED | event::RESUMED => (MQTT, Good),
        event::PAUSED => (MQTT, Warning),
        event::BROKER_DISCONNECTED
        | event::BROKER_UNREACHABLE
        | event::SESSION_RENEWED
        | event::CLIENT_ID_CHANGED
        | event::WINDOW_FULL => (MQTT, Warning),
        event::RELOADED => (SUPERVISOR, Plain),
        event::RELOAD_FAILED | event::RELOAD_WAITS => (SUPERVISOR, Warning),
        event::SESSION_TAKEN_OVER
        | event::SUBSCRIPTION_REFUSED
        | event::BROKER_FORGOT_SESSION
        | event::BROKER_ROLLED_BACK
        | event::BROKER_DROPPED => (MQTT, Bad),
        event::WRITE_RECOVERED | event::SPOOL_DRAINED | event::DATABASE_OPENED => (DB_WRITER, Good),
        event::SCHEMA_EXTENDED | event::DATABASE_SALVAGED => (DB_WRITER, Plain),
        event::WRITE_FAILED | event::SPOOL_SET_ASIDE | event::QUARANTINED => (DB_WRITER, Warning),
        event::SPOOL_FAILED
        | event::DATABASE_SET_ASIDE
        | event::DATABASE_BEGAN_ANEW
        | event::DATABASE_LOST
        | event::DATABASE_REPLACED => (DB_WRITER, Bad),
        event::QUARANTINE_TRIMMED => (DB_WRITER, Warning),
        event::ROUTE_HEARD => (HEALTH, Good),
        event::MODE_CHANGED | event::ROUTE_SILENT | event::CLOCK_JUMP | event::FROZEN => {
            (HEALTH, Warning)
        }
        event::NO_WRITES => (HEALTH, Bad),
        event::ISSUE_RESOLVED | event::ALERT_RECOVERED => (HEALTH, Good),
        event::METRICS_SERVED => (SUPERVISOR, Good),
        event::METRICS_NOT_SERVED => (SUPERVISOR, Warning),
        event::PAGE_SERVED => (WATCHTOWER, Good),
        event::PAGE_NOT_SERVED | event::PAGE_CERTIFICATE | event::LOGIN_REFUSED => {
            (WATCHTOWER, Warning)
        }
        event::ALERT_SENT => (HEALTH, Plain),
        event::ISSUE_APPEARED
        | event::ISSUE_CHANGED
        | event::RECOVERY_ATTEMPTED
        | event::ALERT_FAILED => (HEALTH, Warning),
        event::STATS => (STATS, Plain),
        event::QUARANTINE_CHANGED | event::OPERATOR_COMMAND | event::ISSUE_ACKNOWLEDGED => {
            (OPERATOR, Plain)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_belongs_to_an_actor() {
        let unowned: Vec<_> = event::ALL.iter().filter(|name| about(name).is_none()).collect();
        assert!(unowned.is_empty(), "name their actor in `about`: {unowned:?}");
    }

    #[test]
    fn the_detail_names_the_actor_where_it_may_be_any() {
        assert_eq!(actor_of(event::ACTOR_RESTARTED, "mqtt: panicked (injected)"), MQTT);
        assert_eq!(actor_of(event::ACTOR_RENEWED, "stats: an operator asked for it"), STATS);
        assert_eq!(actor_of(event::MODE_CHANGED, "normal, after: x"), HEALTH);
        assert_eq!(actor_of("unheard_of", "x: y"), "");
    }
}
