//! `MqttActor`: the broker session. A thin actor over a plain loop ([`Receiver`]), which knows no
//! mailbox.

use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use tokio::sync::Notify;

use crate::mqtt::receiver::{Receiver, ReceiverSetup};
use crate::ports::Broker;
use crate::supervisor::{Fault, Lifeline, Stop};

/// The broker session as a child of the tree.
#[derive(Debug)]
pub struct MqttActor<B: Broker> {
    /// Until it is started.
    recording: Option<Receiver<B>>,
    /// Told once when it is time to stop.
    stop: Arc<Notify>,
}

impl<B: Broker> MqttActor<B> {
    /// A new life.
    pub fn new(broker: B, setup: ReceiverSetup, lifeline: Lifeline) -> Self {
        let recording = Receiver::new(broker, setup, lifeline);
        Self { recording: Some(recording), stop: Arc::new(Notify::new()) }
    }
}

impl<B: Broker> Actor for MqttActor<B> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(recording) = self.recording.take() {
            let stop = Arc::clone(&self.stop);
            ctx.spawn(recording.run(stop).into_actor(self).map(|(), _, ctx| ctx.stop()));
        }
    }
}

impl<B: Broker> Handler<Stop> for MqttActor<B> {
    type Result = ();

    fn handle(&mut self, _: Stop, _: &mut Context<Self>) {
        self.stop.notify_one();
    }
}

impl<B: Broker> Handler<Fault> for MqttActor<B> {
    type Result = ();

    fn handle(&mut self, fault: Fault, ctx: &mut Context<Self>) {
        fault.commit(|| ctx.stop());
    }
}
