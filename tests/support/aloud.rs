//! What must be heard although the test passes: figures, and tests that this machine does not allow.

use std::io::{self, Write};

/// Writes past the test harness, which would keep a passing test's output to itself.
pub(crate) fn say(words: &str) {
    let _ = writeln!(io::stderr(), "{words}");
}
