//! `barograph stop`, and what `run --takeover` does before it starts: ask, wait for the lock, and where that
//! is wanted kill. That it has ended is the kernel's word: its locks are free.

use std::io::{self, IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use barograph_actors::exit_code;
use barograph_config::Settings;
use serde::de::IgnoredAny;
use serde_json::json;

use super::args::StopArgs;
use super::holder::{NotOurs, Ours, what_holds_it_up};
use super::recorder::{Absent, denied, put};
use crate::exit::Failed;
use crate::ipc::client::{Client, NoAnswer};
use crate::ipc::protocol::{Order, Request};
use crate::os::lock::{database_lock_path, held_by};
use crate::os::paths::real_path;
use crate::text::wrapped;
use crate::time::length;
use crate::wire::status::Status;

/// How long the question may take.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// How long the kernel may take to end a process that was killed: it may wait for a disk.
const KILLED_WITHIN: Duration = Duration::from_secs(10);
/// Between the lock and the socket, when a recorder starts or ends.
const GRACE: Duration = Duration::from_secs(1);
/// Between two looks at the lock.
const LOOK_EVERY: Duration = Duration::from_millis(30);
/// Between two words on what it waits for.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// How it is to be ended.
#[derive(Debug, Clone, Copy)]
pub struct StopPlan {
    /// How long to wait.
    pub timeout: Duration,
    /// To kill it then.
    pub force: bool,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopOutcome {
    /// Nothing was running.
    WasNot,
    /// In order.
    Stopped,
    /// It was killed.
    Killed,
}

/// Stops the recorder.
///
/// # Errors
/// It still runs.
pub fn stop(settings: &Settings, args: &StopArgs) -> Result<i32, Failed> {
    let plan = StopPlan { timeout: args.timeout, force: args.force };
    let began = Instant::now();
    let shown = stderr().is_terminal() && !args.reply.json;
    let mut say = |text: &str| {
        if shown {
            let _unseen = writeln!(stderr(), "{text}");
        }
    };
    let last = Absent::look(settings).summary;
    let ended = end(settings, plan, &mut say)?;
    let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
    let (word, summary) = match ended {
        StopOutcome::WasNot => ("was_not_running", format!("{last}. There is nothing to stop.")),
        StopOutcome::Stopped => ("stopped", format!("Stopped in order, after {}.", length(took))),
        StopOutcome::Killed => (
            "killed",
            format!(
                "Killed, after {}: nothing that was acknowledged is lost, and the broker delivers the rest \
             again.",
                length(took)
            ),
        ),
    };
    put(&if args.reply.json {
        format!("{}\n", json!({ "ended": word, "summary": summary, "milliseconds": took }))
    } else {
        wrapped(&summary, 0)
    });
    Ok(exit_code::OK)
}

/// Ends the recorder that these settings lead to.
///
/// # Errors
/// It still runs, or this user may not know; why, and what to do.
pub fn end(
    settings: &Settings,
    plan: StopPlan,
    say: &mut dyn FnMut(&str),
) -> Result<StopOutcome, Failed> {
    let Some(target) = Target::find(settings, plan.timeout)? else {
        return Ok(StopOutcome::WasNot);
    };
    let deadline = Instant::now() + plan.timeout;
    target.ask(say)?;
    if target.ends_by(deadline, say) {
        return Ok(StopOutcome::Stopped);
    }
    let waits = target.what_it_waits_for();
    let limit = humantime::format_duration(plan.timeout);
    if !plan.force {
        return Err(failed(format!(
            "{} has not stopped within {limit}: {waits}. Wait on with a longer --timeout, or kill it \
             with --force: what is acknowledged is safe",
            target.name()
        )));
    }
    say(&format!("{} has not stopped within {limit} ({waits}); it is killed", target.name()));
    target.kill(say)?;
    Ok(StopOutcome::Killed)
}

/// It was not ended.
fn failed(message: String) -> Failed {
    Failed { code: exit_code::FOUND_WRONG, message }
}

/// A signal could not be sent.
fn unsent(pid: u32, to: &str, error: &io::Error) -> Failed {
    let told = format!("pid {pid} cannot be {to}: {error}");
    if error.kind() == io::ErrorKind::PermissionDenied {
        denied(&format!("permission denied: {told}"))
    } else {
        failed(told)
    }
}

/// The recorder that is to end.
struct Target {
    lock_file: PathBuf,
    database_lock: Option<PathBuf>,
    /// By the kernel's list; unknown where that does not show it (another container).
    pid: Option<u32>,
    within: Duration,
}

impl Target {
    /// `None`: nothing is running.
    fn find(settings: &Settings, timeout: Duration) -> Result<Option<Self>, Failed> {
        let lock_file = settings.instance.lock_file.clone();
        let pid = held_by(&lock_file).and_then(|holder| holder.pid);
        let database_lock =
            real_path(&settings.database.path).ok().map(|path| database_lock_path(&path));
        let target = Self { lock_file, database_lock, pid, within: ASK_WITHIN.min(timeout) };
        if pid.is_some() {
            return Ok(Some(target));
        }
        match Client::open(&target.lock_file, target.within) {
            Err(NoAnswer::Nobody(_)) => Ok(None),
            // Whether one is running is not known.
            Err(error @ NoAnswer::Denied(_)) => Err(denied(&error.to_string())),
            Ok(_) | Err(NoAnswer::Silent(..) | NoAnswer::Broken { .. } | NoAnswer::Refused(_)) => {
                Ok(Some(target))
            }
        }
    }

    fn name(&self) -> String {
        self.pid.map_or_else(|| "the recorder".to_owned(), |pid| format!("pid {pid}"))
    }

    fn answers(&self) -> bool {
        !matches!(
            Client::open(&self.lock_file, self.within),
            Err(NoAnswer::Nobody(_) | NoAnswer::Denied(_))
        )
    }

    fn is_gone(&self) -> bool {
        let holds = |path: &PathBuf| held_by(path).and_then(|holder| holder.pid) == self.pid;
        match self.pid {
            Some(_) => !holds(&self.lock_file) && !self.database_lock.as_ref().is_some_and(holds),
            None => !self.answers(),
        }
    }

    /// Over the socket; by SIGTERM where there is none.
    fn ask(&self, say: &mut dyn FnMut(&str)) -> Result<(), Failed> {
        let mut asked = self.ask_once();
        // It is just starting, or has just ended.
        if matches!(asked, Err(NoAnswer::Nobody(_))) && !self.ends_by(Instant::now() + GRACE, say) {
            asked = self.ask_once();
        }
        match asked {
            Ok(_) => {
                say(&format!("{} stops in order", self.name()));
                Ok(())
            }
            // It ended before its answer was read.
            Err(_) if self.is_gone() => Ok(()),
            Err(error @ (NoAnswer::Silent(..) | NoAnswer::Broken { .. })) => {
                say(&error.to_string());
                Ok(())
            }
            Err(NoAnswer::Nobody(_)) => {
                let Some(pid) = self.pid else { return Ok(()) };
                let ours = self.ours(pid)?;
                say(&format!("pid {pid} has no socket, and is asked by SIGTERM"));
                ours.terminate().map_err(|error| unsent(pid, "asked", &error))
            }
            Err(error @ NoAnswer::Denied(_)) => {
                Err(denied(&format!("{error}; {} was not asked to stop", self.name())))
            }
            Err(error @ NoAnswer::Refused(_)) => {
                Err(failed(format!("{} was not asked to stop: {error}", self.name())))
            }
        }
    }

    fn ask_once(&self) -> Result<IgnoredAny, NoAnswer> {
        let stop = Request::Order(Order::Stop);
        Client::open(&self.lock_file, self.within).and_then(|mut client| client.ask(&stop))
    }

    fn ends_by(&self, deadline: Instant, say: &mut dyn FnMut(&str)) -> bool {
        let mut said = Instant::now();
        loop {
            if self.is_gone() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            if said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                say(&format!("waiting for {}: {}", self.name(), self.what_it_waits_for()));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn what_it_waits_for(&self) -> String {
        if let Some(held_up) = self.pid.and_then(what_holds_it_up) {
            return held_up.to_owned();
        }
        let status: Result<Status, NoAnswer> = Client::open(&self.lock_file, SAY_EVERY)
            .and_then(|mut client| client.ask(&Request::Status));
        let Ok(status) = status else { return "it does not say what it is doing".to_owned() };
        let stopping = status.actors.iter().filter(|actor| actor.state == "stopping");
        let names: Vec<&str> = stopping.map(|actor| actor.actor.as_ref()).collect();
        if names.is_empty() {
            return status.summary;
        }
        format!("its actor {} is stopping", names.join(", "))
    }

    fn ours(&self, pid: u32) -> Result<Ours, Failed> {
        Ours::check(&self.lock_file, pid).map_err(|NotOurs { why, denied: is_denied }| {
            match is_denied {
                true => denied(&format!("permission denied: {why}")),
                false => failed(format!(
                    "{why}: it is not killed. To end it: kill {pid} (and kill -9 {pid} if that does \
                     not help)"
                )),
            }
        })
    }

    fn kill(&self, say: &mut dyn FnMut(&str)) -> Result<(), Failed> {
        let Some(pid) = self.pid else {
            let why = "it cannot be seen from here which process that is: kill it where it runs";
            return Err(failed(why.to_owned()));
        };
        let ours = self.ours(pid)?;
        ours.kill().map_err(|error| unsent(pid, "killed", &error))?;
        if self.ends_by(Instant::now() + KILLED_WITHIN, say) {
            return Ok(());
        }
        let waits = self.what_it_waits_for();
        Err(failed(format!("pid {pid} was killed, and still holds its lock: {waits}")))
    }
}
