//! What an error means for a person who wanted to read, or to change, a file.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::os::process::sqlite_locker;

/// Why a file is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// Another program locks it: it may be tried again later.
    pub is_locked: bool,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Unusable {
    /// What this error says of the file at `path`.
    pub fn of(error: &rusqlite::Error, path: &Path) -> Self {
        let code = error.sqlite_error_code();
        let is_locked = matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
        Self { is_locked, message: message(error, code, path) }
    }
}

fn message(error: &rusqlite::Error, code: Option<ErrorCode>, path: &Path) -> String {
    let file = path.display();
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let who = sqlite_locker(path)
                .map_or_else(|| "another program".to_owned(), |holder| holder.to_string());
            format!("{file} is locked by {who} ({error}); try again later")
        }
        Some(ErrorCode::NotADatabase) => format!("{file} is not an SQLite database ({error})"),
        Some(ErrorCode::DatabaseCorrupt) => {
            let advice = "keep this file, look at the disk (dmesg), and restore a backup beside it; \
                          the recorder sets a damaged database aside at its next start and copies \
                          over what can be read";
            format!("{file} is damaged ({error}): {advice}")
        }
        _ if error.to_string().contains("no such table: barograph_") => format!(
            "{file} has no tables of Barograph's ({error}): another program made it, or no recorder \
             of this version has opened it yet"
        ),
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::AuthorizationForStatementDenied,
        ) => {
            let advice = "may this user read and write the file and its folder?";
            format!("{file} cannot be used ({error}); {advice}")
        }
        _ => format!("{file} cannot be used ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, ffi};

    use super::*;

    #[test]
    fn only_an_error_of_permission_asks_for_permissions() {
        let said = |error: &rusqlite::Error| Unusable::of(error, Path::new("data.db")).message;
        for (code, asks) in [
            (ffi::SQLITE_CANTOPEN, true),
            (ffi::SQLITE_PERM, true),
            (ffi::SQLITE_READONLY, true),
            (ffi::SQLITE_AUTH, true),
            (ffi::SQLITE_IOERR, false),
            (ffi::SQLITE_NOMEM, false),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(said(&error).contains("may this user"), asks, "{error}");
        }
        let conn = Connection::open_in_memory().unwrap();
        let wrong_type = conn.query_row("SELECT NULL", [], |row| row.get::<_, Vec<u8>>(0));
        assert!(!said(&wrong_type.unwrap_err()).contains("may this user"));
    }
}
