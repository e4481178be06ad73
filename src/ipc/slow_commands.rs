//! Commands that take their time outside the recorder, on threads that may block: tests of alerts, and another
//! try of what is in quarantine.

use std::time::Duration;

use barograph_config::Settings;
use tokio::time::timeout;

use super::Control;
use super::actions::note;
use super::peer::Peer;
use crate::exit::Failed;
use crate::sqlite::Changed;
use crate::wire::command::CommandReply;
use crate::wire::refusal::{Refusal, RefusalKind};

/// How long it is waited for; it goes on by itself.
const DONE_WITHIN: Duration = Duration::from_secs(25);

/// The settings in force, with the routes in force.
fn settings(control: &Control) -> Settings {
    let routes = control.router().active().map(|(_, route)| route.clone()).collect();
    Settings { routes, ..(*control.sources.in_force.now()).clone() }
}

/// A test to one channel, or all of them at a time: what each said.
pub(super) async fn alert_test(
    control: &Control,
    peer: &Peer,
    channel: Option<&str>,
) -> Result<CommandReply, Refusal> {
    let told = channel.map_or("alert-test".to_owned(), |channel| format!("alert-test {channel}"));
    note(control, peer, &told);
    let (settings, channel) = (settings(control), channel.map(str::to_owned));
    let test = control.slow.test_alerts;
    let work = move || test(&settings, channel.as_deref());
    Ok(CommandReply::AlertTest(done("the test", work).await?))
}

/// What is in quarantine is decoded again, by the routes in force.
pub(super) async fn quarantine_replay(
    control: &Control,
    peer: &Peer,
) -> Result<CommandReply, Refusal> {
    note(control, peer, "quarantine-replay");
    let (settings, replay) = (settings(control), control.slow.replay);
    let Changed { stored, duplicate, stayed, .. } =
        done("the replay", move || replay(settings)).await?;
    Ok(CommandReply::QuarantineReplay { stored, there_already: duplicate, stay: stayed })
}

async fn done<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Result<T, Refusal> {
    let look = "look at it with barograph on the command line";
    match timeout(DONE_WITHIN, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(Ok(done))) => Ok(done),
        Ok(Ok(Err(failed))) => Err(Refusal::of(RefusalKind::Failed, failed.message, look)),
        Ok(Err(_panicked)) => Err(Refusal::of(
            RefusalKind::Failed,
            format!("{what} ended with an internal error"),
            look,
        )),
        Err(_) => {
            let message = format!("{what} has not ended after {} s", DONE_WITHIN.as_secs());
            Err(Refusal::of(RefusalKind::Unavailable, message, "it goes on; look at the log"))
        }
    }
}
