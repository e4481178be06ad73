//! What clap knows of the command line, for shells and for `man`. Made by the program itself, so that it is
//! always that of the program that is there.

use std::fs;
use std::io::stdout;

use barograph_actors::exit_code;
use clap::Command;

use super::args::{CompletionsArgs, ManArgs};
use super::recorder::put;
use crate::exit::Failed;

/// `barograph completions`
pub fn completions(args: &CompletionsArgs, mut cli: Command) -> i32 {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, "barograph", &mut script);
    put(&String::from_utf8_lossy(&script));
    exit_code::OK
}

/// `barograph man`
///
/// # Errors
/// The folder cannot be written.
pub fn man(args: &ManArgs, cli: Command) -> Result<i32, Failed> {
    let failed = |what: &str, error: &dyn std::fmt::Display| Failed {
        code: exit_code::CANNOT_CREATE,
        message: format!("{what} cannot be written: {error}"),
    };
    match &args.folder {
        None => {
            let page = clap_mangen::Man::new(cli);
            page.render(&mut stdout().lock()).map_err(|error| failed("the page", &error))?;
        }
        Some(folder) => {
            let written =
                fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(cli, folder));
            written.map_err(|error| failed(&folder.display().to_string(), &error))?;
        }
    }
    Ok(exit_code::OK)
}
