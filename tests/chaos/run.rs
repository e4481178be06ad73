//! A run from its beginning to its report.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::history;
use super::outages::{self, Stretch, UNCOVERED_MAX_MS, uncovered};
use super::plan::{Plan, Qos, variable};
use super::report::{Check, Report};
use super::rows::{Evidence, Files, Rescue, judge};
use super::schedule::Schedule;
use super::stage::Stage;
use super::witness::{Heard, Witness};
use crate::support::folder::Folder;
use crate::support::process::Stream;
use crate::support::publisher::{Load, Published, Publisher, publish_one};
use crate::support::recorder::command;
use crate::support::wait;

/// Largest resident set allowed, in KiB.
const RSS_MAX_KIB: u64 = 64 * 1024;
/// How long a recorder may need, once it is calm, until it is in mode normal with all that was published.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// Its messages are judged even when it needs longer than that.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);
/// Nothing comes from the broker for this long: it has no more.
const QUIET_MS: i64 = 2_000;
/// The second stream of numbers begins here, and the messages of the harness.
const SECOND: i64 = 1_000_000_000;
const MARKER: i64 = 2_000_000_000;
const FILTERS: [&str; 2] = ["load/+", "+/+/weatherstation/magneticfluxsensor/#"];

/// The publishers of a run.
struct Streams {
    numbered: Vec<Publisher>,
    repeated: Option<Publisher>,
}

/// Carries out a schedule, and judges what became of the messages.
pub(super) fn run(plan: &Plan, schedule: &Schedule) -> Report {
    let mut stage = Stage::set(plan);
    let port = stage.broker.port();
    let witness = Witness::start(port, &FILTERS);
    let streams = Streams::start(port, plan);
    stage.note("the schedule begins");
    stage.play(schedule);
    stage.note("calm");
    let mut report =
        Report { words: plan.words(), schedule: schedule.clone(), ..Report::default() };
    let is_back = stage.calm_until(Duration::from_secs(20), |stage| stage.broker.accepts());
    assert!(is_back, "the broker does not come back: {:?}", stage.journal);
    let (mut numbered, repeated) = streams.finish();
    numbered.push(marker(port));
    assert!(witness.falls_quiet(Duration::from_secs(60)), "the broker does not come to rest");
    drain(&mut stage, &mut report);
    let heard = witness.finish();
    stop(&mut stage, &mut report);
    judge_all(&stage, (&numbered, repeated, &heard), &mut report);
    if let Some(folder) = variable::<PathBuf>("KEEP") {
        keep(&stage, &report, &folder);
    } else if !report.findings.is_empty() {
        let folder = Folder::new();
        keep(&stage, &report, folder.root());
        report.found = Some(folder);
    }
    report
}

impl Streams {
    fn start(port: u16, plan: &Plan) -> Self {
        let of_numbers = if plan.repeats { plan.rate * 7 / 8 } else { plan.rate };
        let load =
            |topic, qos, first, rate| Load { topic, ..Load::numbered(qos) }.first(first).rate(rate);
        let loads = match plan.qos {
            Qos::Mix => vec![
                load("load/one", 1, 0, of_numbers / 2),
                load("load/two", 2, SECOND, of_numbers / 2),
            ],
            Qos::Only(qos) => vec![load("load/one", qos, 0, of_numbers)],
        };
        let qos = match plan.qos {
            Qos::Mix => 1,
            Qos::Only(qos) => qos,
        };
        let repeated = Load::identical(qos).rate(plan.rate - of_numbers);
        Self {
            numbered: loads.into_iter().map(|load| Publisher::start(port, load)).collect(),
            repeated: plan.repeats.then(|| Publisher::start(port, repeated)),
        }
    }

    fn finish(self) -> (Vec<Published>, i64) {
        let numbered = self.numbered.into_iter().map(Publisher::finish).collect();
        let repeated = self.repeated.map(Publisher::finish);
        (numbered, repeated.map_or(0, |it| it.next - it.first))
    }
}

/// A last message, behind all others: when it is stored, the recorder is connected and has come to the end.
fn marker(port: u16) -> Published {
    publish_one(port, "load/marker", format!(r#"{{"n":{MARKER}}}"#).as_bytes(), false);
    Published {
        first: MARKER,
        next: MARKER + 1,
        doubtful: [].into(),
        sent_at: vec![wait::now_ms()],
    }
}

fn drain(stage: &mut Stage, report: &mut Report) {
    let is_drained = |stage: &Stage| what_remains(stage).is_none();
    if stage.calm_until(DRAIN_MAX, is_drained) {
        return;
    }
    let remains = what_remains(stage).unwrap_or_else(|| "nothing, now".to_owned());
    let what = format!("not drained after {DRAIN_MAX:?} of calm: {remains}");
    report.explain(Check::Drain, what, tail(stage));
    stage.calm_until(DRAIN_LIMIT, is_drained);
}

/// Why the recorder is not at rest.
fn what_remains(stage: &Stage) -> Option<String> {
    let mode = stage.lives.mode();
    if mode != "normal" {
        return Some(format!("the mode is {mode}"));
    }
    let since = wait::now_ms() - history::last_message_at(&stage.log);
    if since < QUIET_MS {
        return Some(format!("a message came {since} ms ago"));
    }
    if !has_marker(stage) {
        return Some("the last message is not stored".to_owned());
    }
    let salvage = "SELECT count(*) FROM barograph_salvage WHERE NOT done";
    let left = one(stage, salvage).unwrap_or(0);
    (left > 0).then(|| format!("{left} tables of another file are being copied"))
}

fn has_marker(stage: &Stage) -> bool {
    one(stage, &format!("SELECT count(*) FROM load WHERE n = {MARKER}")).is_some_and(|n| n > 0)
}

fn one(stage: &Stage, query: &str) -> Option<i64> {
    if !stage.database.path().exists() {
        return None;
    }
    stage.database.reader().query_row(query, [], |row| row.get(0)).ok()
}

fn stop(stage: &mut Stage, report: &mut Report) {
    stage.note("ordered stop");
    stage.lives.stop();
    let ended = stage.calm_until(Duration::from_secs(30), |stage| stage.lives.current().is_none());
    if !ended {
        report.find(Check::Stop, "the last recorder does not end");
    }
}

fn judge_all(
    stage: &Stage,
    (streams, repeated, heard): (&[Published], i64, &Heard),
    report: &mut Report,
) {
    let end_of_run = wait::now_ms();
    judge_lives(stage, report);
    // The commands come first: they look at the database as the recorder left it.
    judge_by_commands(stage, report);
    let files = Files::read(stage, end_of_run, report);
    let gaps = files.gaps();
    judge_gaps(stage, &gaps, end_of_run, report);
    let evidence = Evidence { stage, streams, repeated, heard, files: &files, gaps: &gaps };
    judge(&evidence, report);
    report.notes.push(format!(
        "the witness ignored {} redeliveries on {} connections",
        heard.ignored, heard.connections
    ));
}

fn judge_lives(stage: &Stage, report: &mut Report) {
    for (number, life) in stage.lives.all.iter().enumerate() {
        report.rss_kib = report.rss_kib.max(life.peak_rss_kib);
        if life.peak_rss_kib > RSS_MAX_KIB {
            let what = format!("recorder {number} took {} KiB", life.peak_rss_kib);
            report.find(Check::Memory, what);
        }
        if life.is_late {
            let tail = life.recorder.process.tail();
            report.explain(Check::Stop, format!("recorder {number} did not stop in time"), tail);
        }
        if !life.is_in_order() {
            let status = life.ended.map_or_else(String::new, |(_, status)| status.to_string());
            let what = format!("recorder {number} ended with {status}");
            report.explain(Check::Exit, what, life.recorder.process.tail());
        }
    }
}

fn judge_by_commands(stage: &Stage, report: &mut Report) {
    let settings = stage.lives.settings();
    for (check, word) in [(Check::Account, "account"), (Check::Verify, "verify")] {
        let outcome = command(&[word], settings);
        if outcome.code != Some(0) {
            let what = format!("`barograph {word}` ends with {:?}", outcome.code);
            report.explain(check, what, outcome.stdout + &outcome.stderr);
        }
    }
    if stage.database.path().exists() {
        let answer: String = stage.database.one("PRAGMA integrity_check");
        if answer != "ok" {
            report.find(Check::Integrity, answer);
        }
    }
}

/// What a recorder knows and has not written yet is not older than this.
const UNWRITTEN_MS: i64 = 5_000;

fn judge_gaps(stage: &Stage, gaps: &[Stretch], end_of_run: i64, report: &mut Report) {
    report.journal = journal(stage);
    let mut wanted = stage.outages.stretches(&stage.log, end_of_run);
    wanted.extend(outages::holding(&stage.lives.all, end_of_run));
    let forgotten: Vec<i64> = (stage.taken.all.iter())
        .filter(|taken| Rescue::none_for(taken, stage).is_some())
        .map(|taken| taken.at)
        .collect();
    // A recorder whose database was taken away cannot know when it last lived, nor that it was frozen when it died.
    let ended_with_it = |stretch: &Stretch| {
        let mut ends = stage.lives.all.iter().filter_map(|life| life.ended);
        stretch.cause == "the recorder is frozen"
            && ends.any(|(at, _)| at.abs_diff(stretch.to) < 100)
    };
    let is_unknown = |stretch: &Stretch| {
        (stretch.cause == "no recorder runs" || ended_with_it(stretch))
            && forgotten.iter().any(|at| (stretch.from - UNWRITTEN_MS..=stretch.to).contains(at))
    };
    let unknown = wanted.iter().filter(|stretch| is_unknown(stretch)).cloned();
    // Nor could what it had not written yet outlive the files.
    let unwritten = forgotten.iter().map(|at| Stretch {
        from: at - UNWRITTEN_MS,
        to: *at,
        cause: "what was noted was removed".to_owned(),
    });
    let covering: Vec<Stretch> = gaps.iter().cloned().chain(unknown).chain(unwritten).collect();
    let began = stage.log.began;
    let seconds = |at: i64| (at - began) as f64 / 1_000.0;
    let lines = |name: &str, all: &[Stretch]| -> String {
        let line = |it: &Stretch| {
            format!("{name} from {:.3} to {:.3}: {}\n", seconds(it.from), seconds(it.to), it.cause)
        };
        all.iter().map(line).collect()
    };
    report.journal += &lines("outage", &wanted);
    report.journal += &lines("gap", gaps);
    for rest in uncovered(&wanted, &covering) {
        let length = rest.to - rest.from;
        if length > UNCOVERED_MAX_MS {
            report.uncovered_ms += length;
            let what = format!(
                "no gap from {:.3} to {:.3}, {length} ms ({})",
                seconds(rest.from),
                seconds(rest.to),
                rest.cause
            );
            let near = |gap: &&Stretch| gap.to > rest.from - 10_000 && gap.from < rest.to + 10_000;
            let near: Vec<Stretch> = gaps.iter().filter(near).cloned().collect();
            report.explain(Check::Gap, what, lines("gap", &near));
        }
    }
    for gap in gaps.iter().filter(|gap| gap.cause == "clock_jump") {
        let what = format!("a gap from {:.3} to {:.3}", seconds(gap.from), seconds(gap.to));
        report.find(Check::ClockJump, what);
    }
}

fn journal(stage: &Stage) -> String {
    let began = stage.log.began;
    let line =
        |(at, what): &(i64, String)| format!("{:>9.3} {what}\n", (at - began) as f64 / 1_000.0);
    stage.journal.iter().map(line).collect()
}

fn tail(stage: &Stage) -> String {
    let life = stage.lives.current().map(|number| &stage.lives.all[number]);
    life.map_or_else(String::new, |life| life.recorder.process.tail())
}

/// Puts the databases, the logs, the packets and the report into a folder.
fn keep(stage: &Stage, report: &Report, folder: &Path) {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text);
    if fs::create_dir_all(folder).is_err() {
        return;
    }
    let _ = write("report.txt", &report.to_string());
    let _ = write("journal.txt", &report.journal);
    let _ = write("packets.txt", &history::all_packets(&stage.log));
    for (number, life) in stage.lives.all.iter().enumerate() {
        let _ =
            write(&format!("recorder-{number}.log"), &life.recorder.process.text(Stream::Stderr));
    }
    let home = stage.database.path().parent().expect("a file is in a folder");
    Folder::copy(home, folder);
}
