//! The two locks: one instance, and one writer for each database. Both are released by the kernel
//! at any death; what is written in the file is for people, never for us: who holds it is asked of
//! the kernel.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use barograph_actors::supervise::supervisor::InstanceLock;
use fslock::LockFile;

use crate::paths::folder_of;
use crate::process::{self, Holder};

/// A lock, held for as long as it lives.
pub struct Lock {
    /// Released when dropped.
    _file: LockFile,
    path: PathBuf,
    inode: u64,
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
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
    /// Takes the lock at `path`, without waiting, and writes into the file who we are. `setting`
    /// names what leads there.
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
        let mut file = LockFile::open(path).map_err(unwritable)?;
        if !file.try_lock().map_err(unwritable)? {
            return Err(LockError::Held { path: path.to_owned(), holder: holder(path) });
        }
        fs::write(path, Holder::this_process().file_text()).map_err(unwritable)?;
        let inode = fs::metadata(path).map_err(unwritable)?.ino();
        Ok(Self { _file: file, path: path.to_owned(), inode })
    }

    /// Whoever opens the path now would lock another file.
    fn lost(&self) -> Option<String> {
        let same = fs::metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode);
        (!same).then(|| {
            format!(
                "the lock file {} was removed or replaced while it was held: a second instance \
                 would not be kept out any more; \
                 restart this one, and let nothing clean up there",
                self.path.display()
            )
        })
    }
}

/// Both locks of a recorder.
#[derive(Debug)]
pub struct Locks {
    /// One instance.
    pub instance: Lock,
    /// One writer for each database.
    pub database: Lock,
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
