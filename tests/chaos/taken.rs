//! Database files that a run takes away from the recorder, and what was in them.
//!
//! A moved file stays in the folder, and its rows count. A removed one is kept open here, so that its rows can be named at
//! the end: those that no recorder could save are no loss of the recorder's.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::strike::Taking;
use crate::support::wait;

const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];

/// A file that was moved or removed.
pub(super) struct Taken {
    /// Milliseconds since 1970.
    pub(super) at: i64,
    pub(super) how: Taking,
    /// Who recorded into it then.
    pub(super) life: Option<usize>,
    /// Where it was moved to.
    pub(super) moved_to: Option<PathBuf>,
    /// The file and its -wal, still open. They stay open until the process ends: to close one would end the locks
    /// that this process has on it.
    kept: [Option<File>; 2],
}

/// All of a run.
pub(super) struct TakenFiles {
    database: PathBuf,
    pub(super) all: Vec<Taken>,
}

impl TakenFiles {
    pub(super) fn new(database: PathBuf) -> Self {
        Self { database, all: Vec::new() }
    }

    /// Moves or removes the database; `false` where there is none.
    pub(super) fn take(&mut self, how: Taking, life: Option<usize>) -> bool {
        if !self.database.exists() {
            return false;
        }
        let number = self.all.len() + 1;
        let kept = ["", "-wal"].map(|end| File::open(beside(&self.database, end)).ok());
        let mut taken = Taken { at: wait::now_ms(), how, life, moved_to: None, kept };
        if how.is_removed {
            self.each_file(how, |file, _| fs::remove_file(file));
        } else {
            let target = self.database.with_file_name(format!("moved-{number}.db"));
            self.each_file(how, |file, end| fs::rename(file, beside(&target, end)));
            taken.moved_to = Some(target);
        }
        self.all.push(taken);
        true
    }

    fn each_file(&self, how: Taking, act: impl Fn(&Path, &str) -> std::io::Result<()>) {
        let ends = if how.with_wal { SIDE_FILES.as_slice() } else { &[] };
        for end in [""].iter().chain(ends) {
            let file = beside(&self.database, end);
            if file.exists() {
                act(&file, end).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            }
        }
    }
}

impl Taken {
    /// Copies of the file as it is now, in this folder: alone, and together with its -wal of then.
    pub(super) fn copies(&self, folder: &Path, number: usize) -> [PathBuf; 2] {
        let [alone, whole] =
            ["alone", "whole"].map(|it| folder.join(format!("taken-{number}-{it}.db")));
        let [file, wal] = &self.kept;
        if !alone.exists()
            && let Some(file) = file
        {
            [&alone, &whole].iter().for_each(|copy| save(file, copy));
            if let Some(wal) = wal {
                save(wal, &beside(&whole, "-wal"));
            }
        }
        [alone, whole]
    }
}

/// The numbers that can be read, up to the first error.
pub(super) fn numbers_in(file: &Path) -> HashSet<i64> {
    let read = || -> rusqlite::Result<HashSet<i64>> {
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mut statement = connection.prepare("SELECT n FROM load")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.map_while(Result::ok).collect())
    };
    read().unwrap_or_default()
}

/// The file whose name has this at its end.
pub(super) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn save(file: &File, copy: &Path) {
    let length = file.metadata().expect("it is open").len();
    let mut bytes = vec![0; usize::try_from(length).expect("it has room in memory")];
    file.read_exact_at(&mut bytes, 0).expect("it is open");
    fs::write(copy, bytes).expect("our own folder");
}
