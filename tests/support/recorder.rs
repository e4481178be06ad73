//! The built program under test.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::faults::Faults;
use super::needs;
use super::process::{self, Outcome, Process, Stream};
use super::settings::Settings;
use super::wait;

/// How long anything may take that should be quick, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a change of mode may take: a backlog may have to be drained for it.
const MODE_WITHIN: Duration = Duration::from_secs(60);
/// The program that users run.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_barograph");
/// How long a command may take that a person waits for.
const COMMAND_MAX: Duration = Duration::from_secs(60);
/// What the program promises for an orderly end.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(10);

/// `barograph …`, with nothing of the developer's own environment that it would listen to.
pub(crate) fn barograph(arguments: &[&str]) -> Command {
    program(&Build::right(), arguments)
}

/// A build of the program.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    path: PathBuf,
    mistake: Option<&'static str>,
}

impl Build {
    /// The program that users run.
    pub(crate) fn right() -> Self {
        Self { path: PathBuf::from(PROGRAM), mistake: None }
    }

    /// Any other one.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, mistake: None }
    }

    /// The one that makes a mistake on purpose; asked for with [`Need::MistakenRecorder`](super::needs::Need).
    pub(crate) fn mistaken(mistake: &'static str) -> Self {
        Self { path: needs::mistaken_recorder(), mistake: Some(mistake) }
    }
}

/// The same of another build.
fn program(build: &Build, arguments: &[&str]) -> Command {
    let mut command = Command::new(&build.path);
    command.args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BAROGRAPH_")) {
        command.env_remove(name);
    }
    command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("RUST_LOG");
    // Written in pieces, it would stand in the middle of a line of the log.
    command.env_remove("RUST_BACKTRACE");
    if let Some(mistake) = build.mistake {
        command.env("BAROGRAPH_MISTAKE", mistake);
    }
    command
}

/// `barograph COMMAND --config FILE`, in the folder of that file.
pub(crate) fn barograph_with(subcommand: &str, settings: &Settings) -> Command {
    program_with(&Build::right(), subcommand, settings)
}

/// The same of another build.
pub(crate) fn program_with(build: &Build, subcommand: &str, settings: &Settings) -> Command {
    let file = settings.write();
    let mut command = program(build, &[subcommand, "--config"]);
    command.arg(file).current_dir(file.parent().expect("a file is in a folder"));
    command
}

/// Runs a command that ends by itself: `words`, and where the settings are.
pub(crate) fn command(words: &[&str], settings: &Settings) -> Outcome {
    process::outcome(command_line(words, settings), COMMAND_MAX)
}

/// Runs it, and gives the JSON object that it prints; with its exit code.
pub(crate) fn json(words: &[&str], settings: &Settings) -> (Option<i32>, Value) {
    let outcome = command(&[words, &["--json"]].concat(), settings);
    let parsed = serde_json::from_str(&outcome.stdout);
    (outcome.code, parsed.unwrap_or_else(|error| panic!("{words:?}: {error}: {outcome:?}")))
}

/// The command, not yet started.
pub(crate) fn command_line(words: &[&str], settings: &Settings) -> Command {
    let file = settings.write();
    let mut command = barograph(words);
    command.arg("--config").arg(file).current_dir(file.parent().expect("a file is in a folder"));
    command
}

/// A running `barograph run`.
pub(crate) struct Recorder {
    pub(crate) process: Process,
}

impl Recorder {
    /// Starts it.
    pub(crate) fn start(settings: &Settings) -> Self {
        Self::spawn(barograph_with("run", settings))
    }

    /// Starts it with a fault-injection socket.
    pub(crate) fn start_faulty(settings: &Settings, faults: &Faults) -> Self {
        let mut command = barograph_with("run", settings);
        command.arg("--fault-injection").arg(&faults.0);
        Self::spawn(command)
    }

    /// Starts it with a command line of its own.
    pub(crate) fn spawn(command: Command) -> Self {
        Self { process: Process::spawn(command) }
    }

    /// The log lines that carry this event, so far.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        self.process.with_lines(|lines| {
            let parsed = lines.iter().filter_map(|(_, line)| event_of(line));
            parsed.filter(|fields| fields["event"] == name).collect()
        })
    }

    /// Waits for the first such event.
    pub(crate) fn event(&self, name: &str) -> Value {
        self.event_number(1, name)
    }

    /// Waits until an event has come this often, and gives the last of them.
    pub(crate) fn event_number(&self, number: usize, name: &str) -> Value {
        self.event_within(PATIENCE, number, name)
    }

    /// Waits no longer than this until an event has come this often.
    pub(crate) fn event_within(&self, within: Duration, number: usize, name: &str) -> Value {
        self.wait_for(&format!("event {name}, time {number}"), within, || {
            self.events(name).into_iter().nth(number - 1)
        })
    }

    /// The modes it has changed to so far, in order.
    pub(crate) fn modes(&self) -> Vec<String> {
        let events = self.events("mode_changed");
        events.iter().map(|event| event["mode"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until its latest change of mode was to this one, and gives that event.
    pub(crate) fn is_in_mode(&self, mode: &str) -> Value {
        self.wait_for(&format!("mode {mode}"), MODE_WITHIN, || {
            self.events("mode_changed").pop().filter(|event| event["mode"] == mode)
        })
    }

    /// Waits until, after so many changes of mode, it has changed to this one.
    pub(crate) fn changes_to(&self, mode: &str, after: usize) {
        self.wait_for(&format!("a change to mode {mode}"), MODE_WITHIN, || {
            self.modes().iter().skip(after).any(|it| it == mode).then_some(())
        });
    }

    /// The last that was told of an issue: that it appeared, changed, or is over.
    pub(crate) fn issue(&self, id: &str) -> Option<Value> {
        let told = ["issue_appeared", "issue_changed", "issue_resolved"];
        self.process.with_lines(|lines| {
            let parsed = lines.iter().rev().filter_map(|(_, line)| event_of(line));
            let is_it = |fields: &Value| {
                fields["id"] == id && told.iter().any(|name| fields["event"] == *name)
            };
            parsed.into_iter().find(is_it)
        })
    }

    /// Waits until this is an issue, of this severity, and gives what was told of it.
    pub(crate) fn has_issue(&self, id: &str, severity: &str) -> Value {
        self.wait_for(&format!("the issue {id} ({severity})"), MODE_WITHIN, || {
            let told = self.issue(id)?;
            (told["event"] != "issue_resolved" && told["severity"] == severity).then_some(told)
        })
    }

    /// Waits until this was an issue and is over.
    pub(crate) fn is_rid_of(&self, id: &str) {
        self.wait_for(&format!("the end of the issue {id}"), MODE_WITHIN, || {
            self.issue(id).filter(|told| told["event"] == "issue_resolved")
        });
    }

    /// Waits until the log says this, regardless of case.
    pub(crate) fn says(&self, words: &str) {
        self.wait_for(&format!("the words {words:?} in the log"), PATIENCE, || {
            self.log().to_lowercase().contains(&words.to_lowercase()).then_some(())
        });
    }

    /// Waits for something of this recorder; in vain, its log is shown.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        within: Duration,
        probe: impl FnMut() -> Option<T>,
    ) -> T {
        wait::until_or(within, probe, || format!("{what}; the log:\n{}", self.process.tail()))
    }

    /// Everything it wrote to standard error.
    pub(crate) fn log(&self) -> String {
        self.process.text(Stream::Stderr)
    }

    /// Asks it to stop (SIGTERM).
    pub(crate) fn terminate(&mut self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits for its end, and gives its exit code; none after a signal.
    pub(crate) fn exit_code(&mut self, within: Duration) -> Option<i32> {
        self.process.ended(within).code()
    }

    /// An orderly stop: in time, and with exit code 0.
    pub(crate) fn stop(&mut self) {
        self.terminate();
        assert_eq!(self.exit_code(STOP_MAX), Some(0), "the log:\n{}", self.process.tail());
    }
}

/// The fields of a JSON log line that is an event, wherever the formatter has put them.
fn event_of(line: &str) -> Option<Value> {
    let parsed: Value = serde_json::from_str(line).ok()?;
    let fields = if parsed["event"].is_string() { parsed } else { parsed["fields"].clone() };
    fields["event"].is_string().then_some(fields)
}
