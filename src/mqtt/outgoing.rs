//! What is on its way from us and not answered: numbers for SUBSCRIBE, UNSUBSCRIBE and PUBLISH, of
//! which no two may be the same, and what the broker takes.

use std::collections::BTreeSet;

use barograph_actors::ports::{NotSent, Publication};
use barograph_config::Qos;

/// Messages of QoS 1 that may be on their way: below what any broker allows by default (Mosquitto: 20).
const PUBLISHING_MAX: usize = 10;
/// Unsent bytes above which a message must wait for the socket.
const UNSENT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a PUBLISH besides topic and payload, at most.
const OVERHEAD: usize = 16;
/// The number of the barrier, never given to anything else.
pub(super) const BARRIER_ID: u16 = u16::MAX;

/// What the broker takes from us: its word in CONNACK (MQTT 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Takes {
    /// Messages of QoS 1 on their way at once.
    pub(super) receive_maximum: u16,
    /// Bytes of a packet.
    pub(super) packet_max: usize,
    /// QoS 1.
    pub(super) at_least_once: bool,
    /// RETAIN.
    pub(super) retain: bool,
    /// Subscription identifiers.
    pub(super) identifiers: bool,
}

impl Default for Takes {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            packet_max: usize::MAX,
            at_least_once: true,
            retain: true,
            identifiers: true,
        }
    }
}

/// What is on its way.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) takes: Takes,
    last: u16,
    asked: BTreeSet<u16>,
    publishing: BTreeSet<u16>,
}

impl Outgoing {
    /// A number for a request.
    pub(super) fn ask(&mut self) -> u16 {
        let id = self.free();
        self.asked.insert(id);
        id
    }

    /// How a message may leave: with its number, as far as the broker can.
    pub(super) fn admit(
        &mut self,
        message: &Publication,
        unsent: usize,
    ) -> Result<(Option<u16>, Publication), NotSent> {
        if message.topic.len() + message.payload.len() + OVERHEAD > self.takes.packet_max {
            return Err(NotSent::TooLarge);
        }
        if unsent > UNSENT_BYTES_MAX {
            return Err(NotSent::Busy);
        }
        let retain = message.retain && self.takes.retain;
        if message.qos == Qos::AtMostOnce || !self.takes.at_least_once {
            return Ok((None, Publication { qos: Qos::AtMostOnce, retain, ..message.clone() }));
        }
        let max = PUBLISHING_MAX.min(usize::from(self.takes.receive_maximum));
        if self.publishing.len() >= max {
            return Err(NotSent::Busy);
        }
        let id = self.free();
        self.publishing.insert(id);
        Ok((Some(id), Publication { qos: Qos::AtLeastOnce, retain, ..message.clone() }))
    }

    /// Whether anything is not answered.
    pub(super) fn is_waiting(&self) -> bool {
        !(self.asked.is_empty() && self.publishing.is_empty())
    }

    /// A request was answered; `false`: there was none of this number.
    pub(super) fn answered(&mut self, id: u16) -> bool {
        self.asked.remove(&id)
    }

    /// A message was answered; `false`: there was none of this number.
    pub(super) fn published(&mut self, id: u16) -> bool {
        self.publishing.remove(&id)
    }

    /// Cannot run out: of 65,534 numbers, a few are taken.
    fn free(&mut self) -> u16 {
        loop {
            self.last = self.last % (BARRIER_ID - 1) + 1;
            if !self.asked.contains(&self.last) && !self.publishing.contains(&self.last) {
                return self.last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(qos: Qos) -> Publication {
        Publication {
            topic: "a/b".to_owned(),
            payload: Bytes::from_static(b"12345"),
            qos,
            retain: true,
        }
    }

    #[test]
    fn no_two_things_under_way_have_the_same_number_and_none_has_the_barriers() {
        let mut outgoing = Outgoing::default();
        let asked = outgoing.ask();
        let first = outgoing.admit(&message(Qos::AtLeastOnce), 0).expect("there is room").0;
        for _ in 0..140_000 {
            let (id, _) = outgoing.admit(&message(Qos::AtLeastOnce), 0).expect("there is room");
            let id = id.expect("QoS 1 has a number");
            assert!(id > 0 && id < BARRIER_ID && id != asked && Some(id) != first);
            assert!(outgoing.published(id) && !outgoing.published(id));
        }
        assert!(outgoing.answered(asked) && !outgoing.answered(asked));
    }

    #[test]
    fn what_is_under_way_is_bounded_by_us_by_the_broker_and_by_the_socket() {
        let mut outgoing = Outgoing::default();
        for _ in 0..PUBLISHING_MAX {
            outgoing.admit(&message(Qos::AtLeastOnce), 0).expect("there is room");
        }
        assert_eq!(outgoing.admit(&message(Qos::AtLeastOnce), 0), Err(NotSent::Busy));
        let unsent = UNSENT_BYTES_MAX + 1;
        assert_eq!(outgoing.admit(&message(Qos::AtMostOnce), unsent), Err(NotSent::Busy));
        let takes = Takes { receive_maximum: 1, ..Takes::default() };
        let mut strict = Outgoing { takes, ..Outgoing::default() };
        strict.admit(&message(Qos::AtLeastOnce), 0).expect("one");
        assert_eq!(strict.admit(&message(Qos::AtLeastOnce), 0), Err(NotSent::Busy));
    }

    #[test]
    fn what_the_broker_cannot_do_is_left_out() {
        let takes = Takes { at_least_once: false, retain: false, ..Takes::default() };
        let mut poor = Outgoing { takes, ..Outgoing::default() };
        let expected = Publication { retain: false, ..message(Qos::AtMostOnce) };
        assert_eq!(poor.admit(&message(Qos::AtLeastOnce), 0), Ok((None, expected)));
        poor.takes.packet_max = 20;
        assert_eq!(poor.admit(&message(Qos::AtMostOnce), 0), Err(NotSent::TooLarge));
    }
}
