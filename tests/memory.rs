//! Memory is bounded, whatever is published and however long the writer stands still.

use std::time::Duration;

use crate::support::heavy;
use crate::support::publisher::{Load, Publisher};
use crate::support::scene::Scene;
use crate::support::wait;

/// Peak resident set allowed, in KiB.
const PEAK_MAX_KIB: u64 = 32 * 1024;
const MILLION: i64 = 1_000_000;

#[test]
fn a_million_messages_leave_the_peak_below_32_mib() {
    let _turn = heavy::turn();
    let scene = Scene::new();
    let recorder = scene.recorder(&scene.settings());
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).count(MILLION));
    let published = publisher.finish();
    wait::until_or(
        Duration::from_secs(180),
        || (scene.database.count("load") >= MILLION).then_some(()),
        || format!("{} rows; the log:\n{}", scene.database.count("load"), recorder.process.tail()),
    );
    let peak = recorder.process.peak_rss_kib();
    println!("peak RSS: {peak} KiB");
    assert!(peak < PEAK_MAX_KIB, "peak RSS {peak} KiB");
    scene.settle(recorder, &published);
}

/// Mosquitto does not keep to the receive maximum: what it delivers un-acknowledged is bounded by nothing but us.
#[test]
fn a_writer_that_stands_still_for_three_keep_alives_costs_bounded_memory_and_no_message() {
    let _turn = heavy::turn();
    // Mosquitto sends no more than 20 messages ahead of the acknowledgements unless it is told to.
    let scene = Scene::with_broker(|_| "allow_anonymous true\nmax_inflight_messages 0".to_owned());
    let settings = scene
        .settings()
        .text("mqtt", "keep_alive", "5s")
        .text("mqtt", "max_unacked", "256 KiB")
        .text("supervisor", "stuck_after", "60s");
    let recorder = scene.recorder(&settings);
    scene.faults.inject("hang db_writer 16s");
    let payload = |n| format!(r#"{{"n":{n},"pad":"{}"}}"#, "x".repeat(1_000)).into_bytes();
    let load = Load { payload, ..Load::numbered(1).count(60_000) };
    let published = Publisher::start(scene.broker.port(), load).finish();
    recorder.event("window_full");
    wait::while_true("the memory is bounded", Duration::from_secs(14), || {
        recorder.process.peak_rss_kib() < PEAK_MAX_KIB
    });
    assert!(recorder.events("escalated").is_empty(), "a slow writer is waited for");
    scene.drain(&recorder, &published);
    let peak = recorder.process.peak_rss_kib();
    assert!(peak < PEAK_MAX_KIB, "peak RSS {peak} KiB");
    scene.stop_and_check(recorder, &published);
}
