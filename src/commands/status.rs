//! `barograph status`: one screen.

use std::time::Duration;

use barograph_actors::exit_code;
use barograph_config::Settings;
use serde_json::{Value as Json, json};

use super::args::StatusArgs;
use super::paint::Paint;
use super::recorder::{Absent, put, unanswered};
use crate::exit::Failed;
use crate::ipc::client::{Client, NoAnswer};
use crate::text::{WIDTH, counted, glimpse, wrapped};
use crate::time::{from_database, length, shown_text};

/// A recorder that answers does so within a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Columns before what a line is about.
const INDENT: usize = 11;

/// Prints how the recorder is.
///
/// # Errors
/// It runs, and does not answer.
pub fn status(settings: &Settings, args: &StatusArgs) -> Result<i32, Failed> {
    let answer = Client::open(&settings.instance.lock_file, ANSWER_WITHIN)
        .and_then(|mut client| client.ask("status", &[]));
    let status = match answer {
        Ok(status) => status,
        Err(NoAnswer::Nobody(_)) => return Ok(absent(settings, args)),
        Err(error) => return Err(unanswered(settings, &error)),
    };
    put(&if args.json { format!("{status}\n") } else { screen(&status, Paint::for_stdout()) });
    Ok(match status["standing"].as_str() {
        Some("ok") => exit_code::OK,
        Some("degraded") => exit_code::FOUND_WRONG,
        _ => exit_code::CRITICAL,
    })
}

fn absent(settings: &Settings, args: &StatusArgs) -> i32 {
    let Absent { sentence, holder, is_held } = Absent::look(settings);
    put(&if args.json {
        let lock = json!({
            "path": settings.instance.lock_file.display().to_string(),
            "held": is_held,
            "pid": holder.pid,
            "since": holder.since,
            "command": holder.command,
        });
        format!("{}\n", json!({ "standing": "not_running", "sentence": sentence, "lock": lock }))
    } else {
        wrapped(&sentence, 0)
    });
    exit_code::NOT_RUNNING
}

fn screen(status: &Json, paint: Paint) -> String {
    let standing = status["standing"].as_str().unwrap_or("unknown");
    let sentence = format!("{standing}: {}", text(&status["sentence"]));
    let coloured = match standing {
        "ok" => paint.good(standing),
        "degraded" => paint.warning(standing),
        _ => paint.bad(standing),
    };
    let mut screen = wrapped(&sentence, 0).replacen(standing, &coloured, 1);
    screen += &issues(status, paint);
    screen.push('\n');
    screen += &facts(status);
    screen.push('\n');
    screen += &readings(status, paint);
    screen.push('\n');
    screen += &tree(status, paint);
    screen
}

fn issues(status: &Json, paint: Paint) -> String {
    let mut shown = String::new();
    for issue in status["issues"].as_array().into_iter().flatten() {
        let severity = text(&issue["severity"]);
        let since = shown_text(issue["since"].as_str().unwrap_or_default());
        let head = format!("{severity} since {since}: {}", text(&issue["sentence"]));
        let coloured = match severity.as_str() {
            "critical" => paint.bad(&severity),
            _ => paint.warning(&severity),
        };
        shown += &wrapped(&head, 2).replacen(&severity, &coloured, 1);
        shown += &wrapped(&text(&issue["hint"]), 4);
        if let (Some(at), by) = (issue["acknowledged"]["at"].as_str(), &issue["acknowledged"]["by"])
        {
            let told = format!("Acknowledged at {}, {}.", shown_text(at), text(by));
            shown += &wrapped(&told, 4);
        }
    }
    shown
}

fn facts(status: &Json) -> String {
    let ago = |at: &Json| age(status, at);
    let (broker, database, spool) = (&status["broker"], &status["database"], &status["spool"]);
    let mode = match status["mode"]["since"].is_string() {
        true => format!(
            "{} for {}, cause: {}",
            text(&status["mode"]["mode"]),
            ago(&status["mode"]["since"]),
            text(&status["mode"]["cause"])
        ),
        false => text(&status["mode"]["mode"]),
    };
    let mode = match status["paused_since"].is_string() {
        true => format!("{mode}; paused for {}", ago(&status["paused_since"])),
        false => mode,
    };
    let process = format!(
        "pid {}, version {}, up {}",
        status["pid"],
        text(&status["version"]),
        ago(&status["started"])
    );
    let spooled = match spool["messages"].as_i64().unwrap_or(0) {
        0 => "empty".to_owned(),
        n => format!(
            "{} ({}) in {}",
            counted(n, "message"),
            size(&spool["bytes"]),
            text(&spool["path"])
        ),
    };
    let spooled = format!("{spooled}; {} free there", size(&spool["free_bytes"]));
    let files = format!(
        "{}, WAL {}, {} free; last commit {}",
        size(&database["bytes"]),
        size(&database["wal_bytes"]),
        size(&database["free_bytes"]),
        since_or_never(status, &database["last_commit"])
    );
    let lines = [
        ("mode", mode),
        ("process", process),
        ("broker", broker_line(status, broker)),
        ("database", text(&database["path"])),
        ("", files),
        ("spool", spooled),
        ("rates", rates(&status["rates"])),
        ("account", account(&status["account"])),
    ];
    lines.iter().map(|(name, about)| fact(name, about)).collect()
}

fn broker_line(status: &Json, broker: &Json) -> String {
    let session = match broker["session_present"].as_bool() {
        Some(true) => ", the broker had kept our session",
        Some(false) => ", with a new session",
        None => "",
    };
    let (url, id) = (text(&broker["url"]), text(&broker["client_id"]));
    let since = age(status, &broker["since"]);
    match broker["connection"].as_str() {
        Some("connected") => format!("{url} as {id}, connected for {since}{session}"),
        Some("disconnected") => {
            format!("{url} as {id}, not connected for {since}: {}", text(&broker["why"]))
        }
        _ => format!("{url} as {id}, not tried yet"),
    }
}

fn rates(rates: &Json) -> String {
    match rates["over_seconds"].as_u64().unwrap_or(0) {
        0 => "not known yet".to_owned(),
        seconds => format!(
            "{} messages/s, {} commits/s (over the last {seconds} s)",
            rates["received_per_second"], rates["commits_per_second"]
        ),
    }
}

fn account(account: &Json) -> String {
    let ends = ["stored", "duplicate", "quarantined", "spooled", "held", "dropped"];
    let ends: Vec<String> = ends.iter().map(|end| format!("{} {end}", account[*end])).collect();
    let balance = match account["balanced"].as_bool() {
        Some(true) => "",
        _ => " (just now; counts that change are not read at one moment)",
    };
    format!("{} received = {}{balance}", account["received"], ends.join(" + "))
}

/// The newest reading of each route, on one line each.
fn readings(status: &Json, paint: Paint) -> String {
    let mut shown = String::new();
    for route in status["routes"].as_array().into_iter().flatten() {
        let name = text(&route["route"]);
        let latest = &route["latest"];
        if latest.is_null() {
            shown += &format!("{}\n", clip(&format!("{name}  nothing yet")));
            continue;
        }
        let values = latest["values"].as_array().into_iter().flatten();
        let values = values.filter(|value| !value["value"].is_null()).map(|value| {
            let unit = value["unit"].as_str().map_or_else(String::new, |unit| format!(" {unit}"));
            format!("{} {}{unit}", text(&value["column"]), number(&value["value"]))
        });
        let values: Vec<String> = values.collect();
        let ago = age(status, &latest["received_at"]);
        shown += &format!("{}  {ago} ago\n", paint.strong(&name));
        shown += &format!("{}\n", clip(&format!("  {}", values.join(", "))));
    }
    shown
}

fn tree(status: &Json, paint: Paint) -> String {
    let head = ["actor", "state", "for", "pulse", "restarts"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    let actors: Vec<&Json> = status["actors"].as_array().into_iter().flatten().collect();
    for actor in &actors {
        let pulse = actor["pulse_age_ms"].as_i64().map_or_else(|| "?".to_owned(), length);
        rows.push(vec![
            text(&actor["actor"]),
            text(&actor["state"]),
            age(status, &actor["since"]),
            format!("{pulse} ago"),
            actor["restarts"].to_string(),
        ]);
    }
    let table = crate::text::table(&rows);
    let mut shown = String::new();
    for (line, actor) in table.lines().zip(std::iter::once(&&Json::Null).chain(&actors)) {
        let state = actor["state"].as_str().unwrap_or_default();
        let coloured = match state {
            "" => paint.faint(line),
            "running" => line.to_owned(),
            _ => paint.warning(line),
        };
        shown += &format!("{coloured}\n");
        if actor["last_exit"].is_string() {
            shown += &wrapped(&format!("last exit: {}", text(&actor["last_exit"])), 4);
        }
    }
    shown
}

/// A name, and what there is to say.
fn fact(name: &str, about: &str) -> String {
    let lines = wrapped(about, INDENT);
    format!("{name:<INDENT$}{}", lines.get(INDENT..).unwrap_or_default())
}

fn age(status: &Json, at: &Json) -> String {
    let moment = |json: &Json| json.as_str().and_then(from_database);
    match (moment(&status["now"]), moment(at)) {
        (Some(now), Some(at)) => length(now.0 - at.0),
        _ => "an unknown time".to_owned(),
    }
}

fn since_or_never(status: &Json, at: &Json) -> String {
    if at.is_null() { "never".to_owned() } else { format!("{} ago", age(status, at)) }
}

/// What came from elsewhere moves no cursor.
fn text(json: &Json) -> String {
    json.as_str().map_or_else(|| "?".to_owned(), |text| glimpse(text.as_bytes(), 2_000))
}

/// A value, shortened.
pub(super) fn number(json: &Json) -> String {
    match (json.as_i64(), json.as_f64(), json.as_str()) {
        (Some(whole), ..) => whole.to_string(),
        (None, Some(real), _) if real != 0.0 && !(0.01..1e9).contains(&real.abs()) => {
            format!("{real:.2e}")
        }
        (None, Some(real), _) => format!("{real:.2}"),
        (None, None, Some(text)) => glimpse(text.as_bytes(), 20),
        (None, None, None) => "—".to_owned(),
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
fn size(bytes: &Json) -> String {
    let Some(bytes) = bytes.as_u64() else { return "?".to_owned() };
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
            assert_eq!(size(&json!(bytes)), shown);
        }
        assert_eq!(size(&Json::Null), "?");
        let values = [
            (json!(1_759_479_845), "1759479845"),
            (json!(21.456), "21.46"),
            (json!(9.174e-8), "9.17e-8"),
            (json!(0.0), "0.00"),
            (json!("a\u{1b}[2J"), "a\\u{1b}[2J"),
            (Json::Null, "—"),
        ];
        for (value, shown) in values {
            assert_eq!(number(&value), shown);
        }
    }

    #[test]
    fn an_answer_of_another_version_is_shown_as_far_as_it_goes() {
        let shown = screen(&json!({ "standing": "ok", "later": 7 }), Paint::plain());
        assert!(shown.starts_with("ok: ?\n") && shown.contains("process"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
    }
}
