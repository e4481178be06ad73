//! Commands that a running recorder carries out at once: restart-actor, pause, resume,
//! checkpoint, log-level, acknowledge.

use std::time::Duration;

use barograph_actors::exit_code;
use barograph_config::Settings;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value as Json;

use super::args::{AcknowledgeArgs, LevelArgs, ReplyArgs, RestartArgs};
use super::recorder::{put, unanswered};
use crate::exit::Failed;
use crate::ipc::client::Client;
use crate::ipc::protocol::{Order, Request};
use crate::text::{counted, wrapped};
use crate::wire::command::CheckpointReply;

/// More than the recorder's own limits for its actors.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// `barograph restart-actor`
///
/// # Errors
/// It was not done.
pub fn restart_actor(settings: &Settings, args: &RestartArgs) -> Result<i32, Failed> {
    let wanted = Order::RestartActor { actor: args.actor.clone() };
    order(settings, wanted, args.reply.json, |_: IgnoredAny| {
        format!("Actor {} was stopped in order, and runs again.", args.actor)
    })
}

/// `barograph pause`
///
/// # Errors
/// It was not done.
pub fn pause(settings: &Settings, args: &ReplyArgs) -> Result<i32, Failed> {
    order(settings, Order::Pause, args.json, |_: IgnoredAny| {
        "Paused: nothing is received; the broker keeps QoS 1 and 2 for us, as far as its own settings go. \
         QoS 0 is missing from now on (barograph gaps). Go on with: barograph resume"
            .to_owned()
    })
}

/// `barograph resume`
///
/// # Errors
/// It was not done.
pub fn resume(settings: &Settings, args: &ReplyArgs) -> Result<i32, Failed> {
    order(settings, Order::Resume, args.json, |_: IgnoredAny| "Receiving again.".to_owned())
}

/// `barograph acknowledge`
///
/// # Errors
/// It was not done.
pub fn acknowledge(settings: &Settings, args: &AcknowledgeArgs) -> Result<i32, Failed> {
    let wanted = Order::AcknowledgeIssue { issue: args.issue.clone() };
    order(settings, wanted, args.reply.json, |_: IgnoredAny| {
        format!(
            "Acknowledged {}: its alerts do not repeat until it becomes worse or comes back.",
            args.issue
        )
    })
}

/// `barograph log-level`
///
/// # Errors
/// It was not done.
pub fn log_level(settings: &Settings, args: &LevelArgs) -> Result<i32, Failed> {
    let wanted = Order::LogLevel { level: args.level.clone() };
    order(settings, wanted, args.reply.json, |_: IgnoredAny| {
        format!("The log's level is {} now, until the recorder ends.", args.level)
    })
}

/// `barograph checkpoint`
///
/// # Errors
/// It was not done.
pub fn checkpoint(settings: &Settings, args: &ReplyArgs) -> Result<i32, Failed> {
    order(settings, Order::Checkpoint, args.json, |reply: CheckpointReply| {
        let CheckpointReply { pages, folded_in, wholly, held_by } = reply;
        let wal = counted(pages.cast_signed(), "page");
        if wholly {
            return format!(
                "The WAL had {wal}; all of it is in the database now, and the WAL is empty."
            );
        }
        let who = if held_by.is_empty() {
            "a reader or writer (it cannot be seen which; it may be over by now)".to_owned()
        } else {
            held_by.join("; ")
        };
        format!(
            "The WAL has {wal}; {folded_in} of them are in the database now. The rest, and the size of the \
             file, are held back by {who}."
        )
    })
}

fn order<T: DeserializeOwned>(
    settings: &Settings,
    order: Order,
    as_json: bool,
    told: impl FnOnce(T) -> String,
) -> Result<i32, Failed> {
    let request = Request::Order(order);
    let text = Client::open(&settings.instance.lock_file, ANSWER_WITHIN).and_then(|mut client| {
        Ok(match as_json {
            true => format!("{}\n", client.ask::<Json>(&request)?),
            false => wrapped(&told(client.ask(&request)?), 0),
        })
    });
    put(&text.map_err(|error| unanswered(settings, &error))?);
    Ok(exit_code::OK)
}
