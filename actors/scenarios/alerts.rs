//! The way of an issue to a person, with the real judge over a courier that delivers at once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use barograph_config::{Alert, Channel, Qos, Secret, Settings};
use tokio::time::sleep;

use crate::message::event;
use crate::message::write::WriteCause;
use crate::supervisor::Fault;
use crate::testing::harness::{House, eventually, settings, with_paused_time};

fn alert(name: &str) -> Alert {
    Alert::new(name, Channel::Slack { url: Secret::new("https://x") })
}

fn with_alerts(alerts: &[&str]) -> Settings {
    Settings { alerts: alerts.iter().map(|name| alert(name)).collect(), ..settings() }
}

/// What a channel was told.
fn told(house: &House, channel: &str) -> Vec<String> {
    let delivered = house.post.delivered().into_iter();
    delivered.filter(|(name, _)| name == channel).map(|(_, subject)| subject).collect()
}

#[test]
fn an_outage_is_told_once_and_its_end_too_though_the_judge_dies_meanwhile() {
    with_paused_time(async {
        let house = House::new(with_alerts(&["phone"])).await;
        house.disk.platter().failing = Some(WriteCause::Locked);
        house.broker.publish(5, Qos::AtLeastOnce);
        sleep(Duration::from_secs(50)).await; // shorter than `after`
        assert_eq!(told(&house, "phone"), [""; 0]);
        eventually(30, "told", || !told(&house, "phone").is_empty()).await;
        for _ in 0..3 {
            assert!(house.inject("health", Fault::Panic).await);
            sleep(Duration::from_secs(90)).await; // a new life, and more than `after`
        }
        house.disk.platter().failing = None;
        eventually(600, "its end is told", || told(&house, "phone").len() == 2).await;
        sleep(Duration::from_secs(600)).await; // nothing more to come
        let told = told(&house, "phone");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with("[attic] ") && told[1].starts_with("[attic] resolved: "),
            "{told:?}"
        );
        house.broker.publish(1, Qos::AtLeastOnce);
        house.settle().await;
        eventually(10, "it is noted", || house.disk.events(event::ALERT_SENT) == 2).await;
    });
}

#[test]
fn a_channel_that_fails_is_an_issue_that_the_other_tells() {
    with_paused_time(async {
        let house = House::new(with_alerts(&["phone", "mail"])).await;
        house.post.refuses.store(true, Ordering::Relaxed);
        house.disk.platter().failing = Some(WriteCause::Locked);
        house.broker.publish(5, Qos::AtLeastOnce);
        let hears = |channel: &str, words: &str| {
            told(&house, channel).iter().any(|subject| subject.contains(words))
        };
        eventually(300, "the mail tells", || hears("mail", "alert channel phone (slack) fails"))
            .await;
        let is_open = || {
            let issues = house.published.health.get().issues;
            issues.iter().any(|issue| issue.id == "alert_channel_failing:phone")
        };
        assert!(is_open() && told(&house, "phone").is_empty());
        house.post.refuses.store(false, Ordering::Relaxed);
        eventually(900, "the phone works", || !told(&house, "phone").is_empty()).await;
        eventually(900, "the mail tells its end", || hears("mail", "resolved: the alert channel"))
            .await;
        assert!(!is_open());
        house.disk.platter().failing = None;
        house.broker.publish(1, Qos::AtLeastOnce);
        house.settle().await;
        let noted = |name| house.disk.events(name) == 1;
        eventually(10, "it is noted", || {
            noted(event::ALERT_FAILED) && noted(event::ALERT_RECOVERED)
        })
        .await;
    });
}
