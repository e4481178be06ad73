//! Paths of files that may not exist yet.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder that a path is in; `.` for a bare name.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The one path of a file that may not exist yet: absolute, without symbolic links.
///
/// # Errors
/// Its folder does not exist or cannot be read.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found_or_failed => return found_or_failed,
    }
    // A link to a file that does not exist yet leads to where it will be made.
    if let Ok(target) = fs::read_link(path) {
        return real_path(&folder_of(path).join(target));
    }
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    Ok(fs::canonicalize(folder_of(path))?.join(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_to_one_path_and_loops_to_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let real = fs::canonicalize(folder.path()).unwrap().join("data.db");
        symlink("data.db", at("link.db")).unwrap();
        assert_eq!(real_path(&at("data.db")).unwrap(), real, "it does not exist yet");
        assert_eq!(real_path(&at("link.db")).unwrap(), real, "nor does what the link leads to");
        fs::write(&real, "").unwrap();
        assert_eq!(real_path(&at("link.db")).unwrap(), real);
        symlink("b", at("a")).unwrap();
        symlink("a", at("b")).unwrap();
        assert!(real_path(&at("a")).is_err());
        assert!(real_path(&at("nowhere/data.db")).is_err());
        assert_eq!(folder_of(Path::new("data.db")), Path::new("."));
    }
}
