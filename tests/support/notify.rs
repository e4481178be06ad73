//! A service manager as systemd is one: it listens at NOTIFY_SOCKET, notes what it is told and when, and, where it is
//! asked to, aborts a service whose ping is overdue.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::folder::Folder;
use super::recorder::Recorder;
use super::wait;

const PATIENCE: Duration = Duration::from_secs(20);
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// What was told, line by line.
type Heard = Arc<Mutex<Vec<(Instant, String)>>>;

/// The manager; it listens until it is dropped.
pub(crate) struct Manager {
    path: PathBuf,
    heard: Heard,
    enough: Arc<AtomicBool>,
}

impl Manager {
    /// Listens at `notify.sock` of a folder.
    pub(crate) fn listen(folder: &Folder) -> Self {
        let path = folder.path("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("a new name");
        socket.set_read_timeout(Some(LOOKS_EVERY)).expect("not zero");
        let (heard, enough) = (Heard::default(), Arc::<AtomicBool>::default());
        let manager = Self { path, heard: Arc::clone(&heard), enough: Arc::clone(&enough) };
        thread::spawn(move || {
            let mut message = [0; 4096];
            while !enough.load(Ordering::Relaxed) {
                let Ok(length) = socket.recv(&mut message) else { continue };
                let text = String::from_utf8_lossy(&message[..length]).into_owned();
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.extend(text.lines().map(|line| (Instant::now(), line.to_owned())));
            }
        });
        manager
    }

    /// The program will be its service.
    pub(crate) fn manages(&self, mut command: Command) -> Command {
        command.env("NOTIFY_SOCKET", &self.path);
        command
    }

    /// The program will be its service, and is to ping.
    pub(crate) fn watches(&self, command: Command, within: Duration) -> Command {
        let mut command = self.manages(command);
        command.env("WATCHDOG_USEC", within.as_micros().to_string());
        command
    }

    /// When a line that begins like this was told.
    pub(crate) fn times(&self, beginning: &str) -> Vec<Instant> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = heard.iter().filter(|(_, line)| line.starts_with(beginning));
        wanted.map(|(at, _)| *at).collect()
    }

    /// Every line that was told since the last time of forgetting, in order.
    pub(crate) fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().map(|(_, line)| line.clone()).collect()
    }

    /// Begins to listen anew.
    pub(crate) fn forgets(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits until a line that begins like this has been told.
    pub(crate) fn hears(&self, beginning: &str) {
        wait::until_true(&format!("{beginning} for systemd"), PATIENCE, || {
            !self.times(beginning).is_empty()
        });
    }

    /// When it was pinged.
    pub(crate) fn pings(&self) -> Vec<Instant> {
        self.times("WATCHDOG=1")
    }

    /// Waits for a ping from now on.
    pub(crate) fn is_pinged(&self, within: Duration) {
        let now = Instant::now();
        wait::until_true("a ping", within, || self.pings().last().is_some_and(|at| *at > now));
    }

    /// Waits until its service has not pinged for so long, and aborts it (SIGABRT), as systemd does.
    pub(crate) fn aborts_when_overdue(&self, recorder: &Recorder, limit: Duration) {
        wait::until_true("an overdue ping", PATIENCE + limit, || {
            self.pings().last().is_some_and(|at| at.elapsed() > limit)
        });
        let pid = Pid::from_raw(i32::try_from(recorder.process.pid()).expect("a pid is an i32"));
        signal::kill(pid, Signal::SIGABRT).expect("our own child");
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
    }
}
