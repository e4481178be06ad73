//! The client id that a database keeps, for a process that has not opened it yet.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::read_only::{open_to_look, open_unchanging};
use crate::os::process::beside;
use crate::sqlite::journal::catalog::Catalog;
use crate::sqlite::journal::file::FileId;
use crate::sqlite::journal::rows;

/// A start does not wait for another program's lock: the client id is kept elsewhere, too.
const LOOK_WITHIN: Duration = Duration::from_millis(200);

/// The client id that the database at this path keeps, without a trace there; `None` also where it cannot be read.
pub fn kept_client_id(database: &Path, spool_dir: &Path) -> Option<String> {
    // Of an empty file SQLite would delete the -wal.
    if !fs::metadata(database).is_ok_and(|meta| meta.is_file() && meta.len() > 0) {
        return None;
    }
    // Nor may the -wal of another database be read into it.
    let wal = FileId::of(&beside(database, "-wal")).ok();
    let known = Catalog::of(spool_dir, database).read();
    let is_its_own = known.last().is_some_and(|last| {
        wal.is_some() && last.wal == wal && FileId::of(database).is_ok_and(|it| it == last.file)
    });
    let conn = if is_its_own { open_to_look(database) } else { open_unchanging(database) }.ok()?;
    conn.busy_timeout(LOOK_WITHIN).ok()?;
    rows::client_id_of(&conn).ok()?
}
