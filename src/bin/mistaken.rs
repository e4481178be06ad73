//! A recorder that is wrong on purpose: the same program, built with the feature `mistakes`, makes the
//! mistake that the environment variable `BAROGRAPH_MISTAKE` names. Fault sweeps (tests/fault_sweep.rs)
//! and chaos (tests/chaos.rs) must find it out; tests that do not would prove nothing about the right one.

use std::process::ExitCode;

use barograph_actors::mistake::{Mistake, make};

#[path = "../main.rs"]
mod program;

fn main() -> ExitCode {
    let wanted = std::env::var("BAROGRAPH_MISTAKE").unwrap_or_default();
    match Mistake::ALL.into_iter().find(|(name, _)| *name == wanted) {
        Some((_, mistake)) => make(mistake),
        None => {
            let names = Mistake::ALL.map(|(name, _)| name).join(", ");
            eprintln!("BAROGRAPH_MISTAKE names no mistake ({wanted:?}): choose one of {names}");
            return ExitCode::from(64);
        }
    }
    program::main()
}
