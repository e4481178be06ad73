//! What changes the quarantine: `replay` and `drop`.

use std::io::{self, BufRead, IsTerminal, Write, stdin, stdout};

use barograph_actors::exit_code;
use barograph_actors::ports::Outlook;
use barograph_config::Settings;

use super::database::{TargetDatabase, say, unreadable};
use super::quarantine::filter_of;
use super::read_args::{DropArgs, FilterArgs, ReplayArgs};
use crate::exit::Failed;
use crate::os::world;
use crate::sqlite::{Changed, Editor, QuarantineFilter, count_kept};
use crate::text::{counted, wrapped};

pub(super) fn replay(
    place: &TargetDatabase,
    settings: Settings,
    args: &ReplayArgs,
) -> Result<i32, Failed> {
    let filter = filter_of(&args.filter);
    if matching(place, &filter)? == 0 {
        say("There is nothing in quarantine that matches; nothing was replayed.\n")?;
        return Ok(exit_code::OK);
    }
    let mut editor = editor(place, settings)?;
    let ended = editor.replay(&filter);
    let Changed { stored, duplicate, stayed, .. } = editor.changed();
    let mut told = format!("{} stored with their own time of arrival", rows(stored));
    if duplicate > 0 {
        told += &format!(", {} there already (the same unique key)", were(duplicate));
    }
    told += &match stayed {
        0 => ", none stays in quarantine.".to_owned(),
        1 => ", 1 message stays in quarantine, with today's reason.".to_owned(),
        n => format!(", {n} messages stay in quarantine, with today's reasons."),
    };
    say(&wrapped(&told, 0))?;
    ended.map_err(|error| unreadable(&error, editor.path()))?;
    if place.holder.is_some() {
        let running = "The running recorder decodes by its own settings: reload it if the file was \
             changed since.";
        say(&wrapped(running, 0))?;
    }
    Ok(exit_code::OK)
}

/// All of it, by a recorder beside its own writer, with the routes of these settings.
///
/// # Errors
/// The database cannot be written, or does not fit the routes.
pub(crate) fn replay_beside_us(settings: Settings) -> Result<Changed, Failed> {
    let place = TargetDatabase { database: settings.database.path.clone(), holder: None };
    let filter = QuarantineFilter::default();
    if matching(&place, &filter)? == 0 {
        return Ok(Changed::default());
    }
    let mut editor = opened(&place, settings, true)?;
    let ended = editor.replay(&filter);
    ended.map_err(|error| unreadable(&error, editor.path()))?;
    Ok(editor.changed())
}

pub(super) fn drop_kept(
    place: &TargetDatabase,
    settings: Settings,
    args: &DropArgs,
) -> Result<i32, Failed> {
    let filter = filter_of(&args.filter);
    refuse_unclear(&args.filter, args.all)?;
    let all = matching(place, &filter)?;
    if all == 0 {
        say("There is nothing in quarantine that matches; nothing was dropped.\n")?;
        return Ok(exit_code::OK);
    }
    if !args.yes && !is_confirmed(all)? {
        say("Nothing was dropped.\n")?;
        return Ok(exit_code::FOUND_WRONG);
    }
    let mut editor = editor(place, settings)?;
    let ended = editor.drop_kept(&filter);
    let dropped = counted(editor.changed().dropped.cast_signed(), "message");
    say(&format!("{dropped} dropped, and counted as dropped (quarantine_dropped).\n"))?;
    ended.map_err(|error| unreadable(&error, editor.path()))?;
    Ok(exit_code::OK)
}

/// How many messages match: looked at first, so that nothing is opened for writing in vain.
fn matching(place: &TargetDatabase, filter: &QuarantineFilter) -> Result<i64, Failed> {
    let counts = count_kept(&place.look()?, filter);
    let counts = counts.map_err(|error| unreadable(&error, &place.database))?;
    Ok(counts.iter().map(|(_, count)| count).sum())
}

/// Deleting everything must be said in so many words.
fn refuse_unclear(args: &FilterArgs, all: bool) -> Result<(), Failed> {
    let is_filtered = filter_of(args) != QuarantineFilter::default();
    let message = match (all, is_filtered) {
        (true, true) => "--all and a filter contradict each other: give one of them",
        (false, false) => "say which: --all, or --route, --reason, --since, --id",
        (true, false) | (false, true) => return Ok(()),
    };
    Err(Failed { code: exit_code::USAGE, message: message.to_owned() })
}

fn is_confirmed(all: i64) -> Result<bool, Failed> {
    let messages = counted(all, "message");
    if !stdin().is_terminal() {
        let message = format!(
            "{messages} would be deleted for good, and there is no terminal to ask on: add --yes; \
             `barograph quarantine export` keeps a copy"
        );
        return Err(Failed { code: exit_code::USAGE, message });
    }
    let failed = |error: io::Error| Failed {
        code: exit_code::USAGE,
        message: format!("the terminal cannot be asked: {error}"),
    };
    print!("Delete {messages} for good? `yes` does it: ");
    stdout().flush().map_err(failed)?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

fn editor(place: &TargetDatabase, settings: Settings) -> Result<Editor, Failed> {
    opened(place, settings, place.holder.is_some())
}

fn opened(place: &TargetDatabase, settings: Settings, shared: bool) -> Result<Editor, Failed> {
    let packet_max = settings.mqtt.max_packet_size;
    let opened = Editor::open(&place.database, settings.routes, packet_max, world::now, shared);
    opened.map_err(|error| Failed {
        code: match error.outlook {
            Outlook::NeedsAPerson => exit_code::of_open_error(error.cause),
            Outlook::MayPass => exit_code::LOCKED,
        },
        message: error.message,
    })
}

fn rows(n: u64) -> String {
    let verb = if n == 1 { "is" } else { "are" };
    format!("{} {verb}", counted(n.cast_signed(), "message"))
}

fn were(n: u64) -> String {
    format!("{n} {}", if n == 1 { "was" } else { "were" })
}
