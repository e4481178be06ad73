//! `POST /api/v1/commands/NAME`: what the page's admin orders, with its arguments as one JSON object. It is carried
//! out through a `CommandSender`.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::post;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Tower;
use super::api::{Answer, json_reply};
use super::auth::access;
use super::refusal::{COMMANDS, HttpRefusal};
use super::socket::Rate;
use crate::counted::Counted;
use crate::ipc::command_queue::CommandSender;
use crate::ipc::peer::Peer;
use crate::ipc::protocol::Order;
use crate::wire::refusal::{Refusal, RefusalKind};

/// Commands that are carried out at a time.
const COMMANDS_MAX: usize = 4;
/// Commands in a second.
const COMMANDS_A_SECOND_MAX: usize = 10;
/// Most bytes of the arguments.
const BODY_BYTES_MAX: usize = 4 << 10;

/// Where commands go, and how many were given lately, by all clients.
#[derive(Debug, Clone)]
struct CommandState {
    commands: CommandSender,
    under_way: Arc<AtomicUsize>,
    rate: Arc<Mutex<Rate>>,
}

/// The place.
pub(super) fn routes(tower: &Tower) -> Router {
    let rate = Arc::new(Mutex::new(Rate::of(COMMANDS_A_SECOND_MAX)));
    let place = CommandState { commands: tower.commands.clone(), under_way: Arc::default(), rate };
    Router::new()
        .route(&format!("{COMMANDS}{{name}}"), post(command))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(place)
}

/// The door lets only the admin through.
async fn command(
    State(CommandState { commands, under_way, rate }): State<CommandState>,
    Path(name): Path<String>,
    request: Parts,
    arguments: Result<Bytes, BytesRejection>,
) -> Answer {
    let (_counted, others) = Counted::new(&under_way);
    if others >= COMMANDS_MAX {
        return Err(too_many(format!("{COMMANDS_MAX} commands are being carried out")));
    }
    if !rate.lock().admits(Instant::now()) {
        return Err(too_many(format!("more than {COMMANDS_A_SECOND_MAX} commands in a second")));
    }
    let arguments = arguments.map_err(|error| {
        let hint = "send the arguments as a JSON object";
        HttpRefusal::new(error.status(), "the request body cannot be read", hint)
    })?;
    let order = Order::of_page(&name, &arguments)?;
    let reply = commands.ask(order, Peer::Page(access(&request).from)).await?;
    Ok(json_reply(&reply))
}

fn too_many(message: String) -> HttpRefusal {
    let hint = "this one was not carried out: try it again";
    let refusal = HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, message, hint);
    HttpRefusal { again_in: Some(Duration::from_secs(1)), ..refusal }
}

impl From<Refusal> for HttpRefusal {
    fn from(Refusal { message, hint, kind }: Refusal) -> Self {
        let status = match kind {
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::Unknown => StatusCode::NOT_FOUND,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
            RefusalKind::Failed => StatusCode::CONFLICT,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, message, hint)
    }
}
