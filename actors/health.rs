//! `HealthActor`: judges. It hears of every success and failure of a write and of every change of
//! the connection, keeps the [`Mode`] and tells what follows from it, watches what only the passing
//! of time shows, and says in one sentence how the recorder is.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::account::RouteId;
use crate::db_writer::{
    DbWriterActor, Decided, Drained, Place, ProbeFailed, WriteFailed, WriteSucceeded,
};
use crate::event;
use crate::mode::{Heard, Limits, Mode};
use crate::note::{GapCause, Note};
use crate::ports::{World, WriteCause};
use crate::published::{Connection, Published, State};
use crate::route::Router;
use crate::supervise::{Fault, Lifeline, Link, Stop};
use crate::watch::{ClockJump, ClockWatch, Moment, Silence, SilenceChange, StallWatch};

/// Period of the sign of life, and of looking at what only time shows.
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

/// What the judging needs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Who writes, and is told what was decided.
    pub writer: Link<DbWriterActor>,
    /// The routes, for the silence of each.
    pub router: Arc<Router>,
    /// What everyone may see. What a life must know of the one before is there.
    pub published: Published,
    /// The wall clock.
    pub world: World,
    /// When the database is given up.
    pub limits: Limits,
}

/// Judges how the recorder is.
pub struct HealthActor {
    setup: Setup,
    tell_status: TellStatus,
    told: String,
    mode: Mode,
    /// The connection's beginning, by both clocks.
    connected: Option<Moment>,
    silences: Vec<(RouteId, Silence)>,
    clock: ClockWatch,
    stall: StallWatch,
    lifeline: Lifeline,
}

impl std::fmt::Debug for HealthActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthActor").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl HealthActor {
    /// A new life. What it must remember is in published state.
    pub fn new(setup: Setup, tell_status: TellStatus, lifeline: Lifeline) -> Self {
        let mode = setup.published.snapshot().mode;
        let silences = setup
            .router
            .active()
            .filter_map(|(id, route)| route.silent_after.map(|after| (id, Silence::new(after))));
        Self {
            silences: silences.collect(),
            setup,
            tell_status,
            told: String::new(),
            mode,
            connected: None,
            clock: ClockWatch::default(),
            stall: StallWatch::default(),
            lifeline,
        }
    }

    fn now(&self) -> Moment {
        Moment { wall: (self.setup.world.now)(), steady: Instant::now() }
    }

    /// Says the sentence, when it is a new one.
    fn judge(&mut self) {
        let sentence = sentence(&self.setup.published.snapshot());
        if sentence != self.told {
            (self.tell_status)(&sentence);
            self.told = sentence;
        }
    }

    fn hear(&mut self, heard: Heard) {
        let before = self.mode;
        let now = self.now();
        self.mode = before.after(heard, now.wall, self.setup.limits);
        if self.mode == before {
            return;
        }
        let mode = self.mode;
        self.setup.published.update(|state| state.mode = mode);
        if mode.word() != before.word() {
            self.say_mode(before);
            if let Some(decision) = mode.decision() {
                self.setup.writer.tell(Decided(decision));
            }
        }
        self.judge();
    }

    fn say_mode(&self, before: Mode) {
        let (now, mode) = (self.now().wall, self.mode);
        let (since, cause) =
            mode.trouble().or(before.trouble()).unwrap_or((now, WriteCause::Other));
        let told = format!(
            "{mode}, after {before} (cause: {}, since {since} UTC): {}",
            cause.word(),
            mode.consequence()
        );
        match mode {
            Mode::Normal | Mode::Recovering { .. } => info!(
                event = event::MODE_CHANGED, mode = mode.word(), before = before.word(),
                cause = cause.word(), since = %since, "{told}"
            ),
            Mode::Retrying { .. } | Mode::Degraded { .. } | Mode::Holding { .. } => warn!(
                event = event::MODE_CHANGED, mode = mode.word(), before = before.word(),
                cause = cause.word(), since = %since, "{told}"
            ),
        }
        self.setup.published.note(event::MODE_CHANGED, now, told);
    }

    /// What nobody sends a message about.
    fn look_around(&mut self) {
        let now = self.now();
        if let Some(jump) = self.clock.look(now) {
            self.say_jump(jump);
        }
        self.look_for_silence(now);
        let (published, limit) = (&self.setup.published, self.setup.limits.no_write_issue_after);
        let waits = published.held() > 0;
        let durable = published.sights().last_durable();
        if let Some(lasted) = self.stall.look(now, waits, durable, limit) {
            let lasted = humantime::format_duration(Duration::from_secs(lasted.as_secs()));
            let told = format!(
                "messages wait, and for {lasted} nothing has become durable: look at the disk and \
                 at whoever locks the database; nothing is acknowledged meanwhile"
            );
            warn!(event = event::NO_WRITES, "{told}");
            published.note(event::NO_WRITES, now.wall, told);
            self.hear(Heard::Stalled);
        }
    }

    fn say_jump(&self, ClockJump { expected, shows }: ClockJump) {
        let by = Duration::from_millis(expected.0.abs_diff(shows.0));
        let by = humantime::format_duration(by);
        let direction = if shows > expected { "forward" } else { "back" };
        let told = format!(
            "the wall clock went {direction} by {by}, from {expected} to {shows} UTC (it was set, or \
             the machine slept): times of arrival before and after do not fit together"
        );
        warn!(event = event::CLOCK_JUMP, "{told}");
        let published = &self.setup.published;
        published.note(event::CLOCK_JUMP, shows, told.clone());
        let (from, to) = (expected.min(shows), expected.max(shows));
        published.remember(Note::gap_opened(GapCause::ClockJump, None, from, told));
        published.remember(Note::gap_closed(GapCause::ClockJump, None, to));
    }

    fn look_for_silence(&mut self, now: Moment) {
        let published = self.setup.published.clone();
        let connected = match published.connection() {
            Connection::Up(since) => {
                // The wall's time of it may have been set since; this life saw it begin then.
                let known = self.connected.filter(|at| at.wall == since);
                let at = known.unwrap_or(Moment { wall: since, steady: now.steady });
                self.connected = Some(at);
                Ok(at)
            }
            Connection::Down(since, _) => Err(since),
            Connection::Starting => return,
        };
        for (route, silence) in &mut self.silences {
            let heard = published.sights().last_heard(*route);
            if let Some(change) = silence.look(now, connected, heard) {
                say_silence(&published, self.setup.router.name(*route), change, now);
            }
        }
    }
}

fn say_silence(published: &Published, route: &str, change: SilenceChange, now: Moment) {
    let name = || Some(route.to_owned());
    let closed = |to| Note::gap_closed(GapCause::RouteSilent, name(), to);
    match change {
        SilenceChange::Fell(since) => {
            let told = format!(
                "nothing has come for {route} since {since} UTC, although broker and recorder are \
                 there to hear it: look at the sensor, and at its topic"
            );
            warn!(event = event::ROUTE_SILENT, route, "{told}");
            published.note(event::ROUTE_SILENT, now.wall, told.clone());
            published.remember(Note::gap_opened(GapCause::RouteSilent, name(), since, told));
        }
        SilenceChange::Broke { at, since } => {
            if let Some(since) = since {
                let told = format!("{route} speaks again; it was silent since {since} UTC");
                info!(event = event::ROUTE_HEARD, route, "{told}");
                published.note(event::ROUTE_HEARD, now.wall, told);
            }
            published.remember(closed(at));
        }
        SilenceChange::Lost(at) => published.remember(closed(at)),
    }
}

/// How the recorder is, in one sentence; the worst first.
pub fn sentence(state: &State) -> String {
    let failure = state.last_failure.as_deref().unwrap_or("the database cannot be written");
    match (state.mode, &state.connection) {
        (Mode::Holding { since, .. }, _) => format!(
            "not recording since {since} UTC: {failure}; no place is left to write to, nothing is \
             acknowledged, the broker keeps QoS 1 and 2"
        ),
        (Mode::Retrying { failures, .. }, _) => format!(
            "not recording: {failure} ({failures} tries failed); nothing is acknowledged, the broker \
             keeps the messages"
        ),
        (Mode::Degraded { since, .. }, _) => format!(
            "recording into the spool since {since} UTC ({} messages): {failure}",
            state.spooled
        ),
        (Mode::Recovering { .. }, _) => format!(
            "recovering: the database takes over what the spool holds, {} messages to go",
            state.spooled
        ),
        (Mode::Normal, Connection::Down(since, why)) => {
            format!("not connected since {since} UTC: {why}")
        }
        (Mode::Normal, Connection::Starting) => "starting".to_owned(),
        (Mode::Normal, Connection::Up(since)) => {
            let dropped = match state.broker_dropped {
                0 => String::new(),
                n => format!("; the broker says that it dropped {n} messages meanwhile"),
            };
            format!("recording; connected since {since} UTC{dropped}")
        }
    }
}

impl Actor for HealthActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(TICK, |health, _| {
            health.lifeline.pulse().beat();
            health.look_around();
            health.judge();
        });
        self.judge();
        self.lifeline.ready();
    }
}

impl Handler<WriteSucceeded> for HealthActor {
    type Result = ();

    fn handle(&mut self, written: WriteSucceeded, _: &mut Context<Self>) {
        match written.place {
            Place::Database => {
                self.setup.published.all_is_well();
                self.hear(Heard::Stored);
            }
            Place::Spool => self.hear(Heard::Spooled),
        }
    }
}

impl Handler<WriteFailed> for HealthActor {
    type Result = ();

    fn handle(&mut self, failed: WriteFailed, _: &mut Context<Self>) {
        self.setup.published.failed(failed.message);
        self.hear(match failed.place {
            Place::Database => Heard::DatabaseFailed(failed.cause),
            Place::Spool => Heard::SpoolFailed(failed.cause),
        });
        self.judge();
    }
}

impl Handler<ProbeFailed> for HealthActor {
    type Result = ();

    fn handle(&mut self, failed: ProbeFailed, _: &mut Context<Self>) {
        self.setup.published.failed(failed.message);
        self.hear(Heard::DatabaseFailed(failed.cause));
        self.judge();
    }
}

impl Handler<Drained> for HealthActor {
    type Result = ();

    fn handle(&mut self, drained: Drained, _: &mut Context<Self>) {
        self.setup.published.all_is_well();
        self.hear(if drained.left > 0 { Heard::Draining } else { Heard::Drained });
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
        let (since, cause) = (UnixMillis(0), WriteCause::Full);
        assert_eq!(sentence(&state), "starting");
        state.connection = Connection::Up(since);
        assert_eq!(sentence(&state), "recording; connected since 1970-01-01 00:00:00.000 UTC");
        state.broker_dropped = 3;
        assert!(sentence(&state).ends_with("dropped 3 messages meanwhile"));
        state.connection = Connection::Down(since, "nobody listens".into());
        assert!(sentence(&state).starts_with("not connected since"));
        state.last_failure = Some("the disk is full".into());
        let table = [
            (
                Mode::Retrying { since, cause, failures: 3 },
                "not recording: the disk is full (3 tries",
            ),
            (Mode::Degraded { since, cause }, "recording into the spool since 1970-01-01"),
            (Mode::Recovering { since, cause }, "recovering: the database takes over"),
            (Mode::Holding { since, cause }, "not recording since 1970-01-01"),
        ];
        for (mode, begins) in table {
            state.mode = mode;
            assert!(sentence(&state).starts_with(begins), "{}", sentence(&state));
        }
    }
}
