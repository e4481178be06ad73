//! Commands that a running recorder carries out at once: restart-actor, pause, resume,
//! checkpoint, log-level, acknowledge.

use std::time::Duration;

use barograph_actors::exit_code;
use barograph_config::Settings;
use serde_json::Value as Json;

use super::args::{AcknowledgeArgs, LevelArgs, OrderArgs, RestartArgs};
use super::recorder::{put, unanswered};
use crate::exit::Failed;
use crate::ipc::client::Client;
use crate::text::{counted, wrapped};

/// More than the recorder's own limits for its actors.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// `barograph restart-actor`
///
/// # Errors
/// It was not done.
pub fn restart_actor(settings: &Settings, args: &RestartArgs) -> Result<i32, Failed> {
    let more = [("actor", args.actor.as_str())];
    order(settings, "restart-actor", &more, args.json, |_| {
        format!("Actor {} was stopped in order, and runs anew.", args.actor)
    })
}

/// `barograph pause`
///
/// # Errors
/// It was not done.
pub fn pause(settings: &Settings, args: &OrderArgs) -> Result<i32, Failed> {
    order(settings, "pause", &[], args.json, |_| {
        "Paused: nothing is received; the broker keeps QoS 1 and 2 for us, as far as its own settings go. \
         QoS 0 is missing from now on (barograph gaps). Go on with: barograph resume"
            .to_owned()
    })
}

/// `barograph resume`
///
/// # Errors
/// It was not done.
pub fn resume(settings: &Settings, args: &OrderArgs) -> Result<i32, Failed> {
    order(settings, "resume", &[], args.json, |_| "Receiving again.".to_owned())
}

/// `barograph acknowledge`
///
/// # Errors
/// It was not done.
pub fn acknowledge(settings: &Settings, args: &AcknowledgeArgs) -> Result<i32, Failed> {
    order(settings, "acknowledge-issue", &[("issue", &args.issue)], args.json, |_| {
        format!(
            "It is known now that somebody knows of {}: its alerts repeat no more, until it becomes worse or \
             comes again.",
            args.issue
        )
    })
}

/// `barograph log-level`
///
/// # Errors
/// It was not done.
pub fn log_level(settings: &Settings, args: &LevelArgs) -> Result<i32, Failed> {
    order(settings, "log-level", &[("level", &args.level)], args.json, |_| {
        format!("The log's level is {} now, until the recorder ends.", args.level)
    })
}

/// `barograph checkpoint`
///
/// # Errors
/// It was not done.
pub fn checkpoint(settings: &Settings, args: &OrderArgs) -> Result<i32, Failed> {
    order(settings, "checkpoint", &[], args.json, |answer| {
        let count = |key: &str| answer[key].as_i64().unwrap_or(0);
        let (pages, folded_in) = (count("pages"), count("folded_in"));
        let wal = counted(pages, "page");
        if answer["wholly"] == true {
            return format!(
                "The WAL had {wal}; all of it is in the database now, and the WAL is empty."
            );
        }
        let holders = answer["held_by"].as_array().into_iter().flatten();
        let holders: Vec<&str> = holders.filter_map(Json::as_str).collect();
        let who = if holders.is_empty() {
            "a reader or writer (it cannot be seen which; it may be over by now)".to_owned()
        } else {
            holders.join("; ")
        };
        format!(
            "The WAL has {wal}; {folded_in} of them are in the database now. The rest, and the size of the \
             file, are held back by {who}."
        )
    })
}

fn order(
    settings: &Settings,
    command: &str,
    more: &[(&str, &str)],
    as_json: bool,
    told: impl FnOnce(&Json) -> String,
) -> Result<i32, Failed> {
    let answer = Client::open(&settings.instance.lock_file, ANSWER_WITHIN)
        .and_then(|mut client| client.ask(command, more))
        .map_err(|error| unanswered(settings, &error))?;
    put(&if as_json { format!("{answer}\n") } else { wrapped(&told(&answer), 0) });
    Ok(exit_code::OK)
}
