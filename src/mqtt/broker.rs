//! Making a connection: TCP, TLS, CONNECT, CONNACK, all within one time limit.

use std::sync::Arc;
use std::time::Duration;

use barograph_actors::message::delivery::{ConnectionId, UnixMillis};
use barograph_actors::message::session_name::{echo_topic, session_name};
use barograph_actors::mqtt::subscriptions::by_shape;
use barograph_actors::ports::{
    Broker, BrokerRefusal, BrokerSession, Connecting, Down, Filter, Greeting, Incoming, Publication,
};
use barograph_config::{Mqtt, Protocol, Qos, Route, cover};
use bytes::Bytes;
use tokio::time::timeout;

use super::packet::{Keep, Wire};
use super::session::MqttSession;
use super::stream;
use super::v4::V4;
use super::v5::V5;

/// From the first DNS question to CONNACK.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// For our own message to come back to a check.
const ECHO_WITHIN: Duration = Duration::from_secs(4);

/// What a look at the broker shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbedBroker {
    /// Filters that it refuses, with the reason.
    pub refused: Vec<(String, String)>,
    /// Our own topic, if no message to ourselves came back, and one was wanted (`mqtt.echo`).
    pub unheard: Option<String>,
}

/// Makes connections to the broker of the settings.
#[derive(Debug, Clone)]
pub struct MqttBroker {
    settings: Arc<Mqtt>,
    will: Option<Arc<Publication>>,
    now: fn() -> UnixMillis,
}

impl MqttBroker {
    /// A broker to connect to; nothing happens yet. `now` stamps arrivals.
    pub fn new(settings: Mqtt, now: fn() -> UnixMillis) -> Self {
        Self { settings: Arc::new(settings), will: None, now }
    }

    /// What the broker publishes in our name when a connection ends without a goodbye.
    #[must_use]
    pub fn with_will(self, will: Publication) -> Self {
        Self { will: Some(Arc::new(will)), ..self }
    }

    fn wire(&self) -> Box<dyn Wire> {
        match self.settings.protocol {
            Protocol::V311 => Box::new(V4),
            Protocol::V5 => Box::new(V5),
        }
    }

    /// Whether the broker answers, accepts us and the filters of these routes, and lets us read. Under a client id of
    /// its own (`…-check`) and without a session, so that neither a running recorder nor the broker's memory is
    /// touched.
    ///
    /// # Errors
    /// It does not answer, or does not accept us.
    pub async fn probe(&self, routes: &[Route]) -> Result<ProbedBroker, Down> {
        let mut settings = Mqtt::clone(&self.settings);
        settings.client_id.push_str("-check");
        let probing = async {
            let stream = stream::connect(&settings).await?;
            let mut session = MqttSession::new(stream, self.wire(), &settings, self.now);
            session.greet(&settings, None, Keep::Nothing).await?;
            let refused = refused_filters(&mut session, routes).await?;
            session.disconnect().await;
            Ok(refused)
        };
        let probed = timeout(CONNECT_WITHIN, probing).await;
        let refused = probed.unwrap_or_else(|_| Err(stream::timed_out(&settings)))?;
        // An access list may know only the recorder's client id, or only that of this connection.
        let ours = echo_topic(&self.settings.client_id);
        let hears = !settings.echo
            || self.hears_itself(&settings, &ours).await
            || self.hears_itself(&settings, &echo_topic(&settings.client_id)).await;
        Ok(ProbedBroker { refused, unheard: (!hears).then_some(ours) })
    }

    /// Whether a message to ourselves on this topic comes back. On a connection of its own: Mosquitto may end that of a
    /// client that publishes where it may not. At QoS 0: nothing may wait for a recorder that is away.
    async fn hears_itself(&self, settings: &Mqtt, topic: &str) -> bool {
        let qos = Qos::AtMostOnce;
        let says = Bytes::from(format!("check {} {}", std::process::id(), (self.now)().0));
        let message =
            Publication { topic: topic.to_owned(), payload: says.clone(), qos, retain: false };
        let asking = async {
            let stream = stream::connect(settings).await?;
            let mut session = MqttSession::new(stream, self.wire(), settings, self.now);
            session.greet(settings, None, Keep::Nothing).await?;
            let asked = session.subscribe(&[Filter::new(topic, qos)]);
            let heard = loop {
                match session.next().await? {
                    Incoming::Subscribed(id, _) if id == asked => {
                        if session.publish(&message).is_err() {
                            break false;
                        }
                    }
                    Incoming::Delivery(delivery, _) if delivery.payload == says => break true,
                    Incoming::Delivery(..)
                    | Incoming::Subscribed(..)
                    | Incoming::Unsubscribed(_)
                    | Incoming::Published(..)
                    | Incoming::BarrierPassed
                    | Incoming::Released(_) => {}
                }
            };
            session.disconnect().await;
            Ok::<bool, Down>(heard)
        };
        matches!(timeout(ECHO_WITHIN, asking).await, Ok(Ok(true)))
    }

    /// Publishes one message at QoS 1 and waits for the broker's answer. Under a client id of its own
    /// (`…-alert-test`) and without a session, as [`MqttBroker::probe`].
    ///
    /// # Errors
    /// Outside: it does not answer, or does not accept us. Inside: it refuses the message.
    pub async fn publish_once(
        &self,
        message: &Publication,
    ) -> Result<Result<(), BrokerRefusal>, Down> {
        let mut settings = Mqtt::clone(&self.settings);
        settings.client_id.push_str("-alert-test");
        let publishing = async {
            let stream = stream::connect(&settings).await?;
            let mut session = MqttSession::new(stream, self.wire(), &settings, self.now);
            session.greet(&settings, None, Keep::Nothing).await?;
            if let Err(why) = session.publish(message) {
                return Ok(Err(BrokerRefusal(why.to_string())));
            }
            let answer = loop {
                if let Incoming::Published(_, answer) = session.next().await? {
                    break answer;
                }
            };
            session.disconnect().await;
            Ok(answer)
        };
        timeout(CONNECT_WITHIN, publishing)
            .await
            .unwrap_or_else(|_| Err(stream::timed_out(&settings)))
    }

    async fn open(self) -> Result<(MqttSession, Greeting), Down> {
        let stream = stream::connect(&self.settings).await?;
        let mut session = MqttSession::new(stream, self.wire(), &self.settings, self.now);
        let greeting = session.greet(&self.settings, self.will.as_deref(), Keep::Session).await?;
        Ok((session, greeting))
    }
}

/// Subscribes to what serves these routes; gives the filters that the broker refuses, with the reason.
async fn refused_filters(
    session: &mut MqttSession,
    routes: &[Route],
) -> Result<Vec<(String, String)>, Down> {
    let cover = cover(routes);
    let filters = cover.iter().map(|part| Filter::new(&part.filter, part.qos)).collect();
    let mut refused = Vec::new();
    for filters in by_shape(filters) {
        session.subscribe(&filters);
        let answers = loop {
            if let Incoming::Subscribed(_, answers) = session.next().await? {
                break answers;
            }
        };
        let answers = filters.into_iter().zip(answers);
        refused.extend(
            answers.filter_map(|(filter, answer)| Some((filter.topic, answer.err()?.to_string()))),
        );
    }
    Ok(refused)
}

impl Broker for MqttBroker {
    type Session = MqttSession;

    fn connect(&self, _: ConnectionId) -> Connecting<MqttSession> {
        let broker = self.clone();
        Box::pin(async move {
            let settings = Arc::clone(&broker.settings);
            timeout(CONNECT_WITHIN, broker.open())
                .await
                .unwrap_or_else(|_| Err(stream::timed_out(&settings)))
        })
    }

    fn session_name(&self) -> String {
        session_name(&self.settings.url, &self.settings.client_id)
    }
}
