//! `/ws/live`: what is recorded, as it is recorded. One hub for everyone makes each frame once (`hub`); a
//! viewer is a queue with a bound, and a socket that is attended to.

mod hub;
#[cfg(test)]
mod hub_tests;
mod news;
mod rows;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;

use super::Tower;
use super::auth::access;
use super::socket::close_reason::{POLICY, TOO_MANY};
use super::socket::{CloseReason, accept, turned_away};
use hub::Hub;

/// Connections that viewers leave free: a person who wants to stop the recorder must be able to connect.
const LEFT_TO_OTHERS: u32 = 64;

/// The place, and its hub.
pub(super) fn routes(tower: &Tower) -> Router {
    let hub = Arc::new(Hub::new(tower.clone()));
    Router::new().route("/ws/live", get(live)).with_state(hub)
}

async fn live(State(hub): State<Arc<Hub>>, request: Parts) -> Response {
    let (response, socket) = match accept(&request, hub.tower()) {
        Ok(accepted) => accepted,
        Err(refused) => return refused.answer(request.uri.path()),
    };
    match refusal(&request, hub.tower(), socket.others) {
        Some(goodbye) => socket.outbox().close(goodbye),
        None => hub.join(Arc::clone(socket.outbox())),
    }
    tokio::spawn(socket.attend());
    response
}

/// Why a client may not watch.
fn refusal(request: &Parts, tower: &Tower, others: usize) -> Option<CloseReason> {
    let access = access(request);
    let turned_away = turned_away(&access);
    if turned_away.is_some() {
        return turned_away;
    }
    if !access.read {
        return Some(CloseReason::new(POLICY, "this page requires a token"));
    }
    let connections = tower.sources.in_force.now().watchtower.max_connections;
    let viewers_max = connections.saturating_sub(LEFT_TO_OTHERS).max(1);
    (others >= viewers_max as usize).then(|| {
        let reason = format!("{viewers_max} viewers are connected, and more are not served");
        CloseReason::new(TOO_MANY, reason)
    })
}
