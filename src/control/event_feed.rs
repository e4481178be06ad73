//! Events as they happen.

use std::io;

use barograph_actors::note::Event;
use barograph_actors::origin::{actor_of, tone_of};
use serde_json::{Value as Json, json};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;

use super::server::{Line, Rest};
use super::{Control, protocol};

/// Sends each event from now on.
pub(super) async fn stream(
    mut line: Line,
    control: &Control,
    mut closes: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut feed = control.published.feeds().watch_events();
    line.send(&protocol::ok(&json!({ "following": "events" }))).await?;
    loop {
        let rest = tokio::select! {
            biased;
            event = feed.recv() => match event {
                Ok(event) => {
                    line.send(&protocol::line("event", &event_json(&event))).await?;
                    continue;
                }
                Err(RecvError::Lagged(number)) => {
                    line.missed("events", number).await?;
                    continue;
                }
                Err(RecvError::Closed) => Rest::Closing,
            },
            rest = line.rest(&mut closes) => rest,
        };
        if matches!(rest, Rest::Closing) {
            loop {
                match feed.try_recv() {
                    Ok(event) => {
                        line.send(&protocol::line("event", &event_json(&event))).await?;
                    }
                    Err(TryRecvError::Lagged(number)) => line.missed("events", number).await?,
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
        }
        if !line.after(rest).await? {
            return Ok(());
        }
    }
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
