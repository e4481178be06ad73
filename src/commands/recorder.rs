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
use crate::os::process::{Holder, without_credentials};
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

/// This user may not do what was asked; `error` begins with `permission denied`.
pub(super) fn denied(error: &str) -> Failed {
    let message = format!("{error}; try: {}", as_root(std::env::args()));
    Failed { code: exit_code::PERMISSION_DENIED, message }
}

/// The command that was given, for a user who may. Without a secret that it may have had.
fn as_root(command: impl Iterator<Item = String>) -> String {
    let mut words = vec!["sudo".to_owned(), "barograph".to_owned()];
    words.extend(command.skip(1).map(|word| quoted(&without_credentials(&word))));
    let named = |word: &String| word == "--config" || word.starts_with("--config=");
    // sudo passes no variables on.
    if let Ok(config) = std::env::var("BAROGRAPH_CONFIG")
        && !config.is_empty()
        && !words.iter().any(named)
    {
        words.extend(["--config".to_owned(), quoted(&config)]);
    }
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What an answer that did not come means for the exit code.
pub(super) fn unanswered(settings: &Settings, error: &NoAnswer) -> Failed {
    match error {
        NoAnswer::Refused(_) => Failed { code: exit_code::FOUND_WRONG, message: error.to_string() },
        NoAnswer::Nobody(_) => {
            Failed { code: exit_code::NOT_RUNNING, message: Absent::look(settings).summary }
        }
        NoAnswer::Denied(_) => denied(&error.to_string()),
        NoAnswer::Silent(..) | NoAnswer::Broken { .. } => {
            Failed { code: exit_code::NOT_RUNNING, message: error.to_string() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_try_is_the_one_that_was_given() {
        let given = ["target/barograph", "stop", "--config", "my file.toml", "--json"];
        let tried = as_root(given.into_iter().map(str::to_owned));
        assert!(tried.starts_with("sudo barograph stop --config 'my file.toml' --json"), "{tried}");
        let secret = ["barograph", "status", "--mqtt", "mqtt://u:hunter2@host"];
        let tried = as_root(secret.into_iter().map(str::to_owned));
        assert!(!tried.contains("hunter2"), "{tried}");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
