//! A child as the supervisor sees it: a name, a way to start it, a way to stop it.

use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, Message, Recipient};
use actix_rt::{Arbiter, ArbiterHandle};

use super::lifeline::Lifeline;
use super::link::Link;

/// Asks a child to finish what it has in hand and stop itself.
#[derive(Debug, Clone, Copy)]
pub struct Stop;

impl Message for Stop {
    type Result = ();
}

/// A fault that a test injects into the built program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Panic in a handler.
    Panic,
    /// `ctx.stop()`, unasked.
    Stop,
    /// Block the actor's thread.
    Hang(Duration),
}

impl Message for Fault {
    type Result = ();
}

impl Fault {
    /// Commits the fault in the handler of the actor that received it; `stop` is the actor's
    /// `ctx.stop()`.
    pub fn commit(self, stop: impl FnOnce()) {
        match self {
            Self::Panic => panic!("injected by --fault-injection"),
            Self::Stop => stop(),
            Self::Hang(time) => std::thread::sleep(time),
        }
    }
}

/// One entry of the list of children. The order of the list is the order of starts; stops go in
/// reverse.
pub struct ChildSpec {
    /// The name: in the log, on the page, in tests.
    pub name: &'static str,
    /// How long the child may take to stop when asked.
    pub stop_within: Duration,
    /// It owns nothing that another life could not make again: when its thread is stuck, it is given
    /// up, and a new life starts on another one. (A stuck writer may go on any time, and write.)
    pub expendable: bool,
    /// Starts a new life of the child.
    pub start: Box<dyn FnMut(Lifeline, Thread) -> RunningChild>,
}

/// On which thread a life is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thread {
    /// That of the life before.
    Kept,
    /// Another one: the old one is stuck.
    Fresh,
}

impl std::fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChildSpec").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A started child.
#[derive(Debug)]
pub struct RunningChild {
    /// Where to ask it to stop.
    pub stop: Recipient<Stop>,
    /// Where to inject a fault.
    pub fault: Recipient<Fault>,
}

impl RunningChild {
    /// The supervisor's end of a child that understands [`Stop`] and [`Fault`].
    pub fn new<A>(address: Addr<A>) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<Stop> + Handler<Fault>,
    {
        Self { stop: address.clone().recipient(), fault: address.recipient() }
    }
}

/// Where the children live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadPlacement {
    /// Each on a thread of its own, so that a blocking handler stalls no neighbour. The thread
    /// survives its child's panics and houses the replacement.
    OwnThreads,
    /// All on the caller's thread: for tests with paused time.
    Shared,
}

impl ChildSpec {
    /// An entry for an actor: `make` builds a new life of it; `link` is renewed each time. `make`
    /// runs on the thread the actor lives on.
    pub fn of<A, F>(
        name: &'static str,
        stop_within: Duration,
        placement: ThreadPlacement,
        link: Link<A>,
        mut make: F,
    ) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<Stop> + Handler<Fault>,
        F: FnMut(Lifeline) -> Box<dyn FnOnce() -> A + Send> + 'static,
    {
        let mut home = Home::new(placement);
        let start = Box::new(move |lifeline: Lifeline, thread: Thread| {
            if thread == Thread::Fresh {
                home = Home::new(placement);
            }
            let build = make(lifeline);
            let address = A::start_in_arbiter(&home.handle(), move |_| build());
            link.renew(address.clone());
            RunningChild::new(address)
        });
        Self { name, stop_within, expendable: false, start }
    }

    /// Its thread may be given up.
    #[must_use]
    pub fn expendable(self) -> Self {
        Self { expendable: true, ..self }
    }
}

/// The thread of a child.
enum Home {
    Own(Arbiter),
    Shared,
}

impl Home {
    fn new(placement: ThreadPlacement) -> Self {
        match placement {
            ThreadPlacement::OwnThreads => Self::Own(Arbiter::new()),
            ThreadPlacement::Shared => Self::Shared,
        }
    }

    fn handle(&self) -> ArbiterHandle {
        match self {
            Self::Own(arbiter) => arbiter.handle(),
            Self::Shared => Arbiter::current(),
        }
    }
}
