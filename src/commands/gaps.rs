//! `barograph gaps`: when something may be missing, and why.

use std::collections::BTreeMap;

use barograph_actors::exit_code;
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::note::GapCause;
use barograph_config::Settings;
use serde::Serialize;
use serde_json::json;

use super::database::{TargetDatabase, say, unreadable};
use super::read_args::GapsArgs;
use crate::exit::Failed;
use crate::os::world;
use crate::sqlite::{Gap, ReadOnlyDatabase, gaps_since, spool_path};
use crate::text::{counted, wrapped};
use crate::time::{from_database, length, shown, shown_text, zone};

/// Prints the gaps.
///
/// # Errors
/// The database cannot be read, or there is no such cause.
pub fn gaps(settings: &Settings, args: &GapsArgs) -> Result<i32, Failed> {
    if let Some(word) = &args.cause
        && GapCause::from_word(word).is_none()
    {
        let words: Vec<&str> = GapCause::all().into_iter().map(GapCause::word).collect();
        let message = format!("there is no cause {word:?}; there are: {}", words.join(", "));
        return Err(Failed { code: exit_code::USAGE, message });
    }
    let place = TargetDatabase::of(settings)?;
    let look = place.look()?;
    let since = args.since.map(|since| since.to_string());
    // Without one, or with one that cannot be read, the database's are all.
    let spool = ReadOnlyDatabase::open(&spool_path(&settings.spool.dir, &place.database)).ok();
    let gaps = gaps_since(&look, spool.as_ref(), since.as_deref(), args.cause.as_deref())
        .map_err(|error| unreadable(&error, &place.database))?;
    let now = world::now();
    let is_running = place.holder.is_some();
    say(&if args.reply.json {
        to_json(&gaps, now)
    } else {
        to_text(&gaps, args, now, is_running)
    })?;
    Ok(exit_code::OK)
}

/// In milliseconds; of one that is open, so far.
fn length_of(gap: &Gap, now: UnixMillis) -> i64 {
    let from = from_database(&gap.from).unwrap_or(now);
    let to = gap.to.as_deref().and_then(from_database).unwrap_or(now);
    to.0.saturating_sub(from.0).max(0)
}

fn to_text(gaps: &[Gap], args: &GapsArgs, now: UnixMillis, is_running: bool) -> String {
    let of_cause = args.cause.as_ref().map_or_else(String::new, |cause| format!(" of {cause}"));
    let since = args.since.map_or_else(
        || "since the database was begun".to_owned(),
        |since| format!("since {}", shown(since)),
    );
    if gaps.is_empty() {
        return format!("No gaps{of_cause} {since}.\n{}", wrapped(&zone(), 0));
    }
    let mut text = wrapped(&zone(), 0);
    for gap in gaps {
        let to = gap.to.as_deref().map_or_else(|| "still open".to_owned(), shown_text);
        let length = length(length_of(gap, now));
        text += &format!("\n{} to {to:<19}  {length:>11}  {}\n", shown_text(&gap.from), gap.cause);
        if let Some(route) = &gap.route {
            text += &wrapped(&format!("route {route}"), 4);
        }
        text += &wrapped(&gap.detail, 4);
    }
    let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for gap in gaps {
        let sum = sums.entry(&gap.cause).or_default();
        *sum = (sum.0 + 1, sum.1 + length_of(gap, now));
    }
    let sums: Vec<String> =
        sums.iter().map(|(cause, (n, ms))| format!("{n} {cause} ({})", length(*ms))).collect();
    let n = counted(gaps.len() as i64, "gap");
    text.push('\n');
    text += &wrapped(&format!("{n}{of_cause} {since}: {}.", sums.join(", ")), 0);
    let is_told =
        gaps.iter().any(|gap| gap.to.is_none() && gap.cause == GapCause::ProcessDown.word());
    if !is_running && !is_told {
        let stopped = "No recorder is running: the time since it last ran becomes a gap at the \
             next start, and an open gap ends where it last ran.";
        text += &wrapped(stopped, 0);
    }
    text
}

/// A gap, and how long it is; of one that is open, so far.
#[derive(Serialize)]
struct GapAndLength<'g> {
    #[serde(flatten)]
    gap: &'g Gap,
    milliseconds: i64,
}

fn to_json(gaps: &[Gap], now: UnixMillis) -> String {
    let gaps = gaps.iter().map(|gap| GapAndLength { gap, milliseconds: length_of(gap, now) });
    format!("{}\n", json!({ "gaps": gaps.collect::<Vec<_>>() }))
}
