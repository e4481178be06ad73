//! The root of the tree. It sends no questions and blocks on nothing: it receives exits, judges them, and
//! acts. If it panics the process exits, because nothing is left that could judge; the service
//! manager starts a fresh one.

use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::child::{ChildSpec, Fault, RunningChild, Stop, Thread};
use super::exit::Exit;
use super::lifeline::{Lifeline, LifelineReport};
use super::pulse::Pulse;
use super::restart::{Policy, Restarts, Verdict};
use crate::exit_code;
use crate::message::event;

mod observer;
mod renewal;

pub use observer::{InstanceLock, Observer};
use renewal::Renewing;
pub use renewal::{Adjust, Renew};

/// How often pulses are looked at.
const PULSE_CHECK_PERIOD: Duration = Duration::from_millis(500);

/// A look that comes later than this after the one before finds a process that stood still; so long its children
/// have for a sign of life then.
const CHECKED_WITHIN: Duration = Duration::from_secs(2);

/// Asks for the ordered stop of the whole tree.
#[derive(Debug, Clone, Copy)]
pub struct Shutdown;

impl Message for Shutdown {
    type Result = ();
}

/// Injects a fault into the child of that name (or into `supervisor`); the answer says whether
/// there is such a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inject {
    /// The child's name.
    pub child: String,
    /// What to do to it.
    pub fault: Fault,
}

impl Message for Inject {
    type Result = bool;
}

/// How the whole tree ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeOutcome {
    /// The process's exit code.
    pub code: i32,
    /// Why, unless it was asked to stop.
    pub reason: Option<String>,
}

/// Where in its life a child is. Each state has only what it needs.
enum ActorState {
    /// Not yet its turn.
    Waiting,
    /// Started, not yet ready.
    Starting(Life),
    /// At work.
    Running(Life),
    /// Dead, to be started again when the timer fires.
    BackingOff,
    /// Asked to stop, and to be started anew; the timer ends its time.
    Renewing(Renewing),
    /// Asked to stop; the timer ends its time.
    Stopping(SpawnHandle),
    /// Gone for good.
    Stopped,
}

struct Life {
    since: Instant,
    pulse: Pulse,
    running: RunningChild,
}

struct Child {
    spec: ChildSpec,
    state: ActorState,
    birth: u64,
    restarts: u32,
    was_ready: bool,
    /// Its thread is stuck: the next life gets another one.
    thread_lost: bool,
}

/// What the tree is doing.
enum Phase {
    /// Starting and running.
    Up { announced: bool },
    /// Stopping in reverse order.
    Down(TreeOutcome),
}

/// The root supervisor. It holds the instance lock for as long as it lives.
pub struct Supervisor {
    children: Vec<Child>,
    restarts: Restarts,
    stuck_after: Duration,
    jitter: fn() -> f64,
    observer: Box<dyn Observer>,
    phase: Phase,
    ended: bool,
    lock: Box<dyn InstanceLock>,
    lock_lost: bool,
    /// When pulses were last looked at, and when that was late.
    checked: Option<Instant>,
    woke: Option<Instant>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.children.iter().map(|child| child.spec.name).collect();
        f.debug_struct("Supervisor").field("children", &names).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// A supervisor over `specs`, in their order. `jitter` gives numbers in 0..=1. `lock` is held
    /// while it lives.
    pub fn new(
        specs: Vec<ChildSpec>,
        policy: Policy,
        stuck_after: Duration,
        jitter: fn() -> f64,
        observer: Box<dyn Observer>,
        lock: Box<dyn InstanceLock>,
    ) -> Self {
        let restarts = Restarts::new(policy, specs.len());
        let children = specs
            .into_iter()
            .map(|spec| Child {
                spec,
                state: ActorState::Waiting,
                birth: 0,
                restarts: 0,
                was_ready: false,
                thread_lost: false,
            })
            .collect();
        let phase = Phase::Up { announced: false };
        Self {
            children,
            restarts,
            stuck_after,
            jitter,
            observer,
            phase,
            ended: false,
            lock,
            lock_lost: false,
            checked: None,
            woke: None,
        }
    }

    /// Starts the first child that has not had its turn, if all before it are or were ready.
    fn start_next(&mut self, ctx: &mut Context<Self>) {
        match &mut self.phase {
            Phase::Down(_) => {}
            Phase::Up { announced } => {
                match self.children.iter().position(|child| !child.was_ready) {
                    Some(index) if matches!(self.children[index].state, ActorState::Waiting) => {
                        self.start(index, ctx);
                    }
                    Some(_) => {}
                    None => {
                        if !std::mem::replace(announced, true) {
                            self.observer.ready();
                        }
                    }
                }
            }
        }
    }

    fn start(&mut self, index: usize, ctx: &mut Context<Self>) {
        let child = &mut self.children[index];
        child.birth += 1;
        let name = child.spec.name;
        let pulse = Pulse::new();
        let reports = ctx.address().recipient();
        let lifeline = Lifeline::new(name, index, child.birth, pulse.clone(), reports);
        self.observer.born(name, &pulse);
        let thread = match std::mem::take(&mut child.thread_lost) {
            true => Thread::Fresh,
            false => Thread::Kept,
        };
        let running = (child.spec.start)(lifeline, thread);
        child.state = ActorState::Starting(Life { since: Instant::now(), pulse, running });
        self.show(index, "starting", None);
    }

    fn show(&mut self, index: usize, state: &str, exit: Option<&Exit>) {
        let child = &self.children[index];
        self.observer.child(child.spec.name, state, child.restarts, exit);
    }

    /// Only the first time in each life: a child may say it again, also while it is being stopped.
    fn on_ready(&mut self, index: usize, ctx: &mut Context<Self>) {
        let child = &mut self.children[index];
        child.state = match std::mem::replace(&mut child.state, ActorState::Waiting) {
            ActorState::Starting(life) => ActorState::Running(life),
            other @ (ActorState::Waiting
            | ActorState::Running(_)
            | ActorState::BackingOff
            | ActorState::Renewing(_)
            | ActorState::Stopping(_)
            | ActorState::Stopped) => {
                child.state = other;
                return;
            }
        };
        child.was_ready = true;
        info!(event = event::ACTOR_STARTED, actor = child.spec.name, "actor started");
        self.show(index, "running", None);
        self.start_next(ctx);
    }

    fn on_ended(&mut self, index: usize, exit: Exit, ctx: &mut Context<Self>) {
        let child = &mut self.children[index];
        let state = std::mem::replace(&mut child.state, ActorState::Stopped);
        match (&self.phase, state) {
            (Phase::Down(_), ActorState::Stopping(timer)) => {
                ctx.cancel_future(timer);
                self.show(index, "stopped", Some(&exit));
                self.stop_next(ctx);
            }
            (Phase::Down(_), _) => self.show(index, "stopped", Some(&exit)),
            (Phase::Up { .. }, ActorState::Starting(life) | ActorState::Running(life)) => {
                self.show(index, "dead", Some(&exit));
                self.judge(index, &life, &exit, ctx);
            }
            (Phase::Up { .. }, ActorState::Renewing(renewing)) => {
                self.on_renewed(index, renewing, &exit, ctx);
            }
            (
                Phase::Up { .. },
                ActorState::Waiting
                | ActorState::BackingOff
                | ActorState::Stopping(_)
                | ActorState::Stopped,
            ) => {}
        }
    }

    /// The one place where a death becomes a decision.
    fn judge(&mut self, index: usize, life: &Life, exit: &Exit, ctx: &mut Context<Self>) {
        let name = self.children[index].spec.name;
        if let Exit::Failed(cause) = exit
            && let Some(code) = cause.permanent
        {
            error!(
                event = event::ESCALATED, actor = name, exit = exit.word(), cause = %exit,
                "actor {name} cannot work, and starting it again would not help"
            );
            return self.shut_down(TreeOutcome { code, reason: Some(exit.to_string()) }, ctx);
        }
        let lived = life.since.elapsed();
        match self.restarts.judge(index, lived, Instant::now(), (self.jitter)()) {
            Verdict::Restart { attempt, backoff } => {
                self.children[index].restarts += 1;
                self.children[index].state = ActorState::BackingOff;
                let pause = humantime::format_duration(whole_ms(backoff)).to_string();
                warn!(
                    event = event::ACTOR_RESTARTED, actor = name, exit = exit.word(), cause = %exit,
                    attempt, backoff = pause, "actor {name} ended ({exit}); it starts again in \
                        {pause}"
                );
                self.show(index, "restarting", Some(exit));
                ctx.run_later(backoff, move |supervisor, ctx| {
                    if matches!(supervisor.children[index].state, ActorState::BackingOff) {
                        supervisor.start(index, ctx);
                    }
                });
            }
            Verdict::Escalate { restarts } => {
                let reason = format!(
                    "actor {name} ended ({exit}), the {restarts}th restart in a short time: \
                     giving up, so that a fresh process can start"
                );
                error!(event = event::ESCALATED, actor = name, exit = exit.word(), cause = %exit, restarts, "{reason}");
                self.shut_down(
                    TreeOutcome { code: exit_code::ESCALATED, reason: Some(reason) },
                    ctx,
                );
            }
        }
    }

    /// A second instance that finds no lock file creates one and starts. Reported once.
    fn check_lock(&mut self) {
        if self.lock_lost {
            return;
        }
        if let Some(trouble) = self.lock.lost() {
            self.lock_lost = true;
            error!(event = event::LOCK_LOST, "{trouble}");
            self.observer.lock_lost(&trouble);
        }
    }

    /// A thread cannot be killed, so a stuck child ends the process; the exit is ordered for
    /// everyone else.
    fn check_pulses(&mut self, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Down(_)) {
            return;
        }
        // After the process itself stood still every pulse is as old as that; it is judged by those that come now.
        let now = Instant::now();
        if self.checked.replace(now).is_some_and(|checked| now - checked > CHECKED_WITHIN) {
            self.woke = Some(now);
        }
        if self.woke.is_some_and(|woke| now - woke <= CHECKED_WITHIN) {
            return;
        }
        let stuck_after = self.stuck_after;
        let stuck = self.children.iter().position(|child| match &child.state {
            ActorState::Starting(life) | ActorState::Running(life) => {
                life.pulse.since_last_beat() > stuck_after
            }
            ActorState::Waiting
            | ActorState::BackingOff
            | ActorState::Renewing(_)
            | ActorState::Stopping(_)
            | ActorState::Stopped => false,
        });
        if let Some(index) = stuck {
            if self.children[index].spec.expendable {
                return self.abandon(index, ctx);
            }
            self.escalate_stuck(index, ctx);
        }
    }

    fn shut_down(&mut self, outcome: TreeOutcome, ctx: &mut Context<Self>) {
        if matches!(self.phase, Phase::Down(_)) {
            return;
        }
        self.observer.stopping(outcome.reason.as_deref().unwrap_or("asked to stop"));
        self.phase = Phase::Down(outcome);
        self.stop_next(ctx);
    }

    /// Stops the last living child, and ends when there is none.
    fn stop_next(&mut self, ctx: &mut Context<Self>) {
        while let Some(index) =
            self.children.iter().rposition(|c| !matches!(c.state, ActorState::Stopped))
        {
            let child = &mut self.children[index];
            match std::mem::replace(&mut child.state, ActorState::Stopped) {
                ActorState::Starting(life) | ActorState::Running(life) => {
                    life.running.stop.do_send(Stop);
                    let timer = ctx.run_later(child.spec.stop_within, move |supervisor, ctx| {
                        supervisor.out_of_time(index, ctx);
                    });
                    child.state = ActorState::Stopping(timer);
                    return self.show(index, "stopping", None);
                }
                ActorState::Renewing(renewing) => return self.stop_instead(index, &renewing, ctx),
                ActorState::Stopping(timer) => {
                    child.state = ActorState::Stopping(timer);
                    return;
                }
                ActorState::Waiting | ActorState::BackingOff | ActorState::Stopped => {}
            }
        }
        self.end(ctx);
    }

    fn out_of_time(&mut self, index: usize, ctx: &mut Context<Self>) {
        let child = &mut self.children[index];
        if let ActorState::Renewing(_) = child.state {
            return self.renewal_failed(index, ctx);
        }
        let limit = humantime::format_duration(child.spec.stop_within).to_string();
        warn!(
            event = event::STOP_TIMED_OUT,
            actor = child.spec.name,
            limit,
            "actor {} did not stop within {limit}; going on without it: what it had not committed \
             was not acknowledged and stays at the broker",
            child.spec.name
        );
        child.state = ActorState::Stopped;
        self.stop_next(ctx);
    }

    fn end(&mut self, ctx: &mut Context<Self>) {
        if let Phase::Down(outcome) = &self.phase {
            self.observer.ended(outcome);
        }
        self.ended = true;
        ctx.stop();
    }
}

/// Durations in the log are read by people: nothing below a millisecond.
pub(crate) fn whole_ms(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let pulse = Pulse::new();
        self.observer.born("supervisor", &pulse);
        self.checked = Some(Instant::now());
        ctx.run_interval(PULSE_CHECK_PERIOD, move |supervisor, ctx| {
            pulse.beat();
            supervisor.check_lock();
            supervisor.check_pulses(ctx);
        });
        self.start_next(ctx);
    }
}

/// Nothing supervises the supervisor: when it ends before the tree has, by a panic or otherwise, the process
/// does.
impl Drop for Supervisor {
    fn drop(&mut self) {
        if !self.ended {
            let exit = if std::thread::panicking() { "panicked" } else { "done" };
            error!(
                event = event::ESCALATED,
                actor = "supervisor",
                exit,
                "the supervisor ended: \
                the process ends, so that a fresh one can start"
            );
            self.observer.abandoned(exit_code::ESCALATED);
        }
    }
}

impl Handler<LifelineReport> for Supervisor {
    type Result = ();

    fn handle(&mut self, report: LifelineReport, ctx: &mut Context<Self>) {
        let current = |child: usize, birth: u64| self.children[child].birth == birth;
        match report {
            LifelineReport::Ready { child, birth } if current(child, birth) => {
                self.on_ready(child, ctx)
            }
            LifelineReport::Ended { child, birth, exit } if current(child, birth) => {
                self.on_ended(child, exit, ctx);
            }
            LifelineReport::Ready { .. } | LifelineReport::Ended { .. } => {}
        }
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Shutdown, ctx: &mut Context<Self>) {
        self.shut_down(TreeOutcome { code: exit_code::OK, reason: None }, ctx);
    }
}

impl Handler<Inject> for Supervisor {
    type Result = bool;

    fn handle(&mut self, inject: Inject, ctx: &mut Context<Self>) -> bool {
        if inject.child == "supervisor" {
            inject.fault.commit(|| ctx.stop());
            return true;
        }
        let Some(child) = self.children.iter().find(|child| child.spec.name == inject.child) else {
            return false;
        };
        match &child.state {
            ActorState::Starting(life) | ActorState::Running(life) => {
                life.running.fault.do_send(inject.fault);
                true
            }
            ActorState::Waiting
            | ActorState::BackingOff
            | ActorState::Renewing(_)
            | ActorState::Stopping(_)
            | ActorState::Stopped => false,
        }
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
