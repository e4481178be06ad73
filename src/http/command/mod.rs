//! `/ws/command`: what the page's admin orders, one JSON object a message, each with its reply. It is carried out
//! through a `CommandSender`.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::Tower;
use super::auth::access;
use super::socket::close_reason::{POLICY, TOO_MANY};
use super::socket::{CloseReason, Outbox, Rate, accept, turned_away};
use crate::counted::Counted;
use crate::ipc::command_queue::CommandSender;
use crate::ipc::peer::Peer;
use crate::ipc::protocol::{Order, Refusal};
use crate::wire::command::CommandReply;

/// Lines for orders at a time.
const LINES_MAX: usize = 4;
/// Orders on one of them in a second.
const ORDERS_A_SECOND_MAX: usize = 10;

/// The place, and how many lines for orders are open.
#[derive(Debug, Clone)]
struct Place {
    tower: Tower,
    open: Arc<AtomicUsize>,
}

/// The place.
pub(super) fn routes(tower: &Tower) -> Router {
    let place = Place { tower: tower.clone(), open: Arc::default() };
    Router::new().route("/ws/command", get(command)).with_state(place)
}

async fn command(State(Place { tower, open }): State<Place>, request: Parts) -> Response {
    let (response, socket) = match accept(&request, &tower) {
        Ok(accepted) => accepted,
        Err(refused) => return refused.answer(request.uri.path()),
    };
    let (counted, others) = Counted::new(&open);
    let mut clerk = Clerk {
        commands: tower.commands.clone(),
        peer: Peer::Page(access(&request).from),
        outbox: Arc::clone(socket.outbox()),
        rate: Rate::of(ORDERS_A_SECOND_MAX),
    };
    if let Some(goodbye) = refusal(&request, others) {
        socket.outbox().close(goodbye);
    }
    tokio::spawn(async move {
        socket.attend(|message| clerk.hear(&message)).await;
        drop(counted);
    });
    response
}

/// Why somebody may not give orders.
fn refusal(request: &Parts, others: usize) -> Option<CloseReason> {
    let access = access(request);
    let turned_away = turned_away(&access);
    if turned_away.is_some() {
        return turned_away;
    }
    if !access.admin {
        return Some(CloseReason::new(POLICY, "commands need the admin token"));
    }
    (others >= LINES_MAX).then(|| {
        let reason = format!("{LINES_MAX} lines for commands are open, and more are not served");
        CloseReason::new(TOO_MANY, reason)
    })
}

/// Takes the orders of one line.
struct Clerk {
    commands: CommandSender,
    peer: Peer,
    outbox: Arc<Outbox>,
    rate: Rate,
}

impl Clerk {
    fn hear(&mut self, message: &str) -> Result<(), CloseReason> {
        let json: Json = serde_json::from_str(message).unwrap_or(Json::Null);
        let id = json.get("id").cloned().unwrap_or(Json::Null);
        match self.understand(&json) {
            Err(refusal) => self.outbox.say(reply(&id, Err(refusal))),
            Ok(order) => {
                let (commands, peer) = (self.commands.clone(), self.peer.clone());
                let outbox = Arc::clone(&self.outbox);
                tokio::spawn(async move {
                    let outcome = commands.ask(order, peer).await;
                    outbox.say(reply(&id, outcome));
                });
            }
        }
        Ok(())
    }

    fn understand(&mut self, json: &Json) -> Result<Order, Refusal> {
        if !self.rate.admits(Instant::now()) {
            let message = format!("more than {ORDERS_A_SECOND_MAX} commands in a second");
            return Err(Refusal::new(message, "this one was not carried out: try it again"));
        }
        Order::of_page(json)
    }
}

fn reply(id: &Json, outcome: Result<CommandReply, Refusal>) -> String {
    let reply = match outcome {
        Ok(answer) => json!({ "id": id, "ok": answer }),
        Err(error) => json!({ "id": id, "error": error }),
    };
    reply.to_string()
}
