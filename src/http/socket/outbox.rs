//! What is to be sent to one client: a queue with a bound. Nothing waits for it: a client whose queue is full
//! is too slow, is told so behind what is already on its way, and goes.

use std::collections::VecDeque;
use std::io;
use std::mem;

use bytes::{Buf, Bytes};
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::close_reason::{CloseReason, SLOW};

/// Frames that may wait.
const FRAMES_MAX: usize = 32;
/// Bytes that may wait, beside a single frame.
const BYTES_MAX: usize = 256 * 1024;

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    /// There is something to send.
    filled: Notify,
    /// A close was requested.
    said_goodbye: Notify,
    /// The last frame is taken by the connection.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// Before everything else: a ping and the answer to the newest of the client's.
    ping: bool,
    pong: Option<Vec<u8>>,
    /// Of the next frame of [`Outbox::tell`].
    seq: u64,
    goodbye: Option<CloseReason>,
    goodbye_sent: bool,
    /// Nothing follows, and the connection ends.
    over: bool,
}

/// A frame: what is this client's alone, and what it shares with others.
#[derive(Debug)]
pub(crate) struct Frame {
    own: Bytes,
    shared: Bytes,
}

impl Outbox {
    /// Sends a message that begins with its number: `body` is the JSON object without its opening brace. It is
    /// serialised once for everyone.
    pub(crate) fn tell(&self, body: &Bytes) {
        let mut inner = self.inner.lock();
        let prefix = format!("{{\"seq\":{},", inner.seq);
        inner.seq += 1;
        self.push(inner, prefix.as_bytes(), body.clone());
    }

    /// Sends a message without a number.
    #[cfg(test)]
    pub(crate) fn say(&self, text: String) {
        self.push(self.inner.lock(), &[], Bytes::from(text));
    }

    fn push(&self, mut inner: MutexGuard<'_, Inner>, prefix: &[u8], shared: Bytes) {
        if inner.goodbye.is_some() || inner.over {
            return;
        }
        let mut own = head(OpCode::Data(Data::Text), prefix.len() + shared.len());
        own.extend_from_slice(prefix);
        let frame = Frame { own: own.into(), shared };
        let (len, waiting) = (frame.len(), inner.frames.len());
        if waiting >= FRAMES_MAX || (waiting > 0 && inner.bytes + len > BYTES_MAX) {
            inner.frames.clear();
            inner.bytes = 0;
            drop(inner);
            let reason = "slow consumer: frames came faster than they were taken";
            return self.close(CloseReason::new(SLOW, reason));
        }
        inner.bytes += len;
        inner.frames.push_back(frame);
        self.filled.notify_one();
    }

    /// Asks the client whether it lives.
    pub(super) fn ping(&self) {
        self.inner.lock().ping = true;
        self.filled.notify_one();
    }

    /// Answers a ping; of several, the newest.
    pub(super) fn pong(&self, payload: Vec<u8>) {
        self.inner.lock().pong = Some(payload);
        self.filled.notify_one();
    }

    /// Says goodbye, behind what waits. The first one counts.
    pub(crate) fn close(&self, goodbye: CloseReason) {
        let mut inner = self.inner.lock();
        if inner.goodbye.is_none() {
            inner.goodbye = Some(goodbye);
            self.filled.notify_one();
            self.said_goodbye.notify_one();
        }
    }

    /// Completes when a close was requested.
    pub(super) async fn goodbye(&self) -> CloseReason {
        loop {
            let said = self.inner.lock().goodbye.clone();
            match said {
                Some(goodbye) => return goodbye,
                None => self.said_goodbye.notified().await,
            }
        }
    }

    /// Completes when the connection has taken the last frame.
    pub(super) async fn emptied(&self) {
        self.emptied.notified().await;
    }

    /// Writes the frames in order. Completes only when a write fails.
    ///
    /// # Errors
    /// The write failed.
    pub(super) async fn send(&self, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
        loop {
            let Frame { own, shared } = self.next().await;
            to.write_all_buf(&mut own.chain(shared)).await?;
            to.flush().await?;
            if self.inner.lock().goodbye_sent {
                self.emptied.notify_one();
            }
        }
    }

    /// The next frame, as soon as there is one.
    pub(crate) async fn next(&self) -> Frame {
        loop {
            let next = self.inner.lock().next();
            match next {
                Some(frame) => return frame,
                None => self.filled.notified().await,
            }
        }
    }

    /// Nothing follows.
    pub(super) fn end(&self) {
        self.inner.lock().over = true;
    }

    /// Whether there is any use in saying more.
    pub(crate) fn is_open(&self) -> bool {
        let inner = self.inner.lock();
        inner.goodbye.is_none() && !inner.over
    }
}

impl Inner {
    fn next(&mut self) -> Option<Frame> {
        if let Some(payload) = self.pong.take() {
            return Some(Frame::of(Control::Pong, &payload));
        }
        if mem::take(&mut self.ping) {
            return Some(Frame::of(Control::Ping, &[]));
        }
        if let Some(frame) = self.frames.pop_front() {
            self.bytes -= frame.len();
            return Some(frame);
        }
        let goodbye = self.goodbye.as_ref().filter(|_| !self.goodbye_sent)?;
        let last = Frame::of(Control::Close, &goodbye.payload());
        self.goodbye_sent = true;
        Some(last)
    }
}

impl Frame {
    fn of(kind: Control, payload: &[u8]) -> Self {
        let mut own = head(OpCode::Control(kind), payload.len());
        own.extend_from_slice(payload);
        Self { own: own.into(), shared: Bytes::new() }
    }

    fn len(&self) -> usize {
        self.own.len() + self.shared.len()
    }

    /// As the connection gets it.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.own[..], &self.shared].concat()
    }
}

fn head(opcode: OpCode, payload_len: usize) -> Vec<u8> {
    let (mut bytes, head) = (Vec::new(), FrameHeader { opcode, ..FrameHeader::default() });
    head.format(payload_len as u64, &mut bytes).expect("memory takes what is written");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(outbox: &Outbox) -> Vec<u8> {
        let mut inner = outbox.inner.lock();
        std::iter::from_fn(|| inner.next()).flat_map(|frame| frame.bytes()).collect()
    }

    #[test]
    fn each_client_has_its_own_numbers_before_what_all_share() {
        let (one, other) = (Outbox::default(), Outbox::default());
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
            let outbox = Outbox::default();
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
        let outbox = Outbox::default();
        outbox.say("first".into());
        outbox.close(CloseReason::new(1001, "a"));
        outbox.close(CloseReason::new(1012, "b"));
        outbox.say("late".into());
        assert_eq!(taken(&outbox), b"\x81\x05first\x88\x03\x03\xe9a");
        assert_eq!(taken(&outbox), b"");
    }

    #[test]
    fn a_frame_has_the_head_of_its_length() {
        let text = |len| head(OpCode::Data(Data::Text), len);
        assert_eq!(text(125), [0x81, 125]);
        assert_eq!(text(126), [0x81, 126, 0, 126]);
        assert_eq!(text(65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(Frame::of(Control::Pong, b"me").bytes(), b"\x8a\x02me");
    }
}
