//! The log: text for a person or JSON for a machine, on standard error or appended to a file. Level,
//! format and place can change while it is written.

mod file;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use barograph_config::{Format, Log, LogLevel};
use file::LogFile;
use parking_lot::{Mutex, MutexGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, registry};

/// What passes the filter.
type FilteredLayer = Layered<reload::Layer<Targets, Registry>, Registry>;
/// How a line looks.
type FormatLayer = Box<dyn Layer<FilteredLayer> + Send + Sync>;

/// The log of this process, once it is started.
static LOG: OnceLock<Running> = OnceLock::new();

struct Running {
    filter: Handle<Targets, Registry>,
    form: Handle<FormatLayer, FilteredLayer>,
    output: SharedOutput,
}

/// Held while a line is written.
#[derive(Clone)]
struct SharedOutput(Arc<Mutex<Output>>);

impl SharedOutput {
    /// A line that panicked while it was written leaves at worst half of it.
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.0.lock()
    }
}

/// Why the log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Its file cannot be opened.
    #[error("the log {} cannot be written ({cause}); look at log.file", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A process has one log.
    #[error("the process has a log already")]
    Started,
}

/// Where lines go.
enum Output {
    Stderr,
    File(LogFile),
}

impl Output {
    fn open(settings: &Log) -> Result<Self, LogError> {
        let Some(path) = &settings.file else { return Ok(Self::Stderr) };
        LogFile::open(path, settings.rotate_size, settings.rotate_keep)
            .map(Self::File)
            .map_err(|cause| LogError::Unwritable { path: path.clone(), cause })
    }
}

/// Each call is one line. No line is worth a standstill: whatever goes wrong is not the caller's concern.
impl Write for SharedOutput {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *self.lock() {
            Output::Stderr => {
                let _unheard = io::stderr().write_all(line);
            }
            Output::File(file) => file.append(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the log. Libraries speak from WARN on, whatever the level: their chatter is not ours.
///
/// # Errors
/// The file cannot be opened, or the process has a log already.
pub fn start(settings: &Log) -> Result<(), LogError> {
    let output = SharedOutput(Arc::new(Mutex::new(Output::open(settings)?)));
    let (filter, filter_handle) = reload::Layer::new(filter(settings.level));
    let (form, form_handle) = reload::Layer::new(form(settings, &output));
    registry().with(filter).with(form).try_init().map_err(|_| LogError::Started)?;
    let running = Running { filter: filter_handle, form: form_handle, output };
    LOG.set(running).map_err(|_| LogError::Started)
}

/// Changes the least severity that is written, at once and for as long as the process lives (or until
/// a reload says otherwise). Without a log nothing happens.
pub fn set_level(level: LogLevel) {
    let Some(log) = LOG.get() else { return };
    // It fails only when the subscriber is gone, and with it the log.
    let _gone = log.filter.reload(filter(level));
}

/// Goes on as `after` says, where that differs from `before`.
///
/// # Errors
/// The file cannot be opened: the log goes on where it was, in its old form.
pub fn change(before: &Log, after: &Log) -> Result<(), LogError> {
    let Some(log) = LOG.get() else { return Ok(()) };
    if before.level != after.level {
        set_level(after.level);
    }
    let place = |log: &Log| (log.file.clone(), log.rotate_size, log.rotate_keep);
    if place(before) != place(after) {
        let output = Output::open(after)?;
        *log.output.lock() = output;
    }
    if before.format != after.format || before.file != after.file {
        let _gone = log.form.reload(form(after, &log.output));
    }
    Ok(())
}

/// Opens the file again by its name, because another program (logrotate) has renamed it. Where that fails, the
/// log goes on in the renamed one, and standard error says so.
pub fn reopen() {
    let Some(log) = LOG.get() else { return };
    if let Output::File(file) = &mut *log.output.lock() {
        file.reopen();
    }
}

fn form(settings: &Log, output: &SharedOutput) -> FormatLayer {
    let colours = settings.file.is_none() && io::stderr().is_terminal();
    let output = output.clone();
    let writer = move || output.clone();
    let layer = fmt::layer().with_writer(writer).with_ansi(colours).with_target(false);
    match settings.format {
        Format::Text => layer.boxed(),
        Format::Json => layer.json().boxed(),
    }
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let ours = ["barograph", "barograph_actors", "barograph_config"];
    // They call it an error when a client is wrong: any client could fill the log.
    let of_clients = ["hyper", "tungstenite"];
    let quiet = if level < LevelFilter::DEBUG { LevelFilter::OFF } else { level };
    Targets::new()
        .with_targets(ours.map(|target| (target, level)))
        .with_targets(of_clients.map(|target| (target, quiet)))
        .with_default(LevelFilter::WARN.min(level))
}
