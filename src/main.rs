//! `barograph`: parse, load, log, run, exit code.

use std::process::ExitCode;

use barograph::cli::{Cli, Command, ConfigArgs, RunArgs};
use barograph::inspect::{account, alert, gaps, quarantine, verify};
use barograph::reload::Source;
use barograph::run::{self, Failed, Options};
use barograph::signals::Signals;
use barograph::{check, demo, logging, simulate};
use barograph_actors::exit_code;
use barograph_config::{Loaded, World, load};
use clap::Parser;

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _closed = error.print();
            return exit(if error.use_stderr() { exit_code::USAGE } else { exit_code::OK });
        }
    };
    let ended = match cli.command {
        Command::Run(args) => record(args),
        Command::Check(args) => settings(&args).map(|loaded| check::check(&loaded)),
        Command::Account(args) => {
            settings(&args.config).and_then(|l| account::account(&l.settings, args.json))
        }
        Command::Gaps(args) => settings(&args.config).and_then(|l| gaps::gaps(&l.settings, &args)),
        Command::Verify(args) => {
            settings(&args.config).and_then(|l| verify::verify(&l.settings, &args))
        }
        Command::Quarantine(args) => {
            settings(args.command.config()).and_then(|l| quarantine::run(l.settings, &args.command))
        }
        Command::Alert(args) => {
            settings(args.command.config()).and_then(|l| alert::alert(&l.settings, &args.command))
        }
        Command::Demo(args) => demo::demo(&args),
        Command::Simulate(args) => simulate::simulate(&args),
    };
    match ended {
        Ok(code) => exit(code),
        Err(Failed { code, message }) => {
            eprintln!("barograph: {message}");
            exit(code)
        }
    }
}

fn record(args: RunArgs) -> Result<i32, Failed> {
    let signals = Signals::install()?;
    let source = Source { world: World::of_this_process(), overrides: args.config.overrides() };
    let Loaded { settings, warnings, .. } = load_from(&source)?;
    logging::start(&settings.log)
        .map_err(|message| Failed { code: exit_code::CANNOT_CREATE, message })?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let options =
        Options { fault_socket: args.fault_injection, source: Some(source), ..Options::default() };
    run::run(settings, &signals, options)
}

fn settings(args: &ConfigArgs) -> Result<Loaded, Failed> {
    load_from(&Source { world: World::of_this_process(), overrides: args.overrides() })
}

fn load_from(source: &Source) -> Result<Loaded, Failed> {
    load(&source.world, &source.overrides)
        .map_err(|error| Failed { code: exit_code::CONFIG, message: error.to_string() })
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
