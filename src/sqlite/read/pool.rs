//! Read-only connections to the database: a few, each question with a time limit.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Connections at a time: questions beyond them wait for their turn.
const CONNECTIONS_MAX: usize = 3;
/// How long a question waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// How long a question waits for a lock (only while a checkpoint or a recovery of the file needs one).
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);
/// SQLite looks at the time after so many of its steps: some 0.1 ms.
const STEPS_PER_LOOK: i32 = 2_000;
/// Of a connection's cache, in KiB: what is asked twice is in the system's.
const CACHE_KIB: i64 = 1_024;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Others ask, too.
    #[error("too many questions about the history wait")]
    Busy,
    /// The time was over.
    #[error("the question took longer than {0:?}")]
    TooLong(Duration),
    /// Who asked is gone, or the server ends.
    #[error("the client no longer waits for the answer")]
    Abandoned,
    /// There is no database yet, or none any more.
    #[error("the database {path} cannot be opened: {error}")]
    NoDatabase {
        /// Its file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// The database refused.
    #[error("the database could not be read: {0}")]
    Database(#[from] rusqlite::Error),
}

/// The connections. Clones share them.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<PoolState>,
}

#[derive(Debug)]
struct PoolState {
    path: PathBuf,
    idle: Mutex<Vec<PooledReader>>,
    turns: Arc<Semaphore>,
    closed: AtomicBool,
}

/// A connection, and the file that it is open on.
#[derive(Debug)]
struct PooledReader {
    conn: Connection,
    file: (u64, u64),
}

impl Pool {
    /// None is open yet.
    pub fn new(path: PathBuf) -> Self {
        let shared = PoolState {
            path,
            idle: Mutex::default(),
            turns: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            closed: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Asks one question, on a thread that may block. When the time is over, or nobody awaits the answer any
    /// more, SQLite is interrupted.
    ///
    /// # Errors
    /// It was not answered: see [`HistoryError`].
    pub(in crate::sqlite) async fn run<T, F>(
        &self,
        within: Duration,
        question: F,
    ) -> Result<T, HistoryError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let turn = timeout(TURN_WITHIN, Arc::clone(&self.shared.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| HistoryError::Busy)?.map_err(|_| HistoryError::Abandoned)?;
        let abandoned = Arc::new(AtomicBool::new(false));
        let _abandon = SetWhenDropped(Arc::clone(&abandoned));
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let _turn = turn;
            shared.ask(within, &abandoned, question)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(answer) => answer,
            Err(_panicked_or_cancelled) => Err(HistoryError::Abandoned),
        }
    }

    /// Ends every question, and closes what is idle: before the writer closes the database, which is what
    /// folds its WAL away.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.shared.turns.close();
        self.shared.idle.lock().clear();
    }
}

impl PoolState {
    fn ask<T>(
        self: &Arc<Self>,
        within: Duration,
        abandoned: &Arc<AtomicBool>,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        let mut reader = self.reader()?;
        let deadline = Instant::now() + within;
        let (given_up, shared) = (Arc::clone(abandoned), Arc::clone(self));
        let is_over = move || {
            given_up.load(Ordering::Relaxed)
                || shared.closed.load(Ordering::Relaxed)
                || Instant::now() >= deadline
        };
        reader.conn.progress_handler(STEPS_PER_LOOK, Some(is_over))?;
        let answer = question(&reader.conn);
        reader.conn.progress_handler(0, None::<fn() -> bool>)?;
        match answer {
            Ok(answer) => {
                self.give_back(reader);
                Ok(answer)
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                let over = Instant::now() >= deadline;
                self.give_back(reader);
                Err(if over { HistoryError::TooLong(within) } else { HistoryError::Abandoned })
            }
            Err(error) => Err(HistoryError::Database(error)),
        }
    }

    /// One that is open on the file that is there now.
    fn reader(&self) -> Result<PooledReader, HistoryError> {
        let file = self.file()?;
        loop {
            match self.idle.lock().pop() {
                Some(reader) if reader.file == file => return Ok(reader),
                Some(_of_a_file_that_was_replaced) => {}
                None => return self.open(file),
            }
        }
    }

    fn file(&self) -> Result<(u64, u64), HistoryError> {
        let meta = fs::metadata(&self.path).map_err(|error| self.no_database(&error))?;
        Ok((meta.dev(), meta.ino()))
    }

    fn no_database(&self, error: &dyn fmt::Display) -> HistoryError {
        HistoryError::NoDatabase { path: self.path.clone(), error: error.to_string() }
    }

    fn open(&self, file: (u64, u64)) -> Result<PooledReader, HistoryError> {
        let conn = open_read_only(&self.path).map_err(|error| self.no_database(&error))?;
        Ok(PooledReader { conn, file })
    }

    fn give_back(&self, reader: PooledReader) {
        if !self.closed.load(Ordering::Relaxed) {
            self.idle.lock().push(reader);
        }
    }
}

fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(conn)
}

/// The caller is gone when this is dropped.
struct SetWhenDropped(Arc<AtomicBool>);

impl Drop for SetWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
