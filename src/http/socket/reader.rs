//! Turns a client's bytes into messages, or into the reason for closing. tungstenite parses the head of each
//! frame; the limits are checked here, as soon as a length is declared, so no more than the longest message is
//! buffered. (tungstenite's own reader joins fragments without showing them: a client could send empty ones
//! without an end, and no limit would count them.)

use std::io::Cursor;

use bytes::{Buf, BytesMut};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::close_reason::{BAD_DATA, CloseReason, NORMAL, PROTOCOL, TOO_BIG, UNSUPPORTED};

/// The longest message, in bytes, also in fragments.
pub(super) const MESSAGE_LEN_MAX: usize = 4 * 1024;
/// The longest payload of a ping, a pong and a close.
const CONTROL_LEN_MAX: usize = 125;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClientFrame {
    /// A message, or the end of one.
    Text,
    /// Part of one, with more to come.
    Fragment,
    /// It wants to know whether we live.
    Ping(Vec<u8>),
    /// It lives.
    Pong,
    /// It goes; the answer to it.
    Close(CloseReason),
}

/// Reads frames from a buffer.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    /// Bytes that are not parsed yet.
    pub(super) bytes: BytesMut,
    /// The fragments so far of a message that is not complete.
    message: Option<Vec<u8>>,
}

impl FrameReader {
    /// What was said next; `None`: it takes more bytes.
    pub(super) fn next(&mut self) -> Result<Option<ClientFrame>, CloseReason> {
        let mut cursor = Cursor::new(&self.bytes);
        let head = FrameHeader::parse(&mut cursor);
        let head_len = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        let Some((head, payload_len)) =
            head.map_err(|_| protocol("a frame is of no known kind"))?
        else {
            return Ok(None);
        };
        let payload_len = usize::try_from(payload_len).unwrap_or(usize::MAX);
        let mask = self.judge(&head, payload_len)?;
        if self.bytes.len() < head_len + payload_len {
            return Ok(None);
        }
        self.bytes.advance(head_len);
        let masked = self.bytes.split_to(payload_len);
        let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        self.understand(&head, payload.collect()).map(Some)
    }

    /// Checks a frame before its payload has come; gives its mask.
    fn judge(&self, head: &FrameHeader, payload_len: usize) -> Result<[u8; 4], CloseReason> {
        if head.rsv1 || head.rsv2 || head.rsv3 {
            return Err(protocol("a frame has a reserved bit set, and no extension was agreed on"));
        }
        let mask =
            head.mask.ok_or_else(|| protocol("a frame is not masked, as a client's must be"));
        match (head.opcode, &self.message) {
            (OpCode::Control(_), _) if !head.is_final => {
                return Err(protocol("a control frame is in fragments"));
            }
            (OpCode::Control(_), _) if payload_len > CONTROL_LEN_MAX => {
                return Err(protocol("a control frame is longer than 125 bytes"));
            }
            (OpCode::Control(_), _) => return mask,
            (OpCode::Data(Data::Binary), None) => {
                return Err(CloseReason::new(UNSUPPORTED, "binary messages are not taken"));
            }
            (OpCode::Data(Data::Continue), None) => {
                return Err(protocol("a fragment belongs to no message"));
            }
            (OpCode::Data(Data::Text | Data::Binary), Some(_)) => {
                return Err(protocol("a message begins within another one"));
            }
            (OpCode::Data(Data::Text | Data::Continue | Data::Reserved(_)), _) => {}
        }
        let before = self.message.as_ref().map_or(0, Vec::len);
        if before.saturating_add(payload_len) > MESSAGE_LEN_MAX {
            let reason = format!("a message may have {MESSAGE_LEN_MAX} bytes");
            return Err(CloseReason::new(TOO_BIG, reason));
        }
        mask
    }

    fn understand(
        &mut self,
        head: &FrameHeader,
        payload: Vec<u8>,
    ) -> Result<ClientFrame, CloseReason> {
        match head.opcode {
            OpCode::Control(Control::Ping) => return Ok(ClientFrame::Ping(payload)),
            OpCode::Control(Control::Pong) => return Ok(ClientFrame::Pong),
            OpCode::Control(Control::Close | Control::Reserved(_)) => {
                return answer_to_close(&payload).map(ClientFrame::Close);
            }
            OpCode::Data(_) => {}
        }
        let mut message = self.message.take().unwrap_or_default();
        message.extend_from_slice(&payload);
        if !head.is_final {
            self.message = Some(message);
            return Ok(ClientFrame::Fragment);
        }
        match str::from_utf8(&message) {
            Ok(_) => Ok(ClientFrame::Text),
            Err(_) => Err(CloseReason::new(BAD_DATA, "a text message is no UTF-8")),
        }
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
    if !CloseCode::from(code).is_allowed() {
        return Err(protocol("a close has a code that may not be sent"));
    }
    match str::from_utf8(reason) {
        Ok(_) => Ok(CloseReason::new(code, "")),
        Err(_) => Err(CloseReason::new(BAD_DATA, "the reason of a close is no UTF-8")),
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
