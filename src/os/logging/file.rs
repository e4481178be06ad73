//! The log in a file: appended to, reopened when another program renamed it, and rotated by size.
//!
//! The kept crates for rotation (`file-rotate`, `tracing-rolling-file`) cannot be told that another program
//! renamed the file, and hand a full disk's error to the caller. Here a line that cannot be written is
//! counted, and said once on standard error; the next one that can says how many are missing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The open log file.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Bytes in it, as far as we wrote them.
    size: u64,
    rotation: Option<Rotation>,
    /// Lines that could not be written since the last one that could.
    missing: u64,
    /// The last byte written is not the end of a line.
    torn: bool,
}

/// Rotation by size.
struct Rotation {
    size: u64,
    keep: u32,
    /// The size to rotate at: beyond `size` where renaming failed.
    at: u64,
}

impl LogFile {
    /// Opens it, and makes it where there is none.
    pub(super) fn open(path: &Path, rotate_size: Option<u64>, keep: u32) -> io::Result<Self> {
        let file = append_to(path)?;
        let size = file.metadata()?.len();
        let rotation = rotate_size.map(|size| Rotation { size, keep, at: size });
        Ok(Self { path: path.to_owned(), file, size, rotation, missing: 0, torn: false })
    }

    /// Appends a line.
    pub(super) fn append(&mut self, line: &[u8]) {
        if self.is_full(line.len()) {
            self.rotate();
        }
        let wrote = match self.missing {
            0 => self.write(line),
            missing => {
                let note =
                    format!("({missing} lines are missing here: the log could not be written)\n");
                self.write(note.as_bytes()).and_then(|()| {
                    self.missing = 0;
                    self.write(line)
                })
            }
        };
        if let Err(error) = wrote {
            self.missing += 1;
            if self.missing == 1 {
                self.complain(&format!("cannot be written: {error}; recording goes on without it"));
            }
        }
    }

    /// All of it or an error; what was written of a line that failed is ended before the next one.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.size += 1;
            self.torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    rest = &rest[n..];
                    self.size += n as u64;
                    self.torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_full(&mut self, more: usize) -> bool {
        let Some(rotation) = &self.rotation else { return false };
        if self.size == 0 || self.size + more as u64 <= rotation.at {
            return false;
        }
        // Another program may have cut it (logrotate's copytruncate).
        self.size = self.file.metadata().map_or(self.size, |meta| meta.len());
        self.size > 0 && self.size + more as u64 > rotation.at
    }

    /// `name` becomes `name.1`, `name.1` becomes `name.2`, and so on; the oldest goes.
    fn rotate(&mut self) {
        let Some(rotation) = &mut self.rotation else { return };
        // Another program has renamed it already: then the name is not ours to move.
        let renamed = if is_same(&self.file, &self.path) {
            (1..rotation.keep)
                .rev()
                .filter(|n| numbered(&self.path, *n).exists())
                .try_for_each(|n| fs::rename(numbered(&self.path, n), numbered(&self.path, n + 1)))
                .and_then(|()| fs::rename(&self.path, numbered(&self.path, 1)))
        } else {
            Ok(())
        };
        match renamed {
            Ok(()) => self.reopen(),
            Err(error) => {
                rotation.at = self.size + rotation.size;
                let told = format!("cannot be rotated: {error}; it goes on growing");
                self.complain(&told);
            }
        }
    }

    /// Opens it anew by its name. Where that fails it goes on in the open one.
    pub(super) fn reopen(&mut self) {
        let opened = append_to(&self.path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((size, file)) => {
                (self.file, self.size, self.torn) = (file, size, false);
                if let Some(rotation) = &mut self.rotation {
                    rotation.at = rotation.size;
                }
            }
            Err(error) => {
                if let Some(rotation) = &mut self.rotation {
                    rotation.at = self.size + rotation.size;
                }
                self.complain(&format!(
                    "cannot be reopened: {error}; logging goes on in the renamed file"
                ));
            }
        }
    }

    fn complain(&self, told: &str) {
        let _unheard = writeln!(io::stderr(), "barograph: the log {} {told}", self.path.display());
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn is_same(file: &File, path: &Path) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn line(n: usize) -> String {
        format!("line {n:04}\n")
    }

    #[test]
    fn it_rotates_by_size_and_keeps_every_line_of_the_files_it_keeps_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = LogFile::open(&path, Some(100), 3).expect("a log");
        (0..95).for_each(|n| log.append(line(n).as_bytes()));
        let mut all = Vec::new();
        for name in [numbered(&path, 3), numbered(&path, 2), numbered(&path, 1), path.clone()] {
            let lines = lines_of(&name);
            assert!(fs::metadata(&name).expect("it is kept").len() <= 100, "{}", name.display());
            all.extend(lines);
        }
        let expected: Vec<_> = (60..95).map(|n| line(n).trim().to_owned()).collect();
        assert_eq!(all, expected);
        assert!(!numbered(&path, 4).exists());
    }

    #[test]
    fn a_file_that_somebody_renamed_is_not_moved_again_and_one_that_was_cut_is_not_full() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = LogFile::open(&path, Some(100), 3).expect("a log");
        (0..10).for_each(|n| log.append(line(n).as_bytes()));
        let theirs = folder.path().join("log-by-logrotate");
        fs::rename(&path, &theirs).expect("a rename");
        fs::write(&path, "made by logrotate\n").expect("a file");
        log.append(line(10).as_bytes());
        assert_eq!(lines_of(&path), ["made by logrotate", "line 0010"]);
        assert_eq!(lines_of(&theirs).len(), 10);
        (11..18).for_each(|n| log.append(line(n).as_bytes()));
        OpenOptions::new().write(true).truncate(true).open(&path).expect("copytruncate");
        log.append(line(19).as_bytes());
        assert_eq!(lines_of(&path), ["line 0019"]);
        assert!(!numbered(&path, 1).exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_no_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = LogFile::open(&path, Some(100), 1).expect("a log");
        fs::create_dir(numbered(&path, 1)).expect("a folder in the way");
        fs::write(numbered(&path, 1).join("x"), "").expect("it is not empty");
        (0..40).for_each(|n| log.append(line(n).as_bytes()));
        assert_eq!(lines_of(&path).len(), 40);
    }

    #[test]
    fn after_a_full_disk_it_says_how_many_lines_are_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = LogFile::open(Path::new("/dev/full"), None, 1).expect("a device");
        (0..3).for_each(|n| log.append(line(n).as_bytes()));
        log.path.clone_from(&path);
        log.reopen();
        log.append(line(3).as_bytes());
        assert_eq!(
            lines_of(&path),
            ["(3 lines are missing here: the log could not be written)", "line 0003"]
        );
    }
}
