//! Deaths of single actors of the real tree.

use std::time::Duration;

use barograph_config::Qos;
use tokio::time::sleep;

use crate::exit_code;
use crate::message::children::{DB_WRITER, HEALTH, MQTT, STATS, WATCHTOWER};
use crate::message::write::WriteCause;
use crate::ports::{OpenError, Outlook};
use crate::supervisor::{Exit, Fault};
use crate::testing::broker::FakeBroker;
use crate::testing::harness::{House, eventually, settings, with_paused_time};
use crate::testing::journal::Disk;

const ALL: [&str; 5] = [DB_WRITER, HEALTH, STATS, MQTT, WATCHTOWER];

#[test]
fn each_child_that_dies_is_started_again_and_the_others_live_on() {
    for child in ALL {
        for fault in [Fault::Panic, Fault::Stop] {
            with_paused_time(async {
                let house = House::new(settings()).await;
                house.broker.publish(50, Qos::AtLeastOnce);
                assert!(house.inject(child, fault.clone()).await);
                house.broker.publish(50, Qos::AtLeastOnce);
                let running = format!("{child} running");
                let starting = format!("{child} starting");
                eventually(10, "it is started again", || house.seen.times(&starting).len() == 2)
                    .await;
                eventually(10, "it is ready again", || house.seen.times(&running).len() >= 2).await;
                house.settle().await;
                house.broker.assert_nothing_lost_and_nothing_twice();
                assert_eq!(house.seen.in_order(&[" restarting"]), [format!("{child} restarting")]);
                assert_eq!(
                    house.seen.in_order(&[" starting"]).len(),
                    ALL.len() + 1,
                    "no other was started"
                );
                let pause = house.seen.times(&starting)[1]
                    - house.seen.times(&format!("{child} restarting"))[0];
                assert!((100..=102).contains(&pause.as_millis()), "{pause:?}");
                let (_, exit) = house.seen.look().exits[0].clone();
                let as_injected = match fault {
                    Fault::Panic => {
                        matches!(&exit, Exit::Panicked(text) if text.contains("injected"))
                    }
                    Fault::Stop | Fault::Hang(_) => exit == Exit::Done,
                };
                assert!(as_injected, "{child} {fault:?}: {exit:?}");
            });
        }
    }
}

#[test]
fn a_restarted_judge_hears_of_failures_again() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.inject(HEALTH, Fault::Panic).await;
        eventually(5, "it is back", || house.seen.times("health running").len() == 2).await;
        house.disk.platter().lock(true);
        house.broker.publish(1, Qos::AtLeastOnce);
        eventually(5, "it has heard", || house.published.health.get().last_failure.is_some()).await;
    });
}

#[test]
fn a_writer_that_dies_between_two_tries_does_not_take_the_batch_with_it() {
    for fault in [Fault::Panic, Fault::Stop] {
        with_paused_time(async {
            let house = House::new(settings()).await;
            house.disk.platter().lock(true);
            house.broker.publish(10, Qos::AtLeastOnce);
            house.broker.publish(10, Qos::AtMostOnce);
            sleep(Duration::from_secs(2)).await; // into the pauses between the tries
            house.inject(DB_WRITER, fault).await;
            sleep(Duration::from_secs(2)).await; // the next life meets the same
            assert!(house.broker.state().acknowledged.is_empty());
            house.disk.platter().lock(false);
            house.settle().await;
            assert_eq!(house.broker.assert_nothing_lost_and_nothing_twice(), 0, "of QoS 0 neither");
        });
    }
}

#[test]
fn a_session_that_dies_hands_what_it_held_to_its_next_life() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        house.disk.platter().lock(true);
        house.broker.publish(40, Qos::AtMostOnce);
        eventually(5, "all are in memory", || house.published.received() == 40).await;
        for fault in [Fault::Panic, Fault::Stop, Fault::Panic] {
            let lives = house.seen.times("mqtt starting").len();
            house.inject(MQTT, fault).await;
            eventually(5, "its next life", || house.seen.times("mqtt starting").len() > lives)
                .await;
        }
        house.disk.platter().lock(false);
        eventually(30, "all are stored", || house.disk.rows() == 40).await;
        assert_eq!(house.broker.assert_nothing_lost_and_nothing_twice(), 0);
    });
}

#[test]
fn a_database_that_only_a_person_can_mend_ends_the_process_before_anything_else_is_started() {
    with_paused_time(async {
        let disk = Disk::default();
        let code = exit_code::DATABASE_UNUSABLE;
        let permanent = OpenError {
            cause: WriteCause::NotADatabase,
            message: "no database".into(),
            outlook: Outlook::NeedsAPerson,
        };
        disk.platter().open_faults.push_back(permanent);
        let broker = FakeBroker::new(disk);
        let house = House::start(&broker, settings());
        let outcome = house.seen.outcome(5).await;
        assert_eq!((outcome.code, outcome.reason.as_deref()), (code, Some("no database")));
        assert_eq!(house.seen.in_order(&[" starting"]), ["db_writer starting"]);
        assert!(broker.state().connects.is_empty() && !house.seen.has("ready"));
    });
}

#[test]
fn a_storm_of_deaths_ends_the_process_in_order_with_everything_safe() {
    with_paused_time(async {
        let house = House::new(settings()).await;
        let limit = settings().supervisor.intensity;
        for death in 0..=limit {
            let child = ALL[usize::try_from(death).expect("small") % ALL.len()];
            house.broker.publish(5, Qos::AtLeastOnce);
            eventually(30, "it lives", || {
                house.seen.look().outcome.is_some() || alive(&house, child)
            })
            .await;
            house.inject(child, Fault::Panic).await;
        }
        let outcome = house.seen.outcome(20).await;
        assert_eq!(outcome.code, exit_code::ESCALATED);
        assert_eq!(
            house.seen.in_order(&[" restarting"]).len(),
            usize::try_from(limit).expect("small")
        );
        let unstored = house
            .broker
            .state()
            .acknowledged
            .values()
            .filter(|n| house.disk.count(**n) == 0)
            .count();
        assert_eq!(unstored, 0);
    });
}

fn alive(house: &House, child: &str) -> bool {
    let last =
        house.seen.look().said.iter().rev().find(|(_, said)| said.starts_with(child)).cloned();
    last.is_some_and(|(_, said)| said.ends_with(" running"))
}

#[test]
fn a_supervisor_that_dies_gives_the_process_up() {
    for fault in [Fault::Panic, Fault::Stop] {
        with_paused_time(async {
            let house = House::new(settings()).await;
            house.inject("supervisor", fault).await;
            eventually(5, "it is abandoned", || house.seen.look().abandoned.is_some()).await;
            assert_eq!(house.seen.look().abandoned, Some(exit_code::ESCALATED));
            assert_eq!(house.seen.look().outcome, None);
        });
    }
}
