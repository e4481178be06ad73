//! A folder of a test's own, removed with it; kept, and named, when the test fails.

use std::path::{Path, PathBuf};
use std::thread;

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
