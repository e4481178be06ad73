//! The file behind the open handle: whether the path still leads to it, whether somebody else has
//! written into it, and what happens to it when it has been damaged.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barograph_actors::message::delivery::UnixMillis;
use parking_lot::Mutex;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::catalog::Catalog;
use super::left::{Left, Rescue, RescueOutcome};
use crate::os::process::beside;
use crate::os::replace::sync_folder;

/// Which file it is, whatever its path leads to later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    /// The file system.
    pub device: u64,
    /// The file on it.
    pub inode: u64,
}

/// When and how large a file was when it was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) struct Stamp {
    size: u64,
    changed: (i64, i64),
}

impl FileId {
    pub(in crate::sqlite) fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|meta| Self::of_meta(&meta))
    }

    pub(in crate::sqlite) fn of_meta(meta: &fs::Metadata) -> Self {
        Self { device: meta.dev(), inode: meta.ino() }
    }
}

impl Stamp {
    fn of_meta(meta: &fs::Metadata) -> Self {
        Self { size: meta.size(), changed: (meta.ctime(), meta.ctime_nsec()) }
    }
}

/// The database's file and its WAL, as they were when they were opened.
#[derive(Debug, Clone)]
pub(in crate::sqlite) struct OpenFile {
    path: PathBuf,
    file: FileId,
    /// Made by the first write.
    wal: Option<FileId>,
    /// The file as it was when it was last looked into.
    stamp: Option<Stamp>,
}

/// What a look at the path shows.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sqlite) enum Sight {
    /// It is the file that we hold, as we know it.
    Same,
    /// It is the file that we hold, and another program wrote into it (a checkpoint does, ours or a
    /// reader's; so does a program that damages it): look inside.
    Written,
    /// It is the file that we hold, and nothing is left in it. (It must not be opened with SQLite now: that
    /// would delete its -wal.)
    Emptied,
    /// The path leads to another file, or to none.
    Gone(String),
    /// Its -wal is gone: what is only there would be lost with our handle.
    WalGone(String),
}

impl OpenFile {
    pub(in crate::sqlite) fn of(path: &Path) -> io::Result<Self> {
        let wal = FileId::of(&beside(path, "-wal")).ok();
        Ok(Self { path: path.to_owned(), file: FileId::of(path)?, wal, stamp: None })
    }

    /// Looks; costs two stats.
    pub(in crate::sqlite) fn look(&mut self) -> Sight {
        let meta = match fs::metadata(&self.path) {
            Ok(meta) if FileId::of_meta(&meta) == self.file => meta,
            Ok(_) => return Sight::Gone("another file is in its place".to_owned()),
            Err(error) => return Sight::Gone(error.to_string()),
        };
        match (self.wal, FileId::of(&beside(&self.path, "-wal"))) {
            (Some(known), Ok(found)) if known == found => {}
            (None, Ok(found)) => self.wal = Some(found),
            (None, Err(_)) => {}
            (Some(_), Ok(_)) => return Sight::WalGone("another -wal is in its place".to_owned()),
            (Some(_), Err(error)) => return Sight::WalGone(format!("its -wal: {error}")),
        }
        if meta.size() == 0 {
            return Sight::Emptied;
        }
        let stamp = Stamp::of_meta(&meta);
        if self.stamp.replace(stamp) == Some(stamp) { Sight::Same } else { Sight::Written }
    }

    pub(in crate::sqlite) fn path(&self) -> &Path {
        &self.path
    }

    /// Which file it is.
    pub(in crate::sqlite) fn id(&self) -> FileId {
        self.file
    }

    /// Its -wal, if there is one.
    pub(in crate::sqlite) fn wal_id(&self) -> Option<FileId> {
        self.wal.or_else(|| FileId::of(&beside(&self.path, "-wal")).ok())
    }

    /// Whether the path still leads to the file.
    pub(in crate::sqlite) fn is_in_place(&self) -> bool {
        FileId::of(&self.path).is_ok_and(|found| found == self.file)
    }

    /// Whether it has no name any more: only open handles see it.
    pub(in crate::sqlite) fn is_deleted(&self) -> bool {
        open_as(self.file).any(|fd| fs::metadata(fd).is_ok_and(|meta| meta.nlink() == 0))
    }

    /// Whether the -wal beside the path is the one of this file.
    pub(in crate::sqlite) fn wal_is_in_place(&self) -> bool {
        self.wal.is_some() && FileId::of(&beside(&self.path, "-wal")).ok() == self.wal
    }
}

/// An open handle to a file that was damaged, deleted, moved or replaced under it. It may still see
/// rows that nobody else sees: in its page cache, in a WAL or a file without a name.
#[derive(Debug)]
pub(in crate::sqlite) struct Wreck {
    pub(in crate::sqlite) conn: Connection,
    pub(in crate::sqlite) file: OpenFile,
    /// What its WAL had was written into the file, wherever that is now.
    pub(in crate::sqlite) is_whole: bool,
}

/// Descriptors of this process that have a file open.
fn open_as(file: FileId) -> impl Iterator<Item = PathBuf> {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    open.map(|fd| fd.path()).filter(move |fd| FileId::of(fd).is_ok_and(|id| id == file))
}

/// Where a file is that this process has open; `None` where it has no name any more, or not one that can be
/// reached.
pub(in crate::sqlite) fn place_of(file: FileId) -> Option<PathBuf> {
    let mut places = open_as(file).filter_map(|fd| fs::read_link(fd).ok());
    places.find(|place| FileId::of(place).is_ok_and(|id| id == file))
}

/// A file in the folder of a path, under another name.
pub(in crate::sqlite) fn neighbour(path: &Path, file: FileId) -> Option<PathBuf> {
    let folder = fs::read_dir(crate::os::paths::folder_of(path)).ok()?;
    let mut places = folder.flatten().map(|entry| entry.path());
    places.find(|place| FileId::of(place).is_ok_and(|id| id == file))
}

/// What a file that is given up leaves for the next opening. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct DamagedHandles(Arc<Mutex<DamagedHandlesState>>);

#[derive(Debug, Default)]
struct DamagedHandlesState {
    wreck: Option<Wreck>,
    /// What no database has taken over yet.
    left: Vec<Left>,
    rescue: Option<Rescue>,
    in_doubt: bool,
    held: Option<FileId>,
}

impl DamagedHandles {
    fn with<T>(&self, work: impl FnOnce(&mut DamagedHandlesState) -> T) -> T {
        work(&mut self.0.lock())
    }

    /// The writer has this file open from now on.
    pub(in crate::sqlite) fn hold(&self, file: &OpenFile) {
        self.with(|left| left.held = Some(file.file));
    }

    /// The writer has no file open.
    pub(in crate::sqlite) fn let_go(&self) {
        self.with(|left| left.held = None);
    }

    /// The file that the writer has open.
    pub(in crate::sqlite) fn held(&self) -> Option<FileId> {
        self.with(|left| left.held)
    }

    /// The handle that may still see rows that no other connection sees.
    pub(in crate::sqlite) fn leave(&self, wreck: Wreck) {
        self.with(|left| left.wreck = Some(wreck));
    }

    pub(in crate::sqlite) fn take(&self) -> Option<Wreck> {
        self.with(|left| left.wreck.take())
    }

    /// What no database has taken over yet, the newest last.
    pub(in crate::sqlite) fn take_left(&self) -> Vec<Left> {
        self.with(|kept| std::mem::take(&mut kept.left))
    }

    /// It is kept for the next database.
    pub(in crate::sqlite) fn keep(&self, left: impl IntoIterator<Item = Left>) {
        self.with(|kept| kept.left.extend(left));
    }

    /// Copies a deleted database to the spool's disk, if there is one that is nowhere else, and it is not
    /// being done.
    pub(in crate::sqlite) fn rescue(&self, folder: &Path, catalog: &Catalog, now: UnixMillis) {
        self.with(|kept| {
            if kept.rescue.is_none() {
                kept.rescue = Rescue::begin(&mut kept.left, folder, catalog, now);
            }
        });
    }

    /// Where a deleted database is being copied to; waits at most this long for the end of that.
    pub(in crate::sqlite) fn rescuing(&self, within: Duration) -> Option<PathBuf> {
        let rescue = self.with(|kept| kept.rescue.take())?;
        let Some(RescueOutcome { left, failed }) = rescue.ended(within) else {
            let to = rescue.to().to_owned();
            self.with(|kept| kept.rescue = Some(rescue));
            return Some(to);
        };
        if let Some(why) = failed {
            let to = rescue.to().display();
            tracing::warn!("a deleted database is not copied to {to}: {why}; it is kept open");
        }
        self.keep([left]);
        None
    }

    /// No database could be opened to take over what is left: the spool's disk is asked again.
    pub(in crate::sqlite) fn rescue_again(&self) {
        self.with(|kept| kept.left.iter_mut().for_each(|left| left.is_refused = false));
    }

    /// What would be lost if the process ended now: as sentences.
    pub(in crate::sqlite) fn only_copies(&self) -> Vec<String> {
        self.with(|kept| kept.left.iter().filter_map(Left::only_copy).collect())
    }

    /// The disk failed: what is read of the WAL from now on may be in the system's memory only. A failed
    /// fsync leaves it there, and the next one, which succeeds, does not write it again.
    pub(in crate::sqlite) fn doubt(&self) {
        self.with(|left| left.in_doubt = true);
    }

    /// Writes the WAL into its database, if it is in doubt: from there it is on the disk.
    ///
    /// # Errors
    /// It did not go wholly; what was read from it is not to be trusted yet.
    pub(in crate::sqlite) fn settle(&self, conn: &Connection) -> rusqlite::Result<()> {
        if !self.with(|left| left.in_doubt) {
            return Ok(());
        }
        let done = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            let (busy, log, done): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(busy == 0 && log == done)
        })?;
        if !done {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY_RECOVERY);
            let why = "after a disk error the WAL must first be written into the database, and a reader \
                 holds it back";
            return Err(rusqlite::Error::SqliteFailure(busy, Some(why.to_owned())));
        }
        self.with(|left| left.in_doubt = false);
        Ok(())
    }
}

/// Renames a damaged SQLite file, with its -wal, to `<name>.corrupt-<time>`; gives the new path. It
/// is never deleted. The -shm goes: it is only an index of the WAL, and a new file must not find it.
pub(in crate::sqlite) fn set_aside(path: &Path, now: UnixMillis) -> io::Result<PathBuf> {
    let time = time_for_names(now);
    let free = (0..).map(|n| match n {
        0 => beside(path, &format!(".corrupt-{time}")),
        n => beside(path, &format!(".corrupt-{time}-{n}")),
    });
    let aside =
        free.take(1_000)
            .find(|aside| !aside.exists() && !beside(aside, "-wal").exists())
            .ok_or_else(|| io::Error::other("there are a thousand damaged files of this second"))?;
    // The WAL first: a file without its WAL beside it would be opened without what is only there.
    rename_if_there(&beside(path, "-wal"), &beside(&aside, "-wal"))?;
    match fs::rename(path, &aside) {
        // Only its -wal is left: an empty file stands for it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => drop(fs::File::create(&aside)?),
        renamed => renamed?,
    }
    remove_shm(path)?;
    sync_folder(path);
    Ok(aside)
}

/// A moment as names of files have it: `20251003T082405Z`.
pub(in crate::sqlite) fn time_for_names(now: UnixMillis) -> String {
    format!("{}Z", now.to_string()[..19].replace(' ', "T").replace([':', '-'], ""))
}

/// A new file must not find the index of another one's WAL; handles that use it keep it.
pub(in crate::sqlite) fn remove_shm(path: &Path) -> io::Result<()> {
    match fs::remove_file(beside(path, "-shm")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(in crate::sqlite) fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_kept_with_its_wal_under_a_name_that_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        let now = UnixMillis(1_759_479_845_007);
        let mut kept = Vec::new();
        for round in 0..3_u8 {
            fs::write(&path, [round]).unwrap();
            fs::write(beside(&path, "-wal"), [round, round]).unwrap();
            fs::write(beside(&path, "-shm"), []).unwrap();
            kept.push(set_aside(&path, now).unwrap());
        }
        let name = kept[0].file_name().unwrap().to_str().unwrap();
        assert_eq!(name, "data.db.corrupt-20251003T082405Z");
        for (round, aside) in (0..3_u8).zip(&kept) {
            assert_eq!(fs::read(aside).unwrap(), [round]);
            assert_eq!(fs::read(beside(aside, "-wal")).unwrap(), [round, round]);
        }
        assert!(!path.exists() && !beside(&path, "-wal").exists());
        assert!(!beside(&path, "-shm").exists());
    }
}
