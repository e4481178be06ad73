//! System calls that fail when told to: strace stands between the program and the kernel.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::process::wrap;

/// A fault, and where it strikes.
#[derive(Debug, Clone)]
pub(crate) struct Strike {
    /// `pwrite64`, `fsync`, …
    pub(crate) syscall: &'static str,
    /// `EIO`, `ENOSPC`.
    pub(crate) error: &'static str,
    /// The first call that fails, counted from 1 over all calls on these files, thread by thread.
    pub(crate) nth: u32,
    /// Whether every later one fails too.
    pub(crate) for_good: bool,
}

impl Strike {
    /// Lets a program run into it: only calls on these files count and fail. The program stays our own child (`-D`); what
    /// strace saw is in `trace`.
    pub(crate) fn on(&self, program: &Command, files: &[PathBuf], trace: &Trace) -> Command {
        let Self { syscall, error, nth, for_good } = self;
        let since = if *for_good { "+" } else { "" };
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-qq", "--seccomp-bpf", "-o"]).arg(&trace.0);
        command.args(["-e", &format!("trace={syscall}")]);
        command.args(["-e", &format!("inject={syscall}:error={error}:when={nth}{since}")]);
        for file in files {
            command.arg("-P").arg(file);
        }
        wrap(command, program)
    }
}

/// The file in which strace notes what it saw.
pub(crate) struct Trace(pub(crate) PathBuf);

impl Trace {
    /// Whether a call was made to fail.
    pub(crate) fn has_struck(&self) -> bool {
        fs::read_to_string(&self.0).is_ok_and(|text| text.contains("(INJECTED)"))
    }
}
