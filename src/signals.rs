//! SIGINT and SIGTERM: the first one asks for the ordered stop, the second one ends at once, and so
//! does the clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use actix::Recipient;
use barograph_actors::supervise::Shutdown;
use barograph_actors::{event, exit_code};
use tracing::{info, warn};

use crate::run::Failed;

/// The ordered stop has its deadlines, and this is the one above them: service managers and people
/// wait 10 s.
pub(crate) const STOP_WITHIN: Duration = Duration::from_millis(9_300);

/// For the line that says so.
const LAST_WORD_WITHIN: Duration = Duration::from_millis(100);

/// Hands signals to the supervisor, also those that came before it was there.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    supervisor: Option<Recipient<Shutdown>>,
    asked: bool,
}

impl Signals {
    /// Takes over SIGINT, SIGTERM and SIGHUP of this process.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn install() -> Result<Self, Failed> {
        let signals = Self::default();
        let handler = signals.clone();
        on_signal(move || handler.on_signal())?;
        Ok(signals)
    }

    /// The supervisor is there; a stop asked for before is passed on.
    pub fn supervised_by(&self, supervisor: Recipient<Shutdown>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.asked {
            supervisor.do_send(Shutdown);
        }
        state.supervisor = Some(supervisor);
    }

    /// Runs on ctrlc's own thread, not in the signal's context.
    fn on_signal(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.asked {
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
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.asked {
            state.begin_stop();
        }
    }
}

impl State {
    fn begin_stop(&mut self) {
        self.asked = true;
        thread::spawn(end_in_time);
        if let Some(supervisor) = &self.supervisor {
            supervisor.do_send(Shutdown);
        }
    }
}

/// Calls `handler` at each SIGINT, SIGTERM and SIGHUP, on a thread of its own.
///
/// # Errors
/// The system refuses it.
pub fn on_signal(handler: impl FnMut() + Send + 'static) -> Result<(), Failed> {
    ctrlc::set_handler(handler).map_err(|error| Failed {
        code: exit_code::ESCALATED,
        message: format!("signals cannot be handled: {error}"),
    })
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
/// the line is said on a thread of its own.
fn say_and_exit(code: i32, say: fn()) -> ! {
    thread::spawn(say);
    thread::sleep(LAST_WORD_WITHIN);
    std::process::exit(code)
}
