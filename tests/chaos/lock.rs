//! Another process that holds the database's write lock: a thread of this one, which is the same to SQLite.

use std::path::Path;
use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
use rusqlite::{Connection, OpenFlags};

use crate::support::database::Database;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// The lock, held from when it can be had until this is dropped.
pub(super) struct Lock {
    _enough: Sender<()>,
}

impl Lock {
    /// Does not wait for the recorder, or for a database that is not there yet: the thread does.
    pub(super) fn of(database: &Database) -> Self {
        let path = database.path().to_owned();
        let (enough, over) = channel::<()>();
        thread::spawn(move || {
            while over.try_recv() != Err(TryRecvError::Disconnected) {
                if let Ok(connection) = locked(&path) {
                    let _ = over.recv();
                    let _ = connection.execute_batch("ROLLBACK");
                    return;
                }
                thread::sleep(PAUSE); // the recorder writes, or there is no database
            }
        });
        Self { _enough: enough }
    }
}

/// Makes no file, and leaves the -wal alone when it is closed.
fn locked(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    Ok(connection)
}
