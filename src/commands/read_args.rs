//! What the commands of this folder are asked.

use std::path::PathBuf;

use barograph_actors::message::delivery::UnixMillis;
use clap::{Args, Subcommand};

use crate::commands::args::{ConfigArgs, ReplyArgs};
use crate::time::parse_moment;

/// `barograph account`
#[derive(Debug, Args)]
pub struct AccountArgs {
    /// Settings and form.
    #[command(flatten)]
    pub reply: ReplyArgs,
    /// Accept that rows of earlier databases are not in this one: they are no longer an issue
    #[arg(long)]
    pub write_off: bool,
}

/// `barograph alert`
#[derive(Debug, Args)]
pub struct AlertArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AlertCommand,
}

/// `barograph alert …`
#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// Send a test now, without a running recorder, and print what the other side says
    Test {
        /// Only to this channel [default: to all of them]
        channel: Option<String>,
        /// Settings.
        #[command(flatten)]
        config: ConfigArgs,
        /// A JSON array instead of text
        #[arg(long)]
        json: bool,
    },
    /// List the channels
    List {
        /// Settings.
        #[command(flatten)]
        config: ConfigArgs,
        /// A JSON array instead of text
        #[arg(long)]
        json: bool,
    },
}

impl AlertCommand {
    /// Where the settings come from.
    pub fn config(&self) -> &ConfigArgs {
        match self {
            Self::Test { config, .. } | Self::List { config, .. } => config,
        }
    }
}

/// `barograph gaps`
#[derive(Debug, Args)]
pub struct GapsArgs {
    /// Settings and form.
    #[command(flatten)]
    pub reply: ReplyArgs,
    /// Only those that lasted into this time: 2h or 7days ago, or 2026-11-23 or 2026-11-23 16:27:19
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub since: Option<UnixMillis>,
    /// Only those of this cause
    #[arg(long, value_name = "WORD")]
    pub cause: Option<String>,
}

/// `barograph verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Settings and form.
    #[command(flatten)]
    pub reply: ReplyArgs,
    /// Only the content, without SQLite's own check of the file's structure
    #[arg(long)]
    pub quick: bool,
}

/// `barograph quarantine`
#[derive(Debug, Args)]
pub struct QuarantineArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: QuarantineCommand,
}

/// What to do with the quarantine.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List the messages, the newest first
    List(ListArgs),
    /// Show one message in full
    Show(ShowArgs),
    /// Decode the messages by the present settings, and store those that are valid now
    Replay(ReplayArgs),
    /// Write the messages as JSON Lines
    Export(ExportArgs),
    /// Delete messages for good; they are counted as dropped
    Drop(DropArgs),
}

/// Which messages.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Only those of this route, by its table's name; "" for those that match no route
    #[arg(long, value_name = "TABLE")]
    pub route: Option<String>,
    /// Only those with this reason
    #[arg(long, value_name = "WORD")]
    pub reason: Option<String>,
    /// Only those that arrived since: 2h or 7days ago, or 2026-11-23 or 2026-11-23 16:27:19
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub since: Option<UnixMillis>,
    /// Only these
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub id: Vec<i64>,
}

/// `barograph quarantine list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Settings and form.
    #[command(flatten)]
    pub reply: ReplyArgs,
    /// Which.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
}

/// `barograph quarantine show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which one
    pub id: i64,
}

/// `barograph quarantine replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// `barograph quarantine export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// The file; it must not exist yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `barograph quarantine drop`
#[derive(Debug, Args)]
pub struct DropArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}
