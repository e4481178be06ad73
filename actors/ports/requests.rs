//! What others ask of the broker session: to publish something for them, or to pause. The desk outlives the
//! actor behind it, and is never waited at: what cannot be taken now is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, oneshot};

use crate::ports::{BrokerRefusal, NotSent, Publication};

/// Requests that may wait for the loop's next turn.
const ORDERS_WAITING_MAX: usize = 64;
/// Topics whose last word is kept.
pub const KEPT_TOPICS_MAX: usize = 64;

/// What became of an order.
pub type PublishOutcome = Result<(), NotPublished>;

/// Where the outcome is told.
pub(crate) type PublishReply = oneshot::Sender<PublishOutcome>;

/// Why something was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// There is no connection to the broker.
    #[error("there is no connection to the broker")]
    NotConnected,
    /// The connection ended before the broker answered: it may have it or not.
    #[error("the connection broke before the broker answered")]
    Lost,
    /// It could not be sent.
    #[error(transparent)]
    NotSent(NotSent),
    /// More than [`KEPT_TOPICS_MAX`] topics would have to be kept, or too many orders wait.
    #[error("too many messages to publish at once")]
    TooMany,
    /// The broker refused it: MQTT 5 has reasons, 3.1.1 accepts and discards it silently.
    #[error("the broker refused it ({0})")]
    Refused(#[source] BrokerRefusal),
}

/// A retained message, which the broker sends to later subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetainedMessage {
    /// Topic name.
    pub topic: String,
    /// What stands there: published now, and again at each new connection.
    pub payload: Bytes,
    /// What is published there before we say goodbye to the broker, which then discards the last
    /// will.
    pub farewell: Option<Bytes>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum SessionOrder {
    /// Receive nothing until told otherwise; it is told when we have gone.
    Pause(oneshot::Sender<()>),
    /// Receive again.
    Resume(oneshot::Sender<()>),
    /// Something is to be published.
    Publication(ToPublish),
}

/// What is to be published.
#[derive(Debug)]
pub(crate) enum ToPublish {
    /// This, once.
    Once(Publication, PublishReply),
    /// What is kept for this topic is new.
    Retained(String, PublishReply),
}

/// The broker session is just not there: it is being restarted, or the recorder stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker session is restarting; try again")]
pub struct SessionNotRunning;

#[derive(Debug, Default)]
struct RequestState {
    desk: Option<mpsc::Sender<SessionOrder>>,
    kept: BTreeMap<String, RetainedMessage>,
}

/// Where orders are given. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SessionRequests(Arc<Mutex<RequestState>>);

impl SessionRequests {
    /// Publishes a message at QoS 0 or 1. Completes when the broker has taken it (QoS 1), or when
    /// it is on its way (QoS 0). A broker may take its time: give it a time limit.
    ///
    /// # Errors
    /// It was not published, or that is unknown; it is not tried again.
    pub async fn publish(&self, message: Publication) -> PublishOutcome {
        self.give(|reply| ToPublish::Once(message, reply)).await
    }

    /// Publishes a topic's last word, and does so again at each new connection; an empty payload
    /// clears the topic. Completes as [`SessionRequests::publish`].
    ///
    /// # Errors
    /// It was not published now. Unless that is [`NotPublished::TooMany`], it will be at the next
    /// connection.
    pub async fn retain(&self, retained: RetainedMessage) -> PublishOutcome {
        let topic = retained.topic.clone();
        {
            let kept = &mut self.shared().kept;
            if !kept.contains_key(&topic) && kept.len() >= KEPT_TOPICS_MAX {
                return Err(NotPublished::TooMany);
            }
            kept.insert(topic.clone(), retained);
        }
        self.give(|reply| ToPublish::Retained(topic, reply)).await
    }

    /// No longer publishes anything on a topic at a new connection. What the broker keeps stays.
    pub fn forget(&self, topic: &str) {
        self.shared().kept.remove(topic);
    }

    /// Receives nothing from now on, and completes when what was in hand is committed and the broker
    /// has heard a goodbye (within some 12 s). It lasts until [`SessionRequests::resume`], also when the
    /// broker session is started anew, but not longer than the process.
    ///
    /// # Errors
    /// The broker session is not running.
    pub async fn pause(&self) -> Result<(), SessionNotRunning> {
        self.say(SessionOrder::Pause).await
    }

    /// Ends the pause; nothing happens without one.
    ///
    /// # Errors
    /// The broker session is not running.
    pub async fn resume(&self) -> Result<(), SessionNotRunning> {
        self.say(SessionOrder::Resume).await
    }

    async fn say(
        &self,
        order: impl FnOnce(oneshot::Sender<()>) -> SessionOrder,
    ) -> Result<(), SessionNotRunning> {
        let (done, is_done) = oneshot::channel();
        let desk = self.shared().desk.clone().ok_or(SessionNotRunning)?;
        desk.try_send(order(done)).map_err(|_| SessionNotRunning)?;
        is_done.await.map_err(|_| SessionNotRunning)
    }

    async fn give(&self, order: impl FnOnce(PublishReply) -> ToPublish) -> PublishOutcome {
        let (reply, answer) = oneshot::channel();
        let desk = self.shared().desk.clone().ok_or(NotPublished::NotConnected)?;
        desk.try_send(SessionOrder::Publication(order(reply))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotPublished::TooMany,
            mpsc::error::TrySendError::Closed(_) => NotPublished::NotConnected,
        })?;
        answer.await.unwrap_or(Err(NotPublished::Lost))
    }

    /// A life of the broker session begins: orders come to it from now on.
    pub(crate) fn open(&self) -> mpsc::Receiver<SessionOrder> {
        let (desk, orders) = mpsc::channel(ORDERS_WAITING_MAX);
        self.shared().desk = Some(desk);
        orders
    }

    /// The last word on a topic.
    pub(crate) fn kept(&self, topic: &str) -> Option<RetainedMessage> {
        self.shared().kept.get(topic).cloned()
    }

    /// Topics that have one.
    pub(crate) fn kept_topics(&self) -> Vec<String> {
        self.shared().kept.keys().cloned().collect()
    }

    fn shared(&self) -> MutexGuard<'_, RequestState> {
        self.0.lock()
    }
}
