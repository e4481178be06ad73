//! The recorder of a run: each of its lives, from the start of a process to its end, and what starts the next one.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::faults::Faults;
use crate::support::folder::Folder;
use crate::support::recorder::{Build, Recorder, STOP_MAX, program_with};
use crate::support::settings::Settings;
use crate::support::wait;

/// A recorder that ended without being asked is started again after this pause, as systemd does.
const RESTART_PAUSE: Duration = Duration::from_millis(100);
/// How much longer than promised an ordered stop may take on a busy machine before it is a finding.
const STOP_SLACK: Duration = Duration::from_secs(3);
/// Between two looks at its memory.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// One process.
pub(super) struct Life {
    pub(super) recorder: Recorder,
    faults: Faults,
    /// The proxy's newest connection when it was started: its own are younger.
    pub(super) connections_before: u32,
    /// When, in milliseconds since 1970, and how.
    pub(super) ended: Option<(i64, ExitStatus)>,
    /// We killed it with -9.
    pub(super) is_killed: bool,
    /// When SIGTERM was sent, or it could act on it again.
    asked: Option<Instant>,
    /// It did not stop in the time that it promises.
    pub(super) is_late: bool,
    pub(super) peak_rss_kib: u64,
}

impl Life {
    /// Whether it ended as a recorder may: with 0, with 130 (a second signal), or by a signal of ours.
    pub(super) fn is_in_order(&self) -> bool {
        let Some((_, status)) = self.ended else { return true };
        let by_us = match status.signal() {
            Some(signal) if signal == Signal::SIGKILL as i32 => self.is_killed,
            Some(signal) if signal == Signal::SIGTERM as i32 => self.asked.is_some(),
            Some(_) | None => false,
        };
        let is_hurried = status.code() == Some(130) && self.asked.is_some();
        status.code() == Some(0) || is_hurried || by_us
    }

    /// The times of such events in its log, in milliseconds since 1970, with the whole event.
    pub(super) fn events(&self, name: &str) -> Vec<(i64, Value)> {
        let quoted = format!("\"{name}\"");
        self.recorder.process.with_lines(|lines| {
            let lines = lines.iter().filter(|(_, line)| line.contains(&quoted));
            let parsed = lines.filter_map(|(_, line)| serde_json::from_str::<Value>(line).ok());
            let timed = parsed.filter_map(|line| {
                let fields = if line["event"].is_string() { &line } else { &line["fields"] };
                let time: jiff::Timestamp = line["timestamp"].as_str()?.parse().ok()?;
                (fields["event"] == name).then(|| (time.as_millisecond(), fields.clone()))
            });
            timed.collect()
        })
    }
}

/// All lives, and who lives now.
pub(super) struct Lives {
    build: Build,
    settings: Settings,
    /// Where the sockets for faults are.
    faults_in: PathBuf,
    pub(super) all: Vec<Life>,
    /// Those that have not ended; the last of them is the recorder, others are being replaced.
    living: Vec<usize>,
    /// So many strikes keep it away.
    away: u32,
    /// So many strikes want it frozen; and who was.
    frozen: u32,
    start_after: Instant,
    looked: Instant,
    reloads: BTreeMap<usize, usize>,
}

/// What became of the lives since the last look.
pub(super) enum Change {
    Started(usize),
    Ended(usize),
}

impl Lives {
    /// None lives yet.
    pub(super) fn new(build: Build, settings: Settings, folder: &Folder) -> Self {
        let now = Instant::now();
        Self {
            build,
            settings,
            faults_in: folder.root().to_owned(),
            all: Vec::new(),
            living: Vec::new(),
            away: 0,
            frozen: 0,
            start_after: now,
            looked: now,
            reloads: BTreeMap::new(),
        }
    }

    /// The recorder that lives now.
    pub(super) fn current(&self) -> Option<usize> {
        self.living.last().copied()
    }

    /// Starts one; with `--takeover` beside the one that lives.
    pub(super) fn start(&mut self, takes_over: bool) -> usize {
        let number = self.all.len();
        let faults = Faults(self.faults_in.join(format!("faults-{number}.sock")));
        let mut command = program_with(&self.build, "run", &self.settings);
        command.arg("--fault-injection").arg(&faults.0);
        if takes_over {
            command.args(["--takeover", "--timeout", "10s"]);
        }
        self.all.push(Life {
            recorder: Recorder::spawn(command),
            faults,
            connections_before: 0,
            ended: None,
            is_killed: false,
            asked: None,
            is_late: false,
            peak_rss_kib: 0,
        });
        self.living.push(number);
        number
    }

    /// `kill -9` of whatever lives, and away until `come_back`.
    pub(super) fn kill(&mut self) {
        self.away += 1;
        for number in &self.living {
            let life = &mut self.all[*number];
            life.is_killed = true;
            life.recorder.kill();
        }
    }

    /// SIGTERM, and away until `come_back`.
    pub(super) fn stop(&mut self) {
        self.away += 1;
        for number in &self.living {
            let life = &mut self.all[*number];
            life.recorder.terminate();
            life.asked = Some(Instant::now());
        }
    }

    /// The end of a `kill` or `stop`.
    pub(super) fn come_back(&mut self) {
        self.away -= 1;
    }

    /// Starts a recorder that replaces the one that lives. Where none does, or it is to be away, nothing happens.
    pub(super) fn take_over(&mut self) -> Option<usize> {
        (self.away == 0 && self.living.len() == 1).then(|| {
            self.all[self.living[0]].asked = Some(Instant::now());
            // `--takeover` may have to kill it
            self.all[self.living[0]].is_killed = true;
            self.start(true)
        })
    }

    /// SIGSTOP of whatever lives, until `thaw`.
    pub(super) fn freeze(&mut self) {
        self.frozen += 1;
        for number in &self.living {
            self.all[*number].recorder.process.signal(Signal::SIGSTOP);
        }
    }

    /// The end of a `freeze`: SIGCONT, unless another strike has frozen it, too.
    pub(super) fn thaw(&mut self) {
        self.frozen -= 1;
        if self.frozen > 0 {
            return;
        }
        for number in &self.living {
            let life = &mut self.all[*number];
            life.recorder.process.signal(Signal::SIGCONT);
            life.asked = life.asked.map(|_| Instant::now());
        }
    }

    /// Changes a setting, if one is named, and sends SIGHUP to a recorder that handles it.
    pub(super) fn reload(&mut self, setting: Option<usize>) -> bool {
        if let Some(place) = setting {
            let (section, key, values) = super::strike::RELOADED[place];
            let turn = self.reloads.entry(place).or_default();
            *turn += 1;
            self.settings = self.settings.clone().set(section, key, values[*turn % values.len()]);
            self.settings.write();
        }
        let Some(number) = self.current() else { return false };
        let process = &mut self.all[number].recorder.process;
        let handles = process.has_handler(Signal::SIGHUP);
        if handles {
            process.signal(Signal::SIGHUP);
        }
        handles
    }

    /// Injects a fault into the recorder that lives, and does not wait for it.
    pub(super) fn inject(&self, command: String) -> bool {
        let Some(number) = self.current() else { return false };
        let faults = Faults(self.all[number].faults.0.clone());
        thread::spawn(move || faults.say(&command));
        true
    }

    /// Looks who has ended, and starts a recorder where there should be one.
    pub(super) fn look(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let is_memory_due = self.looked.elapsed() >= LOOK_EVERY;
        if is_memory_due {
            self.looked = Instant::now();
        }
        for number in self.living.clone() {
            let life = &mut self.all[number];
            if is_memory_due && let Some(peak) = life.recorder.process.peak_rss_so_far_kib() {
                life.peak_rss_kib = life.peak_rss_kib.max(peak);
            }
            if !life.recorder.process.is_running() {
                let status = life.recorder.process.ended(STOP_MAX);
                life.ended = Some((wait::now_ms(), status));
                self.living.retain(|living| *living != number);
                self.start_after = Instant::now() + RESTART_PAUSE;
                changes.push(Change::Ended(number));
            }
        }
        self.kill_the_late();
        let may_start = self.away == 0 && self.living.is_empty();
        // A strike's end starts it at once: the pause is for those that ended by themselves.
        let was_struck = self.all.last().is_some_and(|life| life.is_killed || life.asked.is_some());
        if may_start && (was_struck || Instant::now() >= self.start_after) {
            changes.push(Change::Started(self.start(false)));
        }
        changes
    }

    fn kill_the_late(&mut self) {
        for number in &self.living {
            let life = &mut self.all[*number];
            let late = life.asked.is_some_and(|asked| asked.elapsed() > STOP_MAX + STOP_SLACK);
            if late && self.frozen == 0 && !life.is_late {
                life.is_late = true;
                life.is_killed = true;
                life.recorder.kill();
            }
        }
    }

    /// The mode that the recorder's log said last.
    pub(super) fn mode(&self) -> String {
        let Some(number) = self.current() else { return "not running".to_owned() };
        let last = self.all[number].recorder.modes().pop();
        last.unwrap_or_else(|| "normal".to_owned())
    }

    /// The settings of now.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }
}
