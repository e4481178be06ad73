//! For monitoring from outside: whether the recorder records, and its metrics.

use axum::extract;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use barograph_actors::message::event;
use barograph_actors::status::mode::Mode;
use barograph_actors::status::{Connection, Snapshot, summary};

use crate::http::{Tower, metrics};
use barograph_actors::message::children;

/// The sentence; 200 while it records durably, and 503 else.
pub(super) async fn readyz(extract::State(tower): extract::State<Tower>) -> Response {
    let state = tower.sources.published.snapshot();
    let status = if is_ready(&state) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let summary = summary::summary(&state);
    let head =
        [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, head, summary + "\n").into_response()
}

/// What arrives becomes durable, as far as is known: the broker is there and is heard, database or spool takes
/// messages, and both who receive and who write are alive. (A recorder that writes to its spool is ready; one
/// that is paused, or stops, is not.)
fn is_ready(state: &Snapshot) -> bool {
    matches!(state.broker.connection, Connection::Up(_))
        && state.broker.hearing.deaf.is_none()
        && !matches!(state.health.mode, Mode::Holding { .. })
        && state.broker.paused.is_none()
        && !state.tree.stopping
        && state.health.issues.iter().all(|issue| issue.id != event::NO_WRITES)
        && state.tree.is_running(children::MQTT)
        && state.tree.is_running(children::DB_WRITER)
}

/// As `[metrics] listen` serves them.
pub(super) async fn metrics(
    request: Parts,
    extract::State(tower): extract::State<Tower>,
) -> Response {
    metrics::answer(&request, &tower.sources.exposition)
}

#[cfg(test)]
mod tests {
    use barograph_actors::message::delivery::UnixMillis;
    use barograph_actors::message::write::WriteCause;
    use barograph_actors::status::issue::{Issue, Severity};
    use barograph_actors::status::{ChildState, Deafness};

    use super::*;

    fn ready() -> Snapshot {
        let mut state = Snapshot::default();
        state.broker.connection = Connection::Up(UnixMillis(1));
        for name in [children::MQTT, children::DB_WRITER] {
            let running = ChildState { state: "running".to_owned(), ..ChildState::default() };
            state.tree.children.insert(name, running);
        }
        state
    }

    #[test]
    fn ready_is_who_records_durably() {
        assert!(is_ready(&ready()));
        type ReadinessChange = fn(&mut Snapshot);
        let table: [(&str, ReadinessChange); 9] = [
            ("not connected", |state| state.broker.connection = Connection::Starting),
            ("cut off", |state| {
                state.broker.connection = Connection::Down(UnixMillis(1), "x".into())
            }),
            ("deaf", |state| {
                state.broker.hearing.deaf = Some(Deafness { since: UnixMillis(1), renewals: 1 });
            }),
            ("holding", |state| {
                state.health.mode = Mode::Holding { since: UnixMillis(1), cause: WriteCause::Full };
            }),
            ("nothing becomes durable", |state| {
                state.health.issues.push(Issue {
                    id: event::NO_WRITES.to_owned(),
                    severity: Severity::Critical,
                    since: UnixMillis(1),
                    summary: String::new(),
                    hint: String::new(),
                });
            }),
            ("paused", |state| state.broker.paused = Some(UnixMillis(1))),
            ("stopping", |state| state.tree.stopping = true),
            ("no writer", |state| drop(state.tree.children.remove(children::DB_WRITER))),
            ("restarting", |state| {
                state.tree.children.insert(children::MQTT, ChildState::default());
            }),
        ];
        for (what, change) in table {
            let mut state = ready();
            change(&mut state);
            assert!(!is_ready(&state), "{what}");
        }
    }
}
