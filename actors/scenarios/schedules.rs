//! Random schedules of faults. A schedule is a few lives of the process; each ends by a stop or by
//! `kill -9`.

use std::time::Duration;

use barograph_config::{Qos, Settings};
use proptest::prelude::*;
use tokio::time::sleep;

use crate::message::children;
use crate::message::write::WriteCause;
use crate::ports::DownKind;
use crate::status::mode::Mode;
use crate::supervisor::Fault;
use crate::testing::broker::{FakeBroker, Meets};
use crate::testing::harness::{House, eventually, settings, with_paused_time};
use crate::testing::journal::{Disk, WriteFault};

#[derive(Debug, Clone)]
enum ScheduleAction {
    Publish(usize, Qos),
    Cut(DownKind),
    /// From here to the next cut no acknowledgement arrives at the broker.
    Deafen,
    /// Nothing is delivered, or again.
    Mute(bool),
    /// A person pauses it, or ends the pause.
    Pause(bool),
    Meet(Meets),
    Forget,
    /// The broker restarts, and delivers again in another order.
    Restart,
    Write(WriteFault),
    /// Each write to the database fails until it is mended (`None`).
    Database(Option<WriteCause>),
    /// Each write to the spool, likewise.
    Spool(Option<WriteCause>),
    Kill(&'static str, Fault),
}

#[derive(Debug, Clone)]
struct ScheduledLife {
    /// Each after so many milliseconds.
    acts: Vec<(u64, ScheduleAction)>,
    ends_in_order: bool,
}

fn fails() -> impl Strategy<Value = Option<WriteCause>> {
    prop::option::of(prop::sample::select(WriteCause::ALL.to_vec()))
}

fn act() -> impl Strategy<Value = ScheduleAction> {
    let qos = prop_oneof![Just(Qos::AtMostOnce), Just(Qos::AtLeastOnce), Just(Qos::ExactlyOnce)];
    let cut =
        prop_oneof![Just(DownKind::Closed), Just(DownKind::Network), Just(DownKind::TakenOver)];
    let meets = prop_oneof![
        Just(Meets::Refusal(DownKind::Refused)),
        Just(Meets::Silence(Duration::from_secs(20))),
    ];
    let write = prop_oneof![
        prop::sample::select(WriteCause::ALL.to_vec()).prop_map(WriteFault::Refusal),
        Just(WriteFault::UnknownAndStored),
        Just(WriteFault::UnknownAndLost),
        Just(WriteFault::PanicBefore),
        Just(WriteFault::PanicAfter),
    ];
    let children = prop_oneof![
        2 => Just(children::DB_WRITER),
        2 => Just(children::MQTT),
        1 => Just(children::HEALTH),
        1 => Just(children::STATS),
    ];
    let fault = prop_oneof![Just(Fault::Panic), Just(Fault::Stop)];
    prop_oneof![
        8 => (1_usize..60, qos).prop_map(|(count, qos)| ScheduleAction::Publish(count, qos)),
        3 => cut.prop_map(ScheduleAction::Cut),
        2 => Just(ScheduleAction::Deafen),
        2 => any::<bool>().prop_map(ScheduleAction::Mute),
        2 => any::<bool>().prop_map(ScheduleAction::Pause),
        1 => meets.prop_map(ScheduleAction::Meet),
        1 => Just(ScheduleAction::Forget),
        3 => Just(ScheduleAction::Restart),
        5 => write.prop_map(ScheduleAction::Write),
        3 => fails().prop_map(ScheduleAction::Database),
        2 => fails().prop_map(ScheduleAction::Spool),
        3 => (children, fault).prop_map(|(child, fault)| ScheduleAction::Kill(child, fault)),
    ]
}

fn life() -> impl Strategy<Value = ScheduledLife> {
    let pause = prop_oneof![4 => 0_u64..3, 2 => 0_u64..300, 1 => 0_u64..5_000];
    let acts = prop::collection::vec((pause, act()), 1..25);
    (acts, any::<bool>()).prop_map(|(acts, ends_in_order)| ScheduledLife { acts, ends_in_order })
}

/// What stays the same from life to life.
#[derive(Debug, Clone)]
struct ScheduleSettings {
    max_unacked: u64,
    commit_interval: Duration,
    lag: Duration,
}

fn place() -> impl Strategy<Value = ScheduleSettings> {
    let bytes = prop_oneof![Just(2_000_u64), Just(5_000), Just(8 << 20)];
    let millis = || prop_oneof![3 => Just(0_u64), 1 => 1_u64..2_000];
    (bytes, millis(), millis()).prop_map(|(max_unacked, interval, lag)| ScheduleSettings {
        max_unacked,
        commit_interval: Duration::from_millis(interval),
        lag: Duration::from_millis(lag),
    })
}

/// Any number of restarts is within the limits.
fn patient_settings(place: &ScheduleSettings) -> Settings {
    let mut settings = settings();
    settings.supervisor.intensity = 10_000;
    settings.mqtt.echo_interval = Duration::from_millis(300);
    settings.mqtt.max_unacked = place.max_unacked;
    settings.database.commit_interval = place.commit_interval;
    settings
}

async fn perform(house: &House, act: &ScheduleAction) {
    match act {
        ScheduleAction::Publish(count, qos) => house.broker.publish(*count, *qos),
        ScheduleAction::Cut(kind) => house.broker.cut(*kind),
        ScheduleAction::Deafen => house.broker.state().deaf = true,
        // Whoever asks a session that just dies is told so, and asks again.
        ScheduleAction::Pause(true) => {
            let _maybe_nobody = house.orders.pause().await;
        }
        ScheduleAction::Pause(false) => {
            let _maybe_nobody = house.orders.resume().await;
        }
        ScheduleAction::Mute(mute) => house.broker.state().mute = *mute,
        ScheduleAction::Meet(meets) => house.broker.state().meets.push_back(*meets),
        ScheduleAction::Forget => house.broker.forget(),
        ScheduleAction::Restart => house.broker.restart(),
        ScheduleAction::Write(fault) => house.disk.platter().faults.push_back(*fault),
        ScheduleAction::Database(cause) => house.disk.platter().failing = *cause,
        ScheduleAction::Spool(cause) => house.disk.platter().spool_failing = *cause,
        ScheduleAction::Kill(child, fault) => {
            house.inject(child, fault.clone()).await;
        }
    }
}

async fn live(broker: &FakeBroker, place: &ScheduleSettings, life: &ScheduledLife) {
    let house = House::start(broker, patient_settings(place));
    eventually(600, "the recorder is ready", || house.seen.has("ready")).await;
    for (pause, act) in &life.acts {
        // The schedule itself is the point: acts hit the recorder wherever it then is.
        sleep(Duration::from_millis(*pause)).await;
        perform(&house, act).await;
    }
    if life.ends_in_order {
        assert_eq!(house.shut_down().await.code, 0);
    }
}

/// Nothing fails any more: everything that is owed is stored and acknowledged.
async fn finish(broker: &FakeBroker, place: &ScheduleSettings) {
    broker.state().meets.clear();
    broker.state().mute = false;
    broker.disk.platter().faults.clear();
    broker.disk.platter().lock(false);
    let house = House::start(broker, patient_settings(place));
    broker.cut(DownKind::Network);
    house.settle().await;
    eventually(600, "normal in the end", || house.published.health.get().mode == Mode::Normal)
        .await;
    assert_eq!(house.shut_down().await.code, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_schedule_of_faults_loses_or_repeats_a_message(
        place in place(),
        lives in prop::collection::vec(life(), 1..4),
    ) {
        let broker = FakeBroker::new(Disk::default());
        broker.state().lag = place.lag;
        for life in &lives {
            with_paused_time(live(&broker, &place, life));
            broker.client_died();
        }
        with_paused_time(finish(&broker, &place));
        broker.assert_nothing_lost_and_nothing_twice();
        let begun = broker.disk.platter().runs.len();
        prop_assert!((1..=lives.len() + 1).contains(&begun), "{begun} beginnings");
        prop_assert_eq!(broker.disk.platter().rollbacks, 0);
        prop_assert_eq!(broker.disk.platter().misused, 0);
    }
}
