//! What a few tests need of the machine. Where it is missing they are skipped, and say so aloud; in CI (`CI=true`) that
//! is a failure: a proof that is quietly skipped proves nothing.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use super::aloud;

/// Where scripts/test says that it built the recorder that is wrong on purpose.
const MISTAKEN_RECORDER: &str = "BAROGRAPH_MISTAKEN";

/// Where scripts/test says that it installed the judge of HTTP interfaces.
const SCHEMATHESIS: &str = "BAROGRAPH_SCHEMATHESIS";

/// Something a machine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Tracing another process, and strace to do it.
    Strace,
    /// Root, who may run a program as another user.
    Root,
    /// Mounting, on loop devices too.
    Mounts,
    /// `xfs_io`, which can shut a file system down.
    PowerSwitch,
    /// Network namespaces, and `ip` to make them.
    Network,
    /// A library that shows a program another time (libfaketime).
    FakeTime,
    /// Prometheus' own judge of a page of metrics.
    Promtool,
    /// Chromium, and the driver for it.
    Browser,
    /// Node.js and npm, for the page's own tests.
    Node,
    /// The recorder that makes mistakes on purpose.
    MistakenRecorder,
    /// The judge of HTTP interfaces (PyPI's schemathesis).
    Schemathesis,
}

/// Whether a test can be held here; if not, the reason has been said.
pub(crate) fn are_met(needs: &[Need]) -> bool {
    let Some(missing) = needs.iter().find(|need| !need.is_met()) else { return true };
    let words = format!("SKIPPED: {}", missing.complaint());
    assert!(env::var("CI").as_deref() != Ok("true"), "{words}; in CI that is a failure");
    aloud::say(&words);
    false
}

/// The recorder that makes mistakes on purpose.
pub(crate) fn mistaken_recorder() -> PathBuf {
    PathBuf::from(env::var_os(MISTAKEN_RECORDER).expect("asked for with Need::MistakenRecorder"))
}

/// The judge of HTTP interfaces.
pub(crate) fn schemathesis() -> PathBuf {
    env::var_os(SCHEMATHESIS).map_or_else(|| PathBuf::from("schemathesis"), PathBuf::from)
}

/// The library that shows another time to whoever loads it first.
pub(crate) fn fake_time() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let library = |folder: PathBuf| folder.join("faketime/libfaketimeMT.so.1");
    folders.map(library).find(|library| library.exists())
}

impl Need {
    fn is_met(self) -> bool {
        match self {
            Self::Strace => succeeds("strace", &["-f", "-qq", "-e", "trace=none", "true"]),
            Self::Root => fs::metadata("/proc/self").is_ok_and(|us| us.uid() == 0),
            Self::Mounts => {
                Self::Root.is_met()
                    && Path::new("/dev/loop-control").exists()
                    && succeeds("losetup", &["--version"])
                    && succeeds("mkfs.ext4", &["-V"])
            }
            Self::PowerSwitch => succeeds("xfs_io", &["-V"]),
            Self::Network => {
                let name = format!("barograph-need-{}", std::process::id());
                let made = succeeds("ip", &["netns", "add", &name]);
                made && succeeds("ip", &["netns", "del", &name])
            }
            Self::FakeTime => fake_time().is_some(),
            Self::Promtool => succeeds("promtool", &["--version"]),
            Self::Browser => {
                Path::new("/usr/bin/chromium").exists() && succeeds("chromedriver", &["--version"])
            }
            Self::Node => succeeds("node", &["--version"]) && succeeds("npm", &["--version"]),
            Self::MistakenRecorder => env::var_os(MISTAKEN_RECORDER).is_some(),
            Self::Schemathesis => succeeds(&schemathesis().to_string_lossy(), &["--version"]),
        }
    }

    fn complaint(self) -> String {
        match self {
            Self::Strace => {
                "strace, and leave to trace, are needed to strike system calls".to_owned()
            }
            Self::Root => "root is needed to run a program as another user".to_owned(),
            Self::Mounts => "root, loop devices and mkfs.ext4 are needed to mount".to_owned(),
            Self::PowerSwitch => "xfs_io (package xfsprogs) is needed to cut the power".to_owned(),
            Self::Network => {
                "root and ip (package iproute2) are needed to cut a network".to_owned()
            }
            Self::FakeTime => "libfaketime (package faketime) is needed to set a clock".to_owned(),
            Self::Promtool => {
                "promtool (package prometheus) is needed to judge the metrics".to_owned()
            }
            Self::Schemathesis => {
                format!(
                    "schemathesis is needed to judge the page's interface; scripts/test installs it, and \
                     names it in {SCHEMATHESIS}"
                )
            }
            Self::Browser => {
                "chromium and chromedriver (package chromium-driver) are needed to look at the page"
                    .to_owned()
            }
            Self::Node => {
                "node and npm (packages nodejs and npm) are needed to test the page alone"
                    .to_owned()
            }
            Self::MistakenRecorder => {
                format!(
                    "{MISTAKEN_RECORDER} does not name the recorder that makes mistakes; scripts/test builds it"
                )
            }
        }
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
