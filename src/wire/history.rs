//! Events, and rows as they are committed.

use std::borrow::Cow;

use barograph_actors::message::batch::Value;
use barograph_actors::status::severity::{EventSeverity, actor_of, tone_of};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::sqlite::LoggedEvent;
use crate::time::UtcText;

/// An event, as the operator socket and `barograph events --json` have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventLine {
    pub(crate) at: String,
    pub(crate) event: String,
    #[serde(default)]
    pub(crate) actor: String,
    #[serde(default)]
    pub(crate) tone: Cow<'static, str>,
    pub(crate) detail: String,
}

impl From<LoggedEvent> for EventLine {
    fn from(LoggedEvent { at, event, detail }: LoggedEvent) -> Self {
        let (actor, tone) = (actor_of(&event, &detail).to_owned(), tone_of(&event).word().into());
        Self { at, event, actor, tone, detail }
    }
}

impl From<EventLine> for LoggedEvent {
    fn from(EventLine { at, event, detail, .. }: EventLine) -> Self {
        Self { at, event, detail }
    }
}

/// An event, as the page has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PageEvent {
    pub(crate) id: i64,
    pub(crate) at: UtcText,
    pub(crate) event: String,
    pub(crate) actor: Option<String>,
    #[schema(pattern = "^(info|warning|error)$")]
    pub(crate) severity: &'static str,
    pub(crate) detail: String,
}

impl PageEvent {
    /// Under the number that it has in the database, or will have.
    pub(crate) fn new(id: i64, event: LoggedEvent) -> Self {
        let LoggedEvent { at, event, detail } = event;
        let actor = Some(actor_of(&event, &detail)).filter(|actor| !actor.is_empty());
        let severity = match tone_of(&event) {
            EventSeverity::Good | EventSeverity::Plain => "info",
            EventSeverity::Warning => "warning",
            EventSeverity::Bad => "error",
        };
        Self { id, at: UtcText(at), actor: actor.map(str::to_owned), severity, event, detail }
    }
}

/// What `events` answers before the first event.
#[derive(Debug, Serialize)]
pub(crate) struct Following {
    pub(crate) following: &'static str,
}

/// What `tail` answers before the first row: the routes that follow.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct TailRoutes {
    #[serde(default)]
    pub(crate) routes: Vec<TailRoute>,
}

/// A route, and the columns of its rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TailRoute {
    pub(crate) route: String,
    pub(crate) columns: Vec<TailColumn>,
}

/// A column.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TailColumn {
    pub(crate) name: String,
    pub(crate) unit: Option<String>,
}

/// A row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RowLine {
    pub(crate) route: String,
    pub(crate) received_at: UtcText,
    pub(crate) values: Vec<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_whose_it_is_and_how_bad() {
        let of = |name: &str, detail: &str| {
            let (at, event, detail) = (String::new(), name.to_owned(), detail.to_owned());
            PageEvent::new(4, LoggedEvent { at, event, detail })
        };
        let restarted = of("actor_restarted", "mqtt: panicked");
        assert_eq!((restarted.actor.as_deref(), restarted.severity), (Some("mqtt"), "warning"));
        assert_eq!(of("no_writes", "").severity, "error");
        let unknown = of("unheard_of", "");
        assert_eq!((unknown.actor, unknown.severity), (None, "info"));
    }
}
