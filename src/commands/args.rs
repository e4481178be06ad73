//! What the commands of this folder are asked.

use std::path::PathBuf;
use std::time::Duration;

use barograph_actors::message::delivery::UnixMillis;
use clap::Args;
use clap_complete::Shell;

use crate::cli::ConfigArgs;
use crate::time::parse_moment;

/// `barograph status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `barograph stop`
#[derive(Debug, Args)]
pub struct StopArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How long to wait for its end
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    /// Kill it when it has not ended by then, if it certainly is a recorder
    #[arg(long)]
    pub force: bool,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `barograph pause`, `resume` and `checkpoint`
#[derive(Debug, Args)]
pub struct OrderArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `barograph restart-actor`
#[derive(Debug, Args)]
pub struct RestartArgs {
    /// Which, by its name in `barograph status`
    pub actor: String,
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `barograph log-level`
#[derive(Debug, Args)]
pub struct LevelArgs {
    /// The level
    #[arg(value_parser = ["error", "warn", "info", "debug", "trace"])]
    pub level: String,
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `barograph acknowledge`
#[derive(Debug, Args)]
pub struct AcknowledgeArgs {
    /// The issue's id, as `barograph status --json` has it
    pub issue: String,
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `barograph events`
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Go on with what happens from now on, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Only those since: 2h or 7days ago, or 2026-11-23 or 2026-11-23 16:27:19
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub since: Option<UnixMillis>,
    /// Only those about this actor, by its name in `barograph status`
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// How many of the newest at most [default: 50, or with --since all]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// JSON instead of text: one object, or with --follow one a line
    #[arg(long)]
    pub json: bool,
}

/// `barograph tail`
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Only rows of this route, by its table's name
    pub route: Option<String>,
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
}

/// `barograph completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `barograph man`
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder, instead of the first page to standard output
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}
