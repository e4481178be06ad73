//! Events as they happen.

use std::io;

use barograph_actors::message::note::Event;
use tokio::sync::watch;

use super::Control;
use super::connection::OperatorConnection;
use super::protocol::{self, Content, Missed, PlainContent};
use crate::sqlite::LoggedEvent;
use crate::wire::history::{EventLine, Following};

/// Sends each event from now on.
pub(super) async fn stream(
    mut line: OperatorConnection,
    control: &Control,
    mut closes: watch::Receiver<bool>,
) -> io::Result<()> {
    let feed = control.sources.published.feeds().watch_events();
    line.say(Content::Ok(Following { following: "events" })).await?;
    let told = |event: Event| {
        let event = EventLine::from(LoggedEvent::from(event));
        std::iter::once(protocol::line(&PlainContent::Event(event)))
    };
    line.follow(feed, &mut closes, Missed::Events, told).await
}
