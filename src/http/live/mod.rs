//! `/ws/live`: what is recorded, as it is recorded. One hub for everyone makes each frame once (`hub`); a
//! viewer is a queue with a bound, and a socket that is attended to.

mod hub;
#[cfg(test)]
mod hub_tests;
mod news;
mod rows;

use std::rc::Rc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::Tower;
use super::auth::access;
use super::socket::close_reason::{POLICY, TOO_MANY};
use super::socket::{CloseReason, accept, turned_away};
use hub::Hub;

/// Connections that viewers leave to others: whoever wants to stop the recorder must get in.
const LEFT_TO_OTHERS: u32 = 64;

/// The place, and its hub: one for each worker.
pub(super) fn services(app: &mut web::ServiceConfig, tower: &Tower) {
    app.app_data(Rc::new(Hub::new(tower.clone()))).route("/ws/live", web::get().to(live));
}

async fn live(
    request: HttpRequest,
    payload: web::Payload,
    tower: web::Data<Tower>,
) -> HttpResponse {
    let (response, line) = match accept(&request, payload, &tower) {
        Ok(accepted) => accepted,
        Err(refused) => return *refused,
    };
    match refusal(&request, &tower, line.others) {
        Some(goodbye) => line.outbox().close(goodbye),
        None => {
            let hub: &Rc<Hub> = request.app_data().expect("the place has a hub");
            hub.join(Rc::clone(line.outbox()));
        }
    }
    actix_web::rt::spawn(line.attend(|_nobody_listens| Ok(())));
    response
}

/// Why somebody may not watch.
fn refusal(request: &HttpRequest, tower: &Tower, others: usize) -> Option<CloseReason> {
    let access = access(request);
    let turned_away = turned_away(&access);
    if turned_away.is_some() {
        return turned_away;
    }
    if !access.read {
        return Some(CloseReason::new(POLICY, "whoever looks at this page needs a token"));
    }
    let connections = tower.sources.in_force.now().watchtower.max_connections;
    let viewers_max = connections.saturating_sub(LEFT_TO_OTHERS).max(1);
    (others >= viewers_max as usize).then(|| {
        let reason = format!("{viewers_max} viewers are connected, and more are not served");
        CloseReason::new(TOO_MANY, reason)
    })
}
