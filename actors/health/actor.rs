//! `HealthActor`: judges. It hears of every success and failure of a write and of every change of
//! the connection, keeps the [`Mode`] and tells what follows from it, watches what only the passing
//! of time shows, and says in one sentence how the recorder is.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use barograph_config::Settings;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::health::checks::{CheckInput, HealthMemory, KeptMemory};
use crate::health::notify::Alerts;
use crate::health::probes::{Outside, SystemProbe};
use crate::message::event;
use crate::message::moment::Moment;
use crate::message::note::{GapCause, Note};
use crate::message::route::Router;
use crate::message::write::{
    Decided, Drained, Place, ProbeFailed, Reopen, WriteCause, WriteFailed, WriteSucceeded,
};
use crate::ports::Environment;
use crate::status::mode::{FailureLimits, Heard, Mode};
use crate::status::settings::InForce;
use crate::status::{HealthState, Published, Snapshot};
use crate::supervisor::{Fault, Lifeline, LinkRecipient, Stop};

mod judging;
mod recovering;
mod watchdog;
mod watching;

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

/// The service manager, as the judge speaks to it.
pub trait ServiceManager: Send {
    /// The health of the recorder in one sentence (systemd's `STATUS=`).
    fn status(&mut self, summary: &str);

    /// The recorder lives (systemd's `WATCHDOG=1`); said more often than it need be told.
    fn alive(&mut self);
}

/// What the judging needs.
#[derive(Debug, Clone)]
pub struct HealthSetup {
    /// Tells the writer which place to use.
    pub decide: LinkRecipient<Decided>,
    /// Asks the writer to reopen the database.
    pub reopen: LinkRecipient<Reopen>,
    /// The routes, for the silence of each.
    pub router: Arc<Router>,
    /// What everyone may see.
    pub published: Published,
    /// The wall clock.
    pub world: Environment,
    /// When the database is given up.
    pub limits: FailureLimits,
    /// What the checks go by.
    pub in_force: InForce,
    /// Who tells people of issues; what was told outlives the judge.
    pub alerts: Alerts,
    /// What a life must know of the one before.
    pub memory: KeptMemory,
}

/// Judges how the recorder is.
pub struct HealthActor {
    setup: HealthSetup,
    /// As of the last look around.
    settings: Arc<Settings>,
    manager: Box<dyn ServiceManager>,
    told: String,
    probe: SystemProbe,
    outside: Outside,
    /// When the next survey is due, and when the last one was asked for.
    survey_at: Instant,
    surveyed_at: Instant,
    memory: HealthMemory,
    /// The connection's beginning, by both clocks.
    connected: Option<Moment>,
    lifeline: Lifeline,
}

impl std::fmt::Debug for HealthActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HealthActor").finish_non_exhaustive()
    }
}

impl HealthActor {
    /// A new life. What it must remember is in published state.
    pub fn new(
        setup: HealthSetup,
        manager: Box<dyn ServiceManager>,
        probe: SystemProbe,
        lifeline: Lifeline,
    ) -> Self {
        let now = Instant::now();
        let mut memory = setup.memory.get().unwrap_or_default();
        for (name, (_, known)) in memory.follow(&setup.router) {
            let at = (setup.world.now)();
            if known.silent_since().is_some() {
                setup.published.remember(Note::gap_closed(GapCause::RouteSilent, Some(name), at));
            }
        }
        Self {
            settings: setup.in_force.now(),
            setup,
            manager,
            told: String::new(),
            probe,
            outside: Outside::default(),
            survey_at: now,
            surveyed_at: now,
            memory,
            connected: None,
            lifeline,
        }
    }

    fn now(&self) -> Moment {
        Moment { wall: (self.setup.world.now)(), steady: Instant::now() }
    }

    fn look<'a>(&'a self, state: &'a Snapshot) -> CheckInput<'a> {
        CheckInput {
            now: self.now(),
            state,
            published: &self.setup.published,
            router: &self.setup.router,
            settings: &self.settings,
            outside: &self.outside,
            memory: &self.memory,
        }
    }

    fn hear(&mut self, heard: Heard) {
        let now = self.now();
        let (before, mode) = self.setup.published.health.update(|health| {
            let mode = health.mode.after(heard, now.wall, self.setup.limits);
            (std::mem::replace(&mut health.mode, mode), mode)
        });
        if mode == before {
            return;
        }
        if mode.word() != before.word() {
            self.look_outside_soon();
            self.say_mode(before, mode);
            if let Some(decision) = mode.decision() {
                self.setup.decide.tell(Decided(decision));
            }
        }
        self.judge();
    }

    fn say_mode(&self, before: Mode, mode: Mode) {
        let now = self.now().wall;
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
}

impl Actor for HealthActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // The clocks are watched from the start.
        self.look_around();
        ctx.run_interval(TICK, |health, ctx| {
            health.lifeline.pulse().beat();
            health.settings = health.setup.in_force.now();
            health.look_around();
            health.look_outside(ctx);
            health.judge();
            let setup = &health.setup;
            setup.alerts.look(&setup.published, health.now(), setup.world);
            health.feed_the_watchdog();
        });
        self.judge();
        self.lifeline.ready();
    }
}

impl Handler<WriteSucceeded> for HealthActor {
    type Result = ();

    fn handle(&mut self, written: WriteSucceeded, _: &mut Context<Self>) {
        self.memory.answered = Some(self.now());
        match written.place {
            Place::Database => {
                self.setup.published.health.update(HealthState::write_succeeded);
                // It is out of use; whether it works shows when it is needed again.
                self.memory.spool_failed = None;
                self.hear(Heard::Stored);
            }
            Place::Spool => {
                self.memory.spool_failed = None;
                self.hear(Heard::Spooled);
            }
        }
    }
}

impl Handler<WriteFailed> for HealthActor {
    type Result = ();

    fn handle(&mut self, failed: WriteFailed, _: &mut Context<Self>) {
        let now = self.now();
        self.memory.answered = Some(now);
        if failed.place == Place::Spool {
            let since = self.memory.spool_failed.take().map_or(now.wall, |(since, _)| since);
            self.memory.spool_failed = Some((since, failed.message.clone()));
        }
        self.setup.published.health.update(|health| health.write_failed(failed.message));
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
        self.memory.answered = Some(self.now());
        self.setup.published.health.update(|health| health.write_failed(failed.message));
        self.hear(Heard::DatabaseFailed(failed.cause));
        self.judge();
    }
}

impl Handler<Drained> for HealthActor {
    type Result = ();

    fn handle(&mut self, drained: Drained, _: &mut Context<Self>) {
        self.memory.answered = Some(self.now());
        if drained.left == 0 {
            self.memory.spool_failed = None;
        }
        self.setup.published.health.update(HealthState::write_succeeded);
        self.hear(if drained.left > 0 { Heard::Draining } else { Heard::Drained });
    }
}

impl Handler<ConnectionChanged> for HealthActor {
    type Result = ();

    fn handle(&mut self, _: ConnectionChanged, _: &mut Context<Self>) {
        self.look_outside_soon();
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
