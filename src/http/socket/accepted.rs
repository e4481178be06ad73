//! One WebSocket, from its handshake to its end.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::request::Parts;
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, split};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tungstenite::handshake::server::create_response;

use super::close_reason::{CloseReason, GOING_AWAY, IDLE, RESTART, SESSION_ENDED};
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::reader::ClientFrame;
use crate::counted::Counted;
use crate::http::auth::{Stay, access};
use crate::http::refusal::HttpRefusal;
use crate::http::{Closing, Tower};

/// Between two pings.
const PING_EVERY: Duration = Duration::from_secs(15);
/// So many may be unanswered.
const UNANSWERED_MAX: u32 = 2;
/// How long a client may take to answer a goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(2);

/// A WebSocket whose handshake is accepted.
pub(crate) struct Socket {
    outbox: Arc<Outbox>,
    upgrade: OnUpgrade,
    stay: Stay,
    by_token: bool,
    closing: watch::Receiver<Closing>,
    /// How many there were before this one.
    pub(crate) others: usize,
    _counted: Counted,
}

/// Accepts a WebSocket: the response must be returned, and [`Socket::attend`] awaited in a task.
///
/// # Errors
/// The request is no handshake.
pub(crate) fn accept(request: &Parts, tower: &Tower) -> Result<(Response, Socket), HttpRefusal> {
    let refused = |why: String| HttpRefusal::bad(why, "a WebSocket is served here");
    let handshake = Request::from_parts(request.clone(), ());
    let response = create_response(&handshake).map_err(|error| refused(error.to_string()))?;
    let upgrade = request.extensions.get::<OnUpgrade>().cloned();
    let upgrade =
        upgrade.ok_or_else(|| refused("this connection cannot be upgraded".to_owned()))?;
    let (counted, others) = Counted::new(&tower.sockets);
    let socket = Socket {
        outbox: Arc::default(),
        upgrade,
        stay: Stay::of(request),
        by_token: access(request).by_token,
        closing: tower.closing.clone(),
        others,
        _counted: counted,
    };
    Ok((response.map(|()| Body::empty()), socket))
}

impl Socket {
    /// Where its frames go.
    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Serves the socket until it ends. What the client says is not used.
    pub(crate) async fn attend(mut self) {
        let outbox = Arc::clone(&self.outbox);
        if let Ok(upgraded) = (&mut self.upgrade).await {
            let (from, to) = split(TokioIo::new(upgraded));
            let mut inbox = Inbox::new(from);
            let talk = async {
                if let Some(goodbye) = self.talk(&mut inbox).await {
                    self.outbox.close(goodbye);
                    let _unanswered = timeout(GOODBYE_WITHIN, inbox.goodbye()).await;
                }
            };
            tokio::select! {
                () = talk => {}
                _gone = outbox.send(to) => {}
            }
        }
        outbox.end();
    }

    /// Why we end it; `None`: the client has.
    async fn talk(&mut self, inbox: &mut Inbox<impl AsyncRead + Unpin>) -> Option<CloseReason> {
        let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unanswered = 0;
        loop {
            tokio::select! {
                said = inbox.next() => match said {
                    Ok(None) => return None,
                    Ok(Some(ClientFrame::Fragment | ClientFrame::Text)) => {}
                    Ok(Some(ClientFrame::Ping(payload))) => self.outbox.pong(payload),
                    Ok(Some(ClientFrame::Pong)) => unanswered = 0,
                    Ok(Some(ClientFrame::Close(answer))) => {
                        self.outbox.close(answer);
                        let _congested = timeout(GOODBYE_WITHIN, self.outbox.emptied()).await;
                        return None;
                    }
                    Err(goodbye) => return Some(goodbye),
                },
                goodbye = self.outbox.goodbye() => return Some(goodbye),
                goodbye = ending(&mut self.closing, self.by_token) => return Some(goodbye),
                () = self.stay.ends() => return Some(session_ended()),
                _ = pings.tick() => {
                    if unanswered >= UNANSWERED_MAX {
                        let reason = format!("{UNANSWERED_MAX} pings were not answered");
                        return Some(CloseReason::new(IDLE, reason));
                    }
                    unanswered += 1;
                    self.outbox.ping();
                }
            }
        }
    }
}

/// Completes when the page ends.
async fn ending(closing: &mut watch::Receiver<Closing>, by_token: bool) -> CloseReason {
    loop {
        match *closing.borrow_and_update() {
            Closing::Not => {}
            Closing::GoingAway => return CloseReason::new(GOING_AWAY, "the recorder stops"),
            Closing::TokensChanged if by_token => return session_ended(),
            Closing::Restart | Closing::TokensChanged => {
                return CloseReason::new(RESTART, "the page restarts");
            }
        }
        if closing.changed().await.is_err() {
            return CloseReason::new(RESTART, "the page restarts");
        }
    }
}

fn session_ended() -> CloseReason {
    CloseReason::new(SESSION_ENDED, "the session ended: sign in again")
}
