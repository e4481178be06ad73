//! What an operator does with a running recorder: see how it is, stop it, replace it, tell it something,
//! follow what happens. All through its socket ([`crate::ipc`]); each command tells a person what to
//! do next, and a script by its exit code.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use barograph_actors::exit_code;
use barograph_actors::message::delivery::UnixMillis;
use barograph_config::Settings;

pub use crate::commands::completions::{completions, man};
use crate::exit::Failed;
use crate::ipc::client::NoAnswer;
use crate::ipc::socket;
use crate::os::lock::held_by;
use crate::os::process::Holder;
use crate::time::shown;

/// Writes to standard output at once; `false`: its reader is gone.
pub(super) fn put(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// What the lock says where no recorder answers.
pub(super) struct Absent {
    pub(super) summary: String,
    /// Who holds it; else who held it last.
    pub(super) holder: Holder,
    pub(super) is_held: bool,
}

impl Absent {
    pub(super) fn look(settings: &Settings) -> Self {
        let lock = &settings.instance.lock_file;
        if let Some(holder) = held_by(lock) {
            let socket = socket::path_beside(lock);
            let summary = format!(
                "the lock {} is held ({holder}), but the operator socket {} does not answer: the \
                process is starting or stopping, or could not create its socket (its log says \
                why), or is no recorder",
                lock.display(),
                socket.display()
            );
            return Self { summary, holder, is_held: true };
        }
        let text = fs::read_to_string(lock).unwrap_or_default();
        let holder = Holder::from_file_text(&text);
        let summary = match (holder.pid, emptied(lock)) {
            (Some(_), _) => format!("not running; the last run did not end in order: {holder}"),
            (None, Some(at)) => format!("not running; it was stopped at {}", shown(at)),
            (None, None) => {
                let lock = lock.display();
                format!("not running, and no recorder ever had the lock {lock}; see --config")
            }
        };
        Self { summary, holder, is_held: false }
    }
}

/// When the lock was released in order: its file is emptied then.
pub(super) fn emptied(lock: &Path) -> Option<UnixMillis> {
    let changed = fs::metadata(lock).ok()?.modified().ok()?;
    let since = changed.duration_since(UNIX_EPOCH).ok()?;
    Some(UnixMillis(i64::try_from(since.as_millis()).ok()?))
}

/// What an answer that did not come means for the exit code.
pub(super) fn unanswered(settings: &Settings, error: &NoAnswer) -> Failed {
    match error {
        NoAnswer::Refused(_) => Failed { code: exit_code::FOUND_WRONG, message: error.to_string() },
        NoAnswer::Nobody(_) => {
            Failed { code: exit_code::NOT_RUNNING, message: Absent::look(settings).summary }
        }
        NoAnswer::Denied(_) | NoAnswer::Silent(..) | NoAnswer::Broken { .. } => {
            Failed { code: exit_code::NOT_RUNNING, message: error.to_string() }
        }
    }
}
