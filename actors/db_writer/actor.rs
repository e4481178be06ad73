//! `DbWriterActor`: the only writer to the database and its spool; a thin actor over `Writer`. It
//! lives on a thread of its own, because the calls of both ports block.
//!
//! A batch that no place takes is tried again, with exponential back-off, for as long as it takes;
//! nothing is acknowledged meanwhile and the broker holds the rest. Between tries the actor is free
//! to be asked to stop.

use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, AsyncContext, Context, Handler, MessageResult, ResponseFuture, SpawnHandle,
};
use tokio::sync::oneshot;

use crate::db_writer::setup::WriterSetup;
use crate::db_writer::writer::{Next, Writer};
use crate::exit_code;
use crate::message::batch::Batch;
use crate::message::write::{
    Append, Checkpoint, CheckpointError, Checkpointed, Decided, Decision, Durable, Reopen, Reroute,
    RerouteResult, Stopping,
};
use crate::ports::{Environment, KeepEvents, OpenJournal, OpenSpool};
use crate::supervisor::restart::backoff;
use crate::supervisor::{Cause, Fault, Lifeline, Stop};

/// First pause after a failed write.
const RETRY_MIN: Duration = Duration::from_millis(50);
/// Longest pause between two tries of a write.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Period of the sign of life, and of writing notes that no batch has taken along.
const TICK: Duration = Duration::from_millis(500);

/// The batch in hand.
struct PendingBatch {
    batch: Arc<Batch>,
    answer: oneshot::Sender<Durable>,
    attempt: u32,
}

/// The only writer to the database.
pub struct DbWriterActor {
    /// `Some` until it is closed.
    writing: Option<Writer>,
    world: Environment,
    pending: Option<PendingBatch>,
    retry: Option<SpawnHandle>,
    lifeline: Lifeline,
}

impl std::fmt::Debug for DbWriterActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DbWriterActor")
            .field("pending", &self.pending.is_some())
            .finish_non_exhaustive()
    }
}

impl DbWriterActor {
    /// A new life; it opens the journal when it is started.
    pub fn new(
        journal: Box<dyn OpenJournal>,
        spool: Box<dyn OpenSpool>,
        keeper: Box<dyn KeepEvents>,
        setup: WriterSetup,
        lifeline: Lifeline,
    ) -> Self {
        let world = setup.world;
        let writing = Some(Writer::new(journal, spool, keeper, setup));
        Self { writing, world, pending: None, retry: None, lifeline }
    }

    /// One try at the batch in hand.
    fn try_pending(&mut self, ctx: &mut Context<Self>) {
        if let Some(retry) = self.retry.take() {
            ctx.cancel_future(retry);
        }
        let Some(writing) = &mut self.writing else { return };
        let Some(mut pending) = self.pending.take() else { return };
        self.lifeline.pulse().beat();
        pending.attempt = pending.attempt.saturating_add(1);
        match writing.write(&pending.batch, pending.attempt) {
            Ok(()) => {
                // The asker may be gone: the batch is durable all the same, and known again by
                // its name.
                let _unheard = pending.answer.send(Durable);
            }
            Err(_told) => {
                let pause = backoff(RETRY_MIN, RETRY_MAX, pending.attempt, (self.world.jitter)());
                self.pending = Some(pending);
                self.retry = Some(ctx.run_later(pause, |writer, ctx| {
                    writer.retry = None;
                    writer.try_pending(ctx);
                }));
            }
        }
    }

    /// What is not a new batch, one step at a time: between two steps new batches have their turn.
    fn step(&mut self, ctx: &mut Context<Self>) {
        let Some(writing) = &mut self.writing else { return };
        self.lifeline.pulse().beat();
        let pause = match writing.step() {
            // A batch that found no place may find one now.
            Next::Now if self.pending.is_some() => {
                self.try_pending(ctx);
                Duration::ZERO
            }
            Next::Now => Duration::ZERO,
            // Looked at again each tick, because a write may give the database up meanwhile.
            Next::After(pause) => pause.min(TICK),
        };
        ctx.run_later(pause, Self::step);
    }

    fn tick(&mut self) {
        self.lifeline.pulse().beat();
        if let Some(writing) = &mut self.writing {
            writing.reporter.quarantined(0);
            if self.pending.is_none() {
                writing.write_notes();
            }
            writing.keep_events();
        }
    }
}

impl Actor for DbWriterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(writing) = &mut self.writing else { return };
        match writing.open_at_start() {
            Ok(()) => {
                ctx.run_interval(TICK, |writer, _| writer.tick());
                self.lifeline.ready();
                ctx.run_later(Duration::ZERO, Self::step);
            }
            Err(error) => {
                writing.keep_failure(&error);
                let code = exit_code::of_open_error(error.cause);
                self.lifeline.fail(Cause::permanent(error.message, code));
                ctx.stop();
            }
        }
    }
}

impl Handler<Append> for DbWriterActor {
    type Result = ResponseFuture<Result<Durable, Stopping>>;

    /// A batch still in hand is one whose asker died; its next life asks for the same batch again,
    /// and this question takes its place.
    fn handle(&mut self, Append(batch): Append, ctx: &mut Context<Self>) -> Self::Result {
        let (answer, durable) = oneshot::channel();
        let waits = self.pending.replace(PendingBatch { batch, answer, attempt: 0 }).is_some();
        if !waits {
            self.try_pending(ctx);
        }
        Box::pin(async move { durable.await.map_err(|_| Stopping) })
    }
}

impl Handler<Reroute> for DbWriterActor {
    type Result = MessageResult<Reroute>;

    fn handle(&mut self, question: Reroute, _: &mut Context<Self>) -> Self::Result {
        let Reroute { router, asker } = question;
        MessageResult(match &mut self.writing {
            // A batch of an asker that died, decoded by the routes of its time.
            Some(_) if self.pending.is_some() || asker.strong_count() == 0 => RerouteResult::NotNow,
            Some(writing) => writing.reroute(&router),
            None => RerouteResult::NotNow,
        })
    }
}

impl Handler<Decided> for DbWriterActor {
    type Result = ();

    fn handle(&mut self, Decided(decision): Decided, ctx: &mut Context<Self>) {
        if let Some(writing) = &mut self.writing {
            writing.obey(decision);
        }
        match decision {
            Decision::UseSpool => self.try_pending(ctx),
            Decision::UseDatabase => {}
        }
    }
}

impl Handler<Checkpoint> for DbWriterActor {
    type Result = Result<Checkpointed, CheckpointError>;

    fn handle(&mut self, _: Checkpoint, _: &mut Context<Self>) -> Self::Result {
        self.lifeline.pulse().beat();
        match &mut self.writing {
            Some(writing) => writing.checkpoint(),
            None => Err(CheckpointError::Stopping),
        }
    }
}

impl Handler<Reopen> for DbWriterActor {
    type Result = ();

    fn handle(&mut self, _: Reopen, _: &mut Context<Self>) {
        if let Some(writing) = &mut self.writing
            && self.pending.is_none()
        {
            writing.reopen();
        }
    }
}

impl Handler<Stop> for DbWriterActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.pending = None;
        if let Some(writing) = self.writing.take() {
            writing.close();
        }
        ctx.stop();
    }
}

impl Handler<Fault> for DbWriterActor {
    type Result = ();

    fn handle(&mut self, fault: Fault, ctx: &mut Context<Self>) {
        fault.commit(|| ctx.stop());
    }
}
