//! The two locks: one instance, and one writer for each database. Both are released by the kernel
//! at any death; what is written in the file is for people, never for us: who holds it is asked of
//! the kernel.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barograph_actors::message::write::WriteCause;
use barograph_actors::ports::{OpenError, Outlook};
use barograph_actors::supervisor::actor::InstanceLock;
use fslock::LockFile;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::os::io::cause_of_io;
use crate::os::paths::folder_of;
use crate::os::process::{self, Holder};

/// A lock, held for as long as it lives.
pub struct Lock {
    /// Released when dropped.
    _file: Taken,
    path: PathBuf,
    inode: u64,
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What holds the lock: an open file.
enum Taken {
    Written {
        _file: LockFile,
    },
    /// The file cannot be opened for writing (a read-only file system, another user's file): flock(2) needs no
    /// bytes.
    Read {
        _file: fs::File,
    },
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another instance is already running ({holder}); it holds {}. Stop it first, or give this one its own [instance] lock_file and [database] path", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who.
        holder: Holder,
    },
    /// The file cannot be made or opened.
    #[error("the lock {} cannot be written: {cause}; make the folder {} writable for this user, or set {setting}", path.display(), folder.display())]
    Unwritable {
        /// The lock file.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
        /// Which setting leads there.
        setting: &'static str,
        /// What the system says.
        cause: io::Error,
    },
}

impl Lock {
    /// Takes the lock at `path`, without waiting, and writes into the file who we are, as far as there is
    /// room. `setting` names what leads there.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(path: &Path, setting: &'static str) -> Result<Self, LockError> {
        let unwritable = |cause: io::Error| LockError::Unwritable {
            path: path.to_owned(),
            folder: folder_of(path),
            setting,
            cause,
        };
        let taken = match LockFile::open(path) {
            Ok(mut file) => {
                file.try_lock().map_err(unwritable)?.then_some(Taken::Written { _file: file })
            }
            Err(cause) => {
                let file = fs::File::open(path).map_err(|_| unwritable(cause))?;
                match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => Some(Taken::Read { _file: file }),
                    Err(Errno::WOULDBLOCK) => None,
                    Err(errno) => return Err(unwritable(errno.into())),
                }
            }
        };
        let Some(file) = taken else {
            return Err(LockError::Held { path: path.to_owned(), holder: holder(path) });
        };
        if let Err(error) = fs::write(path, Holder::this_process().file_text()) {
            tracing::debug!("{} does not say who holds it: {error}", path.display());
        }
        let inode = fs::metadata(path).map_err(unwritable)?.ino();
        Ok(Self { _file: file, path: path.to_owned(), inode })
    }

    /// A process that opens the path now would lock another file.
    fn lost(&self) -> Option<String> {
        let same = fs::metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode);
        (!same).then(|| {
            format!(
                "the lock file {} was removed or replaced while it was held: a second instance \
                could start now; restart this one, and exclude the lock file from cleaning",
                self.path.display()
            )
        })
    }
}

/// The lock of a database: one writer for each. Its folder may be unusable at the start (full, read-only,
/// gone); then it is taken before the database is touched. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct DatabaseLock(Arc<Mutex<Need>>);

#[derive(Debug, Default)]
enum Need {
    /// No lock is needed: the caller guarantees that it is the only writer (unit tests, benches).
    #[default]
    Nothing,
    Lock(PathBuf),
    Held(Lock),
}

impl DatabaseLock {
    /// Takes the lock of a database; `may_wait`: where its folder cannot be used now, it is taken later.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(database: &Path, may_wait: bool) -> Result<Self, LockError> {
        let path = database_lock_path(database);
        let need = match Lock::take(&path, "database.path") {
            Ok(lock) => Need::Held(lock),
            Err(LockError::Unwritable { .. }) if may_wait => Need::Lock(path),
            Err(error) => return Err(error),
        };
        Ok(Self(Arc::new(Mutex::new(need))))
    }

    /// Takes it now, if it is not held.
    ///
    /// # Errors
    /// The lock cannot be taken: the database must not be opened.
    pub fn hold(&self) -> Result<(), OpenError> {
        let mut need = self.0.lock();
        let Need::Lock(path) = &*need else { return Ok(()) };
        match Lock::take(path, "database.path") {
            Ok(lock) => {
                *need = Need::Held(lock);
                Ok(())
            }
            Err(error) => {
                let cause = error.cause();
                Err(OpenError { cause, message: error.to_string(), outlook: Outlook::MayPass })
            }
        }
    }

    fn lost(&self) -> Option<String> {
        match &*self.0.lock() {
            Need::Held(lock) => lock.lost(),
            Need::Nothing | Need::Lock(_) => None,
        }
    }
}

impl LockError {
    fn cause(&self) -> WriteCause {
        match self {
            Self::Held { .. } => WriteCause::Locked,
            Self::Unwritable { cause, .. } => cause_of_io(cause),
        }
    }
}

/// Both locks of a recorder.
#[derive(Debug)]
pub struct Locks {
    /// One instance.
    pub instance: Lock,
    /// One writer for each database.
    pub database: DatabaseLock,
}

impl InstanceLock for Locks {
    fn lost(&self) -> Option<String> {
        self.instance.lost().or_else(|| self.database.lost())
    }
}

/// The lock of a database: beside the file that its path leads to, so that two paths to one file
/// are one lock.
pub fn database_lock_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

/// Who holds a lock, by the kernel's list; takes and changes nothing.
pub fn held_by(path: &Path) -> Option<Holder> {
    let meta = fs::metadata(path).ok()?;
    process::flock_holder(meta.dev(), meta.ino()).and_then(Holder::of_pid)
}

/// Who holds the lock: by the kernel's list, or by what the file says where that shows nothing
/// (another container).
fn holder(path: &Path) -> Holder {
    held_by(path)
        .unwrap_or_else(|| Holder::from_file_text(&fs::read_to_string(path).unwrap_or_default()))
}
