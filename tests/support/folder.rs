//! A folder of a test's own, removed with it; kept, and named, when the test fails.

use std::path::{Path, PathBuf};
use std::{fs, thread};

use tempfile::TempDir;

/// A temporary folder.
pub(crate) struct Folder(Option<TempDir>);

impl Folder {
    /// A new, empty one.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("barograph-test-").tempdir();
        Self(Some(folder.expect("the temporary directory is writable")))
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        self.0.as_ref().expect("only drop takes it").path()
    }

    /// Copies the files of one folder into a new one.
    pub(crate) fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("our own folder");
        for entry in fs::read_dir(from).expect("it is there").flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                fs::copy(entry.path(), to.join(entry.file_name())).expect("our own folder");
            }
        }
    }

    /// Something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(folder) = self.0.take()
            && thread::panicking()
        {
            eprintln!("kept for a look: {}", folder.keep().display());
        }
    }
}
