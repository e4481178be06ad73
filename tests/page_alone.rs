//! The page by itself: its pure modules, its types, its size, and all of it in a real browser against a mock that
//! keeps the interface (`tests/page`).

use std::process::Command;
use std::time::Duration;

use crate::support::needs::{Need, are_met};
use crate::support::process::{Process, Stream};

/// Everything together, on a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(540);

#[test]
fn the_page_keeps_its_rules_and_is_whole_without_a_recorder() {
    if !are_met(&[Need::Browser, Need::Node]) {
        return;
    }
    let mut command = Command::new("bash");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/page/run"));
    // Between runs, so that they are fetched once.
    command.env("PAGE_TOOLS", concat!(env!("CARGO_TARGET_TMPDIR"), "/page-tools"));
    command.env("PAGE_SHOTS", concat!(env!("CARGO_TARGET_TMPDIR"), "/shots"));
    let mut run = Process::spawn(command);
    let status = run.ended(ENDS_WITHIN);
    assert!(status.success(), "{}", run.text(Stream::Stdout) + &run.text(Stream::Stderr));
}
