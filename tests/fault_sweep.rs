//! The kernel refuses one call: the N-th write or sync of the database's files, for every N until the recorder no longer
//! comes that far. Once, as a passing trouble; or from there on for good, as a disk that has died.
//!
//! The incident behind it: after EIO at fsync the refused row was in the database in 16 of 21 rounds. A recorder that tries
//! again without looking stores it twice; one that takes the failure for a loss, and acknowledges, loses it.
//!
//! A sweep that finds nothing proves something only if it would find a mistake. So it is also held with a recorder that
//! is wrong on purpose: `barograph-mistaken` acknowledges before the commit.

mod step;

use step::{Ground, Step, Violation};

use crate::support::aloud;
use crate::support::folder::Folder;
use crate::support::heavy;
use crate::support::mosquitto::Mosquitto;
use crate::support::needs::{self, Need};
use crate::support::recorder::Build;
use crate::support::strace::Strike;
use crate::support::wire::Wire;

/// What SQLite changes a file with: the bundled one calls fsync, Debian's fdatasync.
const SYSCALLS: [&str; 3] = ["pwrite64", "fsync", "fdatasync"];
/// No recorder writes so often in one step: the sweep would not end.
const STEPS_MAX: u32 = 1_000;

/// One kind of fault, to strike everywhere.
#[derive(Debug, Clone, Copy)]
struct Sweep {
    error: &'static str,
    for_good: bool,
    qos: u8,
    ground: Ground,
}

#[test]
fn an_io_error_at_any_one_write_or_sync_loses_and_doubles_nothing() {
    finds_nothing(Sweep { error: "EIO", for_good: false, qos: 1, ground: Ground::Recording });
}

#[test]
fn a_disk_that_dies_at_any_write_or_sync_loses_and_doubles_nothing() {
    finds_nothing(Sweep { error: "EIO", for_good: true, qos: 1, ground: Ground::Recording });
}

#[test]
fn a_disk_full_at_any_one_write_or_sync_loses_and_doubles_nothing() {
    finds_nothing(Sweep { error: "ENOSPC", for_good: false, qos: 1, ground: Ground::Recording });
}

#[test]
fn a_disk_full_from_any_write_or_sync_on_loses_and_doubles_nothing() {
    finds_nothing(Sweep { error: "ENOSPC", for_good: true, qos: 1, ground: Ground::Recording });
}

#[test]
fn an_io_error_at_any_one_write_or_sync_loses_and_doubles_no_qos_2_message() {
    finds_nothing(Sweep { error: "EIO", for_good: false, qos: 2, ground: Ground::Recording });
}

#[test]
fn a_disk_full_from_any_write_or_sync_on_loses_and_doubles_no_qos_2_message() {
    finds_nothing(Sweep { error: "ENOSPC", for_good: true, qos: 2, ground: Ground::Recording });
}

#[test]
fn an_io_error_while_the_database_is_made_loses_and_doubles_nothing() {
    finds_nothing(Sweep { error: "EIO", for_good: false, qos: 1, ground: Ground::Creation });
}

#[test]
fn a_disk_full_from_then_on_while_the_database_is_made_loses_and_doubles_nothing() {
    finds_nothing(Sweep { error: "ENOSPC", for_good: true, qos: 1, ground: Ground::Creation });
}

#[test]
fn an_io_error_at_any_one_write_or_sync_of_the_spool_loses_and_doubles_nothing() {
    finds_nothing(Sweep { error: "EIO", for_good: false, qos: 1, ground: Ground::Spooling });
}

#[test]
fn a_disk_that_dies_at_any_write_or_sync_of_the_spool_loses_and_doubles_nothing() {
    finds_nothing(Sweep { error: "EIO", for_good: true, qos: 1, ground: Ground::Spooling });
}

#[test]
fn a_disk_full_at_any_one_write_or_sync_of_the_spool_loses_and_doubles_nothing() {
    finds_nothing(Sweep { error: "ENOSPC", for_good: false, qos: 1, ground: Ground::Spooling });
}

#[test]
fn a_disk_full_from_any_write_or_sync_of_the_spool_on_loses_and_doubles_no_qos_2_message() {
    finds_nothing(Sweep { error: "ENOSPC", for_good: true, qos: 2, ground: Ground::Spooling });
}

/// Without this the others might be blind.
#[test]
fn a_recorder_that_acknowledges_before_the_commit_is_found_out() {
    if !needs::are_met(&[Need::Strace, Need::MistakenRecorder]) {
        return;
    }
    let _turn = heavy::sweep();
    let build = Build::mistaken("acknowledge-early");
    let kind = Sweep { error: "EIO", for_good: true, qos: 1, ground: Ground::Recording };
    let violation = sweep(&build, kind).expect_err("it loses what it could not store");
    assert!(violation.lost > 0, "it loses messages, and that must be seen: {violation}");
    aloud::say(&format!("the recorder that is wrong on purpose was found out: {violation}"));
}

fn finds_nothing(kind: Sweep) {
    if !needs::are_met(&[Need::Strace]) {
        return;
    }
    let _turn = heavy::sweep();
    match sweep(&Build::right(), kind) {
        Ok(steps) => {
            aloud::say(&format!("{kind:?}: {steps:?} steps of {SYSCALLS:?}, 0 lost, 0 twice"))
        }
        Err(violation) => panic!("{violation}\nwhat the struck one said:\n{}", violation.log),
    }
}

/// Strikes every call in turn, each with a recorder, a session and a database of its own; gives how many steps that took
/// for each system call, of which the last one struck nothing.
fn sweep(build: &Build, kind: Sweep) -> Result<[u32; SYSCALLS.len()], Violation> {
    let folder = Folder::new();
    // its debug lines tell what was acknowledged
    let broker = Mosquitto::start(&folder, "allow_anonymous true\nlog_type debug");
    let mut wire = Wire::connect(broker.port(), "publisher").expect("the broker listens");
    let mut steps = [0; SYSCALLS.len()];
    for (syscall, steps) in SYSCALLS.into_iter().zip(&mut steps) {
        let mut struck = true;
        while struck {
            *steps += 1;
            assert!(*steps < STEPS_MAX, "{syscall} would be struck for ever");
            let strike =
                Strike { syscall, error: kind.error, nth: *steps, for_good: kind.for_good };
            let step = Step::new(build, &folder, &broker, kind, strike);
            struck = step.run(&mut wire)?;
        }
    }
    Ok(steps)
}
