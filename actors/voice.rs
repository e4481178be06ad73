//! Speaking without harm: a broker may hang up on whoever publishes where it does not allow it
//! (Mosquitto 2.0.11 does, where `max_queued_messages` is 0, which is what keeps messages for us). What we
//! say ourselves must never cost the recording its connection, again and again.

use std::collections::{BTreeMap, VecDeque};

use crate::ports::{DownKind, NotSent, Publication, Session};

/// So many connections in a row that ended over the same topic: nothing more is published there.
const HANG_UPS_MAX: u32 = 2;
/// Topics that are remembered.
const SUSPECTS_MAX: usize = 256;

/// What is said on the connection in force, and over what connections ended.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    /// On their way at QoS 1, oldest first.
    unanswered: VecDeque<(u16, String)>,
    /// Connections in a row that ended with a message on this topic as the next one to be answered.
    hang_ups: BTreeMap<String, u32>,
}

impl Voice {
    /// Publishes, unless the broker hangs up over it.
    pub(crate) fn publish(
        &mut self,
        session: &mut impl Session,
        message: &Publication,
    ) -> Result<Option<u16>, NotSent> {
        if self.hang_ups.get(&message.topic).is_some_and(|count| *count >= HANG_UPS_MAX) {
            return Err(NotSent::HungUp);
        }
        let number = session.publish(message)?;
        self.unanswered.extend(number.map(|number| (number, message.topic.clone())));
        Ok(number)
    }

    /// The broker answered, yes or no, and did not hang up.
    pub(crate) fn answered(&mut self, number: u16) {
        let place = self.unanswered.iter().position(|(other, _)| *other == number);
        if let Some((_, topic)) = place.and_then(|place| self.unanswered.remove(place)) {
            self.hang_ups.remove(&topic);
        }
    }

    /// The connection ended. The broker answers in order: if it hung up over a message, then over the
    /// oldest without an answer.
    pub(crate) fn ended(&mut self, kind: Option<DownKind>) {
        let oldest = self.unanswered.pop_front();
        self.unanswered.clear();
        let hung_up = matches!(
            kind,
            Some(DownKind::Closed | DownKind::TakenOver | DownKind::Network | DownKind::Protocol)
        );
        if let Some((_, topic)) = oldest
            && hung_up
            && (self.hang_ups.len() < SUSPECTS_MAX || self.hang_ups.contains_key(&topic))
        {
            *self.hang_ups.entry(topic).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use barograph_config::Qos;
    use bytes::Bytes;

    use super::*;
    use crate::fake::session::NumberingSession;

    fn say(voice: &mut Voice, session: &mut NumberingSession, topic: &str) -> Result<u16, NotSent> {
        let (payload, qos) = (Bytes::from_static(b"x"), Qos::AtLeastOnce);
        let message = Publication { topic: topic.to_owned(), payload, qos, retain: false };
        voice.publish(session, &message).map(|number| number.expect("QoS 1 has one"))
    }

    #[test]
    fn who_is_hung_up_on_twice_over_a_topic_speaks_elsewhere_only() {
        let (mut voice, mut session) = (Voice::default(), NumberingSession::default());
        for _ in 0..2 {
            let allowed = say(&mut voice, &mut session, "allowed").expect("so far");
            say(&mut voice, &mut session, "forbidden").expect("so far");
            say(&mut voice, &mut session, "behind").expect("so far");
            voice.answered(allowed);
            voice.ended(Some(DownKind::Closed));
        }
        assert_eq!(say(&mut voice, &mut session, "forbidden"), Err(NotSent::HungUp));
        assert!(say(&mut voice, &mut session, "behind").is_ok(), "it never was its turn");
        assert!(say(&mut voice, &mut session, "allowed").is_ok());
    }

    #[test]
    fn an_answer_clears_a_topic_and_a_connection_that_only_broke_blames_none() {
        let (mut voice, mut session) = (Voice::default(), NumberingSession::default());
        for _ in 0..10 {
            say(&mut voice, &mut session, "topic").expect("nothing is known against it");
            voice.ended(Some(DownKind::Closed));
            let number = say(&mut voice, &mut session, "topic").expect("one may be chance");
            voice.answered(number);
            for kind in [Some(DownKind::Timeout), Some(DownKind::WindowFull), None] {
                say(&mut voice, &mut session, "topic").expect("nothing is known against it");
                voice.ended(kind);
            }
        }
    }
}
