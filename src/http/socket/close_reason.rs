//! Why a WebSocket ends: a code of RFC 6455, or one of ours, and the reason in words.

use std::borrow::Cow;

/// The client has what it wanted.
pub(crate) const NORMAL: u16 = 1000;
/// The recorder stops.
pub(crate) const GOING_AWAY: u16 = 1001;
/// What came is no WebSocket.
pub(crate) const PROTOCOL: u16 = 1002;
/// Binary data: it is not accepted here.
pub(crate) const UNSUPPORTED: u16 = 1003;
/// Text that is no UTF-8.
pub(crate) const BAD_DATA: u16 = 1007;
/// The client may not, or asks too much.
pub(crate) const POLICY: u16 = 1008;
/// A message is longer than it may be.
pub(crate) const TOO_BIG: u16 = 1009;
/// Only the page restarts.
pub(crate) const RESTART: u16 = 1012;
/// As many are connected as may be.
pub(crate) const TOO_MANY: u16 = 1013;
/// The client takes its frames more slowly than they come.
pub(crate) const SLOW: u16 = 4000;
/// Who watched by a session has signed out.
pub(crate) const SESSION_ENDED: u16 = 4001;
/// Nothing was heard from the client.
pub(crate) const IDLE: u16 = 4002;

/// A frame's payload has 125 bytes, two of them for the code.
const REASON_LEN_MAX: usize = 123;

/// The last word to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CloseReason {
    /// One of the codes above, or the client's own.
    pub(crate) code: u16,
    /// In words.
    pub(crate) reason: Cow<'static, str>,
}

impl CloseReason {
    /// With this reason, as far as it fits into the frame.
    pub(crate) fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason = reason.into();
        if reason.len() > REASON_LEN_MAX {
            let end = reason.floor_char_boundary(REASON_LEN_MAX);
            reason.to_mut().truncate(end);
        }
        Self { code, reason }
    }

    /// As the payload of a frame.
    pub(super) fn payload(&self) -> Vec<u8> {
        [&self.code.to_be_bytes(), self.reason.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_its_frame() {
        assert_eq!(CloseReason::new(POLICY, "no").payload(), b"\x03\xf0no");
        let long = CloseReason::new(POLICY, "é".repeat(100));
        assert_eq!(long.reason.chars().count(), 61);
        assert!(long.payload().len() <= 125);
    }
}
