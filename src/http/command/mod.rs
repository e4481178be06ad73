//! `/ws/command`: what the page's admin orders, one JSON object a message, each with its reply. It is carried out
//! through a `CommandSender`.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use actix_web::{HttpRequest, HttpResponse, web};
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

/// Lines for orders at a time.
const LINES_MAX: usize = 4;
/// Orders on one of them in a second.
const ORDERS_A_SECOND_MAX: usize = 10;

/// Lines for orders that are open.
#[derive(Debug, Default)]
struct Lines(Arc<AtomicUsize>);

/// The place.
pub(super) fn services(app: &mut web::ServiceConfig) {
    app.app_data(Lines::default()).route("/ws/command", web::get().to(command));
}

async fn command(
    request: HttpRequest,
    payload: web::Payload,
    tower: web::Data<Tower>,
) -> HttpResponse {
    let (response, line) = match accept(&request, payload, &tower) {
        Ok(accepted) => accepted,
        Err(refused) => return *refused,
    };
    let Lines(open) = request.app_data().expect("the place counts its lines");
    let (counted, others) = Counted::new(open);
    let mut clerk = Clerk {
        commands: tower.commands.clone(),
        peer: Peer::Page(access(&request).from),
        outbox: Rc::clone(line.outbox()),
        rate: Rate::of(ORDERS_A_SECOND_MAX),
    };
    if let Some(goodbye) = refusal(&request, others) {
        line.outbox().close(goodbye);
    }
    actix_web::rt::spawn(async move {
        line.attend(|message| clerk.hear(&message)).await;
        drop(counted);
    });
    response
}

/// Why somebody may not give orders.
fn refusal(request: &HttpRequest, others: usize) -> Option<CloseReason> {
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
    outbox: Rc<Outbox>,
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
                let outbox = Rc::clone(&self.outbox);
                actix_web::rt::spawn(async move {
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

fn reply(id: &Json, outcome: Result<Json, Refusal>) -> String {
    let reply = match outcome {
        Ok(answer) => json!({ "id": id, "ok": answer }),
        Err(Refusal { message, hint }) => {
            json!({ "id": id, "error": { "message": message, "hint": hint } })
        }
    };
    reply.to_string()
}
