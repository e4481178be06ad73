//! From an error code to what is wrong, where, and what to do.

use std::path::Path;

use barograph_actors::exit_code;
use barograph_actors::ports::{OpenError, WriteCause, WriteError, WriteOutcome};
use rusqlite::ErrorCode;

use crate::paths::folder_of;

/// A failure that has been understood.
#[derive(Debug)]
pub(super) struct Understood {
    pub(super) cause: WriteCause,
    pub(super) message: String,
}

/// What an error of SQLite means for the file at `path`.
pub(super) fn understand(error: &rusqlite::Error, path: &Path) -> Understood {
    let cause = match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => WriteCause::Locked,
        Some(ErrorCode::DiskFull) => WriteCause::Full,
        Some(ErrorCode::SystemIoFailure) => WriteCause::Io,
        Some(ErrorCode::ReadOnly) => WriteCause::ReadOnly,
        Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
            WriteCause::Permission
        }
        Some(ErrorCode::CannotOpen) => cannot_open(path),
        Some(ErrorCode::DatabaseCorrupt) => WriteCause::Corrupt,
        Some(ErrorCode::NotADatabase) => WriteCause::NotADatabase,
        _ => WriteCause::Other,
    };
    Understood { cause, message: sentence(cause, path, &error.to_string()) }
}

/// SQLite says "unable to open" for many things: look which one it is.
fn cannot_open(path: &Path) -> WriteCause {
    let folder = folder_of(path);
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => WriteCause::NotADatabase,
        Ok(meta) if meta.permissions().readonly() => WriteCause::ReadOnly,
        Ok(_) => WriteCause::Permission,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            WriteCause::Permission
        }
        Err(_) => match std::fs::metadata(&folder) {
            Err(_) => WriteCause::Missing,
            Ok(meta) if meta.permissions().readonly() => WriteCause::ReadOnly,
            Ok(_) => WriteCause::Permission,
        },
    }
}

/// What is wrong, where, and what to do.
pub(super) fn sentence(cause: WriteCause, path: &Path, detail: &str) -> String {
    let (file, folder) = (path.display(), folder_of(path));
    let folder = folder.display();
    match cause {
        WriteCause::Locked => format!(
            "the database {file} is locked by another program ({detail}); look for one that holds \
             a write transaction open (fuser {file} names them)"
        ),
        WriteCause::Full => format!("the disk of {file} is full ({detail}); make room there"),
        WriteCause::Io => {
            format!("the disk of {file} fails ({detail}); look at the kernel's log (dmesg)")
        }
        WriteCause::ReadOnly => {
            format!(
                "{file} cannot be written: it or its file system is read-only ({detail}); make \
                 {folder} writable"
            )
        }
        WriteCause::Permission => format!(
            "{file} cannot be written by this user ({detail}); give the user that runs barograph \
             the right to write it and its folder {folder}"
        ),
        WriteCause::Missing => format!(
            "the folder {folder} does not exist ({detail}); create it, or set database.path"
        ),
        WriteCause::Replaced => {
            format!(
                "the database {file} was deleted, moved or replaced while it was open ({detail}); \
                 it is opened anew"
            )
        }
        WriteCause::Corrupt => format!(
            "the database {file} is damaged ({detail}); keep a copy of it and of its -wal file, \
             and recover it with: sqlite3 {file} .recover"
        ),
        WriteCause::NotADatabase => {
            format!(
                "{file} is not an SQLite database ({detail}); move it away, or set database.path \
                 to another file"
            )
        }
        WriteCause::SchemaClash | WriteCause::Other => format!("{file}: {detail}"),
    }
}

/// An error while writing. `committing`: COMMIT itself failed, and then only some errors leave no
/// doubt.
pub(super) fn write_error(error: &rusqlite::Error, path: &Path, committing: bool) -> WriteError {
    let Understood { cause, message } = understand(error, path);
    let certain = !committing || matches!(cause, WriteCause::Locked | WriteCause::Full);
    let outcome = if certain { WriteOutcome::Refused } else { WriteOutcome::Unknown };
    let reopen = !matches!(cause, WriteCause::Locked | WriteCause::Full);
    WriteError { cause, message, outcome, reopen }
}

/// An error while opening: what only a person can mend is permanent.
pub(super) fn open_error(error: &rusqlite::Error, path: &Path) -> OpenError {
    let Understood { cause, message } = understand(error, path);
    OpenError { cause, message, permanent: permanence(cause) }
}

/// The exit code of what waiting cannot mend at the start.
pub(super) fn permanence(cause: WriteCause) -> Option<i32> {
    match cause {
        WriteCause::NotADatabase | WriteCause::Corrupt | WriteCause::SchemaClash => {
            Some(exit_code::DATABASE_UNUSABLE)
        }
        WriteCause::Missing | WriteCause::Permission | WriteCause::ReadOnly => {
            Some(exit_code::CANNOT_CREATE)
        }
        WriteCause::Locked
        | WriteCause::Full
        | WriteCause::Io
        | WriteCause::Replaced
        | WriteCause::Other => None,
    }
}
