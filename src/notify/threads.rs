//! The real courier: a thread for each attempt. Alerts are rare, and a thread that waits for the next one
//! would cost memory all year; a pool would let one channel that hangs hold up another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use barograph_actors::health::notify::notifier::{AlertOutcome, Failure, Notifier, Parcel};

use super::{deliver, failure};

/// Takes each parcel in a thread of its own. Nothing waits for these threads, not even the stop of
/// the process.
#[derive(Debug)]
pub struct Threads {
    /// At most one outcome for each channel is in it: so many parcels can be under way.
    outcomes: (Sender<AlertOutcome>, Receiver<AlertOutcome>),
}

impl Default for Threads {
    fn default() -> Self {
        Self { outcomes: channel() }
    }
}

impl Notifier for Threads {
    fn submit(&mut self, parcel: Parcel) -> Result<(), Failure> {
        let sender = self.outcomes.0.clone();
        let Parcel { channel, number, notification } = parcel;
        let run = move || {
            let attempt = catch_unwind(AssertUnwindSafe(|| deliver(&channel, &notification)));
            let result = attempt.unwrap_or_else(|_| {
                let hint = "this is a mistake in Barograph: please report it";
                Err(failure("the delivery panicked".into(), hint))
            });
            let _nobody_left =
                sender.send(AlertOutcome { channel: channel.name.clone(), number, result });
        };
        let spawned = thread::Builder::new().name("alert".into()).spawn(run);
        spawned.map(|_detached| ()).map_err(|error| {
            let hint = "look at the limits of processes and memory";
            failure(format!("no thread can be made for it: {error}"), hint)
        })
    }

    fn outcomes(&mut self) -> Vec<AlertOutcome> {
        self.outcomes.1.try_iter().collect()
    }
}
