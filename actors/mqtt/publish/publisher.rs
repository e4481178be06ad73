//! What we publish for others on the connection in force: who waits for which answer, and which
//! last words are still to be said.

use std::collections::{BTreeMap, VecDeque};

use barograph_config::Qos;

use crate::mqtt::publish::publish_guard::PublishGuard;
use crate::ports::requests::{
    KEPT_TOPICS_MAX, NotPublished, PublishReply, SessionRequests, ToPublish,
};
use crate::ports::{BrokerRefusal, BrokerSession, NotSent, Publication};

/// Last words that may wait for room among those on their way.
const DUE_MAX: usize = 2 * KEPT_TOPICS_MAX;

/// On the connection in force.
#[derive(Debug)]
pub(crate) struct Publications {
    orders: SessionRequests,
    /// On their way, by number.
    awaited: BTreeMap<u16, Option<PublishReply>>,
    /// Topics whose last word is to be said.
    due: VecDeque<(String, Option<PublishReply>)>,
}

impl Publications {
    pub(crate) fn new(orders: SessionRequests) -> Self {
        Self { orders, awaited: BTreeMap::new(), due: VecDeque::new() }
    }

    /// A connection begins: all last words once more.
    pub(crate) fn begin(&mut self, session: &mut impl BrokerSession, guard: &mut PublishGuard) {
        self.end();
        self.due = self.orders.kept_topics().into_iter().map(|topic| (topic, None)).collect();
        self.pump(session, guard);
    }

    /// The connection is gone; what had no answer never has one.
    pub(crate) fn end(&mut self) {
        let awaited = std::mem::take(&mut self.awaited).into_values();
        let due = self.due.drain(..).map(|(_, reply)| reply);
        awaited.chain(due).flatten().for_each(|reply| tell(reply, Err(NotPublished::Lost)));
    }

    /// Does what is asked, as far as it can be done now.
    pub(crate) fn take(
        &mut self,
        order: ToPublish,
        session: Option<&mut impl BrokerSession>,
        guard: &mut PublishGuard,
    ) {
        match (order, session) {
            (ToPublish::Once(_, reply) | ToPublish::Retained(_, reply), None) => {
                tell(reply, Err(NotPublished::NotConnected));
            }
            (ToPublish::Once(message, reply), Some(session)) => {
                match guard.publish(session, &message) {
                    Ok(Some(id)) => drop(self.awaited.insert(id, Some(reply))),
                    Ok(None) => tell(reply, Ok(())),
                    Err(why) => tell(reply, Err(NotPublished::NotSent(why))),
                }
            }
            (ToPublish::Retained(_, reply), Some(_)) if self.due.len() >= DUE_MAX => {
                tell(reply, Err(NotPublished::NotSent(NotSent::Busy)));
            }
            (ToPublish::Retained(topic, reply), Some(session)) => {
                self.due.push_back((topic, Some(reply)));
                self.pump(session, guard);
            }
        }
    }

    /// The broker answered a message of this number; `false`: it is none of these.
    pub(crate) fn answered(
        &mut self,
        id: u16,
        outcome: &Result<(), BrokerRefusal>,
        session: &mut impl BrokerSession,
        guard: &mut PublishGuard,
    ) -> bool {
        let Some(reply) = self.awaited.remove(&id) else { return false };
        match (reply, outcome) {
            (Some(reply), Ok(())) => tell(reply, Ok(())),
            (Some(reply), Err(why)) => tell(reply, Err(NotPublished::Refused(why.clone()))),
            (None, Ok(())) => {}
            (None, Err(why)) => {
                tracing::warn!(
                    "the broker refused a message that it should keep for others: {why}"
                );
            }
        }
        self.pump(session, guard);
        true
    }

    /// Says the last words that are due, while there is room for them on their way.
    fn pump(&mut self, session: &mut impl BrokerSession, guard: &mut PublishGuard) {
        while let Some((topic, reply)) = self.due.pop_front() {
            let Some(kept) = self.orders.kept(&topic) else { continue };
            let (payload, qos) = (kept.payload, Qos::AtLeastOnce);
            let message = Publication { topic, payload, qos, retain: true };
            match guard.publish(session, &message) {
                Ok(Some(id)) => drop(self.awaited.insert(id, reply)),
                Ok(None) => reply.into_iter().for_each(|reply| tell(reply, Ok(()))),
                Err(NotSent::Busy) => return self.due.push_front((message.topic, reply)),
                Err(why @ (NotSent::TooLarge | NotSent::HungUp)) => {
                    let why = Err(NotPublished::NotSent(why));
                    reply.into_iter().for_each(|reply| tell(reply, why.clone()));
                }
            }
        }
    }

    /// What is to stand there when we have gone: the goodbye makes the broker discard the last will.
    /// At QoS 0, because no answer is awaited any more; the connection keeps the order.
    pub(crate) fn say_farewell(&self, session: &mut impl BrokerSession) {
        let kept = self.orders.kept_topics().into_iter();
        for kept in kept.filter_map(|topic| self.orders.kept(&topic)) {
            let Some(payload) = kept.farewell else { continue };
            let (topic, qos) = (kept.topic, Qos::AtMostOnce);
            let farewell = Publication { topic, payload, qos, retain: true };
            if let Err(why) = session.publish(&farewell) {
                tracing::debug!("the farewell on {} was not sent: {why}", farewell.topic);
            }
        }
    }
}

/// The requester may have gone.
fn tell(reply: PublishReply, outcome: Result<(), NotPublished>) {
    let _nobody_waits = reply.send(outcome);
}
