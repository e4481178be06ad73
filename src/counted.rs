//! How many of something there are: each counts as long as it lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of them, until it ends in whatever way.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// One more; and how many there were before.
    pub(crate) fn new(all: &Arc<AtomicUsize>) -> (Self, usize) {
        let others = all.fetch_add(1, Ordering::Relaxed);
        (Self(Arc::clone(all)), others)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
