//! A child process: its output line by line, signals, its end. Killed when dropped.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::wait;

/// How many lines a complaint shows.
const TAIL_LINES: usize = 30;

/// A thread stops when its system call returns: a sync takes its time.
const FROZEN_WITHIN: Duration = Duration::from_secs(20);

/// A process begins by saying what it wants to hear.
const CATCHES_WITHIN: Duration = Duration::from_secs(10);

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The lines written so far.
type Lines = Arc<Mutex<Vec<(Stream, String)>>>;

/// A program that starts another one, and gives it its own arguments, environment and folder.
pub(crate) fn wrap(mut outer: Command, program: &Command) -> Command {
    outer.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer.current_dir(program.get_current_dir().expect("barograph_with sets one"));
    outer
}

/// A running (or ended) child.
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: Lines,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts it, without standard input.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let lines = Lines::default();
        let stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take().expect("piped");
        let readers = vec![
            collect(stdout, Stream::Stdout, Arc::clone(&lines)),
            collect(stderr, Stream::Stderr, Arc::clone(&lines)),
        ];
        Self { name, child, lines, readers }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; a process that has ended is left alone.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.child.try_wait().expect("our own child").is_none() {
            let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a pid is an i32"));
            signal::kill(pid, signal).expect("our own child");
        }
    }

    /// Waits until it has a handler for this signal.
    pub(crate) fn catches(&self, signal: Signal) {
        wait::until_true("it handles signals", CATCHES_WITHIN, || self.has_handler(signal));
    }

    /// Whether it has a handler for this signal; `false` for a process that has ended.
    pub(crate) fn has_handler(&self, signal: Signal) -> bool {
        let Some(mask) = self.status("SigCgt:") else { return false };
        let mask = u64::from_str_radix(&mask, 16).expect("hexadecimal");
        mask & (1 << (signal as u64 - 1)) != 0
    }

    /// SIGSTOP; when this returns no thread of it runs, in the kernel neither.
    pub(crate) fn freeze(&mut self) {
        self.signal(Signal::SIGSTOP);
        let tasks = format!("/proc/{}/task", self.pid());
        wait::until_true("every thread stands still", FROZEN_WITHIN, || {
            let tasks = fs::read_dir(&tasks).expect("it has not been waited for").flatten();
            tasks.map(|task| fs::read_to_string(task.path().join("stat"))).all(|stat| {
                // the name, in brackets, may have brackets in it
                stat.is_ok_and(|stat| {
                    stat.rsplit(") ").next().is_some_and(|it| it.starts_with('T'))
                })
            })
        });
    }

    /// `kill -9`, and gone when this returns.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end and for its last words.
    pub(crate) fn ended(&mut self, within: Duration) -> ExitStatus {
        let Self { name, child, lines, .. } = self;
        let complaint = || format!("the end of {name}; it said:\n{}", tail(lines));
        let status = wait::until_or(within, || child.try_wait().expect("our own child"), complaint);
        self.readers.drain(..).for_each(|reader| reader.join().expect("a reader does not panic"));
        status
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Looks at all lines so far.
    pub(crate) fn with_lines<T>(&self, look: impl FnOnce(&[(Stream, String)]) -> T) -> T {
        look(&self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything written to a stream so far.
    pub(crate) fn text(&self, stream: Stream) -> String {
        self.with_lines(|lines| {
            let ours = lines.iter().filter(|(from, _)| *from == stream);
            ours.map(|(_, line)| format!("{line}\n")).collect()
        })
    }

    /// Its latest words, for a complaint.
    pub(crate) fn tail(&self) -> String {
        tail(&self.lines)
    }

    /// What its system calls have read so far, from files and elsewhere.
    pub(crate) fn bytes_read(&self) -> u64 {
        let io = fs::read_to_string(format!("/proc/{}/io", self.pid())).expect("it runs");
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("a line");
        read.parse().expect("a number")
    }

    /// The largest resident set so far, in KiB (`VmHWM`).
    pub(crate) fn peak_rss_kib(&self) -> u64 {
        self.peak_rss_so_far_kib().expect("it runs")
    }

    /// The same; none once it has ended.
    pub(crate) fn peak_rss_so_far_kib(&self) -> Option<u64> {
        let peak = self.status("VmHWM:")?;
        Some(peak.trim_end_matches(" kB").parse().expect("a number of kB"))
    }

    /// What `/proc/PID/status` says behind these words; none once it has ended.
    fn status(&self, words: &str) -> Option<String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(words))?;
        Some(line.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a command that ends by itself said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) fn outcome(command: Command, within: Duration) -> Outcome {
    let mut process = Process::spawn(command);
    let code = process.ended(within).code();
    Outcome { code, stdout: process.text(Stream::Stdout), stderr: process.text(Stream::Stderr) }
}

fn tail(lines: &Lines) -> String {
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    let latest = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    latest.iter().map(|(_, line)| format!("{line}\n")).collect()
}

fn collect(
    from: impl Read + Send + 'static,
    stream: Stream,
    lines: Lines,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            lines.lock().unwrap_or_else(PoisonError::into_inner).push((stream, line));
        }
    })
}

/// The name of a process or thread, by its `stat` in `/proc`, and its niceness; nothing when it has ended.
pub(crate) fn nice_of(stat: impl AsRef<Path>) -> Option<(String, i32)> {
    let stat = fs::read_to_string(stat).ok()?;
    let (name, rest) = stat.rsplit_once(") ").expect("a name");
    let name = name.split_once('(').expect("a name").1.to_owned();
    let nice = rest.split(' ').nth(16).expect("field 19").parse().expect("a number");
    Some((name, nice))
}
