//! The database as another reader sees it, through a connection of its own.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use barograph_actors::health::probes::ReadFailed;

use super::journal::file::{DamagedHandles, FileId};
use super::read::read_only::open_to_look;

/// A reader waits no longer for a program that locks it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// What is to be seen.
#[derive(Debug, Clone, Default)]
pub struct Sighted {
    /// How long a read took; `Err`: it was not answered, and why. `None`: nothing was read, because the
    /// writer has no file open, or another one.
    pub read: Option<Result<Duration, ReadFailed>>,
    /// The path does not lead to the file that the writer has open: what is there.
    pub replaced: Option<String>,
}

/// Looks at the database that the writer holds.
pub fn sight(path: &Path, wrecks: &DamagedHandles) -> Sighted {
    let Some(held) = wrecks.held() else { return Sighted::default() };
    let replaced = match fs::metadata(path) {
        Err(error) => Some(format!("nothing can be found there: {error}")),
        Ok(meta) if FileId::of_meta(&meta) != held => {
            Some("another file is in its place".to_owned())
        }
        // SQLite would delete the -wal of an emptied file, in which there may be rows.
        Ok(meta) if meta.len() == 0 => Some("it was emptied".to_owned()),
        Ok(_) => None,
    };
    // Reading another file beside our -shm would spoil that for us.
    if replaced.is_some() {
        return Sighted { read: None, replaced };
    }
    let began = Instant::now();
    let answer =
        read(path).map(|()| began.elapsed()).map_err(|error| ReadFailed(error.to_string()));
    Sighted { read: Some(answer), replaced: None }
}

fn read(path: &Path) -> rusqlite::Result<()> {
    let conn = open_to_look(path)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.execute_batch("PRAGMA cache_size = 16")?;
    conn.query_row("SELECT count(*) FROM barograph_meta", [], |row| row.get::<_, i64>(0))?;
    Ok(())
}
