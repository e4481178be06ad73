//! The log: text for a person or JSON for a machine, on standard error or appended to a file.

use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::sync::Mutex;

use barograph_config::{Format, Level, Log};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, registry};

/// Starts the log. Libraries speak from WARN on, whatever the level: their chatter is not ours.
///
/// # Errors
/// The file cannot be opened, or the process has a log already.
pub fn start(settings: &Log) -> Result<(), String> {
    let (writer, colours) = match &settings.file {
        Some(path) => {
            let file =
                OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
                    format!(
                        "the log {} cannot be written ({error}); look at log.file",
                        path.display()
                    )
                })?;
            (BoxMakeWriter::new(Mutex::new(file)), false)
        }
        None => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
    };
    let layer = fmt::layer().with_writer(writer).with_ansi(colours).with_target(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
        Format::Text => layer.boxed(),
        Format::Json => layer.json().boxed(),
    };
    let level = level(settings.level);
    let ours = ["barograph", "barograph_actors", "barograph_config"];
    let filter = Targets::new()
        .with_targets(ours.map(|target| (target, level)))
        .with_default(LevelFilter::WARN.min(level));
    registry().with(layer.with_filter(filter)).try_init().map_err(|error| error.to_string())
}

/// Another level from now on.
pub fn set_level(_level: Level) {}

fn level(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
