//! Publishing without harm: a broker may disconnect a client that publishes where it is not allowed to
//! (Mosquitto 2.0.11 does, where `max_queued_messages` is 0, which is what keeps messages for us). What we
//! say ourselves must never cost the recording its connection, again and again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::ports::{BrokerSession, DownKind, NotSent, Publication};

/// So many connections in a row that ended over the same topic: nothing more is published there.
const HANG_UPS_MAX: u32 = 2;
/// Topics that are remembered.
const SUSPECTS_MAX: usize = 256;
/// A connection that ends this soon after an answer ended over what was answered.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What is being published on the present connection, and what was when connections ended.
#[derive(Debug, Default)]
pub(crate) struct PublishGuard {
    /// On their way at QoS 1, oldest first.
    unanswered: VecDeque<(u16, String)>,
    /// What was answered last, and when.
    answered: Option<(Instant, String)>,
    /// Connections in a row that ended over a message on this topic.
    hang_ups: BTreeMap<String, u32>,
}

impl PublishGuard {
    /// Publishes, unless the broker hangs up over it.
    pub(crate) fn publish(
        &mut self,
        session: &mut impl BrokerSession,
        message: &Publication,
    ) -> Result<Option<u16>, NotSent> {
        if self.hang_ups.get(&message.topic).is_some_and(|count| *count >= HANG_UPS_MAX) {
            return Err(NotSent::HungUp);
        }
        let number = session.publish(message)?;
        self.unanswered.extend(number.map(|number| (number, message.topic.clone())));
        Ok(number)
    }

    /// The broker answered, yes or no; so it has not hung up over the one before.
    pub(crate) fn answered(&mut self, number: u16, now: Instant) {
        let place = self.unanswered.iter().position(|(other, _)| *other == number);
        let Some((_, topic)) = place.and_then(|place| self.unanswered.remove(place)) else {
            return;
        };
        if let Some((_, before)) = self.answered.replace((now, topic)) {
            self.hang_ups.remove(&before);
        }
    }

    /// The connection ended. If the broker hung up over a message, then over the one that it had just
    /// answered, or else over the oldest without an answer.
    pub(crate) fn ended(&mut self, kind: Option<DownKind>, now: Instant) {
        let oldest = self.unanswered.pop_front().map(|(_, topic)| topic);
        self.unanswered.clear();
        let (just_now, survived) = match self.answered.take() {
            Some((at, topic)) if now - at < AT_ONCE => (Some(topic), None),
            Some((_, topic)) => (None, Some(topic)),
            None => (None, None),
        };
        if let Some(topic) = survived {
            self.hang_ups.remove(&topic);
        }
        let hung_up = matches!(
            kind,
            Some(DownKind::Closed | DownKind::TakenOver | DownKind::Network | DownKind::Protocol)
        );
        if let Some(topic) = just_now.or(oldest)
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
    use crate::testing::session::NumberingSession;

    fn say(
        guard: &mut PublishGuard,
        session: &mut NumberingSession,
        topic: &str,
    ) -> Result<u16, NotSent> {
        let (payload, qos) = (Bytes::from_static(b"x"), Qos::AtLeastOnce);
        let message = Publication { topic: topic.to_owned(), payload, qos, retain: false };
        guard.publish(session, &message).map(|number| number.expect("QoS 1 has one"))
    }

    /// Mosquitto 2.0.11: it answers, and then it hangs up.
    #[test]
    fn who_is_hung_up_on_twice_over_a_topic_speaks_elsewhere_only() {
        let now = Instant::now();
        for answers_first in [true, false] {
            let (mut guard, mut session) = (PublishGuard::default(), NumberingSession::default());
            for _ in 0..2 {
                let allowed = say(&mut guard, &mut session, "allowed").expect("so far");
                guard.answered(allowed, now - 2 * AT_ONCE);
                let forbidden = say(&mut guard, &mut session, "forbidden").expect("so far");
                say(&mut guard, &mut session, "behind").expect("so far");
                if answers_first {
                    guard.answered(forbidden, now);
                }
                guard.ended(Some(DownKind::Closed), now);
            }
            assert_eq!(say(&mut guard, &mut session, "forbidden"), Err(NotSent::HungUp));
            assert!(say(&mut guard, &mut session, "behind").is_ok(), "it never was its turn");
            assert!(say(&mut guard, &mut session, "allowed").is_ok());
        }
    }

    #[test]
    fn a_connection_that_outlives_an_answer_clears_the_topic_and_one_that_only_broke_blames_none() {
        let now = Instant::now();
        let (mut guard, mut session) = (PublishGuard::default(), NumberingSession::default());
        for _ in 0..10 {
            say(&mut guard, &mut session, "topic").expect("nothing is known against it");
            guard.ended(Some(DownKind::Closed), now);
            let number = say(&mut guard, &mut session, "topic").expect("one may be chance");
            guard.answered(number, now);
            guard.ended(Some(DownKind::Closed), now + AT_ONCE);
            for kind in [Some(DownKind::Timeout), Some(DownKind::WindowFull), None] {
                say(&mut guard, &mut session, "topic").expect("nothing is known against it");
                guard.ended(kind, now);
            }
            say(&mut guard, &mut session, "topic").expect("nothing is known against it");
            guard.ended(Some(DownKind::Closed), now);
            let number = say(&mut guard, &mut session, "topic").expect("one may be chance");
            guard.answered(number, now);
            let number = say(&mut guard, &mut session, "topic").expect("on the same connection");
            guard.answered(number, now);
            guard.ended(None, now);
        }
    }
}
