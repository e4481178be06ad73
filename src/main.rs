//! `barograph`: parse, load, log, run, exit code.

use std::process::ExitCode;
use std::time::Duration;

use barograph::cli::{Cli, Command};
use barograph::client_id;
use barograph::commands::args::{ConfigArgs, RunArgs};
use barograph::commands::check_topic::check_topic;
use barograph::commands::stop::{self, StopOutcome};
use barograph::commands::{
    account, alert, check, completions, control, events, gaps, import_calibration, quarantine,
    status, tail, token, verify,
};
use barograph::demo;
use barograph::demo::simulate;
use barograph::exit::Failed;
use barograph::os::logging;
use barograph::os::signals::Signals;
use barograph::reload::SettingsSource;
use barograph::run::{self, Options};
use barograph_actors::exit_code;
use barograph_config::{Loaded, Settings, World, load};
use clap::{CommandFactory, Parser};

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _closed = error.print();
            return exit(if error.use_stderr() { exit_code::USAGE } else { exit_code::OK });
        }
    };
    match run_command(cli.command) {
        Ok(code) => exit(code),
        Err(Failed { code, message }) => {
            eprintln!("barograph: {message}");
            exit(code)
        }
    }
}

/// Carries out a command; gives the exit code.
fn run_command(command: Command) -> Result<i32, Failed> {
    match command {
        Command::Run(args) => record(args),
        Command::Status(args) => with(&args.config, |it| status::status(it, &args)),
        Command::Stop(args) => with(&args.reply.config, |it| stop::stop(it, &args)),
        Command::RestartActor(args) => {
            with(&args.reply.config, |it| control::restart_actor(it, &args))
        }
        Command::Pause(args) => with(&args.config, |it| control::pause(it, &args)),
        Command::Resume(args) => with(&args.config, |it| control::resume(it, &args)),
        Command::Checkpoint(args) => with(&args.config, |it| control::checkpoint(it, &args)),
        Command::Acknowledge(args) => {
            with(&args.reply.config, |it| control::acknowledge(it, &args))
        }
        Command::LogLevel(args) => with(&args.reply.config, |it| control::log_level(it, &args)),
        Command::Events(args) => with(&args.config, |it| events::events(it, &args)),
        Command::Tail(args) => with(&args.config, |it| tail::tail(it, &args)),
        Command::Check(args) => match &args.topic {
            Some(topic) => check_topic(settings(&args.config()), topic, args.payload.as_deref()),
            None => Ok(check::check(as_known(settings(&args.config())), args.show)),
        },
        Command::Account(args) => with(&args.reply.config, |it| account::account(it, &args)),
        Command::Gaps(args) => with(&args.reply.config, |it| gaps::gaps(it, &args)),
        Command::Verify(args) => with(&args.reply.config, |it| verify::verify(it, &args)),
        Command::Quarantine(args) => {
            settings(args.command.config()).and_then(|l| quarantine::run(l.settings, &args.command))
        }
        Command::Alert(args) => as_known(settings(args.command.config()))
            .and_then(|l| alert::alert(&l.settings, &args.command)),
        Command::ImportCalibration(args) => import_calibration::import_calibration(&args),
        Command::Token(args) => token::token(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Simulate(args) => simulate::simulate(&args),
        Command::Completions(args) => Ok(completions::completions(&args, Cli::command())),
        Command::Man(args) => completions::man(&args, Cli::command()),
    }
}

fn record(args: RunArgs) -> Result<i32, Failed> {
    let signals = Signals::install()?;
    let source =
        SettingsSource { world: World::of_this_process(), overrides: args.config.overrides() };
    let Loaded { settings, warnings, client_id_is_set, .. } = load_from(&source)?;
    logging::start(&settings.log)
        .map_err(|error| Failed { code: exit_code::CANNOT_CREATE, message: error.to_string() })?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if args.takeover {
        take_over(&settings, args.timeout)?;
    }
    let options = Options {
        fault_socket: args.fault_injection,
        source: Some(source),
        makes_client_id: !client_id_is_set,
        ..Options::default()
    };
    run::run(settings, &signals, options)
}

/// The one that runs ends, and this one begins.
fn take_over(settings: &Settings, timeout: Duration) -> Result<(), Failed> {
    let plan = stop::StopPlan { timeout, force: true };
    let mut say = |text: &str| tracing::info!("taking over: {text}");
    let ended = stop::end(settings, plan, &mut say).map_err(|failed| match failed.code {
        exit_code::PERMISSION_DENIED => failed,
        _ => Failed { code: exit_code::LOCKED, ..failed },
    })?;
    match ended {
        StopOutcome::WasNot => tracing::info!("taking over: nothing is running"),
        StopOutcome::Stopped => tracing::info!("taking over: the other one has stopped in order"),
        StopOutcome::Killed => tracing::warn!("taking over: the other one had to be killed"),
    }
    Ok(())
}

fn with(
    args: &ConfigArgs,
    command: impl FnOnce(&Settings) -> Result<i32, Failed>,
) -> Result<i32, Failed> {
    settings(args).and_then(|loaded| command(&loaded.settings))
}

fn settings(args: &ConfigArgs) -> Result<Loaded, Failed> {
    load_from(&SettingsSource { world: World::of_this_process(), overrides: args.overrides() })
}

/// Under the client id that the recorder has.
fn as_known(loaded: Result<Loaded, Failed>) -> Result<Loaded, Failed> {
    loaded.map(|mut loaded| {
        client_id::recall(&mut loaded);
        loaded
    })
}

fn load_from(source: &SettingsSource) -> Result<Loaded, Failed> {
    load(&source.world, &source.overrides)
        .map_err(|error| Failed { code: exit_code::CONFIG, message: error.to_string() })
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
