//! RFC 6455, from the server's side: what a client sends becomes messages, or the goodbye that it earns.
//!
//! A length is judged when it is declared. (The parser of `actix-http` buffers a whole frame before it
//! compares it with its limit: 2^62 bytes would be waited for.) So nothing is kept beyond the longest message.

use super::close_reason::{BAD_DATA, CloseReason, NORMAL, PROTOCOL, TOO_BIG, UNSUPPORTED};

/// The longest message, in bytes, also in fragments.
pub(super) const MESSAGE_LEN_MAX: usize = 4 * 1024;
/// The longest payload of a ping, a pong and a close.
const CONTROL_LEN_MAX: u64 = 125;

/// Kinds of frames.
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// A message.
    Text(String),
    /// Part of one.
    Fragment,
    /// It wants to know whether we live.
    Ping(Vec<u8>),
    /// It lives.
    Pong,
    /// It goes; the answer to it.
    Close(CloseReason),
}

/// The head of a frame.
struct Head {
    is_last: bool,
    kind: u8,
    /// Of the head itself, with its mask.
    len: usize,
    payload_len: u64,
}

impl Head {
    fn is_control(&self) -> bool {
        self.kind >= CLOSE
    }
}

/// Takes bytes, gives what they say.
#[derive(Debug, Default)]
pub(super) struct Reader {
    bytes: Vec<u8>,
    /// So many of them are understood.
    at: usize,
    /// The fragments so far of a message that is not complete.
    message: Option<Vec<u8>>,
}

impl Reader {
    /// More has come. To be called when [`Self::next`] has no more to say.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// What was said next; `None`: it takes more bytes.
    pub(super) fn next(&mut self) -> Result<Option<Said>, CloseReason> {
        let Some(head) = self.head()? else { return Ok(None) };
        self.judge(&head)?;
        let bytes = &self.bytes[self.at..];
        // Judged, and so no longer than a message.
        let end = head.len + usize::try_from(head.payload_len).unwrap_or(MESSAGE_LEN_MAX);
        if bytes.len() < end {
            return Ok(None);
        }
        let mask = bytes[head.len - 4..head.len].iter().cycle();
        let payload = bytes[head.len..end].iter().zip(mask).map(|(byte, mask)| byte ^ mask);
        let payload: Vec<u8> = payload.collect();
        self.at += end;
        self.understand(&head, payload).map(Some)
    }

    fn head(&self) -> Result<Option<Head>, CloseReason> {
        let bytes = &self.bytes[self.at..];
        let &[first, second, ref more @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(protocol("a frame has bits set that nobody agreed on"));
        }
        if second & 0x80 == 0 {
            return Err(protocol("a frame is not masked, as a client's must be"));
        }
        let (payload_len, len_len) = match second & 0x7f {
            126 => match more.first_chunk() {
                Some(len) => (u64::from(u16::from_be_bytes(*len)), 2),
                None => return Ok(None),
            },
            127 => match more.first_chunk() {
                Some(len) => (u64::from_be_bytes(*len), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        let (is_last, kind) = (first & 0x80 != 0, first & 0x0f);
        Ok(Some(Head { is_last, kind, len: 2 + len_len + 4, payload_len }))
    }

    /// Whether such a frame may come now, before its payload is there.
    fn judge(&self, head: &Head) -> Result<(), CloseReason> {
        match (head.kind, &self.message) {
            (CLOSE | PING | PONG, _) if !head.is_last => {
                return Err(protocol("a control frame is in fragments"));
            }
            (CLOSE | PING | PONG, _) if head.payload_len > CONTROL_LEN_MAX => {
                return Err(protocol("a control frame is longer than 125 bytes"));
            }
            (CLOSE | PING | PONG, _) | (CONTINUATION, Some(_)) | (TEXT, None) => {}
            (BINARY, None) => {
                return Err(CloseReason::new(UNSUPPORTED, "binary messages are not taken"));
            }
            (CONTINUATION, None) => return Err(protocol("a fragment belongs to no message")),
            (TEXT | BINARY, Some(_)) => {
                return Err(protocol("a message begins within another one"));
            }
            (_unknown, _) => return Err(protocol("a frame is of no kind that is known")),
        }
        let before = self.message.as_ref().map_or(0, Vec::len) as u64;
        if !head.is_control() && before.saturating_add(head.payload_len) > MESSAGE_LEN_MAX as u64 {
            let reason = format!("a message may have {MESSAGE_LEN_MAX} bytes");
            return Err(CloseReason::new(TOO_BIG, reason));
        }
        Ok(())
    }

    fn understand(&mut self, head: &Head, payload: Vec<u8>) -> Result<Said, CloseReason> {
        match head.kind {
            PING => return Ok(Said::Ping(payload)),
            PONG => return Ok(Said::Pong),
            CLOSE => return answer_to_close(&payload).map(Said::Close),
            _text_or_more_of_it => {}
        }
        let mut message = self.message.take().unwrap_or_default();
        message.extend_from_slice(&payload);
        if !head.is_last {
            self.message = Some(message);
            return Ok(Said::Fragment);
        }
        let text = String::from_utf8(message);
        text.map(Said::Text).map_err(|_| CloseReason::new(BAD_DATA, "a text message is no UTF-8"))
    }
}

fn protocol(reason: &'static str) -> CloseReason {
    CloseReason::new(PROTOCOL, reason)
}

/// The client's own code, where it gave one.
fn answer_to_close(payload: &[u8]) -> Result<CloseReason, CloseReason> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => Ok(CloseReason::new(NORMAL, "")),
            _half_a_code => Err(protocol("a close has half a code")),
        };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(protocol("a close has a code that may not be sent"));
    }
    match str::from_utf8(reason) {
        Ok(_) => Ok(CloseReason::new(code, "")),
        Err(_) => Err(CloseReason::new(BAD_DATA, "the reason of a close is no UTF-8")),
    }
}

/// The head of a text frame.
pub(super) fn text_head(payload_len: usize) -> Vec<u8> {
    head(TEXT, payload_len)
}

/// A ping.
pub(super) fn ping() -> Vec<u8> {
    head(PING, 0)
}

/// The answer to a ping.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    [&head(PONG, payload.len()), payload].concat()
}

/// The last frame.
pub(super) fn close(goodbye: &CloseReason) -> Vec<u8> {
    let payload = goodbye.payload();
    [head(CLOSE, payload.len()), payload].concat()
}

fn head(kind: u8, payload_len: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(10);
    head.push(0x80 | kind);
    match (u8::try_from(payload_len), u16::try_from(payload_len)) {
        (Ok(short @ ..126), _) => head.push(short),
        (_, Ok(len)) => {
            head.push(126);
            head.extend_from_slice(&len.to_be_bytes());
        }
        (_, Err(_)) => {
            head.push(127);
            head.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
    head
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
