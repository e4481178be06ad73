//! The guard that a child holds for as long as it lives.

use std::cell::RefCell;
use std::sync::Once;

use actix::{Message, Recipient};

use super::exit::{Cause, Exit};
use super::pulse::Pulse;

/// What a lifeline tells the supervisor. `birth` tells a child's lives apart: the report of an
/// earlier life is stale.
#[derive(Debug)]
pub(super) enum LifelineReport {
    /// The child can do its work: the next one may start.
    Ready { child: usize, birth: u64 },
    /// The child is gone.
    Ended { child: usize, birth: u64, exit: Exit },
}

impl Message for LifelineReport {
    type Result = ();
}

/// Held by a child as a field. Its drop reports the end, whatever the end was: `Drop` also runs
/// while a panic unwinds, and then `std::thread::panicking()` is true. (`Actor::stopped` would not
/// do: a second panic there aborts the process.)
#[derive(Debug)]
pub struct Lifeline {
    name: &'static str,
    child: usize,
    birth: u64,
    cause: Option<Cause>,
    pulse: Pulse,
    reports: Recipient<LifelineReport>,
}

impl Lifeline {
    pub(super) fn new(
        name: &'static str,
        child: usize,
        birth: u64,
        pulse: Pulse,
        reports: Recipient<LifelineReport>,
    ) -> Self {
        remember_panics();
        Self { name, child, birth, cause: None, pulse, reports }
    }

    /// The child's name in the list of children, in the log and in tests.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The child's sign of life.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Says that the child can do its work. Later calls say nothing new and do no harm.
    pub fn ready(&self) {
        self.pulse.beat();
        self.send(LifelineReport::Ready { child: self.child, birth: self.birth });
    }

    /// Notes why the child is about to give up; it must stop itself afterwards.
    pub fn fail(&mut self, cause: Cause) {
        self.cause = Some(cause);
    }

    /// Past the mailbox's bound if need be: the end of a child must be heard, and there are few
    /// children.
    fn send(&self, report: LifelineReport) {
        self.reports.do_send(report);
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        let exit = if std::thread::panicking() {
            Exit::Panicked(last_panic())
        } else {
            self.cause.take().map_or(Exit::Done, Exit::Failed)
        };
        self.send(LifelineReport::Ended { child: self.child, birth: self.birth, exit });
    }
}

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs, once per process, a panic hook that keeps the message for the lifeline and then does
/// what was done before.
fn remember_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info.payload_as_str().unwrap_or("(no text)").to_owned();
            let place = info.location().map(|l| format!(" at {l}")).unwrap_or_default();
            LAST_PANIC.with(|last| {
                if let Ok(mut last) = last.try_borrow_mut() {
                    *last = Some(message + &place);
                }
            });
            before(info);
        }));
    });
}

fn last_panic() -> String {
    LAST_PANIC
        .try_with(|last| last.try_borrow_mut().ok().and_then(|mut last| last.take()))
        .ok()
        .flatten()
        .unwrap_or_else(|| "(no text)".to_owned())
}
