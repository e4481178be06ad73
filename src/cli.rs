//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use barograph_config::Overrides;
use clap::{Args, Parser, Subcommand};

use crate::commands::args::{
    AcknowledgeArgs, CompletionsArgs, EventsArgs, LevelArgs, ManArgs, OrderArgs, RestartArgs,
    StatusArgs, StopArgs, TailArgs,
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
    Status(StatusArgs),
    /// Stop the running recorder in order, and wait until it has ended
    Stop(StopArgs),
    /// Stop an actor of the running recorder in order, and start it anew
    RestartActor(RestartArgs),
    /// Receive nothing until `resume`; the broker keeps the messages
    Pause(OrderArgs),
    /// Receive again
    Resume(OrderArgs),
    /// Fold the WAL into the database now, and say who holds it back
    Checkpoint(OrderArgs),
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

/// Where the settings come from.
#[derive(Debug, Args, Default)]
pub struct ConfigArgs {
    /// The settings file [default: $BAROGRAPH_CONFIG, ./barograph.toml,
    /// /etc/barograph/barograph.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The broker, instead of mqtt.url
    #[arg(long, value_name = "URL")]
    pub mqtt: Option<String>,
    /// The database, instead of database.path
    #[arg(long, value_name = "PATH")]
    pub db: Option<PathBuf>,
    /// error, warn, info, debug or trace, instead of log.level
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

impl ConfigArgs {
    /// As the settings' strongest layer.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            config: self.config.clone(),
            mqtt_url: self.mqtt.clone(),
            db: self.db.clone(),
            log_level: self.log_level.clone(),
        }
    }
}

/// `barograph check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The settings file, as with --config
    #[arg(value_name = "FILE", conflicts_with = "config")]
    pub file: Option<PathBuf>,
    /// Print the settings in force, secrets as ***
    #[arg(long)]
    pub show: bool,
}

impl CheckArgs {
    /// Where the settings come from.
    pub fn config(&self) -> ConfigArgs {
        let given = &self.config;
        ConfigArgs {
            config: self.file.clone().or(given.config.clone()),
            mqtt: given.mqtt.clone(),
            db: given.db.clone(),
            log_level: given.log_level.clone(),
        }
    }
}

/// `barograph run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Stop the recorder that is running first, and kill it when it has not ended in time
    #[arg(long)]
    pub takeover: bool,
    /// How long --takeover waits for its end
    #[arg(long, value_name = "TIME", default_value = "30s", requires = "takeover",
        value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    /// Opens a Unix socket that takes faults (panic ACTOR, stop ACTOR, hang ACTOR 5s), for tests
    #[arg(long, value_name = "SOCKET", hide = true)]
    pub fault_injection: Option<PathBuf>,
}

/// `barograph import-calibration`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `barograph token`
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The file to make; one that is there is left alone
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `barograph demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Port of the embedded broker on 127.0.0.1 [default: any free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// Where the page is served, on 127.0.0.1 [default: 8000, or any free port]
    #[arg(long, value_name = "PORT")]
    pub page_port: Option<u16>,
    /// Keep the database in this folder instead of a temporary one
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// How far back the made-up readings go with which the database begins
    #[arg(long, value_name = "TIME", default_value = "1day", value_parser = humantime::parse_duration)]
    pub past: Duration,
    /// Do not open the page in the desktop's browser
    #[arg(long)]
    pub no_open: bool,
}

/// `barograph simulate`
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// The broker
    #[arg(long, value_name = "URL", default_value = "mqtt://localhost:1883")]
    pub mqtt: String,
    /// Time between two readings of a station
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub interval: Duration,
    /// How many stations
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub stations: u32,
    /// The same seed gives the same weather
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
}
