//! One WebSocket, from its handshake to its end.

use std::rc::Rc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::close_reason::{CloseReason, GOING_AWAY, IDLE, RESTART, SESSION_ENDED};
use super::frames::Said;
use super::inbox::Inbox;
use super::outbox::{Outbox, Sending};
use crate::counted::Counted;
use crate::http::auth::{Stay, access};
use crate::http::connections::Peer;
use crate::http::{Closing, Tower};

/// Between two pings.
const PING_EVERY: Duration = Duration::from_secs(15);
/// So many may be unanswered.
const UNANSWERED_MAX: u32 = 2;
/// How long a client may take to answer a goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(2);

/// A WebSocket that is to be attended to.
pub(crate) struct Line {
    outbox: Rc<Outbox>,
    inbox: Inbox,
    peer: Peer,
    stay: Stay,
    by_token: bool,
    closing: watch::Receiver<Closing>,
    /// How many there were before this one.
    pub(crate) others: usize,
    _counted: Counted,
}

/// Accepts a WebSocket. The response is to be returned, and the line attended to.
///
/// # Errors
/// It is no handshake: the response says so.
pub(crate) fn accept(
    request: &HttpRequest,
    payload: Payload,
    tower: &Tower,
) -> Result<(HttpResponse, Line), Box<HttpResponse>> {
    let response = actix_http::ws::handshake(request.head());
    let refused = |error| Box::new(HttpResponse::from(actix_http::Response::from(error)));
    let mut response = response.map_err(refused)?;
    let outbox = Rc::new(Outbox::default());
    let response = response.message_body(BoxBody::new(Sending(Rc::clone(&outbox))));
    let response = response.map_err(|error| Box::new(error.error_response()))?;
    let (counted, others) = Counted::new(&tower.sockets);
    let line = Line {
        outbox,
        inbox: Inbox::new(payload),
        peer: Peer::of(request),
        stay: Stay::of(request),
        by_token: access(request).by_token,
        closing: tower.closing.clone(),
        others,
        _counted: counted,
    };
    Ok((response.into(), line))
}

impl Line {
    /// Where its frames go.
    pub(crate) fn outbox(&self) -> &Rc<Outbox> {
        &self.outbox
    }

    /// Stays until it ends. `hear` takes the messages; an error is the goodbye.
    pub(crate) async fn attend(mut self, hear: impl FnMut(String) -> Result<(), CloseReason>) {
        if let Some(goodbye) = self.talk(hear).await {
            self.outbox.close(goodbye);
            let _unanswered = timeout(GOODBYE_WITHIN, self.inbox.goodbye()).await;
        }
        self.outbox.end();
        // The server's own end of a connection would wait until the client has taken everything.
        self.peer.cut();
    }

    /// Why we end it; `None`: the client has.
    async fn talk(
        &mut self,
        mut hear: impl FnMut(String) -> Result<(), CloseReason>,
    ) -> Option<CloseReason> {
        let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unanswered = 0;
        loop {
            tokio::select! {
                said = self.inbox.next() => match said {
                    Ok(None) => return None,
                    Ok(Some(Said::Fragment)) => {}
                    Ok(Some(Said::Ping(payload))) => self.outbox.pong(payload),
                    Ok(Some(Said::Pong)) => unanswered = 0,
                    Ok(Some(Said::Text(text))) => {
                        if let Err(goodbye) = hear(text) {
                            return Some(goodbye);
                        }
                    }
                    Ok(Some(Said::Close(answer))) => {
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
                return CloseReason::new(RESTART, "the page starts anew");
            }
        }
        if closing.changed().await.is_err() {
            return CloseReason::new(RESTART, "the page starts anew");
        }
    }
}

fn session_ended() -> CloseReason {
    CloseReason::new(SESSION_ENDED, "the session ended: sign in again")
}
