//! From an error code to what is wrong, where, and what to do.

use std::path::Path;

use barograph_actors::message::write::{WriteCause, WriteOutcome};
use barograph_actors::ports::{OpenError, Outlook, WriteError};
use nix::sys::statvfs::statvfs;
use rusqlite::{ErrorCode, ffi};

use crate::os::paths::folder_of;
use crate::os::process::sqlite_locker;

/// With less room than this, in bytes, a file that cannot be made has none: the index of a WAL takes as much.
const ROOM_MIN: u64 = 32 << 10;

/// A failure that has been understood.
#[derive(Debug)]
pub(super) struct Understood {
    pub(super) cause: WriteCause,
    pub(super) message: String,
}

/// What an error of SQLite means for the file at `path`.
pub(super) fn understand(error: &rusqlite::Error, path: &Path) -> Understood {
    let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
    let cause = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) if extended == ffi::SQLITE_BUSY => WriteCause::Locked,
        // Another connection is recovering the WAL, or was quicker: over in a moment.
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => WriteCause::Busy,
        Some(ErrorCode::DiskFull) => WriteCause::Full,
        Some(ErrorCode::SystemIoFailure) => WriteCause::Io,
        Some(ErrorCode::ReadOnly) if extended == ffi::SQLITE_READONLY_DBMOVED => {
            WriteCause::Replaced
        }
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
        Ok(_) => read_only_or_forbidden(path),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            WriteCause::Permission
        }
        Err(_) => match std::fs::metadata(&folder) {
            Err(_) => WriteCause::Missing,
            Ok(meta) if meta.permissions().readonly() => WriteCause::ReadOnly,
            Ok(_) => read_only_or_forbidden(&folder),
        },
    }
}

/// The system knows whether it is the file system, the room on it or our rights.
fn read_only_or_forbidden(place: &Path) -> WriteCause {
    match nix::unistd::access(place, nix::unistd::AccessFlags::W_OK) {
        Err(nix::errno::Errno::EROFS) => WriteCause::ReadOnly,
        // Its -wal and -shm have no room.
        Ok(()) if free_bytes(&folder_of(place)).is_ok_and(|free| free < ROOM_MIN) => {
            WriteCause::Full
        }
        Ok(()) | Err(_) => WriteCause::Permission,
    }
}

/// Bytes that are free for us on the disk of a folder.
pub(super) fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let disk = statvfs(folder)?;
    Ok(disk.blocks_available() * disk.fragment_size())
}

/// `1.5 MiB`, for people.
pub(super) fn spelled(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} bytes"),
    }
}

/// What is wrong, where, and what to do.
pub(super) fn sentence(cause: WriteCause, path: &Path, detail: &str) -> String {
    let (file, place) = (path.display(), folder_of(path));
    let folder = place.display();
    match cause {
        WriteCause::Locked => match sqlite_locker(path) {
            Some(holder) => format!(
                "the database {file} is locked by {holder} ({detail}); it must end its transaction, \
                 or be ended"
            ),
            None => format!(
                "the database {file} is locked by another program ({detail}); look for one that \
                 holds a write transaction open (fuser {file} names them)"
            ),
        },
        WriteCause::Busy => {
            format!("the database {file} is busy for a moment with another program ({detail})")
        }
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
                 the recorder opens it again"
            )
        }
        WriteCause::Corrupt => format!(
            "the database {file} is damaged ({detail}); it is kept under another name, recording \
            goes on in a new one, and what can be read is copied over"
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

/// How much is free, and how much at least is needed, in bytes.
pub(super) fn full(path: &Path, needed: u64) -> String {
    let free = free_bytes(&folder_of(path)).map_or_else(|_| "unknown".to_owned(), spelled);
    format!(
        "the disk of {} is full: {free} free, at least {} needed for what waits; make room there",
        path.display(),
        spelled(needed)
    )
}

/// An error while writing. `committing`: COMMIT itself failed, and then only some errors leave no
/// doubt.
pub(super) fn write_error(error: &rusqlite::Error, path: &Path, committing: bool) -> WriteError {
    let Understood { cause, message } = understand(error, path);
    let is_certain = matches!(cause, WriteCause::Locked | WriteCause::Busy | WriteCause::Full);
    let certain = !committing || is_certain;
    let outcome = if certain { WriteOutcome::Refused } else { WriteOutcome::Unknown };
    WriteError { cause, message, outcome, reopen: !is_certain }
}

/// An error while opening.
pub(super) fn open_error(error: &rusqlite::Error, path: &Path) -> OpenError {
    let Understood { cause, message } = understand(error, path);
    OpenError { cause, message, outlook: outlook(cause) }
}

/// Whether waiting can mend at the start what is wrong.
pub(super) fn outlook(cause: WriteCause) -> Outlook {
    match cause {
        WriteCause::NotADatabase
        | WriteCause::Corrupt
        | WriteCause::SchemaClash
        | WriteCause::Missing
        | WriteCause::Permission
        | WriteCause::ReadOnly => Outlook::NeedsAPerson,
        WriteCause::Locked
        | WriteCause::Busy
        | WriteCause::Full
        | WriteCause::Io
        | WriteCause::Replaced
        | WriteCause::Other => Outlook::MayPass,
    }
}
