//! Frames that are made of published state: each is the JSON object without its opening brace, so that every
//! viewer's number can be put before it.

use barograph_actors::message::note::Event;
use barograph_actors::status::{BrokerState, Snapshot};
use bytes::Bytes;
use serde::Serialize;

use crate::http::api::json_text;
use crate::wire::history::PageEvent;
use crate::wire::page::{Latest, NewRows};
use crate::wire::status::Status;

/// A frame for the page's clients.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum News<'n> {
    /// The first frame, and what a viewer gets that missed something.
    Snapshot { status: &'n Status, latest: &'n Latest },
    /// How it is now.
    Status { status: &'n Status },
    /// Rows.
    Rows { routes: &'n [NewRows] },
    /// Nothing happened for a while; the recorder is alive.
    Alive { now_ms: i64 },
    /// An event. It is not in the database yet: its number is one above all that are, in the order of its kind.
    Event { event: PageEvent },
}

impl News<'_> {
    /// The frame.
    pub(super) fn frame(&self) -> Bytes {
        let mut text = json_text(self);
        text.remove(0);
        Bytes::from(text)
    }

    /// The frame of an event.
    pub(super) fn event(event: &Event, number: u64) -> Bytes {
        let id = i64::try_from(number).unwrap_or(i64::MAX);
        News::Event { event: PageEvent::new(id, event.clone().into()) }.frame()
    }
}

/// What a status is sent for at once. What only counts on, or grows older, can wait.
pub(super) fn worth_telling(state: &Snapshot) -> String {
    let Snapshot { broker, tree, .. } = state;
    let BrokerState { paused, connection, session_present, hearing, granted, .. } = broker;
    format!(
        "{:?}",
        (
            (&state.health, &state.unsettled, state.storage.spooled == 0),
            (paused, connection, session_present, hearing.deaf, granted),
            (tree.stopping, &tree.children),
        )
    )
}

#[cfg(test)]
mod tests {
    use barograph_actors::message::account::RouteId;
    use barograph_actors::message::delivery::UnixMillis;
    use barograph_actors::message::event;
    use barograph_actors::status::arrivals::{Arrivals, Arrived};
    use serde_json::{Value as Json, json};

    use super::*;

    #[test]
    fn a_frame_is_json_behind_its_number() {
        let happened = Event {
            name: event::ACTOR_RESTARTED,
            at: UnixMillis(0),
            detail: "mqtt: <b>\"panicked\"</b>".to_owned(),
        };
        let body = News::event(&happened, 7);
        let text = format!("{{\"seq\":3,{}", str::from_utf8(&body).unwrap());
        let frame: Json = serde_json::from_str(&text).unwrap();
        let expected = json!({
            "seq": 3,
            "type": "event",
            "event": {
                "id": 7,
                "at": "1970-01-01 00:00:00.000",
                "event": "actor_restarted",
                "actor": "mqtt",
                "severity": "warning",
                "detail": "mqtt: <b>\"panicked\"</b>",
            },
        });
        assert_eq!(frame, expected);
    }

    #[test]
    fn what_only_counts_on_is_not_worth_a_status() {
        let mut state = Snapshot::default();
        let before = worth_telling(&state);
        let mut arrived = Arrivals::default();
        arrived.add(RouteId(None), Arrived { deliveries: 5, bytes: 9 });
        state.arrivals.take(&mut arrived);
        (state.held, state.storage.last_commit) = (2, Some(UnixMillis(3)));
        assert_eq!(worth_telling(&state), before);
        state.broker.paused = Some(UnixMillis(4));
        assert_ne!(worth_telling(&state), before);
    }
}
