//! Files that are written as a whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::paths::folder_of;
use super::process::beside;

/// Replaces a file, or makes it: what is read there is the old content or the new one, never a part. `durably`: the new
/// one is on the disk afterwards.
///
/// # Errors
/// It cannot be written; the old content stays.
pub fn replace(path: &Path, content: &[u8], durably: bool) -> io::Result<()> {
    let new = beside(path, ".new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    if durably {
        file.sync_all()?;
    }
    fs::rename(&new, path)?;
    if durably {
        sync_folder(path);
    }
    Ok(())
}

/// Syncs the folder of a file: after a power cut the names in it are those of now.
pub fn sync_folder(path: &Path) {
    let folder = folder_of(path);
    if let Err(error) = File::open(&folder).and_then(|folder| folder.sync_all()) {
        tracing::debug!("{}: {error}", folder.display());
    }
}
