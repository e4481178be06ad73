//! Is the process that holds the lock a recorder? Only then may it be killed. The kernel says who holds the
//! lock; the file says who wrote it there; `/proc` says what program that process runs. All three must
//! agree. The process is held by a descriptor meanwhile, so that its number cannot come to mean another.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::os::lock::held_by;
use crate::os::process::Holder;

/// A process that certainly is a recorder, and holds the lock.
#[derive(Debug)]
pub(super) struct Ours {
    process: OwnedFd,
}

/// Why a process is not certainly a recorder.
#[derive(Debug)]
pub(super) struct NotOurs {
    /// As a sentence.
    pub(super) why: String,
    /// This user may not see it.
    pub(super) denied: bool,
}

impl NotOurs {
    fn known(why: String) -> Self {
        Self { why, denied: false }
    }
}

impl Ours {
    /// The process of this id, if it is one.
    ///
    /// # Errors
    /// It is not, or that cannot be seen.
    pub(super) fn check(lock_file: &Path, pid: u32) -> Result<Self, NotOurs> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let number = number.ok_or_else(|| NotOurs::known(format!("{pid} is no process id")))?;
        let process = pidfd_open(number, PidfdFlags::empty())
            .map_err(|error| NotOurs::known(format!("pid {pid} cannot be held: {error}")))?;
        let holder = held_by(lock_file).filter(|holder| holder.pid == Some(pid));
        let holder = holder
            .ok_or_else(|| NotOurs::known(format!("pid {pid} does not hold the lock any more")))?;
        let claimed = Holder::from_file_text(&fs::read_to_string(lock_file).unwrap_or_default());
        if (claimed.pid, claimed.ticks) != (holder.pid, holder.ticks) || holder.ticks.is_none() {
            return Err(NotOurs::known(format!(
                "pid {pid} holds the lock {}, but is not the recorder that the file names ({claimed})",
                lock_file.display()
            )));
        }
        let (its, ours) = (program_of(&pid.to_string()), program_of("self"));
        let its = its.map_err(|error| NotOurs {
            denied: error.kind() == io::ErrorKind::PermissionDenied,
            why: format!("the program of pid {pid} cannot be seen: {error}"),
        })?;
        let ours = ours
            .map_err(|error| NotOurs::known(format!("our own program cannot be seen: {error}")))?;
        if its.file_name() != ours.file_name() {
            return Err(NotOurs::known(format!(
                "pid {pid} runs {}, and this is {}",
                its.display(),
                ours.display()
            )));
        }
        Ok(Self { process })
    }

    /// Asks it to stop (SIGTERM).
    pub(super) fn terminate(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.process, Signal::TERM)?)
    }

    /// Ends it (SIGKILL).
    pub(super) fn kill(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.process, Signal::KILL)?)
    }
}

/// The path of the program that a process runs. One that was replaced by an upgrade meanwhile is still
/// known by its path.
fn program_of(process: &str) -> io::Result<PathBuf> {
    let path = fs::read_link(format!("/proc/{process}/exe"))?;
    let text = path.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

/// What a process is doing, where that explains why it does not end.
pub(super) fn what_holds_it_up(pid: u32) -> Option<&'static str> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat[stat.rfind(')')? + 1..].split_whitespace().next()?.to_owned();
    match state.as_str() {
        "T" | "t" => Some("it is stopped by a signal (SIGSTOP), and continues at SIGCONT"),
        "D" => Some("it waits for a disk"),
        "Z" => Some("it has ended, and its parent has not collected its exit status"),
        _ => None,
    }
}
