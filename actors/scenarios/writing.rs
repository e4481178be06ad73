//! The writer over a database that fails.

use std::time::Duration;

use barograph_config::Qos;
use tokio::time::{Instant, sleep};

use crate::message::event;
use crate::message::write::WriteCause;
use crate::ports::{OpenError, Outlook};
use crate::testing::broker::FakeBroker;
use crate::testing::harness::{House, eventually, settings, with_paused_time};
use crate::testing::journal::{Disk, WriteFault};

/// Paused timers fire up to a millisecond late.
fn assert_pauses(times: &[Instant], expected_ms: &[u64]) {
    let pauses: Vec<u128> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    let near = |(is, due): (&u128, &u64)| (u128::from(*due)..=u128::from(*due) + 2).contains(is);
    assert!(pauses.len() >= expected_ms.len(), "{pauses:?}");
    assert!(pauses.iter().zip(expected_ms).all(near), "{pauses:?}, not {expected_ms:?}");
}

#[test]
fn a_refused_write_is_tried_again_after_doubling_pauses_of_at_most_five_seconds() {
    with_paused_time(async {
        let mut patient = settings();
        patient.health.max_write_failures = 100;
        let house = House::new(patient).await;
        house.disk.platter().failing = Some(WriteCause::Busy);
        house.disk.platter().tries.clear();
        house.broker.publish(1, Qos::AtLeastOnce);
        eventually(60, "many tries", || house.disk.platter().tries.len() > 10).await;
        let expected = [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000];
        assert_pauses(&house.disk.platter().tries, &expected);
    });
}

#[test]
fn a_writer_refused_for_fifteen_seconds_acknowledges_nothing_meanwhile_and_everything_after() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.disk.platter().lock(true);
        for _ in 0..15 {
            house.broker.publish(1, Qos::AtLeastOnce);
            sleep(Duration::from_secs(1)).await; // the fifteen seconds themselves
            assert!(house.broker.state().acknowledged.is_empty());
        }
        let (account, health) =
            (house.published.snapshot().account(), house.published.health.get());
        assert_eq!((account.received, account.sums.total()), (15, 0));
        assert!(health.last_failure.is_some() && health.consecutive_failures > 5);
        house.disk.platter().lock(false);
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
        eventually(5, "the success is heard", || {
            house.published.health.get().last_failure.is_none()
        })
        .await;
        assert_eq!(house.published.storage.get().tally.sums().stored, 15);
        eventually(5, "it is noted", || house.disk.events(event::WRITE_RECOVERED) == 1).await;
        assert_eq!(house.disk.events(event::WRITE_FAILED), 1, "once, not for each try");
        let platter = house.disk.platter();
        let recovered = platter.events.iter().find(|event| event.name == event::WRITE_RECOVERED);
        assert!(recovered.is_some_and(|event| event.detail.contains("after 15s")), "{recovered:?}");
    });
}

#[test]
fn what_arrives_while_a_write_is_under_way_becomes_one_batch() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.disk.platter().lock(true);
        house.disk.platter().commits.clear();
        for _ in 0..10 {
            house.broker.publish(1, Qos::AtLeastOnce);
            sleep(Duration::from_millis(100)).await; // so that they arrive one by one
        }
        house.disk.platter().lock(false);
        house.settle().await;
        let sizes: Vec<usize> =
            house.disk.platter().commits.iter().map(|(_, records)| *records).collect();
        assert_eq!(sizes.into_iter().filter(|records| *records > 0).collect::<Vec<_>>(), [1, 9]);
    });
}

/// (what the write meets, how often the file is opened again, how often the actor is started again)
#[test]
fn a_write_that_fails_in_any_way_is_stored_once_and_acknowledged() {
    let table = [
        (WriteFault::Refusal(WriteCause::Busy), 0, 0),
        (WriteFault::Refusal(WriteCause::Full), 0, 0),
        (WriteFault::UnknownAndStored, 1, 0),
        (WriteFault::UnknownAndLost, 1, 0),
        (WriteFault::PanicBefore, 1, 1),
        (WriteFault::PanicAfter, 1, 1),
    ];
    for (fault, reopened, restarted) in table {
        with_paused_time(async {
            let house = House::new(settings()).await;
            eventually(5, "the opening is written", || !house.disk.platter().commits.is_empty())
                .await;
            house.disk.platter().faults.push_back(fault);
            house.broker.publish(15, Qos::AtLeastOnce);
            house.settle().await;
            house.broker.assert_nothing_lost_and_nothing_twice();
            assert_eq!(house.published.storage.get().tally.sums().stored, 15, "{fault:?}");
            assert_eq!(house.disk.platter().opened, 1 + reopened, "{fault:?}");
            assert_eq!(house.disk.platter().misused, 0, "{fault:?}");
            assert_eq!(house.seen.times("db_writer restarting").len(), restarted, "{fault:?}");
        });
    }
}

#[test]
fn a_writer_that_dies_over_a_write_does_not_take_the_events_with_it() {
    with_paused_time(async {
        let disk = Disk::default();
        disk.platter().faults.push_back(WriteFault::PanicBefore);
        let house = House::start(&FakeBroker::new(disk), settings());
        eventually(5, "it is noted after all", || house.disk.events(event::BROKER_CONNECTED) == 1)
            .await;
        assert_eq!(house.seen.times("db_writer restarting").len(), 1);
    });
}

#[test]
fn a_commit_interval_stretches_the_commits_and_loses_nothing() {
    with_paused_time(async {
        let mut settings = settings();
        settings.database.commit_interval = Duration::from_secs(10);
        let house = House::new(settings).await;
        for _ in 0..60 {
            house.broker.publish(1, Qos::AtLeastOnce);
            sleep(Duration::from_secs(1)).await; // a message a second, six intervals long
        }
        house.settle().await;
        house.broker.assert_nothing_lost_and_nothing_twice();
        let commits: Vec<Instant> =
            house.disk.platter().commits.iter().map(|(at, _)| *at).collect();
        assert_pauses(&commits, &[10_000; 5]);
        assert!((6..=8).contains(&commits.len()), "{}", commits.len());
    });
}

#[test]
fn without_a_commit_interval_a_message_is_written_as_it_comes() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.settle().await;
        let published = Instant::now();
        house.broker.publish(1, Qos::AtLeastOnce);
        eventually(1, "it is acknowledged", || house.broker.is_settled()).await;
        assert!(published.elapsed() < Duration::from_millis(20));
    });
}

#[test]
fn a_database_that_cannot_be_opened_yet_is_probed_and_messages_go_to_the_spool() {
    with_paused_time(async {
        let disk = Disk::default();
        let passing = OpenError {
            cause: WriteCause::Locked,
            message: "locked".to_owned(),
            outlook: Outlook::MayPass,
        };
        disk.platter().open_faults.extend(vec![passing; 4]);
        let broker = FakeBroker::new(disk);
        let began = Instant::now();
        let house = House::start(&broker, settings());
        eventually(1, "ready", || house.seen.has("ready")).await;
        house.broker.publish(7, Qos::AtLeastOnce);
        eventually(1, "they are safe in the spool", || house.broker.is_settled()).await;
        assert_eq!((house.disk.rows(), house.disk.platter().spooled()), (0, 7));
        house.settle().await;
        let waited = began.elapsed().as_secs();
        assert_eq!(waited, 1 + 2 + 4 + 8, "probes after a second, doubling");
        house.broker.assert_nothing_lost_and_nothing_twice();
        assert_eq!(house.seen.in_order(&["restarting"]), Vec::<String>::new());
        eventually(5, "it is noted", || house.disk.events(event::WRITE_FAILED) == 1).await;
        assert_eq!(house.disk.platter().runs.len(), 1);
    });
}
