//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::args::{
    AcknowledgeArgs, CheckArgs, CompletionsArgs, DemoArgs, EventsArgs, ImportArgs, LevelArgs,
    ManArgs, ReplyArgs, RestartArgs, RunArgs, SimulateArgs, StopArgs, TailArgs, TokenArgs,
};
use crate::commands::read_args::{AccountArgs, AlertArgs, GapsArgs, QuarantineArgs, VerifyArgs};

/// A failsafe recorder for MQTT telemetry: what the sensors said is in your SQLite database,
/// exactly once, whatever dies.
#[derive(Debug, Parser)]
#[command(name = "barograph", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Record until asked to stop (SIGINT or SIGTERM)
    Run(RunArgs),
    /// Say how the running recorder is: exit code 0 ok, 1 degraded, 2 critical, 3 not running
    Status(ReplyArgs),
    /// Stop the running recorder in order, and wait until it has ended
    Stop(StopArgs),
    /// Stop an actor of the running recorder in order, and start it anew
    RestartActor(RestartArgs),
    /// Receive nothing until `resume`; the broker keeps the messages
    Pause(ReplyArgs),
    /// Receive again
    Resume(ReplyArgs),
    /// Fold the WAL into the database now, and say who holds it back
    Checkpoint(ReplyArgs),
    /// Say that somebody knows of an issue: its alerts repeat no more, until it becomes worse
    Acknowledge(AcknowledgeArgs),
    /// Make the running recorder's log say more, or less
    LogLevel(LevelArgs),
    /// Show what happened, and with --follow what happens
    Events(EventsArgs),
    /// Show rows as they are stored
    Tail(TailArgs),
    /// Check the settings, the broker and the database; write nothing
    Check(CheckArgs),
    /// Say what became of every message, and whether the tables agree
    Account(AccountArgs),
    /// Say when something may be missing, and why
    Gaps(GapsArgs),
    /// Check that every row still holds what was written
    Verify(VerifyArgs),
    /// Look at messages that could not become rows; replay, export or drop them
    Quarantine(QuarantineArgs),
    /// Send a test to those who are told of issues, or list them
    Alert(AlertArgs),
    /// Print the derived values that follow from a weather_station_calibration.json
    ImportCalibration(ImportArgs),
    /// Make a token for the page: on standard output, or in a file that only its owner can read
    Token(TokenArgs),
    /// Show it all: an embedded broker, a simulated weather station, the recorder
    Demo(DemoArgs),
    /// Publish a simulated weather station's messages to a broker
    Simulate(SimulateArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(ManArgs),
}
