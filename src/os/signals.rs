//! SIGINT and SIGTERM: the first one asks for the ordered stop, a second one ends at once, and so
//! does the clock. SIGHUP reloads the settings, SIGUSR1 opens the log file anew.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actix::Recipient;
use barograph_actors::exit_code;
use barograph_actors::message::event;
use barograph_actors::supervisor::Shutdown;
use parking_lot::Mutex;
use signal_hook::consts::{SIGHUP, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals as Iterator;
use tracing::{info, warn};

use crate::exit::Failed;
use crate::os::logging;

/// The ordered stop has its deadlines, and this is the one above them: service managers and people
/// wait 10 s.
pub(crate) const STOP_WITHIN: Duration = Duration::from_millis(9_300);

/// Signals that come together are one request: `timeout`, a shell's Ctrl-C or a container's init sends SIGTERM to
/// the process and to its group.
const ONE_REQUEST: Duration = Duration::from_millis(250);

/// For the line that says so.
const LAST_WORD_WITHIN: Duration = Duration::from_millis(100);

/// Hands signals to the supervisor, also those that came before it was there.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    state: Arc<Mutex<SignalState>>,
}

#[derive(Debug, Default)]
struct SignalState {
    supervisor: Option<Recipient<Shutdown>>,
    /// When the ordered stop was asked for.
    asked: Option<Instant>,
    reload: SighupState,
}

/// What SIGHUP does.
#[derive(Default)]
enum SighupState {
    /// No reload is possible yet.
    #[default]
    Early,
    /// No reload is possible yet, and one was asked for.
    Asked,
    /// This does it; it only asks, and waits for nothing.
    By(Box<dyn Fn() + Send>),
    /// There is nothing to reload: the terminal was closed, and that ends the program.
    StopInstead,
}

impl std::fmt::Debug for SighupState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Early => "Early",
            Self::Asked => "Asked",
            Self::By(_) => "By(..)",
            Self::StopInstead => "StopInstead",
        })
    }
}

impl Signals {
    /// Takes over SIGINT, SIGTERM, SIGHUP and SIGUSR1 of this process.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn install() -> Result<Self, Failed> {
        let signals = Self::default();
        let (interrupted, told) = (signals.clone(), signals.clone());
        on_interrupt(move || interrupted.on_stop())?;
        listen(&[SIGTERM, SIGHUP, SIGUSR1], move |signal| match signal {
            SIGHUP => told.on_reload(),
            SIGUSR1 => logging::reopen(),
            _terminate => told.on_stop(),
        })?;
        Ok(signals)
    }

    /// `reload` can be asked from now on, and must not wait for anything; what was asked before is passed
    /// on.
    pub fn reloaded_by(&self, reload: impl Fn() + Send + 'static) {
        let mut state = self.state.lock();
        if matches!(state.reload, SighupState::Asked) {
            reload();
        }
        state.reload = SighupState::By(Box::new(reload));
    }

    fn on_reload(&self) {
        let mut state = self.state.lock();
        match &state.reload {
            SighupState::By(reload) => reload(),
            SighupState::Early | SighupState::Asked => state.reload = SighupState::Asked,
            SighupState::StopInstead => {
                drop(state);
                self.on_stop();
            }
        }
    }

    /// There is nothing to reload: SIGHUP stops, too.
    pub fn stop_at_hangup(&self) {
        self.state.lock().reload = SighupState::StopInstead;
    }

    /// The supervisor is there; a stop asked for before is passed on.
    pub fn supervised_by(&self, supervisor: Recipient<Shutdown>) {
        let mut state = self.state.lock();
        if state.asked.is_some() {
            supervisor.do_send(Shutdown);
        }
        state.supervisor = Some(supervisor);
    }

    /// Runs on a thread, not in the signal's context.
    fn on_stop(&self) {
        let mut state = self.state.lock();
        if state.asked.is_some_and(|asked| asked.elapsed() < ONE_REQUEST) {
            return;
        }
        if state.asked.is_some() {
            say_and_exit(exit_code::INTERRUPTED, || {
                warn!(
                    event = event::FORCED_EXIT,
                    "a second signal: ending at once; what is not acknowledged stays at the broker"
                );
            });
        }
        thread::spawn(|| info!("asked to stop; a second signal ends at once"));
        state.begin_stop();
    }

    /// The ordered stop, as by a first signal; when it has begun, nothing.
    pub fn stop(&self) {
        let mut state = self.state.lock();
        if state.asked.is_none() {
            state.begin_stop();
        }
    }
}

impl SignalState {
    fn begin_stop(&mut self) {
        self.asked = Some(Instant::now());
        thread::spawn(end_in_time);
        if let Some(supervisor) = &self.supervisor {
            supervisor.do_send(Shutdown);
        }
    }
}

/// Calls `handler` at each SIGINT, SIGTERM and SIGHUP, for commands that have nothing to reload.
///
/// # Errors
/// The system refuses it.
pub fn on_signal(handler: impl Fn() + Send + Sync + 'static) -> Result<(), Failed> {
    let handler = Arc::new(handler);
    let interrupted = Arc::clone(&handler);
    on_interrupt(move || interrupted())?;
    listen(&[SIGTERM, SIGHUP], move |_| handler())
}

fn on_interrupt(handler: impl Fn() + Send + 'static) -> Result<(), Failed> {
    ctrlc::set_handler(handler).map_err(|error| cannot_handle(&error))
}

/// Calls `handler` at each of the signals, on a thread of its own.
fn listen(signals: &[i32], handler: impl Fn(i32) + Send + 'static) -> Result<(), Failed> {
    let mut signals = Iterator::new(signals).map_err(|error| cannot_handle(&error))?;
    let spawned = thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || signals.forever().for_each(handler));
    spawned.map(|_| ()).map_err(|error| cannot_handle(&error))
}

fn cannot_handle(error: &dyn std::fmt::Display) -> Failed {
    let message = format!("signals cannot be handled: {error}");
    Failed { code: exit_code::ESCALATED, message }
}

/// Whatever the broker or the disk does: it was asked to stop, and it stops. Nothing acknowledged is
/// lost by it.
fn end_in_time() {
    thread::sleep(STOP_WITHIN);
    say_and_exit(exit_code::OK, || {
        warn!(
            event = event::FORCED_EXIT,
            "the ordered stop took too long: ending without it; what is not acknowledged stays at \
             the broker"
        );
    });
}

/// Ends the process. A log that cannot be written (a full pipe, a hanging disk) does not hold it up:
/// the line is logged on a thread of its own.
fn say_and_exit(code: i32, say: fn()) -> ! {
    thread::spawn(say);
    thread::sleep(LAST_WORD_WITHIN);
    std::process::exit(code)
}
