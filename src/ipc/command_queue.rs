//! Commands of the page's admin: those of the operator's socket, carried out by the same code. The page holds a
//! `CommandSender` and no address of an actor.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::peer::Peer;
use super::protocol::Order;
use super::{Control, actions};
use crate::wire::command::CommandReply;
use crate::wire::refusal::{Refusal, RefusalKind};

/// Requests that may wait.
const WAITING_MAX: usize = 8;
/// The longest that an answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(28);

/// An order, and where its outcome is told.
struct QueuedCommand {
    order: Order,
    peer: Peer,
    reply: oneshot::Sender<Result<CommandReply, Refusal>>,
}

/// The page's side. Clones share it.
#[derive(Debug, Clone)]
pub struct CommandSender {
    asked: mpsc::Sender<QueuedCommand>,
}

/// The recorder's side.
#[derive(Debug)]
pub struct CommandQueue {
    asked: mpsc::Receiver<QueuedCommand>,
    /// Faults may be injected.
    takes_faults: bool,
}

/// Both sides. It exists before anybody can carry out what is asked there.
pub fn command_queue(takes_faults: bool) -> (CommandSender, CommandQueue) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (CommandSender { asked: sender }, CommandQueue { asked: receiver, takes_faults })
}

impl CommandSender {
    /// Gives an order, and waits for what becomes of it.
    pub(crate) async fn ask(&self, order: Order, peer: Peer) -> Result<CommandReply, Refusal> {
        let (reply, outcome) = oneshot::channel();
        if self.asked.try_send(QueuedCommand { order, peer, reply }).is_err() {
            let message = "commands are not carried out now";
            let hint = "the recorder is starting or stopping, or too many commands wait";
            return Err(Refusal::of(RefusalKind::Unavailable, message, hint));
        }
        let late = || {
            let seconds = ANSWER_WITHIN.as_secs();
            let message = format!("there is no outcome after {seconds} s");
            Refusal::of(
                RefusalKind::Unavailable,
                message,
                "it may still be carried out: look at the log",
            )
        };
        match timeout(ANSWER_WITHIN, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(late()),
        }
    }
}

/// Carries out orders on a thread of its own, for as long as the process lives.
///
/// # Errors
/// No thread can be started.
pub fn attend(queue: CommandQueue, control: Control) -> io::Result<()> {
    thread::Builder::new().name("page-commands".to_owned()).spawn(move || {
        if let Err(error) = carry_out_all(queue, control) {
            tracing::warn!("the page cannot give commands: {error}");
        }
    })?;
    Ok(())
}

fn carry_out_all(queue: CommandQueue, control: Control) -> io::Result<()> {
    let CommandQueue { mut asked, takes_faults } = queue;
    // Most recorders are never told anything: until then it only waits.
    let Some(first) = asked.blocking_recv() else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let control = Arc::new(control);
    runtime.block_on(async {
        let mut next = Some(first);
        while let Some(QueuedCommand { order, peer, reply }) = next {
            let control = Arc::clone(&control);
            tokio::spawn(async move {
                let outcome = match (&order, takes_faults) {
                    (Order::Fault { .. }, false) => Err(no_faults()),
                    _ => actions::carry_out(&control, &peer, &order).await,
                };
                let _nobody_waits = reply.send(outcome);
            });
            next = asked.recv().await;
        }
        Ok(())
    })
}

fn no_faults() -> Refusal {
    let message = "fault injection is off in this recorder";
    let hint = "start it with --fault-injection, where nothing that matters is recorded";
    Refusal::of(RefusalKind::Forbidden, message, hint)
}
