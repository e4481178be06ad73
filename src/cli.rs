//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::args::{
    AcknowledgeArgs, CheckArgs, CompletionsArgs, DemoArgs, EventsArgs, ImportArgs, LevelArgs,
    ManArgs, ReplyArgs, RestartArgs, RunArgs, SimulateArgs, StopArgs, TailArgs, TokenArgs,
};
use crate::commands::read_args::{AccountArgs, AlertArgs, GapsArgs, QuarantineArgs, VerifyArgs};

/// Records MQTT messages in an SQLite database, each exactly once, also across crashes and
/// outages.
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
    /// Show the health of the running recorder: exit code 0 ok, 1 degraded, 2 critical, 3 not running
    Status(ReplyArgs),
    /// Stop the running recorder in order, and wait until it has ended
    Stop(StopArgs),
    /// Stop an actor of the running recorder in order, and start it again
    RestartActor(RestartArgs),
    /// Receive nothing until `resume`; the broker keeps QoS 1 and 2, QoS 0 is lost
    Pause(ReplyArgs),
    /// Receive again
    Resume(ReplyArgs),
    /// Copy the WAL into the database file now, and name the processes that prevent it
    Checkpoint(ReplyArgs),
    /// Acknowledge an issue: its alerts do not repeat until it becomes worse
    Acknowledge(AcknowledgeArgs),
    /// Change the log level of the running recorder
    LogLevel(LevelArgs),
    /// Show events; with --follow also new ones
    Events(EventsArgs),
    /// Show rows as they are stored
    Tail(TailArgs),
    /// Check the settings, the broker and the database; write nothing
    Check(CheckArgs),
    /// Show what became of every message, and check that the tables agree
    Account(AccountArgs),
    /// List the time ranges in which messages may be missing, and why
    Gaps(GapsArgs),
    /// Check that every row still holds what was written
    Verify(VerifyArgs),
    /// List, replay, export or drop messages that could not become rows
    Quarantine(QuarantineArgs),
    /// Send a test to the alert channels, or list them
    Alert(AlertArgs),
    /// Print the derived values that follow from a weather_station_calibration.json
    ImportCalibration(ImportArgs),
    /// Create a token for the page: on standard output, or in a file that only its owner can read
    Token(TokenArgs),
    /// Run a demo: an embedded broker, a simulated weather station, the recorder
    Demo(DemoArgs),
    /// Publish a simulated weather station's messages to a broker
    Simulate(SimulateArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(ManArgs),
}
