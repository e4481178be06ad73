//! `HealthActor`: judges. It hears of every success and failure of a write and of every change of
//! the connection, and says in one sentence how the recorder is.

use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};

use crate::db_writer::{WriteFailed, WriteSucceeded};
use crate::published::{Connection, Published, State};
use crate::supervise::{Fault, Lifeline, Stop};

/// Period of the sign of life.
const TICK: Duration = Duration::from_millis(500);

/// The connection came up, or is down.
#[derive(Debug, Clone)]
pub struct ConnectionChanged {
    /// Why it is down; `None`: it is up.
    pub down: Option<String>,
}

impl Message for ConnectionChanged {
    type Result = ();
}

/// Tells the service manager how the recorder is (systemd's `STATUS=`).
pub type TellStatus = Box<dyn FnMut(&str) + Send>;

/// Judges how the recorder is.
pub struct HealthActor {
    published: Published,
    tell_status: TellStatus,
    told: String,
    lifeline: Lifeline,
}

impl std::fmt::Debug for HealthActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthActor").field("told", &self.told).finish_non_exhaustive()
    }
}

impl HealthActor {
    /// A new life. What it must remember is in published state.
    pub fn new(published: Published, tell_status: TellStatus, lifeline: Lifeline) -> Self {
        Self { published, tell_status, told: String::new(), lifeline }
    }

    /// Says the sentence, when it is a new one.
    fn judge(&mut self) {
        let sentence = sentence(&self.published.snapshot());
        if sentence != self.told {
            (self.tell_status)(&sentence);
            self.told = sentence;
        }
    }
}

/// How the recorder is, in one sentence; the worst first.
pub fn sentence(state: &State) -> String {
    match (&state.last_failure, &state.connection) {
        (Some(failure), _) => format!(
            "not recording: {failure} ({} tries failed); nothing is acknowledged, the broker \
             keeps the messages",
            state.consecutive_failures
        ),
        (None, Connection::Down(since, why)) => format!("not connected since {since} UTC: {why}"),
        (None, Connection::Starting) => "starting".to_owned(),
        (None, Connection::Up(since)) => format!("recording; connected since {since} UTC"),
    }
}

impl Actor for HealthActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(TICK, |health, _| {
            health.lifeline.pulse().beat();
            health.judge();
        });
        self.judge();
        self.lifeline.ready();
    }
}

impl Handler<WriteSucceeded> for HealthActor {
    type Result = ();

    fn handle(&mut self, _: WriteSucceeded, _: &mut Context<Self>) {
        self.published.update(|state| {
            state.consecutive_failures = 0;
            state.last_failure = None;
        });
    }
}

impl Handler<WriteFailed> for HealthActor {
    type Result = ();

    fn handle(&mut self, failed: WriteFailed, _: &mut Context<Self>) {
        self.published.update(|state| {
            state.consecutive_failures = state.consecutive_failures.saturating_add(1);
            state.last_failure = Some(failed.message);
        });
        self.judge();
    }
}

impl Handler<ConnectionChanged> for HealthActor {
    type Result = ();

    fn handle(&mut self, _: ConnectionChanged, _: &mut Context<Self>) {
        self.judge();
    }
}

impl Handler<Stop> for HealthActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl Handler<Fault> for HealthActor {
    type Result = ();

    fn handle(&mut self, fault: Fault, ctx: &mut Context<Self>) {
        fault.commit(|| ctx.stop());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::UnixMillis;

    #[test]
    fn the_sentence_names_the_worst_first() {
        let mut state = State::default();
        assert_eq!(sentence(&state), "starting");
        state.connection = Connection::Up(UnixMillis(0));
        assert_eq!(sentence(&state), "recording; connected since 1970-01-01 00:00:00.000 UTC");
        state.connection = Connection::Down(UnixMillis(0), "nobody listens".into());
        assert!(sentence(&state).starts_with("not connected since"));
        (state.last_failure, state.consecutive_failures) = (Some("the disk is full".into()), 3);
        assert!(sentence(&state).starts_with("not recording: the disk is full (3 tries failed)"));
    }
}
