//! Events as they happen.

use std::io;

use barograph_actors::message::note::Event;
use barograph_actors::status::severity::{actor_of, tone_of};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::connection::OperatorConnection;
use super::{Control, protocol};
use crate::sqlite::LoggedEvent;

/// Sends each event from now on.
pub(super) async fn stream(
    mut line: OperatorConnection,
    control: &Control,
    mut closes: watch::Receiver<bool>,
) -> io::Result<()> {
    let feed = control.sources.published.feeds().watch_events();
    line.send(&protocol::ok(&json!({ "following": "events" }))).await?;
    let told = |event: Event| std::iter::once(protocol::line("event", &event_json(&event.into())));
    line.follow(feed, &mut closes, "events", told).await
}

/// An event, as the socket tells it and `barograph events --json` shows it.
pub(crate) fn event_json(event: &LoggedEvent) -> Json {
    json!({
        "at": event.at,
        "event": event.event,
        "actor": actor_of(&event.event, &event.detail),
        "tone": tone_of(&event.event).word(),
        "detail": event.detail,
    })
}
