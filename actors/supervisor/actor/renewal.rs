//! Lives that end on purpose: a child that is stopped in order and started anew, and one whose thread
//! is given up.

use std::time::Duration;

use actix::{AsyncContext, Context, Handler, Message, SpawnHandle};
use tracing::{error, info};

use super::{ActorState, Supervisor, TreeOutcome};
use crate::exit_code;
use crate::message::event;
use crate::supervisor::child::Stop;
use crate::supervisor::exit::Exit;
use crate::supervisor::restart::Policy;

/// Asks for a child to be stopped in order and started anew; the answer says whether it is one that
/// runs. It is no death: nothing is counted against it.
#[derive(Debug, Clone)]
pub struct Renew {
    /// The child's name.
    pub child: String,
    /// Why, for the log.
    pub why: String,
}

impl Message for Renew {
    type Result = bool;
}

/// Other limits hold from now on.
#[derive(Debug, Clone)]
pub struct Adjust {
    /// When a dead child is started again.
    pub policy: Policy,
    /// When a child without a sign of life is stuck.
    pub stuck_after: Duration,
}

impl Message for Adjust {
    type Result = ();
}

/// A child on its way from one life to the next.
pub(super) struct Renewing {
    pub(super) timer: SpawnHandle,
    why: String,
}

impl Supervisor {
    fn renew(&mut self, index: usize, why: String, ctx: &mut Context<Self>) {
        let child = &mut self.children[index];
        let (ActorState::Starting(life) | ActorState::Running(life)) = &child.state else { return };
        life.running.stop.do_send(Stop);
        // It is given no extra time: it is stuck when any other would be.
        let within = child.spec.stop_within.max(self.stuck_after);
        let timer = ctx.run_later(within, move |supervisor, ctx| {
            supervisor.out_of_time(index, ctx);
        });
        child.state = ActorState::Renewing(Renewing { timer, why });
        self.show(index, "stopping", None);
    }

    /// It has stopped, and starts at once.
    pub(super) fn on_renewed(
        &mut self,
        index: usize,
        renewing: Renewing,
        exit: &Exit,
        ctx: &mut Context<Self>,
    ) {
        let Renewing { timer, why } = renewing;
        ctx.cancel_future(timer);
        let name = self.children[index].spec.name;
        info!(
            event = event::ACTOR_RENEWED,
            actor = name,
            why,
            exit = exit.word(),
            "{name}: restarting ({why})"
        );
        self.observer.renewed(name, &why);
        self.show(index, "restarting", None);
        self.start(index, ctx);
    }

    /// The tree stops: there is no next life, and the requester waits.
    pub(super) fn stop_instead(
        &mut self,
        index: usize,
        renewing: &Renewing,
        ctx: &mut Context<Self>,
    ) {
        ctx.cancel_future(renewing.timer);
        let child = &mut self.children[index];
        let timer = ctx.run_later(child.spec.stop_within, move |supervisor, ctx| {
            supervisor.out_of_time(index, ctx);
        });
        child.state = ActorState::Stopping(timer);
        self.show(index, "stopping", None);
    }

    /// It did not stop in its time: its thread is stuck.
    pub(super) fn renewal_failed(&mut self, index: usize, ctx: &mut Context<Self>) {
        if self.children[index].spec.expendable {
            let child = &mut self.children[index];
            child.thread_lost = true;
            return self.start(index, ctx);
        }
        self.escalate_stuck(index, ctx);
    }

    /// A thread cannot be killed, and this one may go on at any time.
    pub(super) fn escalate_stuck(&mut self, index: usize, ctx: &mut Context<Self>) {
        let name = self.children[index].spec.name;
        let limit = humantime::format_duration(self.stuck_after).to_string();
        let reason = format!(
            "actor {name} is stuck: no sign of life for {limit}; a thread cannot be killed, so the \
             process ends and a fresh one can start"
        );
        let exit = Exit::Stuck;
        error!(event = event::ESCALATED, actor = name, exit = exit.word(), cause = %exit, "{reason}");
        self.show(index, "stuck", Some(&exit));
        self.children[index].state = ActorState::Stopped;
        self.shut_down(TreeOutcome { code: exit_code::ESCALATED, reason: Some(reason) }, ctx);
    }

    /// A child that owns nothing is started anew on another thread. The stuck one, should it ever go
    /// on, finds that it was asked to stop, and its reports are ignored.
    pub(super) fn abandon(&mut self, index: usize, ctx: &mut Context<Self>) {
        let child = &mut self.children[index];
        child.thread_lost = true;
        // What the old life may still report is stale.
        child.birth += 1;
        if let ActorState::Starting(life) | ActorState::Running(life) =
            std::mem::replace(&mut child.state, ActorState::Stopped)
        {
            life.running.stop.do_send(Stop);
            self.show(index, "stuck", Some(&Exit::Stuck));
            self.judge(index, &life, &Exit::Stuck, ctx);
        }
    }
}

impl Handler<Renew> for Supervisor {
    type Result = bool;

    fn handle(&mut self, Renew { child, why }: Renew, ctx: &mut Context<Self>) -> bool {
        let runs =
            |state: &ActorState| matches!(state, ActorState::Starting(_) | ActorState::Running(_));
        let index = self.children.iter().position(|c| c.spec.name == child && runs(&c.state));
        if let Some(index) = index {
            self.renew(index, why, ctx);
        }
        index.is_some()
    }
}

impl Handler<Adjust> for Supervisor {
    type Result = ();

    fn handle(&mut self, Adjust { policy, stuck_after }: Adjust, _: &mut Context<Self>) {
        self.restarts.adjust(policy);
        self.stuck_after = stuck_after;
    }
}
