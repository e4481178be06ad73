//! A recorder that is wrong on purpose: the same program, built with the feature `acknowledge-early`.
//! The fault sweeps (tests/fault_sweep.rs) must find it out; a sweep that does not would prove nothing
//! about the right one.

use std::process::ExitCode;

#[path = "../main.rs"]
mod program;

fn main() -> ExitCode {
    program::main()
}
