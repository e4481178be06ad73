//! `barograph quarantine`: what could not become a row. The messages, one by one, and out of here as a
//! file; what changes them is in `replay`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write, stdout};
use std::path::Path;

use barograph_actors::exit_code;
use barograph_config::Settings;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::database::{NO_ROUTE, TargetDatabase, say, shown_route, unreadable};
use super::read_args::{ExportArgs, FilterArgs, ListArgs, QuarantineCommand, ShowArgs};
use super::replay;
use crate::commands::args::ConfigArgs;
use crate::exit::Failed;
use crate::sqlite::{
    DatabaseError, QuarantineFilter, QuarantinedMessage, count_kept, each_kept, newest_kept,
};
use crate::text::{base64, counted, glimpse, hex_dump, safe_lines, wrapped};
use crate::time::{shown_text, zone};

/// Bytes of a payload that a list reads, and characters of it that it shows.
const GLIMPSE_BYTES: u32 = 256;
const GLIMPSE_CHARS: usize = 70;

impl QuarantineCommand {
    /// Where its settings come from.
    pub fn config(&self) -> &ConfigArgs {
        match self {
            Self::List(args) => &args.reply.config,
            Self::Show(args) => &args.config,
            Self::Replay(args) => &args.config,
            Self::Export(args) => &args.config,
            Self::Drop(args) => &args.config,
        }
    }
}

/// Does it.
///
/// # Errors
/// The database cannot be read, or written.
pub fn run(settings: Settings, command: &QuarantineCommand) -> Result<i32, Failed> {
    let place = TargetDatabase::of(&settings)?;
    match command {
        QuarantineCommand::List(args) => list(&place, args),
        QuarantineCommand::Show(args) => show(&place, args),
        QuarantineCommand::Replay(args) => replay::replay(&place, settings, args),
        QuarantineCommand::Export(args) => export(&place, args),
        QuarantineCommand::Drop(args) => replay::drop_kept(&place, settings, args),
    }
}

/// As the store takes it.
pub(super) fn filter_of(args: &FilterArgs) -> QuarantineFilter {
    let route = args.route.clone().map(|route| match route.as_str() {
        NO_ROUTE => String::new(),
        _ => route,
    });
    QuarantineFilter {
        route,
        reason: args.reason.clone(),
        since: args.since.map(|since| since.to_string()),
        ids: args.id.clone(),
    }
}

fn list(place: &TargetDatabase, args: &ListArgs) -> Result<i32, Failed> {
    let failed = |error: DatabaseError| unreadable(&error, &place.database);
    let look = place.look()?;
    let filter = filter_of(&args.filter);
    let counts = count_kept(&look, &filter).map_err(failed)?;
    let kept = newest_kept(&look, &filter, args.limit, GLIMPSE_BYTES).map_err(failed)?;
    say(&if args.reply.json {
        list_json(&kept, &counts)
    } else {
        list_text(&kept, &counts, &filter)
    })?;
    Ok(exit_code::OK)
}

fn list_text(
    kept: &[QuarantinedMessage],
    counts: &[(String, i64)],
    filter: &QuarantineFilter,
) -> String {
    let all: i64 = counts.iter().map(|(_, count)| count).sum();
    let matching = if filter.is_empty() { "" } else { " that matches" };
    if all == 0 {
        return format!("There is nothing in quarantine{matching}.\n");
    }
    let mut text = wrapped(&zone(), 0);
    for message in kept {
        let route = message.route.as_deref().unwrap_or_default();
        let topic = glimpse(message.topic.as_bytes(), GLIMPSE_CHARS);
        text += &format!(
            "\n{:>8}  {}  {}  {}\n",
            message.id,
            shown_text(&message.received_at),
            shown_route(route),
            glimpse(message.reason.as_bytes(), 30),
        );
        text += &format!("    {topic}  ({})\n", counted(message.size, "byte"));
        text += &format!("    {}\n", glimpse(&message.payload, GLIMPSE_CHARS));
    }
    let reasons: Vec<String> =
        counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let (n, messages) = (kept.len(), counted(all, "message"));
    let more = if (n as i64) < all { " (--limit N shows more)" } else { "" };
    text.push('\n');
    let told =
        format!("{n} of {messages}{matching}, the newest first{more}: {}.", reasons.join(", "));
    text += &wrapped(&told, 0);
    text + &wrapped(
        "`quarantine show ID` says why; after the settings are corrected, `quarantine replay` \
        stores the messages that are valid then.",
        0,
    )
}

/// A message of the list.
#[derive(Serialize)]
struct Listed<'k> {
    #[serde(flatten)]
    kept: &'k QuarantinedMessage,
    /// Of its payload.
    begins: String,
}

fn list_json(kept: &[QuarantinedMessage], counts: &[(String, i64)]) -> String {
    let messages =
        kept.iter().map(|kept| Listed { kept, begins: glimpse(&kept.payload, GLIMPSE_CHARS) });
    let messages: Vec<Listed<'_>> = messages.collect();
    let reasons: BTreeMap<&str, i64> =
        counts.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    format!("{}\n", json!({ "messages": messages, "reasons": reasons }))
}

fn show(place: &TargetDatabase, args: &ShowArgs) -> Result<i32, Failed> {
    let look = place.look()?;
    let filter = QuarantineFilter { ids: vec![args.id], ..QuarantineFilter::default() };
    let mut found = None;
    each_kept(&look, &filter, &mut |kept| {
        found = Some(kept);
        false
    })
    .map_err(|error| unreadable(&error, &place.database))?;
    let Some(kept) = found else {
        let message = format!(
            "there is no message {} in quarantine; `barograph quarantine list` shows what is there",
            args.id
        );
        return Err(Failed { code: exit_code::FOUND_WRONG, message });
    };
    say(&shown(&kept))?;
    Ok(exit_code::OK)
}

fn shown(kept: &QuarantinedMessage) -> String {
    let route = kept.route.as_deref().unwrap_or_default();
    let mut text = format!("id        {}\n", kept.id);
    text += &format!("received  {} (UTC {})\n", shown_text(&kept.received_at), kept.received_at);
    text += &format!("route     {}\n", shown_route(route));
    text += &format!("topic     {}\n", glimpse(kept.topic.as_bytes(), usize::MAX));
    text += &format!("qos       {}\n", kept.qos);
    text += &format!("reason    {}\n", glimpse(kept.reason.as_bytes(), usize::MAX));
    text += &wrapped(&safe_lines(&kept.detail), 10);
    let there = kept.payload.len() as i64;
    let cut = match there < kept.size {
        true => format!(", of which the first {there} were kept: it cannot be replayed"),
        false => String::new(),
    };
    text += &format!("payload   {}{cut}\n\n", counted(kept.size, "byte"));
    let (payload, broken) = readable(&kept.payload);
    text + &match payload {
        Some(payload) => safe_lines(payload),
        None => hex_dump(&kept.payload),
    } + if broken { "(cut within a character)\n" } else { "" }
}

/// The payload as text, if it is one: also one that was cut within a character.
fn readable(payload: &[u8]) -> (Option<&str>, bool) {
    match std::str::from_utf8(payload) {
        Ok(text) => (Some(text), false),
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            (std::str::from_utf8(&payload[..error.valid_up_to()]).ok(), true)
        }
        Err(_) => (None, false),
    }
}

fn export(place: &TargetDatabase, args: &ExportArgs) -> Result<i32, Failed> {
    let look = place.look()?;
    let filter = filter_of(&args.filter);
    let unwritable = |error: &io::Error, path: &Path| Failed {
        code: exit_code::CANNOT_CREATE,
        message: format!("{} cannot be written: {error}", path.display()),
    };
    let mut out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(BufWriter::new(
            File::create_new(path).map_err(|error| unwritable(&error, path))?,
        )),
        None => Box::new(BufWriter::new(stdout().lock())),
    };
    let (mut written, mut failed) = (0, Ok(()));
    each_kept(&look, &filter, &mut |kept| {
        failed = writeln!(out, "{}", export_json(&kept));
        written += i64::from(failed.is_ok());
        failed.is_ok()
    })
    .map_err(|error| unreadable(&error, &place.database))?;
    let ended = failed.and_then(|()| out.flush());
    match (ended, &args.output) {
        (Err(error), Some(path)) => Err(unwritable(&error, path)),
        (Err(error), None) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(unwritable(&error, Path::new("standard output")))
        }
        (Ok(()), Some(path)) => {
            let path = path.display();
            say(&format!("{} written to {path}.\n", counted(written, "message")))?;
            Ok(exit_code::OK)
        }
        (Ok(()) | Err(_), None) => Ok(exit_code::OK),
    }
}

/// All columns; the payload as text, or in base64 where it is none.
#[derive(Serialize)]
struct Exported<'k> {
    #[serde(flatten)]
    kept: &'k QuarantinedMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'k str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

fn export_json(kept: &QuarantinedMessage) -> Json {
    let payload = std::str::from_utf8(&kept.payload).ok();
    let payload_base64 = payload.is_none().then(|| base64(&kept.payload));
    json!(Exported { kept, payload, payload_base64 })
}
