//! What is to be sent to one client: a queue with a bound. Nobody waits for it: a client for whom it is full
//! is too slow, is told so behind what is already on its way, and goes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use tokio::sync::Notify;

use super::close_reason::{CloseReason, SLOW};
use super::frames;

/// Frames that may wait.
const FRAMES_MAX: usize = 32;
/// Bytes that may wait, beside a single frame.
const BYTES_MAX: usize = 256 * 1024;

/// The queue. The connection reads it as the body of its response ([`Sending`]).
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: RefCell<Inner>,
    /// Somebody has said goodbye.
    said_goodbye: Notify,
    /// All is taken by the connection.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// The rest of a frame whose beginning is taken.
    rest: Option<Bytes>,
    /// Before everything else: a ping and the answer to the newest of the client's.
    ping: bool,
    pong: Option<Vec<u8>>,
    /// Of the next frame of [`Outbox::tell`].
    seq: u64,
    goodbye: Option<CloseReason>,
    goodbye_sent: bool,
    /// Nothing follows, and the connection ends.
    over: bool,
    waker: Option<Waker>,
}

/// A text frame: what is this client's alone, and what it shares with others.
#[derive(Debug)]
struct Frame {
    own: Vec<u8>,
    shared: Bytes,
}

impl Outbox {
    /// Sends a message that begins with its number: `body` is the JSON object without its opening brace. It is
    /// serialised once for everyone.
    pub(crate) fn tell(&self, body: &Bytes) {
        let mut inner = self.inner.borrow_mut();
        let prefix = format!("{{\"seq\":{},", inner.seq);
        inner.seq += 1;
        self.push(inner, prefix.as_bytes(), body.clone());
    }

    /// Sends a message.
    pub(crate) fn say(&self, text: String) {
        self.push(self.inner.borrow_mut(), &[], Bytes::from(text));
    }

    fn push(&self, mut inner: std::cell::RefMut<'_, Inner>, prefix: &[u8], shared: Bytes) {
        if inner.goodbye.is_some() || inner.over {
            return;
        }
        let mut own = frames::text_head(prefix.len() + shared.len());
        own.extend_from_slice(prefix);
        let (len, waiting) = (own.len() + shared.len(), inner.frames.len());
        if waiting >= FRAMES_MAX || (waiting > 0 && inner.bytes + len > BYTES_MAX) {
            inner.frames.clear();
            inner.bytes = 0;
            drop(inner);
            let reason = "slow consumer: frames came faster than they were taken";
            return self.close(CloseReason::new(SLOW, reason));
        }
        inner.bytes += len;
        inner.frames.push_back(Frame { own, shared });
        inner.wake();
    }

    /// Asks the client whether it lives.
    pub(super) fn ping(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.ping = true;
        inner.wake();
    }

    /// Answers a ping; of several, the newest.
    pub(super) fn pong(&self, payload: Vec<u8>) {
        let mut inner = self.inner.borrow_mut();
        inner.pong = Some(payload);
        inner.wake();
    }

    /// Says goodbye, behind what waits. The first one counts.
    pub(crate) fn close(&self, goodbye: CloseReason) {
        let mut inner = self.inner.borrow_mut();
        if inner.goodbye.is_none() {
            inner.goodbye = Some(goodbye);
            inner.wake();
            self.said_goodbye.notify_one();
        }
    }

    /// Completes when somebody has said goodbye.
    pub(super) async fn goodbye(&self) -> CloseReason {
        loop {
            let said = self.inner.borrow().goodbye.clone();
            match said {
                Some(goodbye) => return goodbye,
                None => self.said_goodbye.notified().await,
            }
        }
    }

    /// Completes when the connection has taken the last frame.
    pub(super) async fn emptied(&self) {
        while !self.inner.borrow().is_done() {
            self.emptied.notified().await;
        }
    }

    /// Nothing follows.
    pub(super) fn end(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.over = true;
        inner.wake();
    }

    /// Whether there is any use in saying more.
    pub(crate) fn is_open(&self) -> bool {
        let inner = self.inner.borrow();
        inner.goodbye.is_none() && !inner.over
    }
}

impl Inner {
    fn is_done(&self) -> bool {
        self.goodbye_sent || self.over
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        if let Some(rest) = self.rest.take() {
            return Some(rest);
        }
        if let Some(payload) = self.pong.take() {
            return Some(Bytes::from(frames::pong(&payload)));
        }
        if mem::take(&mut self.ping) {
            return Some(Bytes::from(frames::ping()));
        }
        if let Some(Frame { own, shared }) = self.frames.pop_front() {
            self.bytes -= own.len() + shared.len();
            self.rest = Some(shared);
            return Some(Bytes::from(own));
        }
        let goodbye = self.goodbye.as_ref().filter(|_| !self.goodbye_sent)?;
        let last = Bytes::from(frames::close(goodbye));
        self.goodbye_sent = true;
        Some(last)
    }
}

/// The queue as the body of a response.
#[derive(Debug)]
pub(crate) struct Sending(pub(crate) Rc<Outbox>);

impl MessageBody for Sending {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let mut inner = self.0.inner.borrow_mut();
        if inner.over {
            return Poll::Ready(None);
        }
        if let Some(bytes) = inner.next() {
            if inner.goodbye_sent {
                self.0.emptied.notify_one();
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
        inner.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(outbox: &Rc<Outbox>) -> Vec<u8> {
        let mut sending = Box::pin(Sending(Rc::clone(outbox)));
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(Some(Ok(bytes))) = sending.as_mut().poll_next(&mut cx) {
            all.extend_from_slice(&bytes);
        }
        all
    }

    #[test]
    fn each_client_has_its_own_numbers_before_what_all_share() {
        let (one, other) = (Rc::new(Outbox::default()), Rc::new(Outbox::default()));
        let body = Bytes::from_static(br#""type":"x"}"#);
        one.tell(&body);
        assert_eq!(taken(&one), b"\x81\x14{\"seq\":0,\"type\":\"x\"}");
        one.tell(&body);
        other.tell(&body);
        assert_eq!(taken(&one), b"\x81\x14{\"seq\":1,\"type\":\"x\"}");
        assert_eq!(taken(&other), b"\x81\x14{\"seq\":0,\"type\":\"x\"}");
    }

    #[test]
    fn a_client_that_is_too_slow_is_told_so_and_nothing_else() {
        let many = |outbox: &Outbox| {
            (0..FRAMES_MAX).for_each(|_| outbox.say("x".into()));
            assert!(outbox.is_open());
        };
        let much = |outbox: &Outbox| {
            outbox.say("x".repeat(2 * BYTES_MAX));
            assert!(outbox.is_open(), "a single frame may be longer");
        };
        for fill in [many as fn(&Outbox), much] {
            let outbox = Rc::new(Outbox::default());
            fill(&outbox);
            outbox.say("one too many".into());
            outbox.pong(b"alive".to_vec());
            outbox.say("never".into());
            let taken = taken(&outbox);
            assert!(taken.starts_with(b"\x8a\x05alive\x88"), "{taken:?}");
            assert!(String::from_utf8_lossy(&taken[9..]).starts_with("\u{f}\u{fffd}slow consumer"));
            assert!(!outbox.is_open());
        }
    }

    #[test]
    fn a_goodbye_comes_behind_what_waits_and_only_once() {
        let outbox = Rc::new(Outbox::default());
        outbox.say("first".into());
        outbox.close(CloseReason::new(1001, "a"));
        outbox.close(CloseReason::new(1012, "b"));
        outbox.say("late".into());
        assert_eq!(taken(&outbox), b"\x81\x05first\x88\x03\x03\xe9a");
        assert_eq!(taken(&outbox), b"");
        outbox.end();
        let mut sending = Box::pin(Sending(outbox));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(sending.as_mut().poll_next(&mut cx), Poll::Ready(None)));
    }
}
