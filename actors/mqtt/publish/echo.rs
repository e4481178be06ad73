//! Hearing ourselves: now and then a message to our own topic must come back. A connection can be
//! alive to every ping and yet deliver nothing; without an echo that looks like sensors
//! that have nothing to say.
//!
//! An echo is no message of anybody's: it is acknowledged in its turn, and that is all.

use std::collections::VecDeque;
use std::time::Duration;

use barograph_config::{Mqtt, Qos};
use bytes::Bytes;
use tokio::time::Instant;

use crate::message::session_name::echo_topic;
use crate::mqtt::publish::publish_guard::PublishGuard;
use crate::ports::{BrokerRefusal, BrokerSession, Filter, NotSent, Publication};

/// The first echo on a connection comes this soon.
const FIRST_AFTER: Duration = Duration::from_secs(5);
/// Echoes without an answer that are remembered.
const UNDER_WAY_MAX: usize = 8;
/// The patience doubles with each renewal that did not help, so often at most.
const DOUBLINGS_MAX: u32 = 5;
/// Every renewal whose number in a row is a multiple of this also resubscribes.
const RESUBSCRIBES_EACH: u32 = 3;

/// What the silence after an echo means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EchoVerdict {
    /// Nothing yet.
    Well,
    /// None has ever come back: the broker may not allow it, and it proves nothing.
    Unproven,
    /// The connection delivers nothing.
    Deaf,
}

/// Judges a connection. `silence`: for how long an echo has been under way with nothing heard at
/// QoS 1 or 2, and nothing that would hold the broker back. `renewals`: in a row, without effect.
pub(crate) fn judge(
    silence: Option<Duration>,
    interval: Duration,
    renewals: u32,
    one_came_back: bool,
) -> EchoVerdict {
    let patience = interval * 2 * 2_u32.pow(renewals.min(DOUBLINGS_MAX));
    match silence {
        Some(silence) if silence >= patience && one_came_back => EchoVerdict::Deaf,
        Some(silence) if silence >= patience => EchoVerdict::Unproven,
        Some(_) | None => EchoVerdict::Well,
    }
}

/// Whether a renewal also asks for the subscriptions anew.
pub(crate) fn resubscribes(renewals: u32) -> bool {
    renewals > 0 && renewals.is_multiple_of(RESUBSCRIBES_EACH)
}

/// The subscription to our own topic, on the connection in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ear {
    /// Not asked for, or refused.
    Off,
    /// Asked for, by the request of this number.
    Asked(u16),
    /// The next echo is due then.
    On(Instant),
}

/// An echo that has not come back.
#[derive(Debug)]
struct EchoUnderWay {
    says: String,
    /// While the broker has not taken it.
    number: Option<u16>,
    sent: Instant,
}

/// Our echo, on the connection in force.
#[derive(Debug)]
pub(crate) struct Echo {
    wanted: bool,
    topic: String,
    interval: Duration,
    ear: Ear,
    /// Sent and not come back, oldest first.
    under_way: VecDeque<EchoUnderWay>,
    /// Since when nothing has been heard that had reason to come.
    silent_since: Option<Instant>,
    /// Something came at QoS 1 or 2 since the last look.
    heard: bool,
}

impl Echo {
    pub(crate) fn new(settings: &Mqtt) -> Self {
        Self {
            wanted: settings.echo,
            topic: echo_topic(&settings.client_id),
            interval: settings.echo_interval,
            ear: Ear::Off,
            under_way: VecDeque::new(),
            silent_since: None,
            heard: false,
        }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Whether this is our own topic. It is so also while no echo is wanted: the broker may have
    /// kept old ones.
    pub(crate) fn is_topic(&self, topic: &str) -> bool {
        self.topic == topic
    }

    pub(crate) fn filter(&self) -> Filter {
        Filter::new(&self.topic, Qos::AtLeastOnce)
    }

    /// A connection begins.
    pub(crate) fn begin(&mut self, session: &mut impl BrokerSession) {
        self.end();
        if self.wanted {
            self.ear = Ear::Asked(session.subscribe(&[self.filter()]));
        }
    }

    /// The connection is gone.
    pub(crate) fn end(&mut self) {
        self.ear = Ear::Off;
        self.under_way.clear();
        self.silent_since = None;
        self.heard = false;
    }

    /// A request was answered. `None`: it was another one.
    pub(crate) fn subscribed(
        &mut self,
        id: u16,
        answers: &[Result<Qos, BrokerRefusal>],
        now: Instant,
    ) -> Option<Result<(), BrokerRefusal>> {
        if self.ear != Ear::Asked(id) {
            return None;
        }
        match answers.first() {
            Some(Err(reason)) => {
                self.ear = Ear::Off;
                Some(Err(reason.clone()))
            }
            Some(Ok(_)) | None => {
                self.ear = Ear::On(now + FIRST_AFTER.min(self.interval));
                Some(Ok(()))
            }
        }
    }

    /// A message was answered. `None`: it was another one.
    pub(crate) fn published(
        &mut self,
        id: u16,
        outcome: &Result<(), BrokerRefusal>,
    ) -> Option<Result<(), BrokerRefusal>> {
        let ours = self.under_way.iter_mut().find(|echo| echo.number == Some(id))?;
        ours.number = None;
        if outcome.is_err() {
            self.end();
        }
        Some(outcome.clone())
    }

    /// A message of another client came at QoS 1 or 2.
    pub(crate) fn hear(&mut self) {
        self.heard = true;
    }

    /// Something came on our topic; whether it is one that we sent on this connection.
    pub(crate) fn came_back(&mut self, payload: &[u8]) -> bool {
        let is_ours = self.under_way.iter().any(|echo| echo.says.as_bytes() == payload);
        if is_ours {
            // One is proof enough, for those before it too.
            self.under_way.clear();
            self.silent_since = None;
            self.heard = true;
        }
        is_ours
    }

    /// Since when an echo has been under way.
    pub(crate) fn under_way_since(&self) -> Option<Instant> {
        self.under_way.front().map(|echo| echo.sent)
    }

    /// Whether something was heard since the last look, and the silence at this one. `held_back`:
    /// what the broker waits for is with us (acknowledgements that wait for a commit, reading that
    /// rests), so that it may rightly send nothing.
    pub(crate) fn look(&mut self, now: Instant, held_back: bool) -> (bool, Option<Duration>) {
        let heard = std::mem::take(&mut self.heard);
        if (heard || held_back) && self.silent_since.is_some() {
            self.silent_since = Some(now);
        }
        (heard, self.silent_since.map(|since| now - since))
    }

    /// Sends the next echo when it is due.
    ///
    /// # Errors
    /// There will be none on this connection.
    pub(crate) fn send(
        &mut self,
        (session, guard): (&mut impl BrokerSession, &mut PublishGuard),
        now: Instant,
        nonce: impl FnOnce() -> i64,
    ) -> Result<(), NotSent> {
        let Ear::On(due) = self.ear else { return Ok(()) };
        if now < due {
            return Ok(());
        }
        let says = format!("{:016x}", nonce());
        let echo = Publication {
            topic: self.topic.clone(),
            payload: Bytes::from(says.clone()),
            qos: Qos::AtLeastOnce,
            retain: false,
        };
        match guard.publish(session, &echo) {
            Ok(number) => {
                self.ear = Ear::On(now + self.interval);
                self.silent_since.get_or_insert(now);
                self.under_way.push_back(EchoUnderWay { says, number, sent: now });
                if self.under_way.len() > UNDER_WAY_MAX {
                    self.under_way.pop_front();
                }
            }
            // Tried again at the next look.
            Err(NotSent::Busy) => {}
            Err(why @ (NotSent::TooLarge | NotSent::HungUp)) => {
                self.end();
                return Err(why);
            }
        }
        Ok(())
    }
}

/// Echoes that may wait; a flood on our topic pauses the reading, and no more.
const WAITING_MAX: usize = 1_000;

/// Whose turn it is to be acknowledged: echoes wait for the deliveries before them on their
/// connection, because MQTT wants acknowledgements in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct AckOrder {
    /// Deliveries at QoS 1 and 2 admitted on the connection in force, and how many of them are
    /// acknowledged.
    admitted: u64,
    acknowledged: u64,
    /// Echoes: after how many deliveries, QoS, packet id.
    waiting: VecDeque<(u64, Qos, u16)>,
}

impl AckOrder {
    /// A delivery was admitted.
    pub(crate) fn admitted(&mut self) {
        self.admitted += 1;
    }

    /// A delivery was acknowledged.
    pub(crate) fn acknowledged(&mut self) {
        self.acknowledged += 1;
    }

    /// An echo waits for its turn.
    pub(crate) fn wait(&mut self, qos: Qos, packet_id: u16) {
        if qos != Qos::AtMostOnce {
            self.waiting.push_back((self.admitted, qos, packet_id));
        }
    }

    /// An echo whose turn it is.
    pub(crate) fn next(&mut self) -> Option<(Qos, u16)> {
        let (after, qos, packet_id) = *self.waiting.front()?;
        if after > self.acknowledged {
            return None;
        }
        self.waiting.pop_front();
        Some((qos, packet_id))
    }

    /// Whether no more may come.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// Whether every echo is acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_deaf_after_two_intervals_if_an_echo_ever_came_back() {
        use EchoVerdict::{Deaf, Unproven, Well};
        let table = [
            (None, 0, true, Well),
            (Some(119), 0, true, Well),
            (Some(120), 0, true, Deaf),
            (Some(120), 0, false, Unproven),
            (Some(119), 0, false, Well),
            (Some(120), 1, true, Well),
            (Some(239), 1, true, Well),
            (Some(240), 1, true, Deaf),
            (Some(479), 2, true, Well),
            (Some(480), 2, true, Deaf),
            (Some(3_840), 5, true, Deaf),
            (Some(3_840), 60, true, Deaf),
            (Some(3_839), 60, true, Well),
        ];
        for (silence, renewals, came_back, expected) in table {
            let seconds = silence.map(Duration::from_secs);
            let verdict = judge(seconds, Duration::from_secs(60), renewals, came_back);
            assert_eq!(verdict, expected, "{silence:?} s, {renewals} renewals, {came_back}");
        }
        let resubscribing: Vec<u32> = (0..10).filter(|n| resubscribes(*n)).collect();
        assert_eq!(resubscribing, [3, 6, 9]);
    }

    #[test]
    fn an_echo_is_acknowledged_after_the_deliveries_before_it_and_before_those_behind_it() {
        let mut ack_order = AckOrder::default();
        ack_order.wait(Qos::AtLeastOnce, 1);
        assert_eq!(ack_order.next(), Some((Qos::AtLeastOnce, 1)), "at once when nothing is owed");
        ack_order.admitted();
        ack_order.admitted();
        ack_order.wait(Qos::AtMostOnce, 0);
        ack_order.wait(Qos::AtLeastOnce, 4);
        ack_order.wait(Qos::ExactlyOnce, 5);
        ack_order.admitted();
        ack_order.acknowledged();
        assert_eq!(ack_order.next(), None);
        ack_order.acknowledged();
        assert_eq!(ack_order.next(), Some((Qos::AtLeastOnce, 4)));
        assert_eq!(ack_order.next(), Some((Qos::ExactlyOnce, 5)));
        assert_eq!(ack_order.next(), None);
    }
}
