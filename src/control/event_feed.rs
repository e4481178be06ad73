//! Events as they happen.

use std::io;

use barograph_actors::note::Event;
use barograph_actors::origin::{actor_of, tone_of};
use serde_json::{Value as Json, json};
use tokio::sync::watch;

use super::server::Line;
use super::{Control, protocol};

/// Sends each event from now on.
pub(super) async fn stream(
    mut line: Line,
    control: &Control,
    mut closes: watch::Receiver<bool>,
) -> io::Result<()> {
    let feed = control.sources.published.feeds().watch_events();
    line.send(&protocol::ok(&json!({ "following": "events" }))).await?;
    let told = |event: Event| std::iter::once(protocol::line("event", &event_json(&event)));
    line.follow(feed, &mut closes, "events", told).await
}

/// An event, as history and stream have it.
fn event_json(event: &Event) -> Json {
    json!({
        "at": event.at.to_string(),
        "event": event.name,
        "actor": actor_of(event.name, &event.detail),
        "tone": tone_of(event.name).word(),
        "detail": event.detail,
    })
}
