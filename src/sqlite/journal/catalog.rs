//! The databases of a recorder, as a small file in the spool's folder lists them. A new database can so report
//! that there was an earlier one, what that held and where it is.
//!
//! Written when a database is opened, every second while it grows, with each heartbeat, and when it is closed.
//! The file may be missing, old or unwritable: then less is known, and recording is not affected.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use barograph_actors::message::delivery::UnixMillis;
use serde::{Deserialize, Serialize};

use super::file::FileId;
use crate::os::paths::folder_of;
use crate::os::replace::replace;
use crate::sqlite::spool::spool_path;

/// More databases than this are not remembered: the oldest are forgotten.
const DATABASES_MAX: usize = 50;

/// One database of this recorder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseEntry {
    /// As `barograph_meta` has it under `database`.
    pub id: String,
    /// Where it was, or where it was moved to.
    pub path: PathBuf,
    /// Where it was when it was opened; `None` in a list of before this was noted.
    #[serde(default)]
    pub opened_at: Option<PathBuf>,
    /// The file that it was when it was last open.
    pub file: FileId,
    /// Its -wal.
    pub wal: Option<FileId>,
    /// When it was last seen open, in milliseconds since 1970.
    pub seen: i64,
    /// Rows that it held, by its own account.
    pub rows: u64,
    /// Those of them that were copied into the database of now.
    #[serde(default)]
    pub came_over: u64,
    /// By which name the salvage of it is known, if there is one.
    #[serde(default)]
    pub salvage: Option<String>,
    /// A person has written off what is not here.
    #[serde(default)]
    pub written_off: bool,
}

/// Databases in the order in which they were opened first; the one of now is the last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Databases {
    /// Them.
    pub databases: Vec<DatabaseEntry>,
}

/// The file.
#[derive(Debug, Clone)]
pub struct Catalog {
    path: PathBuf,
}

impl DatabaseEntry {
    /// Rows that are not in the database of now.
    pub fn missing(&self) -> u64 {
        if self.written_off { 0 } else { self.rows.saturating_sub(self.came_over) }
    }
}

/// As a sentence.
impl std::fmt::Display for DatabaseEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (missing, seen) = (self.missing(), UnixMillis(self.seen));
        write!(f, "an earlier database of this recorder held {} rows", self.rows)?;
        match self.came_over {
            0 => f.write_str(" that are not here")?,
            _ => write!(f, ", of which {missing} are not here")?,
        }
        write!(f, "; it was last open at {seen} UTC as {}", self.path.display())
    }
}

impl Databases {
    /// Earlier databases with rows that are not in the one of now.
    pub fn earlier(&self) -> impl Iterator<Item = &DatabaseEntry> {
        let earlier = self.databases.split_last().map_or(&[][..], |(_, earlier)| earlier);
        earlier.iter().filter(|database| database.missing() > 0)
    }

    /// What earlier databases held is no longer missed.
    pub fn write_off_earlier(&mut self) {
        if let Some((_, earlier)) = self.databases.split_last_mut() {
            earlier.iter_mut().for_each(|database| database.written_off = true);
        }
    }

    /// The one that was open last.
    pub fn last(&self) -> Option<&DatabaseEntry> {
        self.databases.last()
    }

    /// The newest sign of life that is older than this.
    pub(in crate::sqlite) fn last_seen_before(&self, started: UnixMillis) -> Option<UnixMillis> {
        let seen = self.databases.iter().map(|database| UnixMillis(database.seen));
        seen.filter(|seen| *seen < started).max()
    }

    /// The database of this id is open, and holds so many rows.
    pub(in crate::sqlite) fn seen(
        &mut self,
        id: &str,
        file: FileId,
        wal: Option<FileId>,
        rows: u64,
        now: UnixMillis,
    ) {
        if let Some(database) = self.get(id) {
            (database.file, database.wal, database.rows, database.seen) = (file, wal, rows, now.0);
        }
    }

    /// Whether one of them was opened at this path.
    pub(in crate::sqlite) fn has_been_at(&self, path: &Path) -> bool {
        let mut places = self.databases.iter().map(|it| it.opened_at.as_ref().unwrap_or(&it.path));
        places.any(|place| place == path)
    }

    fn get(&mut self, id: &str) -> Option<&mut DatabaseEntry> {
        self.databases.iter_mut().find(|database| database.id == id)
    }
}

impl Catalog {
    /// What is known of the database at a path, by the recorder whose spool is in this folder.
    pub fn of(spool_dir: &Path, database: &Path) -> Self {
        Self { path: spool_path(spool_dir, database).with_extension("databases.json") }
    }

    /// Reads it; nothing is known where it cannot be read.
    pub fn read(&self) -> Databases {
        let text = fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Whether anything is known.
    pub fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// Changes it; `durably`: it is on the disk afterwards.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn change(&self, durably: bool, change: impl FnOnce(&mut Databases)) -> io::Result<()> {
        let before = self.read();
        let mut after = before.clone();
        change(&mut after);
        let surplus = after.databases.len().saturating_sub(DATABASES_MAX);
        after.databases.drain(..surplus);
        if after == before {
            return Ok(());
        }
        fs::create_dir_all(folder_of(&self.path))?;
        replace(&self.path, &serde_json::to_vec_pretty(&after)?, durably)
    }

    /// As [`Self::change`]; what cannot be written now is written with a later change.
    pub(in crate::sqlite) fn note(&self, durably: bool, change: impl FnOnce(&mut Databases)) {
        if let Err(error) = self.change(durably, change) {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }

    /// A database is open: it is the one of now.
    pub(in crate::sqlite) fn opened(&self, now: DatabaseEntry) {
        self.note(true, |known| {
            let before = known.databases.iter().position(|database| database.id == now.id);
            // One that was put back comes with what is known of it.
            let before = before.map(|at| known.databases.remove(at));
            let came_over = before.map_or(0, |before| before.came_over);
            known.databases.push(DatabaseEntry { came_over, ..now });
        });
    }

    /// Rows came over from an earlier database, by the name of its salvage.
    pub(in crate::sqlite) fn came_over(&self, salvage: &str, rows: u64) {
        self.note(true, |known| {
            let is_it =
                |database: &&mut DatabaseEntry| database.salvage.as_deref() == Some(salvage);
            if let Some(database) = known.databases.iter_mut().find(is_it) {
                database.came_over = database.came_over.saturating_add(rows);
                database.salvage = None;
            }
        });
    }

    /// The database of this id is elsewhere now, or salvaged under a name.
    pub(in crate::sqlite) fn moved(&self, id: &str, path: Option<&Path>, salvage: Option<&str>) {
        self.note(true, |known| {
            if let Some(database) = known.get(id) {
                if let Some(path) = path {
                    path.clone_into(&mut database.path);
                }
                database.salvage = salvage.map(str::to_owned);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(id: &str, rows: u64) -> DatabaseEntry {
        let file = FileId { device: 1, inode: 2 };
        let path = PathBuf::from("/data.db");
        DatabaseEntry {
            id: id.to_owned(),
            opened_at: None,
            path,
            file,
            wal: None,
            seen: 0,
            rows,
            came_over: 0,
            salvage: None,
            written_off: false,
        }
    }

    #[test]
    fn an_earlier_database_is_missed_until_its_rows_are_here_or_it_is_put_back_or_written_off() {
        let folder = tempfile::tempdir().unwrap();
        let known = Catalog::of(&folder.path().join("spool"), Path::new("data.db"));
        let missing = || known.read().earlier().map(|it| (it.id.clone(), it.missing())).collect();
        let missing = || -> Vec<(String, u64)> { missing() };
        known.opened(database("a", 1_833));
        assert_eq!(missing(), []);
        known.moved("a", Some(Path::new("/old.db")), Some("handle"));
        known.opened(database("b", 0));
        assert_eq!(missing(), [("a".to_owned(), 1_833)]);
        assert!(known.read().databases[0].to_string().contains("held 1833 rows that are not here"));
        known.came_over("handle", 1_800);
        assert_eq!(missing(), [("a".to_owned(), 33)]);
        known.opened(database("a", 1_833));
        assert_eq!(missing(), [], "put back, and the other one had no rows");
        known.opened(database("b", 5));
        known.change(false, Databases::write_off_earlier).unwrap();
        assert_eq!(missing(), []);
    }

    #[test]
    fn the_last_sign_of_life_is_one_of_before_the_start() {
        let known = |seen: &[i64]| Databases {
            databases: seen
                .iter()
                .map(|seen| DatabaseEntry { seen: *seen, ..database("a", 0) })
                .collect(),
        };
        assert_eq!(known(&[]).last_seen_before(UnixMillis(900)), None);
        assert_eq!(known(&[900]).last_seen_before(UnixMillis(900)), None, "of this process");
        let seen = known(&[300, 899, 200, 950]).last_seen_before(UnixMillis(900));
        assert_eq!(seen, Some(UnixMillis(899)));
    }

    #[test]
    fn a_file_that_is_no_record_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let known = Catalog::of(folder.path(), Path::new("data.db"));
        fs::write(&known.path, "{").unwrap();
        assert_eq!(known.read(), Databases::default());
    }
}
