//! The broker of a run: stopped, killed, frozen and started again without waiting for any of it.

use crate::support::folder::Folder;
use crate::support::mosquitto::Mosquitto;

use super::plan::Plan;

/// A broker, and what is wanted of it.
pub(super) struct Broker {
    mosquitto: Mosquitto,
    /// So many strikes want it frozen.
    frozen: u32,
    /// So many strikes want it to be away.
    away: u32,
}

impl Broker {
    pub(super) fn start(folder: &Folder, plan: &Plan) -> Self {
        let mosquitto = if plan.is_stock {
            Mosquitto::start_stock(folder)
        } else {
            Mosquitto::start(folder, "allow_anonymous true")
        };
        Self { mosquitto, frozen: 0, away: 0 }
    }

    pub(super) fn port(&self) -> u16 {
        self.mosquitto.port()
    }

    /// Waits until a client has subscribed to this filter.
    pub(super) fn has_subscriber(&self, filter: &str) {
        self.mosquitto.has_subscriber(filter);
    }

    /// Asks it to end (SIGTERM) and keeps it away until `come_back`.
    pub(super) fn stop(&mut self) {
        self.away += 1;
        if !self.mosquitto.has_ended() {
            self.mosquitto.terminate();
        }
    }

    /// `kill -9`, and away until `come_back`.
    pub(super) fn kill(&mut self) {
        self.away += 1;
        if !self.mosquitto.has_ended() {
            self.mosquitto.kill();
        }
    }

    /// The end of a `stop` or `kill`.
    pub(super) fn come_back(&mut self) {
        self.away -= 1;
    }

    /// SIGSTOP, until `thaw`.
    pub(super) fn freeze(&mut self) {
        self.frozen += 1;
        if !self.mosquitto.has_ended() {
            self.mosquitto.freeze();
        }
    }

    /// The end of a `freeze`: SIGCONT, unless another strike has frozen it, too.
    pub(super) fn thaw(&mut self) {
        self.frozen -= 1;
        if self.frozen == 0 && !self.mosquitto.has_ended() {
            self.mosquitto.thaw();
        }
    }

    /// Starts it where it has ended and nothing keeps it away; whether it did.
    pub(super) fn is_started(&mut self) -> bool {
        let starts = self.mosquitto.has_ended() && self.away == 0;
        if starts {
            self.mosquitto.launch();
        }
        starts
    }

    /// Whether it accepts connections.
    pub(super) fn accepts(&self) -> bool {
        self.mosquitto.accepts()
    }
}
