//! Whether what the broker has reaches us: deafness, subscriptions, a pause.

use barograph_config::{Qos, Route};

use super::{CheckInput, critical, warning};
use crate::message::session_name::echo_topic;
use crate::ports::BrokerRefusal;
use crate::status::Connection;
use crate::status::issue::Finding;

/// Connected, and nothing is heard.
pub(super) fn deaf(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some(deaf) = look.state.broker.hearing.deaf else { return Vec::new() };
    let times = match deaf.renewals {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    };
    let summary = format!(
        "connected to the broker, but nothing has been heard since {} UTC, not even our own echo; the \
         session was renewed {times}",
        deaf.since
    );
    let hint = "the sensors are not the cause: the broker, or something between, keeps messages \
                from us. The session is renewed again, with growing pauses; look at the broker's \
                log and queues for our client id, and restart the broker if it lasts. At QoS 1 and \
                2 it should still have everything";
    vec![critical("deaf", summary, hint)]
}

/// We are connected, and whether we may read is not known: no message of ours to ourselves comes back. (Mosquitto grants
/// a subscription also where its access list forbids to read.)
pub(super) fn unheard(look: &CheckInput<'_>) -> Vec<Finding> {
    let (mqtt, broker) = (&look.settings.mqtt, &look.state.broker);
    let is_connected = matches!(broker.connection, Connection::Up(_));
    let Some(why) = broker.hearing.off.as_ref().filter(|_| mqtt.echo && is_connected) else {
        return Vec::new();
    };
    let topic = echo_topic(&mqtt.client_id);
    let summary = match look.state.arrivals.deliveries() {
        0 => format!(
            "no message has arrived since the start, and our own on {topic} does not come back ({why}): this account \
             may subscribe, and perhaps not read"
        ),
        _ => format!(
            "our own message on {topic} does not come back ({why}): a deaf connection cannot be told from silent \
             sensors"
        ),
    };
    let hint = format!(
        "look at the broker's access rules: this account must read the topics of its routes, and read and write \
         {topic}. Where that topic cannot be allowed, set mqtt.echo = false"
    );
    vec![warning("echo_unheard", summary, hint)]
}

/// The broker does not let us have a route.
pub(super) fn refused(look: &CheckInput<'_>) -> Vec<Finding> {
    let refused = granted(look).filter_map(|(route, granted)| {
        let reason = granted.as_ref().err()?;
        let summary = format!(
            "the broker refused the subscription that serves {}: {reason}; nothing of {} is recorded",
            route.topic,
            route.name()
        );
        let hint = "look at the broker's access rules for this user; after a change there, \
                    `barograph restart-actor mqtt` asks again";
        Some(critical(format!("subscription_refused:{}", route.name()), summary, hint))
    });
    refused.collect()
}

/// The broker gives less than was asked for.
pub(super) fn lowered(look: &CheckInput<'_>) -> Vec<Finding> {
    let lowered = granted(look).filter_map(|(route, granted)| {
        let granted = granted.as_ref().ok().filter(|granted| **granted < route.qos)?;
        let summary = format!(
            "the broker granted QoS {} for {}, and QoS {} was asked for: {} is recorded with less \
             safety",
            *granted as u8, route.topic, route.qos as u8, route.name()
        );
        let hint = match granted {
            Qos::AtMostOnce => {
                "at QoS 0 nothing is kept for us while we are away: let the broker allow a higher QoS \
                 (max_qos in mosquitto.conf)"
            }
            Qos::AtLeastOnce | Qos::ExactlyOnce => {
                "let the broker allow a higher QoS (max_qos in mosquitto.conf), or set the route's qos \
                 to what it grants"
            }
        };
        Some(warning(format!("subscription_lowered:{}", route.name()), summary, hint))
    });
    lowered.collect()
}

fn granted<'a>(
    look: &CheckInput<'a>,
) -> impl Iterator<Item = (&'a Route, &'a Result<Qos, BrokerRefusal>)> + use<'a> {
    let granted = &look.state.broker.granted;
    look.router.active().filter_map(|(id, route)| Some((route, granted.get(&id)?)))
}

/// A person wanted it so.
pub(super) fn paused(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some(since) = look.state.broker.paused else { return Vec::new() };
    let summary = format!(
        "paused by a person since {since} UTC: nothing is received; the broker keeps QoS 1 and 2"
    );
    vec![warning("paused", summary, "`barograph resume` ends it; a restart does too")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids};
    use crate::message::account::RouteId;
    use crate::message::delivery::UnixMillis;
    use crate::status::Deafness;
    use crate::status::arrivals::Arrived;

    #[test]
    fn deafness_says_that_it_is_not_the_sensors() {
        let mut scene = Scene::new();
        assert!(scene.finds(deaf).is_empty());
        scene.state.broker.hearing.deaf = Some(Deafness { since: UnixMillis(0), renewals: 1 });
        let found = scene.finds(deaf);
        assert_eq!(ids(&found), ["critical deaf"]);
        assert!(found[0].summary.contains("since 1970-01-01"), "{}", found[0].summary);
        assert!(found[0].summary.ends_with("renewed once"), "{}", found[0].summary);
        assert!(found[0].hint.contains("sensors are not the cause"));
    }

    #[test]
    fn an_echo_that_does_not_come_back_says_that_the_account_may_not_read() {
        let mut scene = Scene::new();
        scene.state.broker.connection = Connection::Up(UnixMillis(0));
        assert!(scene.finds(unheard).is_empty());
        scene.state.broker.hearing.off = Some("nothing came".to_owned());
        let found = scene.finds(unheard);
        assert_eq!(ids(&found), ["warning echo_unheard"]);
        assert!(found[0].summary.contains("perhaps not read"), "{}", found[0].summary);
        assert!(found[0].hint.contains("/echo"), "{}", found[0].hint);
        let arrived = Arrived { deliveries: 1, bytes: 7 };
        scene.state.arrivals.add(RouteId(Some(0)), arrived);
        let found = scene.finds(unheard);
        assert!(found[0].summary.contains("silent sensors"), "{}", found[0].summary);
        scene.settings.mqtt.echo = false;
        assert!(scene.finds(unheard).is_empty());
        scene.settings.mqtt.echo = true;
        scene.state.broker.connection = Connection::Starting;
        assert!(scene.finds(unheard).is_empty());
    }

    #[test]
    fn a_subscription_refused_or_lowered_is_named_by_its_table() {
        let mut scene = Scene::new();
        assert!(scene.finds(refused).is_empty() && scene.finds(lowered).is_empty());
        let wanted: Vec<Qos> = scene.settings.routes.iter().map(|route| route.qos).collect();
        let ids_of = |answers: Vec<Result<Qos, BrokerRefusal>>| {
            (0..).map(|index| RouteId(Some(index))).zip(answers).collect()
        };
        scene.state.broker.granted = ids_of(wanted.iter().copied().map(Ok).collect());
        assert!(scene.finds(refused).is_empty() && scene.finds(lowered).is_empty());
        scene.state.broker.granted =
            ids_of(vec![Ok(Qos::AtMostOnce), Err(BrokerRefusal("NotAuthorized".to_owned()))]);
        assert!(wanted[0] > Qos::AtMostOnce);
        assert_eq!(ids(&scene.finds(lowered)), ["warning subscription_lowered:weather_data"]);
        let found = scene.finds(refused);
        assert_eq!(ids(&found), ["critical subscription_refused:magnetic_flux_data"]);
        assert!(found[0].summary.contains("NotAuthorized"));
    }

    #[test]
    fn a_pause_says_how_it_ends() {
        let mut scene = Scene::new();
        assert!(scene.finds(paused).is_empty());
        scene.state.broker.paused = Some(UnixMillis(0));
        let found = scene.finds(paused);
        assert_eq!(ids(&found), ["warning paused"]);
        assert!(found[0].hint.contains("barograph resume"));
    }
}
