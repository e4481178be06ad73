//! `barograph verify`: is the content still what was written?

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use barograph_actors::exit_code;
use barograph_actors::message::delivery::UnixMillis;
use barograph_config::Settings;
use serde_json::{Value as Json, json};

use super::database::{TargetDatabase, say, unreadable};
use super::read_args::VerifyArgs;
use crate::exit::Failed;
use crate::os::signals::on_signal;
use crate::sqlite::{self, DamagedRange, Interrupt, Verified, Wrong};
use crate::text::{counted, glimpse, wrapped};
use crate::time::{shown, zone};

/// Between two lines of progress.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Verifies the database; gives 1 when something changed.
///
/// # Errors
/// It cannot be read at all.
pub fn verify(settings: &Settings, args: &VerifyArgs) -> Result<i32, Failed> {
    let place = TargetDatabase::of(settings)?;
    let interrupt = Interrupt::default();
    let handler = interrupt.clone();
    on_signal(move || handler.stop())?;
    let mut progress = ProgressLine::new();
    let verified = sqlite::verify(&place.database, !args.quick, &interrupt, &mut |verified| {
        progress.tell(verified);
    });
    progress.clear();
    let verified = match verified {
        Ok(verified) => verified,
        Err(_) if interrupt.is_asked() => Verified { interrupted: true, ..Verified::default() },
        Err(error) => return Err(unreadable(&error, &place.database)),
    };
    let took = progress.begun.elapsed();
    say(&if args.reply.json {
        to_json(&verified, &place)
    } else {
        to_text(&verified, &place, took)
    })?;
    Ok(code_of(&verified))
}

fn code_of(verified: &Verified) -> i32 {
    if verified.interrupted {
        exit_code::INTERRUPTED
    } else if is_fine(verified) {
        exit_code::OK
    } else {
        exit_code::FOUND_WRONG
    }
}

fn is_fine(verified: &Verified) -> bool {
    let structure = verified.structure.as_ref().is_none_or(Vec::is_empty);
    verified.findings.is_empty() && verified.unusable.is_empty() && structure
}

/// One line on a terminal, written over and over.
struct ProgressLine {
    begun: Instant,
    told: Option<Instant>,
    is_terminal: bool,
}

impl ProgressLine {
    fn new() -> Self {
        Self { begun: Instant::now(), told: None, is_terminal: stderr().is_terminal() }
    }

    fn tell(&mut self, verified: &Verified) {
        let is_due = self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if !self.is_terminal || !is_due {
            return;
        }
        self.told = Some(Instant::now());
        let percent = (verified.rows * 100).checked_div(verified.rows_in_all).unwrap_or(100);
        let rate = per_second(verified.rows, self.begun.elapsed());
        let line = format!("{:>3} %, {} rows, {rate} rows/s", percent.min(100), verified.rows);
        let _unseen = write!(stderr(), "\r{line:<60}");
    }

    fn clear(&self) {
        if self.told.is_some() {
            let _unseen = write!(stderr(), "\r{:<60}\r", "");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for people")]
fn per_second(rows: u64, took: Duration) -> u64 {
    (rows as f64 / took.as_secs_f64().max(0.001)) as u64
}

fn rows_of((first, last): (i64, i64)) -> String {
    if first == last { format!("row {first}") } else { format!("rows {first} to {last}") }
}

fn listed(ranges: &[(i64, i64)]) -> String {
    let listed: Vec<String> = ranges
        .iter()
        .map(
            |(first, last)| {
                if first == last { first.to_string() } else { format!("{first} to {last}") }
            },
        )
        .collect();
    listed.join(", ")
}

/// What is wrong, in one sentence or two.
fn summary(finding: &DamagedRange) -> String {
    let DamagedRange { table, rows, at, recorded, found, wrong } = finding;
    let place = format!("{table}, {}, written {}", rows_of(*rows), shown(UnixMillis(*at)));
    let numbers = format!("{recorded} were written, {found} are there");
    match wrong {
        Wrong::Changed => format!(
            "{place}: the content changed of one or more of these {recorded} rows ({numbers})."
        ),
        Wrong::Missing(which) if which.is_empty() => {
            format!("{place}: rows are missing ({numbers}). They were deleted, or are lost.")
        }
        Wrong::Missing(which) => format!(
            "{place}: rows are missing ({numbers}): {}. They were deleted, or are lost.",
            listed(which)
        ),
        Wrong::Surplus => format!(
            "{place}: there are more rows than were written ({numbers}), or rows under wrong ids."
        ),
        Wrong::Unreadable { ranges, error } => format!(
            "{place}: {} cannot be read ({error}); {numbers}, as far as can be read.",
            listed(ranges)
        ),
    }
}

fn to_text(verified: &Verified, place: &TargetDatabase, took: Duration) -> String {
    let mut text = String::new();
    let Verified { digests, rows, .. } = verified;
    if verified.interrupted {
        let of = counted(verified.rows_in_all.cast_signed(), "row");
        text += &wrapped(&format!("Interrupted after {rows} of {of}; up to there:"), 0);
    }
    for finding in &verified.findings {
        text += &wrapped(&format!("WRONG: {}", summary(finding)), 0);
    }
    for unusable in &verified.unusable {
        text += &wrapped(&format!("WRONG: {}", glimpse(unusable.as_bytes(), 2_000)), 0);
    }
    for problem in verified.structure.iter().flatten() {
        text += &wrapped(&format!("STRUCTURE: {}", glimpse(problem.as_bytes(), 500)), 0);
    }
    for (table, rows) in &verified.not_covered {
        let rows = counted(*rows, "row");
        let told = format!(
            "not covered: {rows} of {table} (from before there were digests, or of other writers)"
        );
        text += &wrapped(&told, 0);
    }
    let rate = per_second(*rows, took);
    let seconds = took.as_secs_f64();
    let rows = counted(rows.cast_signed(), "row");
    text += &wrapped(
        &format!("{rows} compared with {digests} digests in {seconds:.1} s ({rate} rows/s)."),
        0,
    );
    text += &match &verified.structure {
        Some(problems) if problems.is_empty() => "The file's structure is sound.\n".to_owned(),
        Some(_) => "The file's structure is damaged.\n".to_owned(),
        None => "The file's structure was not checked.\n".to_owned(),
    };
    if is_fine(verified) {
        if !verified.interrupted {
            text += "Every row still holds what was written.\n";
        }
        return text;
    }
    text.push('\n');
    text += &wrapped(&zone(), 0);
    text + &wrapped(&advice(verified, place), 0)
}

/// What to do now.
fn advice(verified: &Verified, place: &TargetDatabase) -> String {
    let file = place.database.display();
    let mut advice = format!(
        "What to do: keep a copy of {file} (with its -wal, if there is one) before anything else is done \
         with it. Rows that are not named above are as they were written. "
    );
    if !verified.findings.is_empty() {
        advice += "The values of the rows that are named may be wrong: restore these rows from a backup, or \
                   leave them out. ";
    }
    if !verified.unusable.is_empty() {
        advice +=
            "What has no usable digests was not verified, which does not mean that it is wrong. ";
    }
    if verified.structure.as_ref().is_some_and(|problems| !problems.is_empty()) {
        advice += "A damaged structure needs a new file: stop the recorder and start it again, \
                   which sets a damaged database aside and copies over what can be read, or \
                   restore a backup; if only an index is named, REINDEX repairs it. ";
    }
    advice
        + "A bit that changed by itself means a bad disk, memory or cable: look at the kernel's log \
              (dmesg) and at smartctl."
}

fn finding_json(finding: &DamagedRange) -> Json {
    let DamagedRange { table, rows, at, recorded, found, wrong } = finding;
    let (word, ranges, error) = match wrong {
        Wrong::Changed => ("changed", None, None),
        Wrong::Missing(ranges) => ("missing", Some(ranges), None),
        Wrong::Surplus => ("surplus", None, None),
        Wrong::Unreadable { ranges, error } => ("unreadable", Some(ranges), Some(error)),
    };
    json!({
        "table": table,
        "first": rows.0,
        "last": rows.1,
        "at": UnixMillis(*at).to_string(),
        "recorded": recorded,
        "found": found,
        "what": word,
        "ranges": ranges,
        "error": error,
        "summary": summary(finding),
    })
}

fn to_json(verified: &Verified, place: &TargetDatabase) -> String {
    let findings: Vec<Json> = verified.findings.iter().map(finding_json).collect();
    let json = json!({
        "database": place.database.display().to_string(),
        "digests": verified.digests,
        "rows": verified.rows,
        "rows_in_all": verified.rows_in_all,
        "findings": findings,
        "unusable": verified.unusable,
        "not_covered": verified.not_covered,
        "structure": verified.structure,
        "interrupted": verified.interrupted,
    });
    format!("{json}\n")
}
