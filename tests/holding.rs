//! Neither database nor spool has a place: what the broker keeps is left to it, what it does not keep is bounded and counted.

use std::time::Duration;

use crate::support::aloud;
use crate::support::heavy;
use crate::support::locker::Locker;
use crate::support::publisher::{Load, Publisher};
use crate::support::scene::Scene;

/// What a recorder without any trouble takes, and as much again.
const RSS_MAX_KIB: u64 = 48 * 1024;

#[test]
fn of_qos_0_memory_keeps_what_fits_and_every_drop_is_counted() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal().without_a_spool_to_speak_of();
    let recorder = scene.recorder(&settings.text("mqtt", "max_unacked", "512 KiB"));
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(0).rate(4_000));
    scene.fills_to(&recorder, "load", 100);
    let lock = Locker::hold(&scene.database);
    let locked_at = publisher.sent();
    recorder.is_in_mode("holding");
    publisher.has_sent(locked_at + 20_000);
    lock.release();
    recorder.is_in_mode("normal");
    let rss = recorder.process.peak_rss_kib();
    assert!(rss < RSS_MAX_KIB, "{rss} KiB");
    let published = publisher.finish();
    let query = "SELECT coalesce(sum(count), 0) FROM barograph_accounting \
                 WHERE outcome = 'dropped' AND reason = 'holding'";
    let all_counted = || {
        let account = scene.database.account();
        (account.received == published.next - published.first).then_some(account)
    };
    let account = recorder.wait_for("all counted", Duration::from_secs(30), all_counted);
    let dropped: i64 = scene.database.one(query);
    assert!(dropped > 0 && dropped == account.dropped, "{dropped} of {account:?}");
    let mut recorder = recorder;
    recorder.stop();
    let comparison = scene.database.compare("load", &published);
    assert!(comparison.twice.is_empty(), "{comparison}");
    let lost = i64::try_from(comparison.lost.len()).expect("a count");
    assert_eq!(lost, dropped, "what is not there was counted");
    let first_lost = comparison.lost[0];
    assert!(first_lost > locked_at + 300, "the oldest are kept: {locked_at}, {first_lost}");
    let account = scene.database.assert_account_equals(&["load"]);
    aloud::say(&format!("QoS 0 while holding: {account:?}, {rss} KiB at most"));
}

#[test]
fn of_qos_1_everything_waits_at_the_broker() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let settings = scene.settings().quick_to_heal().without_a_spool_to_speak_of();
    let recorder = scene.recorder(&settings.text("mqtt", "max_unacked", "512 KiB"));
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(4_000));
    scene.fills_to(&recorder, "load", 100);
    let lock = Locker::hold(&scene.database);
    recorder.is_in_mode("holding");
    let sent = publisher.sent();
    publisher.has_sent(sent + 20_000);
    lock.release();
    recorder.is_in_mode("normal");
    let account = scene.settle(recorder, &publisher.finish());
    assert_eq!(account.dropped, 0, "{account:?}");
}
