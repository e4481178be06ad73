//! Commands for people: is the account right, what is missing, is the content still what was written,
//! what could not become a row. They read the database itself, whether a recorder is running or not;
//! only `quarantine replay` and `quarantine drop` write.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use barograph_actors::exit_code;
use barograph_config::Settings;

use super::recorder::denied;
use crate::exit::Failed;
use crate::os::lock::{database_lock_path, held_by};
use crate::os::paths::real_path;
use crate::os::process::Holder;
use crate::sqlite::{DatabaseError, ReadOnlyDatabase, Unusable};

/// The database that the settings name, as the file that it is.
pub(crate) struct TargetDatabase {
    pub(crate) database: PathBuf,
    /// The recorder that is running on it.
    pub(super) holder: Option<Holder>,
}

impl TargetDatabase {
    pub(crate) fn of(settings: &Settings) -> Result<Self, Failed> {
        let named = &settings.database.path;
        let missing = |detail: &str| Failed {
            code: exit_code::DATABASE_UNUSABLE,
            message: format!(
                "there is no database {} ({detail}); is it the path that the recorder uses? See \
                 --config and --db",
                named.display()
            ),
        };
        let unreachable = |error: io::Error| {
            if error.kind() != io::ErrorKind::PermissionDenied {
                return missing(&error.to_string());
            }
            denied(&format!(
                "permission denied: this user may not read the database {}",
                named.display()
            ))
        };
        let database = real_path(named).map_err(unreachable)?;
        if !fs::metadata(&database).map_err(unreachable)?.is_file() {
            return Err(missing("no such file"));
        }
        File::open(&database).map_err(unreachable)?;
        let holder = held_by(&database_lock_path(&database));
        Ok(Self { database, holder })
    }

    pub(crate) fn look(&self) -> Result<ReadOnlyDatabase, Failed> {
        ReadOnlyDatabase::open(&self.database).map_err(|error| unreadable(&error, &self.database))
    }
}

/// What an error of reading or changing a file means.
pub(crate) fn unreadable(error: &DatabaseError, path: &Path) -> Failed {
    let Unusable { is_locked, message } = Unusable::of(error, path);
    let code = if is_locked { exit_code::LOCKED } else { exit_code::DATABASE_UNUSABLE };
    Failed { code, message }
}

/// Writes to standard output. A reader that is gone (`| head`) is no failure.
pub(super) fn say(text: &str) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failed {
            code: exit_code::CANNOT_CREATE,
            message: format!("the output cannot be written: {error}"),
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A route in a sentence.
pub(super) fn shown_route(route: &str) -> &str {
    if route.is_empty() { NO_ROUTE } else { route }
}

/// What stands for messages that no route wanted.
pub(super) const NO_ROUTE: &str = "(no route)";
