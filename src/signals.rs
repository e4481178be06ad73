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
const STOP_WITHIN: Duration = Duration::from_millis(9_300);

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
            warn!(
                event = event::FORCED_EXIT,
                "a second signal: ending at once; what is not acknowledged stays at the broker"
            );
            std::process::exit(exit_code::INTERRUPTED);
        }
        state.asked = true;
        info!("asked to stop; a second signal ends at once");
        thread::spawn(end_in_time);
        if let Some(supervisor) = &state.supervisor {
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

/// Whatever the broker or the disk does: it was asked to stop, and it stops. Nothing acknowledged
/// is lost by it.
fn end_in_time() {
    thread::sleep(STOP_WITHIN);
    warn!(
        event = event::FORCED_EXIT,
        "the ordered stop took too long: ending without it; what is not acknowledged stays at the \
         broker"
    );
    std::process::exit(exit_code::OK);
}
