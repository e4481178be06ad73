//! The channel of type `mqtt`: not messages but a retained state, and
//! `offline` when we are gone. With it the announcement by which Home Assistant shows the recorder as a
//! device.

use std::sync::Arc;
use std::time::Duration;

use barograph_config::{Alert, Channel, Qos};
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::message::delivery::UnixMillis;
use crate::message::moment::Moment;
use crate::ports::Publication;
use crate::ports::requests::{NotPublished, PublishOutcome, RetainedMessage, SessionRequests};
use crate::status::Snapshot;
use crate::status::issue::{Finding, Issue, Severity};
use crate::status::summary::summary;

/// What stands on the topic when we are gone.
pub const OFFLINE: &str = "offline";
/// The state is published at most this often, whatever changes.
const PAUSE_MIN: Duration = Duration::from_secs(2);
/// What changes with every message (the rate, the last commit) alone is published this often.
const PAUSE_OF_NUMBERS: Duration = Duration::from_secs(30);
/// For the broker's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The last will that belongs to the alert of type `mqtt`, if there is one.
pub fn last_will(alerts: &[Alert]) -> Option<Publication> {
    let topic = alerts.iter().find_map(|alert| alert.channel.state_topic())?.to_owned();
    let payload = Bytes::from_static(OFFLINE.as_bytes());
    Some(Publication { topic, payload, qos: Qos::AtLeastOnce, retain: true })
}

/// What of the state is told at once.
#[derive(Debug, Clone, PartialEq)]
struct Core {
    health: &'static str,
    mode: &'static str,
    summary: String,
    issues: Vec<Issue>,
}

/// The state on the broker.
#[derive(Debug)]
pub(crate) struct RetainedStatePublisher {
    name: String,
    topic: String,
    /// Topic and payload of the announcement.
    discovery: Option<(String, Value)>,
    announced: bool,
    /// What was published last, and when.
    last: Option<(Core, Instant)>,
    /// For the rate: the deliveries that were counted then.
    counted: Option<(Instant, u64)>,
    /// Why the broker does not keep it, since when.
    refused: Option<(UnixMillis, String)>,
    answers: Answers,
}

/// What became of what was published: the newest answer.
type Answers = Arc<Mutex<Option<PublishOutcome>>>;

impl RetainedStatePublisher {
    /// `None`: the alert is of another type.
    pub(crate) fn new(alert: &Alert, recorder: &str) -> Option<Self> {
        let Channel::Mqtt { topic, discovery, discovery_prefix } = &alert.channel else {
            return None;
        };
        let discovery = discovery.then(|| announcement(recorder, topic, discovery_prefix));
        Some(Self {
            name: alert.name.clone(),
            topic: topic.clone(),
            discovery,
            announced: false,
            last: None,
            counted: None,
            refused: None,
            answers: Answers::default(),
        })
    }

    /// Whether it says the same in the same place.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (&self.name, &self.topic, &self.discovery) == (&other.name, &other.topic, &other.discovery)
    }

    /// Publishes what is new.
    pub(crate) fn look(&mut self, state: &Snapshot, now: Moment, orders: &SessionRequests) {
        self.hear(now);
        if let Some((topic, payload)) = self.discovery.clone().filter(|_| !self.announced) {
            self.announced = true;
            self.publish(orders, topic, &payload, None);
        }
        if let Some(payload) = self.next(state, now.steady) {
            let farewell = Some(Bytes::from_static(OFFLINE.as_bytes()));
            self.publish(orders, self.topic.clone(), &payload, farewell);
        }
    }

    /// The state, when it is to be published anew.
    fn next(&mut self, state: &Snapshot, now: Instant) -> Option<Value> {
        let core = Core {
            health: state.health.level().word(),
            mode: state.health.mode.word(),
            summary: summary(state),
            issues: state.health.issues.clone(),
        };
        if let Some((last, at)) = &self.last {
            let pause = if *last == core { PAUSE_OF_NUMBERS } else { PAUSE_MIN };
            if now.duration_since(*at) < pause {
                return None;
            }
        }
        let payload = json!({
            "health": core.health,
            "mode": core.mode,
            "summary": core.summary,
            "issues": core.issues,
            "rate": self.rate(state.arrivals.deliveries(), now),
            "last_commit": state.storage.last_commit.map(UnixMillis::rfc3339),
            "started": state.tree.started.map(UnixMillis::rfc3339),
            "version": VERSION,
        });
        self.last = Some((core, now));
        Some(payload)
    }

    /// Deliveries a second, since the last that was told; over a stretch that means something.
    fn rate(&mut self, received: u64, now: Instant) -> f64 {
        let (since, before) = *self.counted.get_or_insert((now, received));
        let seconds = now.duration_since(since).as_secs_f64();
        if seconds >= PAUSE_OF_NUMBERS.as_secs_f64() {
            self.counted = Some((now, received));
        }
        if seconds < 1.0 {
            return 0.0;
        }
        // Counts are far below what an f64 holds exactly.
        let rate = received.saturating_sub(before) as f64 / seconds;
        (rate * 100.0).round() / 100.0
    }

    fn publish(
        &self,
        orders: &SessionRequests,
        topic: String,
        payload: &Value,
        farewell: Option<Bytes>,
    ) {
        let payload = Bytes::from(payload.to_string());
        let retained = RetainedMessage { topic, payload, farewell };
        let (orders, answers) = (orders.clone(), Arc::clone(&self.answers));
        actix::spawn(async move {
            if let Ok(outcome) = timeout(ANSWER_WITHIN, orders.retain(retained)).await {
                *answers.lock() = Some(outcome);
            }
        });
    }

    /// Without a connection it is published when there is one; that is another issue.
    fn hear(&mut self, now: Moment) {
        let answer = self.answers.lock().take();
        match answer {
            None | Some(Err(NotPublished::NotConnected | NotPublished::Lost)) => {}
            Some(Ok(())) => self.refused = None,
            Some(Err(
                why @ (NotPublished::NotSent(_) | NotPublished::TooMany | NotPublished::Refused(_)),
            )) => {
                let since = self.refused.take().map_or(now.wall, |(since, _)| since);
                self.refused = Some((since, why.to_string()));
            }
        }
    }

    /// Says goodbye to topics that are no longer ours.
    pub(crate) fn leave(&self, orders: &SessionRequests, next: Option<&Self>) {
        if next.is_none_or(|next| next.topic != self.topic) {
            self.clear(orders, self.topic.clone(), OFFLINE);
        }
        let announced = |state_publisher: &Self| {
            state_publisher.discovery.as_ref().map(|(topic, _)| topic.clone())
        };
        if let Some(topic) = announced(self)
            && next.and_then(announced).as_ref() != Some(&topic)
        {
            // An empty payload takes the device out of Home Assistant.
            self.clear(orders, topic, "");
        }
    }

    fn clear(&self, orders: &SessionRequests, topic: String, payload: &'static str) {
        let payload = Bytes::from_static(payload.as_bytes());
        let (orders, retained) =
            (orders.clone(), RetainedMessage { topic, payload, farewell: None });
        actix::spawn(async move {
            if let Err(why) = orders.retain(retained).await {
                tracing::debug!("a topic that is no longer ours: {why}");
            }
        });
    }

    /// The broker refuses to keep the state.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let (since, why) = self.refused.as_ref()?;
        Some(Finding {
            id: format!("alert_channel_failing:{}", self.name),
            severity: Severity::Warning,
            summary: format!(
                "the alert channel {} (mqtt) fails since {since} UTC: {} is not published: {why}",
                self.name, self.topic
            ),
            hint: "look at what the broker allows our user to publish".to_owned(),
        })
    }
}

/// Home Assistant's device discovery: one retained message describes the device and its entities.
fn announcement(recorder: &str, topic: &str, prefix: &str) -> (String, Value) {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let id: String = format!("barograph_{recorder}").chars().map(plain).collect();
    let payload = json!({
        "device": {
            "identifiers": [id],
            "name": format!("Barograph {recorder}"),
            "manufacturer": "Barograph",
            "model": "MQTT recorder",
            "sw_version": VERSION,
        },
        "origin": { "name": "Barograph", "sw_version": VERSION },
        "state_topic": topic,
        "availability": [{
            "topic": topic,
            "value_template": format!("{{{{ '{OFFLINE}' if value == '{OFFLINE}' else 'online' }}}}"),
        }],
        "qos": 1,
        "components": entities(&id),
    });
    (format!("{prefix}/device/{id}/config"), payload)
}

/// What the device shows.
fn entities(device: &str) -> Value {
    let modes = ["normal", "retrying", "degraded", "recovering", "holding"];
    let levels = ["ok", "degraded", "critical"];
    let mut problem =
        entity("binary_sensor", "Problem", "'ON' if value_json.health != 'ok' else 'OFF'");
    problem["device_class"] = "problem".into();
    let mut health = entity("sensor", "Health", "value_json.health");
    health["device_class"] = "enum".into();
    health["options"] = levels.as_slice().into();
    let mut mode = entity("sensor", "Mode", "value_json.mode");
    mode["device_class"] = "enum".into();
    mode["options"] = modes.as_slice().into();
    mode["entity_category"] = "diagnostic".into();
    // A state of Home Assistant has at most 255 characters.
    let summary = entity("sensor", "State", "value_json.summary[:255]");
    let mut rate = entity("sensor", "Messages", "value_json.rate");
    rate["unit_of_measurement"] = "msg/s".into();
    rate["state_class"] = "measurement".into();
    let mut last_commit = entity("sensor", "Last commit", "value_json.last_commit");
    last_commit["device_class"] = "timestamp".into();
    let mut entities = json!({
        "problem": problem,
        "health": health,
        "mode": mode,
        "summary": summary,
        "rate": rate,
        "last_commit": last_commit,
    });
    for (key, entity) in entities.as_object_mut().into_iter().flatten() {
        entity["unique_id"] = format!("{device}_{key}").into();
    }
    entities
}

/// The template has to bear `offline`, which is no JSON.
fn entity(platform: &str, name: &str, value: &str) -> Value {
    let template = format!("{{% if value_json is defined %}}{{{{ {value} }}}}{{% endif %}}");
    json!({ "platform": platform, "name": name, "value_template": template })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::account::RouteId;
    use crate::status::arrivals::{Arrivals, Arrived};

    fn state_publisher() -> RetainedStatePublisher {
        let (topic, discovery) = announcement("attic/1", "barograph/attic/health", "homeassistant");
        RetainedStatePublisher {
            name: "house".into(),
            topic: "barograph/attic/health".into(),
            discovery: Some((topic, discovery)),
            announced: false,
            last: None,
            counted: None,
            refused: None,
            answers: Answers::default(),
        }
    }

    #[test]
    fn a_change_of_health_is_told_at_once_and_numbers_alone_seldom() {
        let (mut state_publisher, mut state, start) =
            (state_publisher(), Snapshot::default(), Instant::now());
        let mut told = Vec::new();
        for second in 0..300_u64 {
            let mut arrived = Arrivals::default();
            arrived.add(RouteId(None), Arrived { deliveries: 7, bytes: 0 });
            state.arrivals.take(&mut arrived);
            state.storage.last_commit = Some(UnixMillis(i64::try_from(second).unwrap()));
            if second == 100 {
                state.health.issues.push(Issue {
                    id: "x".into(),
                    severity: Severity::Critical,
                    since: UnixMillis(0),
                    summary: "x is wrong".into(),
                    hint: "mend it".into(),
                });
            }
            let payload = state_publisher.next(&state, start + Duration::from_secs(second));
            told.extend(payload.map(|payload| (second, payload)));
        }
        let seconds: Vec<u64> = told.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [0, 30, 60, 90, 100, 130, 160, 190, 220, 250, 280]);
        assert_eq!((&told[1].1["health"], &told[1].1["rate"]), (&json!("ok"), &json!(7.0)));
        assert_eq!(told[4].1["health"], "critical");
        assert_eq!(told[4].1["issues"][0]["summary"], "x is wrong");
    }

    #[test]
    fn the_announcement_is_that_of_home_assistant() {
        let (topic, payload) = state_publisher().discovery.expect("announced");
        assert_eq!(topic, "homeassistant/device/barograph_attic_1/config");
        assert!(
            payload["device"]["identifiers"].is_array() && payload["origin"]["name"].is_string()
        );
        let components = payload["components"].as_object().expect("components");
        assert_eq!(components.len(), 6);
        for (key, component) in components {
            assert!(component["platform"].is_string(), "{key}");
            assert_eq!(component["unique_id"], format!("barograph_attic_1_{key}"));
            let template = component["value_template"].as_str().expect("a template");
            assert!(template.starts_with("{% if value_json is defined %}{{ "), "{template}");
        }
    }
}
