//! WebSockets, whatever their messages mean: handshake, frames, limits, pings, and an end with a reason.
//!
//! Every refusal is an accepted WebSocket that is closed with a code: a handshake that is refused has none.

mod accepted;
pub(super) mod close_reason;
mod inbox;
mod outbox;
mod rate;
mod reader;

pub(super) use accepted::accept;
pub(super) use close_reason::CloseReason;
pub(super) use outbox::Outbox;
pub(super) use rate::Rate;

use super::auth::Access;

/// The goodbye to those whom the door turns away.
pub(super) fn turned_away(access: &Access) -> Option<CloseReason> {
    let refusal = access.refusal.as_ref()?;
    Some(CloseReason::new(close_reason::POLICY, refusal.message().to_owned()))
}
