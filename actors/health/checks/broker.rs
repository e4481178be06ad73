//! The connection to the broker, and what the broker says it lost.

use super::memory::Drops;
use super::{CheckInput, critical, spoken, warning};
use crate::status::Connection;
use crate::status::issue::Finding;

/// There is no connection.
pub(super) fn unreachable(look: &CheckInput<'_>) -> Vec<Finding> {
    let Connection::Down(since, why) = &look.state.broker.connection else { return Vec::new() };
    // A paused recorder has none on purpose.
    if look.state.broker.paused.is_some() {
        return Vec::new();
    }
    let summary = format!("not connected to the broker since {since} UTC: {why}");
    if look.state.broker.taken_over {
        let hint = format!(
            "set another mqtt.client_id here or there: ours is {}, and the two disconnect each other without \
             end; it is tried again each minute",
            look.settings.mqtt.client_id
        );
        return vec![critical("broker_unreachable", summary, hint)];
    }
    let hint = "it connects again by itself as soon as the broker answers; until then the broker keeps \
                QoS 1 and 2 for us, and QoS 0 is missing (barograph gaps). Is the broker running, and \
                does `barograph check` reach it?";
    vec![critical("broker_unreachable", summary, hint)]
}

/// It says that it dropped messages.
pub(super) fn dropping(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some((at, count)) = look.memory.drops.rose else { return Vec::new() };
    let summary = format!(
        "the broker reports that it dropped {count} messages, to us or to other clients, the last \
         of them at {} UTC",
        at.wall
    );
    let told_for = spoken(Drops::TOLD_FOR);
    let hint = format!(
        "let it queue more (max_queued_messages in mosquitto.conf), and publish at QoS 1; this is over \
         when nothing more is dropped for {told_for}"
    );
    vec![warning("broker_dropped", summary, hint)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids};
    use crate::message::delivery::UnixMillis;

    #[test]
    fn no_connection_is_critical_and_none_on_purpose_is_nothing() {
        let mut scene = Scene::new();
        assert!(scene.finds(unreachable).is_empty(), "it was not tried yet");
        scene.state.broker.connection = Connection::Up(UnixMillis(1));
        assert!(scene.finds(unreachable).is_empty());
        scene.state.broker.connection =
            Connection::Down(UnixMillis(0), "nothing listens".to_owned());
        let found = scene.finds(unreachable);
        assert_eq!(ids(&found), ["critical broker_unreachable"]);
        assert_eq!(
            found[0].summary,
            "not connected to the broker since 1970-01-01 00:00:00.000 UTC: nothing listens"
        );
        scene.state.broker.taken_over = true;
        let found = scene.finds(unreachable);
        assert_eq!(ids(&found), ["critical broker_unreachable"]);
        assert!(found[0].hint.starts_with("set another mqtt.client_id"), "{}", found[0].hint);
        scene.state.broker.paused = Some(UnixMillis(0));
        assert!(scene.finds(unreachable).is_empty());
    }

    #[test]
    fn what_the_broker_dropped_is_told_of_for_an_hour() {
        let mut scene = Scene::new();
        scene.state.broker.dropped = 3;
        scene.passes(1);
        assert_eq!(ids(&scene.finds(dropping)), ["warning broker_dropped"]);
        scene.state.broker.dropped = 5;
        scene.passes(3_000);
        assert!(scene.finds(dropping)[0].summary.contains("dropped 5 messages"));
        scene.passes(3_599);
        assert!(!scene.finds(dropping).is_empty());
        scene.passes(1);
        assert!(scene.finds(dropping).is_empty());
        scene.state.broker.dropped = 6;
        scene.passes(1);
        assert!(scene.finds(dropping)[0].summary.contains("dropped 1 messages"));
    }
}
