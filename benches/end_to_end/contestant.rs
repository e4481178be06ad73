//! Who takes part, and how each is started, watched and charged. Each is a process of its own.

use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rusqlite::Connection;

use crate::field::{FILTER, ROUTE, TABLE};
use crate::rate::warm_up;
use crate::support::process::{Process, Stream};
use crate::support::recorder::{Build, program_with};
use crate::support::scene::Scene;
use crate::support::wait;

/// Between two looks at the database: 300 of them a second cost about a hundredth of a core.
const LOOK: Duration = Duration::from_millis(3);
/// A contestant that uses less than a fiftieth of a core for so long is at rest.
const REST: Duration = Duration::from_millis(200);
/// How long anything may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// The built program.
    Barograph,
    /// It only receives.
    BareLoop,
    /// It receives and stores, and that is all.
    Reference,
}

impl Contestant {
    /// Starts it and waits until the broker has its subscription; it is to take `count` messages.
    pub(crate) fn start(self, scene: &Scene, count: i64) -> Running {
        let port = scene.broker.port().to_string();
        let command = match self {
            Self::Barograph => program_with(&build(), "run", &scene.settings().routes(ROUTE)),
            Self::BareLoop => ourselves(&["bare", &port, &count.to_string()]),
            Self::Reference => {
                let database = scene.database.path().to_str().expect("our paths are UTF-8");
                ourselves(&["reference", &port, database])
            }
        };
        let running = Running { contestant: self, process: Process::spawn(command) };
        scene.broker.has_subscriber(FILTER);
        running
    }
}

/// The CPU time of bare inserts of so many rows, in seconds.
pub(crate) fn cpu_s_of_inserts(scene: &Scene, count: i64) -> f64 {
    let database = scene.folder.path("inserts.db");
    let database = database.to_str().expect("our paths are UTF-8");
    let process = Process::spawn(ourselves(&["inserts", database, &count.to_string()]));
    wait::until_true("bare inserts", PATIENCE, || !process.text(Stream::Stdout).is_empty());
    cpu_s(process.pid())
}

/// The program that was built with this bench, or the one that `BENCH_PROGRAM` names: to compare two builds.
fn build() -> Build {
    env::var_os("BENCH_PROGRAM").map_or_else(Build::right, |path| Build::at(path.into()))
}

fn ourselves(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("a program knows its file"));
    command.args(arguments);
    command
}

/// A contestant at work.
pub(crate) struct Running {
    contestant: Contestant,
    pub(crate) process: Process,
}

impl Running {
    /// Waits until `count` messages are where this contestant takes them, and tells the messages a second after the
    /// warm-up.
    pub(crate) fn rate(&self, scene: &Scene, count: i64) -> f64 {
        match self.contestant {
            Contestant::Barograph | Contestant::Reference => self.rate_of_rows(scene, count),
            Contestant::BareLoop => wait::until_or(
                PATIENCE,
                || self.process.text(Stream::Stdout).trim().parse().ok(),
                || format!("{count} messages received: {}", self.process.tail()),
            ),
        }
    }

    fn rate_of_rows(&self, scene: &Scene, count: i64) -> f64 {
        let reader = scene.database.reader();
        let mut warm = None;
        let begun = Instant::now();
        loop {
            let (rows, now) = (newest(&reader), Instant::now());
            if rows >= count {
                let (first, since) = warm.unwrap_or((0, begun));
                return (rows - first) as f64 / now.duration_since(since).as_secs_f64();
            }
            if warm.is_none() && rows >= warm_up(count) {
                warm = Some((rows, now));
            }
            let log = || self.process.tail();
            assert!(begun.elapsed() < PATIENCE, "{rows} of {count} rows; the log:\n{}", log());
            thread::sleep(LOOK); // the pause is the point
        }
    }

    /// CPU time so far, user and system, in seconds.
    pub(crate) fn cpu_s(&self) -> f64 {
        cpu_s(self.process.pid())
    }

    /// The same, once it has nothing more to do: rumqttc acknowledges long after it has received.
    pub(crate) fn cpu_s_at_rest(&self) -> f64 {
        let mut before = self.cpu_s();
        loop {
            thread::sleep(REST); // the pause is the point
            let now = self.cpu_s();
            if now - before < REST.as_secs_f64() / 50.0 {
                return now;
            }
            before = now;
        }
    }
}

/// The number of the newest row: its id, for nobody deletes any.
fn newest(reader: &Connection) -> i64 {
    let query = format!("SELECT coalesce(max(id), 0) FROM {TABLE}");
    let mut statement = reader.prepare_cached(&query).expect("the table is there");
    statement.query_row([], |row| row.get(0)).expect("one row")
}

/// By the scheduler's own account, in nanoseconds, of all threads that live; `/proc/PID/stat` counts in hundredths of a second.
fn cpu_s(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    let ns_of = |path: std::path::PathBuf| -> Option<u64> {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    threads.filter_map(|thread| ns_of(thread.path())).sum::<u64>() as f64 / 1e9
}
