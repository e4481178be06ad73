//! Commands that change something. Each is an event with who asked for it; those that need an actor's
//! answer have a time limit, because the actor may be waiting for a disk or for a program that locks the database.

use std::time::Duration;

use barograph_actors::message::children::WATCHTOWER;
use barograph_actors::message::event;
use barograph_actors::message::write::{Checkpoint, Checkpointed};
use barograph_actors::supervisor::Renew;
use barograph_config::LogLevel;
use tokio::time::{Instant, sleep, timeout};
use tracing::info;

use super::Control;
use super::peer::Peer;
use super::protocol::Order;
use super::slow_commands;
use crate::os::process::sqlite_readers;
use crate::os::{logging, world};
use crate::wire::command::{CheckpointReply, CommandReply, FaultKind};
use crate::wire::refusal::{Refusal, RefusalKind};
use crate::wire::status::AcknowledgedBy;

/// How long an actor may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long an actor may take to stop and be there again.
const RENEWED_WITHIN: Duration = Duration::from_secs(10);
/// For an answer to reach the page before it ends.
const ANSWER_FIRST: Duration = Duration::from_millis(200);
/// How long what is in hand may take to be committed, and the goodbye to the broker.
const PAUSED_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Does what was asked for.
pub(super) async fn carry_out(
    control: &Control,
    peer: &Peer,
    order: &Order,
) -> Result<CommandReply, Refusal> {
    match order {
        Order::Stop => {
            note(control, peer, "stop");
            control.signals.stop();
            Ok(CommandReply::Stop { stopping: true, pid: std::process::id() })
        }
        Order::RestartActor { actor } => restart(control, peer, actor).await,
        Order::Pause => pause(control, peer, true).await,
        Order::Resume => pause(control, peer, false).await,
        Order::Checkpoint => checkpoint(control, peer).await,
        Order::LogLevel { level } => log_level(control, peer, level),
        Order::AcknowledgeIssue { issue } => acknowledge(control, peer, issue),
        Order::AlertTest { channel } => {
            slow_commands::alert_test(control, peer, channel.as_deref()).await
        }
        Order::QuarantineReplay => slow_commands::quarantine_replay(control, peer).await,
        Order::Fault { actor, fault, ms } => inject(control, peer, actor, *fault, *ms).await,
    }
}

/// Tells of an order, before it is carried out.
pub(super) fn note(control: &Control, peer: &Peer, what: &str) {
    let told = format!("{what}, asked for {}", peer.sentence());
    info!(event = event::OPERATOR_COMMAND, command = what, "{told}");
    control.sources.published.note(event::OPERATOR_COMMAND, world::now(), told);
}

async fn restart(control: &Control, peer: &Peer, actor: &str) -> Result<CommandReply, Refusal> {
    let since = |name: &str| {
        let children = control.sources.published.tree.get().children;
        children.get(name).map(|child| (child.state.clone(), child.since))
    };
    let Some((_, before)) = since(actor) else {
        let there = control.sources.published.tree.get().children;
        let names: Vec<&str> = there.keys().copied().collect();
        let message = format!("there is no actor {actor:?}");
        let hint = format!("there are: {}", names.join(", "));
        return Err(Refusal::of(RefusalKind::Unknown, message, hint));
    };
    note(control, peer, &format!("restart-actor {actor}"));
    let renew = Renew { child: actor.to_owned(), why: "an operator asked for it".to_owned() };
    if actor == WATCHTOWER && matches!(peer, Peer::Page(_)) {
        return Ok(restart_soon(control, renew));
    }
    match timeout(ANSWER_WITHIN, control.supervisor.send(renew)).await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            let message = format!("actor {actor} is not running now");
            let hint = "it is being restarted, or stopped: barograph status";
            return Err(Refusal::of(RefusalKind::Unavailable, message, hint));
        }
        Ok(Err(_)) | Err(_) => return Err(no_answer("the supervisor")),
    }
    let began = Instant::now();
    while began.elapsed() < RENEWED_WITHIN {
        sleep(LOOK_EVERY).await;
        if since(actor).is_some_and(|(state, since)| state == "running" && since != before) {
            let state = "running".into();
            return Ok(CommandReply::RestartActor { actor: actor.to_owned(), state });
        }
    }
    let message = format!("actor {actor} was asked to restart, and is not running yet");
    Err(Refusal::of(RefusalKind::Failed, message, "look at it: barograph status"))
}

/// A client of the page must get the answer before the page itself ends.
fn restart_soon(control: &Control, renew: Renew) -> CommandReply {
    let (supervisor, actor) = (control.supervisor.clone(), renew.child.clone());
    tokio::spawn(async move {
        sleep(ANSWER_FIRST).await;
        let _stopping = supervisor.send(renew).await;
    });
    CommandReply::RestartActor { actor, state: "restarting".into() }
}

async fn pause(control: &Control, peer: &Peer, paused: bool) -> Result<CommandReply, Refusal> {
    note(control, peer, if paused { "pause" } else { "resume" });
    let obeyed = timeout(PAUSED_WITHIN, async {
        match paused {
            true => control.orders.pause().await,
            false => control.orders.resume().await,
        }
    });
    match obeyed.await {
        Ok(Ok(())) => Ok(CommandReply::Pause { paused }),
        Ok(Err(error)) => {
            let hint = "look at it: barograph status";
            Err(Refusal::of(RefusalKind::Unavailable, error.to_string(), hint))
        }
        Err(_) => Err(no_answer("the broker session")),
    }
}

async fn checkpoint(control: &Control, peer: &Peer) -> Result<CommandReply, Refusal> {
    note(control, peer, "checkpoint");
    let Some(writer) = control.links.writer.get() else {
        let hint = "try again in a moment: barograph status says how it is";
        let message = "the writer is not running now";
        return Err(Refusal::of(RefusalKind::Unavailable, message, hint));
    };
    let Checkpointed { blocks, merged, is_complete } =
        match timeout(ANSWER_WITHIN, writer.send(Checkpoint)).await {
            Ok(Ok(Ok(done))) => done,
            Ok(Ok(Err(error))) => {
                let hint = "nothing is lost: the WAL stays as it is";
                return Err(Refusal::of(RefusalKind::Failed, error.to_string(), hint));
            }
            Ok(Err(_)) | Err(_) => return Err(no_answer("the writer")),
        };
    let path = control.sources.in_force.now().database.path.clone();
    let held_by = if is_complete {
        Vec::new()
    } else {
        let look = tokio::task::spawn_blocking(move || sqlite_readers(&path));
        let holders = timeout(ANSWER_WITHIN, look).await.ok().and_then(Result::ok);
        holders.unwrap_or_default().iter().map(ToString::to_string).collect()
    };
    let reply = CheckpointReply { pages: blocks, folded_in: merged, wholly: is_complete, held_by };
    Ok(CommandReply::Checkpoint(reply))
}

fn acknowledge(control: &Control, peer: &Peer, id: &str) -> Result<CommandReply, Refusal> {
    let (now, by) = (world::now(), peer.sentence());
    let Some(issue) = control.sources.published.acknowledge(id, now, &by) else {
        let issues = control.sources.published.health.get().issues;
        let ids: Vec<&str> = issues.iter().map(|issue| issue.id.as_str()).collect();
        let message = format!("there is no issue {id:?} now");
        let hint = match ids.as_slice() {
            [] => "nothing is wrong now".to_owned(),
            ids => format!("there are: {}", ids.join(", ")),
        };
        return Err(Refusal::of(RefusalKind::Unknown, message, hint));
    };
    note(control, peer, &format!("acknowledge-issue {id}"));
    let told = format!("{id} ({}): acknowledged {by}: {}", issue.severity, issue.summary);
    info!(event = event::ISSUE_ACKNOWLEDGED, id, "{told}");
    control.sources.published.note(event::ISSUE_ACKNOWLEDGED, now, told);
    let acknowledged = AcknowledgedBy { at: now.into(), by };
    Ok(CommandReply::AcknowledgeIssue { issue: id.to_owned(), acknowledged })
}

async fn inject(
    control: &Control,
    peer: &Peer,
    actor: &str,
    fault: FaultKind,
    ms: Option<u64>,
) -> Result<CommandReply, Refusal> {
    note(control, peer, &format!("fault {} {actor}", fault.word()));
    match timeout(ANSWER_WITHIN, control.supervisor.send(fault.of(actor, ms))).await {
        Ok(Ok(true)) => Ok(CommandReply::Fault { actor: actor.to_owned(), fault }),
        Ok(Ok(false)) => {
            let message = format!("no actor {actor} is running now");
            Err(Refusal::of(RefusalKind::Unknown, message, "barograph status names them all"))
        }
        Ok(Err(_)) | Err(_) => Err(no_answer("the supervisor")),
    }
}

fn no_answer(who: &str) -> Refusal {
    let message = format!("{who} does not answer");
    let hint = "it may be waiting for a disk, or for a program that locks the database: barograph \
         status";
    Refusal::of(RefusalKind::Unavailable, message, hint)
}

fn log_level(control: &Control, peer: &Peer, word: &str) -> Result<CommandReply, Refusal> {
    let levels =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    let Some(level) = levels.into_iter().find(|level| level.as_str() == word) else {
        let words: Vec<&str> = levels.into_iter().map(LogLevel::as_str).collect();
        let message = format!("there is no level {word:?}");
        return Err(Refusal::new(message, format!("there are: {}", words.join(", "))));
    };
    note(control, peer, &format!("log-level {word}"));
    logging::set_level(level);
    Ok(CommandReply::LogLevel { level: level.as_str().into() })
}
