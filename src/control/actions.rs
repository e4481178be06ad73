//! Commands that change something. Each is an event with who asked for it; those that need an actor's
//! answer have a time limit, because the actor may be waiting for a disk or for whoever locks the database.

use std::time::Duration;

use barograph_actors::db_writer::Checkpoint;
use barograph_actors::event;
use barograph_actors::ports::Checkpointed;
use barograph_actors::supervise::Renew;
use barograph_config::Level;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep, timeout};
use tracing::info;

use super::Control;
use super::protocol::{Refusal, Request};
use super::server::Peer;
use crate::process::sqlite_readers;
use crate::{logging, world};

/// How long an actor may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long an actor may take to stop and be there again.
const RENEWED_WITHIN: Duration = Duration::from_secs(10);
/// How long what is in hand may take to be committed, and the goodbye to the broker.
const PAUSED_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Does what was asked for.
pub(super) async fn carry_out(
    control: &Control,
    peer: &Peer,
    request: &Request,
) -> Result<Json, Refusal> {
    match request {
        Request::Stop => {
            note(control, peer, "stop");
            control.signals.stop();
            Ok(json!({ "stopping": true, "pid": std::process::id() }))
        }
        Request::RestartActor(actor) => restart(control, peer, actor).await,
        Request::Pause => pause(control, peer, true).await,
        Request::Resume => pause(control, peer, false).await,
        Request::Checkpoint => checkpoint(control, peer).await,
        Request::LogLevel(word) => log_level(control, peer, word),
        Request::Status | Request::Events | Request::Tail(_) => Ok(Json::Null),
    }
}

fn note(control: &Control, peer: &Peer, what: &str) {
    let told = format!("{what}, asked for {}", peer.sentence());
    info!(event = event::OPERATOR_COMMAND, command = what, "{told}");
    control.sources.published.note(event::OPERATOR_COMMAND, world::now(), told);
}

async fn restart(control: &Control, peer: &Peer, actor: &str) -> Result<Json, Refusal> {
    let since = |name: &str| {
        let children = control.sources.published.snapshot().children;
        children.get(name).map(|child| (child.state.clone(), child.since))
    };
    let Some((_, before)) = since(actor) else {
        let there = control.sources.published.snapshot().children;
        let names: Vec<&str> = there.keys().copied().collect();
        let message = format!("there is no actor {actor:?}");
        return Err(Refusal::new(message, format!("there are: {}", names.join(", "))));
    };
    note(control, peer, &format!("restart-actor {actor}"));
    let renew = Renew { child: actor.to_owned(), why: "an operator asked for it".to_owned() };
    match timeout(ANSWER_WITHIN, control.supervisor.send(renew)).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            let message = format!("actor {actor} is not running now");
            return Err(Refusal::new(
                message,
                "it is being restarted, or stopped: barograph status",
            ));
        }
        Ok(Err(_)) | Err(_) => return Err(no_answer("the supervisor")),
    }
    let began = Instant::now();
    while began.elapsed() < RENEWED_WITHIN {
        sleep(LOOK_EVERY).await;
        if since(actor).is_some_and(|(state, since)| state == "running" && since != before) {
            return Ok(json!({ "actor": actor, "state": "running" }));
        }
    }
    let message = format!("actor {actor} was told to start anew, and is not running yet");
    Err(Refusal::new(message, "look at it: barograph status"))
}

async fn pause(control: &Control, peer: &Peer, paused: bool) -> Result<Json, Refusal> {
    note(control, peer, if paused { "pause" } else { "resume" });
    let obeyed = timeout(PAUSED_WITHIN, async {
        match paused {
            true => control.orders.pause().await,
            false => control.orders.resume().await,
        }
    });
    match obeyed.await {
        Ok(Ok(())) => Ok(json!({ "paused": paused })),
        Ok(Err(error)) => Err(Refusal::new(error.to_string(), "look at it: barograph status")),
        Err(_) => Err(no_answer("the broker session")),
    }
}

async fn checkpoint(control: &Control, peer: &Peer) -> Result<Json, Refusal> {
    note(control, peer, "checkpoint");
    let Some(writer) = control.links.writer.get() else {
        let hint = "try again in a moment: barograph status says how it is";
        return Err(Refusal::new("the writer is not running now", hint));
    };
    let Checkpointed { pages, folded_in, wholly } =
        match timeout(ANSWER_WITHIN, writer.send(Checkpoint)).await {
            Ok(Ok(Ok(done))) => done,
            Ok(Ok(Err(message))) => {
                return Err(Refusal::new(message, "nothing is lost: the WAL stays as it is"));
            }
            Ok(Err(_)) | Err(_) => return Err(no_answer("the writer")),
        };
    let path = control.sources.in_force.now().database.path.clone();
    let held_by = if wholly {
        Vec::new()
    } else {
        let look = tokio::task::spawn_blocking(move || sqlite_readers(&path));
        let holders = timeout(ANSWER_WITHIN, look).await.ok().and_then(Result::ok);
        holders.unwrap_or_default().iter().map(ToString::to_string).collect()
    };
    Ok(json!({ "pages": pages, "folded_in": folded_in, "wholly": wholly, "held_by": held_by }))
}

fn no_answer(who: &str) -> Refusal {
    let message = format!("{who} does not answer");
    let hint = "it may wait for a disk, or for whoever locks the database: barograph status";
    Refusal::new(message, hint)
}

fn log_level(control: &Control, peer: &Peer, word: &str) -> Result<Json, Refusal> {
    let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
    let Some(level) = levels.into_iter().find(|level| level.as_str() == word) else {
        let words: Vec<&str> = levels.into_iter().map(Level::as_str).collect();
        let message = format!("there is no level {word:?}");
        return Err(Refusal::new(message, format!("there are: {}", words.join(", "))));
    };
    note(control, peer, &format!("log-level {word}"));
    logging::set_level(level);
    Ok(json!({ "level": word }))
}
