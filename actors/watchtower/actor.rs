//! `WatchtowerActor`: the page. It holds the server, beats as long as the server's own threads do, and ends
//! with it. It knows no other actor: what the page shows is published state and the database's file.

use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};

use crate::supervisor::exit::Cause;
use crate::supervisor::{Fault, Lifeline, Stop};

/// Period of the look at the server.
const TICK: Duration = Duration::from_millis(500);

/// How a server of the page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serving {
    /// Its threads live: it serves, or tries to get its address, or has nothing to do.
    Alive,
    /// It gives no sign of life, and answers no request.
    Silent,
    /// It ended by itself, and why.
    Ended(String),
}

/// Serves the page, on threads of its own: the port to HTTP. Dropped, it ends without waiting.
pub trait PageServer: Send {
    /// Begins to serve. Returns at once; an address that cannot be had is tried again.
    fn begin(&mut self);

    /// How it is.
    fn look(&mut self) -> Serving;

    /// Ends it, telling everyone who watches; waits a little for that.
    fn end(&mut self);
}

/// Holds the server of the page.
pub struct WatchtowerActor {
    server: Box<dyn PageServer>,
    lifeline: Lifeline,
}

impl std::fmt::Debug for WatchtowerActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchtowerActor").finish_non_exhaustive()
    }
}

impl WatchtowerActor {
    /// A new life, with a server that has not begun.
    pub fn new(server: Box<dyn PageServer>, lifeline: Lifeline) -> Self {
        Self { server, lifeline }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        match self.server.look() {
            Serving::Alive => self.lifeline.pulse().beat(),
            Serving::Silent => {}
            Serving::Ended(why) => {
                self.lifeline.fail(Cause::passing(why));
                ctx.stop();
            }
        }
    }
}

impl Actor for WatchtowerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.server.begin();
        ctx.run_interval(TICK, |tower, ctx| tower.look(ctx));
        self.lifeline.ready();
    }
}

impl Handler<Stop> for WatchtowerActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.server.end();
        ctx.stop();
    }
}

impl Handler<Fault> for WatchtowerActor {
    type Result = ();

    fn handle(&mut self, fault: Fault, ctx: &mut Context<Self>) {
        fault.commit(|| ctx.stop());
    }
}
