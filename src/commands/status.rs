//! `barograph status`: one screen.

use std::time::Duration;

use barograph_actors::exit_code;
use barograph_actors::message::batch::Value;
use barograph_config::Settings;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::args::ReplyArgs;
use super::paint::Paint;
use super::recorder::{Absent, put, unanswered};
use crate::exit::Failed;
use crate::ipc::client::{Client, NoAnswer};
use crate::ipc::protocol::Request;
use crate::text::{WIDTH, counted, glimpse, wrapped};
use crate::time::{UtcText, from_database, length, shown_text};
use crate::wire::status::{AccountStatus, AcknowledgedBy, ColumnReading, RatesStatus, Status};

/// A recorder that answers does so within a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Columns before what a line is about.
const INDENT: usize = 11;

/// Prints how the recorder is.
///
/// # Errors
/// It runs, and does not answer.
pub fn status(settings: &Settings, args: &ReplyArgs) -> Result<i32, Failed> {
    let answer = Client::open(&settings.instance.lock_file, ANSWER_WITHIN)
        .and_then(|mut client| client.ask::<Json>(&Request::Status));
    let json = match answer {
        Ok(status) => status,
        Err(NoAnswer::Nobody(_)) => return Ok(absent(settings, args)),
        Err(error) => return Err(unanswered(settings, &error)),
    };
    let status = Status::deserialize(&json).map_err(|error| Failed {
        code: exit_code::NOT_RUNNING,
        message: format!("the recorder's answer cannot be used: {error}"),
    })?;
    put(&if args.json { format!("{json}\n") } else { screen(&status, Paint::for_stdout()) });
    Ok(match status.health.as_ref() {
        "ok" => exit_code::OK,
        "degraded" => exit_code::FOUND_WRONG,
        _ => exit_code::CRITICAL,
    })
}

fn absent(settings: &Settings, args: &ReplyArgs) -> i32 {
    let Absent { summary, holder, is_held } = Absent::look(settings);
    put(&if args.json {
        let lock = json!({
            "path": settings.instance.lock_file.display().to_string(),
            "held": is_held,
            "pid": holder.pid,
            "since": holder.since,
            "command": holder.command,
        });
        format!("{}\n", json!({ "health": "not_running", "summary": summary, "lock": lock }))
    } else {
        wrapped(&summary, 0)
    });
    exit_code::NOT_RUNNING
}

fn screen(status: &Status, paint: Paint) -> String {
    let health = if status.health.is_empty() { "unknown" } else { status.health.as_ref() };
    let summary = format!("{health}: {}", text(&headline(status)));
    let coloured = match health {
        "ok" => paint.good(health),
        "degraded" => paint.warning(health),
        _ => paint.bad(health),
    };
    let mut screen = wrapped(&summary, 0).replacen(health, &coloured, 1);
    screen += &issues(status, paint);
    screen.push('\n');
    screen += &facts(status);
    screen.push('\n');
    screen += &readings(status, paint);
    screen.push('\n');
    screen += &tree(status, paint);
    screen
}

/// What the recorder does; where that is the summary of an issue, which the list below shows, the number of issues.
fn headline(status: &Status) -> String {
    let is_listed = status.issues.iter().any(|issue| issue.summary == status.summary);
    if is_listed { counted(status.issues.len() as i64, "issue") } else { status.summary.clone() }
}

fn issues(status: &Status, paint: Paint) -> String {
    let mut shown = String::new();
    for issue in &status.issues {
        let severity = text(&issue.severity);
        let since = shown_text(&issue.since.0);
        let (id, summary) = (text(&issue.id), text(&issue.summary));
        let head = format!("{severity} {id} since {since}: {summary}");
        let coloured = match severity.as_str() {
            "critical" => paint.bad(&severity),
            _ => paint.warning(&severity),
        };
        shown += &wrapped(&head, 2).replacen(&severity, &coloured, 1);
        shown += &wrapped(&text(&issue.hint), 4);
        if let Some(AcknowledgedBy { at, by }) = &issue.acknowledged {
            let told = format!("Acknowledged at {}, {}.", shown_text(&at.0), text(by));
            shown += &wrapped(&told, 4);
        }
    }
    shown
}

fn facts(status: &Status) -> String {
    let Status { mode, database, spool, .. } = status;
    let ago = |at: &UtcText| age(status, Some(at));
    let mut how = text(&mode.mode);
    if let Some(since) = &mode.since {
        let cause = text(mode.cause.as_deref().unwrap_or_default());
        how += &format!(" for {}, cause: {cause}", ago(since));
    }
    if let Some(since) = &status.paused_since {
        how += &format!("; paused for {}", ago(since));
    }
    let version = text(&status.version);
    let up = age(status, status.started.as_ref());
    let process = format!("pid {}, version {version}, up {up}", status.pid);
    let spooled = match spool.messages.cast_signed() {
        0 => "empty".to_owned(),
        n => {
            format!("{} ({}) in {}", counted(n, "message"), size(spool.bytes), text(&spool.path))
        }
    };
    let spooled = format!("{spooled}; {} free there", size(spool.free_bytes));
    let last_commit = database.last_commit.as_ref();
    let last_commit =
        last_commit.map_or_else(|| "never".to_owned(), |at| format!("{} ago", ago(at)));
    let files = format!(
        "{}, WAL {}, {} free; last commit {last_commit}",
        size(database.bytes),
        size(database.wal_bytes),
        size(database.free_bytes),
    );
    let lines = [
        ("mode", how),
        ("process", process),
        ("broker", broker_line(status)),
        ("database", text(&database.path)),
        ("", files),
        ("spool", spooled),
        ("rates", rates(&status.rates)),
        ("account", account(status)),
    ];
    lines.iter().map(|(name, about)| fact(name, about)).collect()
}

fn broker_line(status: &Status) -> String {
    let broker = &status.broker;
    let session = match broker.session_present {
        Some(true) => ", the broker had kept our session",
        Some(false) => ", with a new session",
        None => "",
    };
    let (url, id) = (text(&broker.url), text(&broker.client_id));
    let since = age(status, broker.since.as_ref());
    match broker.connection.as_ref() {
        "connected" => format!("{url} as {id}, connected for {since}{session}"),
        "disconnected" => {
            let why = text(broker.why.as_deref().unwrap_or_default());
            format!("{url} as {id}, not connected for {since}: {why}")
        }
        _ => format!("{url} as {id}, not tried yet"),
    }
}

fn rates(rates: &RatesStatus) -> String {
    let RatesStatus { received_per_second, commits_per_second, over_seconds, .. } = rates;
    match over_seconds {
        0 => "not known yet".to_owned(),
        seconds => format!(
            "{received_per_second:?} messages/s, {commits_per_second:?} commits/s (over the last {seconds} s)"
        ),
    }
}

fn account(status: &Status) -> String {
    let AccountStatus {
        received,
        received_before,
        stored,
        rows,
        duplicate,
        filtered,
        quarantined,
        spooled,
        held,
        dropped,
        balanced,
    } = &status.account;
    let rows = if rows == stored { String::new() } else { format!(" ({rows} rows)") };
    let balance = match balanced {
        true => "",
        false => " (counts are not read at the same moment)",
    };
    let before = match received_before {
        0 => String::new(),
        n => format!(" ({n} of them by an earlier run)"),
    };
    format!(
        "since the start: {received} received{before} = {stored} stored{rows} + {duplicate} duplicate + \
         {filtered} filtered + {quarantined} quarantined + {spooled} spooled + {held} held + {dropped} \
         dropped{balance}; in all: barograph account"
    )
}

/// The newest reading of each route, on one line each.
fn readings(status: &Status, paint: Paint) -> String {
    let mut shown = String::new();
    for route in &status.routes {
        let name = text(&route.route);
        let Some(latest) = &route.latest else {
            shown += &format!("{}\n", clip(&format!("{name}  nothing yet")));
            continue;
        };
        let values = latest.values.iter().filter(|reading| reading.value != Value::Null);
        let values = values.map(|ColumnReading { column, value, unit }| {
            let unit = unit.as_ref().map_or_else(String::new, |unit| format!(" {unit}"));
            format!("{} {}{unit}", text(column), number(value))
        });
        let values: Vec<String> = values.collect();
        let ago = age(status, Some(&latest.received_at));
        shown += &format!("{}  {ago} ago\n", paint.strong(&name));
        shown += &format!("{}\n", clip(&format!("  {}", values.join(", "))));
    }
    shown
}

fn tree(status: &Status, paint: Paint) -> String {
    let head = ["actor", "state", "for", "pulse", "restarts"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for actor in &status.actors {
        let pulse =
            actor.pulse_age_ms.map_or_else(|| "?".to_owned(), |ms| length(ms.cast_signed()));
        rows.push(vec![
            text(&actor.actor),
            text(&actor.state),
            age(status, actor.since.as_ref()),
            format!("{pulse} ago"),
            actor.restarts.to_string(),
        ]);
    }
    let table = crate::text::table(&rows);
    let mut lines = table.lines();
    let mut shown = format!("{}\n", paint.faint(lines.next().unwrap_or_default()));
    for (line, actor) in lines.zip(&status.actors) {
        let coloured = match actor.state.as_ref() {
            "running" => line.to_owned(),
            _ => paint.warning(line),
        };
        shown += &format!("{coloured}\n");
        if let Some(last_exit) = &actor.last_exit {
            shown += &wrapped(&format!("last exit: {}", text(last_exit)), 4);
        }
    }
    shown
}

/// A name, and what there is to say.
fn fact(name: &str, about: &str) -> String {
    let lines = wrapped(about, INDENT);
    format!("{name:<INDENT$}{}", lines.get(INDENT..).unwrap_or_default())
}

fn age(status: &Status, at: Option<&UtcText>) -> String {
    match (from_database(&status.now.0), at.and_then(|at| from_database(&at.0))) {
        (Some(now), Some(at)) => length(now.0 - at.0),
        _ => "an unknown time".to_owned(),
    }
}

/// What came from elsewhere moves no cursor.
fn text(text: &str) -> String {
    if text.is_empty() { "?".to_owned() } else { glimpse(text.as_bytes(), 2_000) }
}

/// A value, shortened.
pub(super) fn number(value: &Value) -> String {
    match value {
        Value::Integer(whole) => whole.to_string(),
        Value::Real(real) if *real != 0.0 && !(0.01..1e9).contains(&real.abs()) => {
            format!("{real:.2e}")
        }
        Value::Real(real) => format!("{real:.2}"),
        Value::Text(text) => glimpse(text.as_bytes(), 20),
        Value::Time(at) => at.to_string(),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
        Value::Null => "—".to_owned(),
    }
}

/// One line that fits.
fn clip(line: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    line.chars().take(WIDTH - 1).chain(['…']).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn size(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else { return "?".to_owned() };
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, power)| bytes >> power > 0) {
        Some((unit, power)) => format!("{:.1} {unit}", bytes as f64 / f64::from(1_u32 << power)),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_values_are_short() {
        let sizes = [(0_u64, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (5 << 30, "5.0 GiB")];
        for (bytes, shown) in sizes {
            assert_eq!(size(Some(bytes)), shown);
        }
        assert_eq!(size(None), "?");
        let values = [
            (Value::Integer(1_759_479_845), "1759479845"),
            (Value::Real(21.456), "21.46"),
            (Value::Real(9.174e-8), "9.17e-8"),
            (Value::Real(0.0), "0.00"),
            (Value::Text("a\u{1b}[2J".to_owned()), "a\\u{1b}[2J"),
            (Value::Null, "—"),
        ];
        for (value, shown) in values {
            assert_eq!(number(&value), shown);
        }
    }

    #[test]
    fn each_issue_is_told_once_with_the_id_that_acknowledge_takes() {
        let issue = |id: &str| {
            json!({
                "id": id, "severity": "warning", "since": "2026-12-01 10:00:00.000",
                "summary": format!("{id} is wrong"), "hint": "mend it",
            })
        };
        let issues = [issue("paused"), issue("route_silent:load")];
        let (health, summary) = ("degraded", "paused is wrong");
        let status = json!({ "health": health, "summary": summary, "issues": issues });
        let shown = screen(&Status::deserialize(status).unwrap(), Paint::plain());
        assert!(shown.starts_with("degraded: 2 issues\n"), "{shown}");
        assert!(shown.contains("warning paused since "), "{shown}");
        assert!(shown.contains("warning route_silent:load since "), "{shown}");
        assert_eq!(shown.matches("paused is wrong").count(), 1, "{shown}");
        let other = json!({ "health": "ok", "summary": "recording", "issues": [] });
        let shown = screen(&Status::deserialize(other).unwrap(), Paint::plain());
        assert!(shown.starts_with("ok: recording\n"), "{shown}");
    }

    #[test]
    fn an_answer_of_another_version_is_shown_as_far_as_it_goes() {
        let status = Status::deserialize(json!({ "health": "ok", "later": 7 })).unwrap();
        let shown = screen(&status, Paint::plain());
        assert!(shown.starts_with("ok: ?\n") && shown.contains("process"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
    }
}
