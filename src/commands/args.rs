//! What the commands of this folder are asked.

use std::path::PathBuf;
use std::time::Duration;

use barograph_actors::message::delivery::UnixMillis;
use clap::Args;
use clap_complete::Shell;

use crate::time::parse_moment;
use barograph_config::{Overrides, Secret};

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
            mqtt_url: self.mqtt.clone().map(Secret::new),
            db: self.db.clone(),
            log_level: self.log_level.clone(),
        }
    }
}

/// `barograph status`, `pause`, `resume`, `checkpoint`; a part of others
#[derive(Debug, Args)]
pub struct ReplyArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
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
    /// Without broker and database: say which route takes the messages of this topic
    #[arg(long, value_name = "TOPIC", conflicts_with = "show")]
    pub topic: Option<String>,
    /// With --topic: decode this payload (`-`: standard input), and print the rows, or why there are none
    #[arg(long, value_name = "FILE", requires = "topic")]
    pub payload: Option<PathBuf>,
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
    /// First stop the recorder that is running; kill it if it does not end in time
    #[arg(long)]
    pub takeover: bool,
    /// How long --takeover waits before it kills
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
    /// The file to create; an existing file is not changed
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
    /// How far back the generated readings of the new database go
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

/// `barograph stop`
#[derive(Debug, Args)]
pub struct StopArgs {
    /// Settings and form.
    #[command(flatten)]
    pub reply: ReplyArgs,
    /// How long to wait for its end
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    /// Kill it if it has not ended by then and certainly is a recorder
    #[arg(long)]
    pub force: bool,
}

/// `barograph restart-actor`
#[derive(Debug, Args)]
pub struct RestartArgs {
    /// The actor, by its name in `barograph status`
    pub actor: String,
    /// Settings and form.
    #[command(flatten)]
    pub reply: ReplyArgs,
}

/// `barograph log-level`
#[derive(Debug, Args)]
pub struct LevelArgs {
    /// The level
    #[arg(value_parser = ["error", "warn", "info", "debug", "trace"])]
    pub level: String,
    /// Settings and form.
    #[command(flatten)]
    pub reply: ReplyArgs,
}

/// `barograph acknowledge`
#[derive(Debug, Args)]
pub struct AcknowledgeArgs {
    /// The issue's id, as `barograph status` shows it
    pub issue: String,
    /// Settings and form.
    #[command(flatten)]
    pub reply: ReplyArgs,
}

/// `barograph events`
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Continue with new events until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Only events since: 2h or 7days ago, or 2026-11-23 or 2026-11-23 16:27:19
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub since: Option<UnixMillis>,
    /// Only events of this actor, by its name in `barograph status`
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
    /// At most so many, the newest [default: 50, or with --since all]
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
