//! Everything goes wrong at once, at moments drawn from a seed: the recorder, the broker, the network, the database and its
//! disk. No message is lost, none is stored twice, and every outage is a gap.
//!
//! A witness, which no strike hits, subscribes to the same messages: what the broker itself lost or repeated is not held
//! against the recorder. The proxy's log of packets says why a message is stored twice or not at all.
//!
//! scripts/chaos runs it for any length.

mod broker;
mod history;
mod lives;
mod lock;
mod outages;
mod pages;
mod plan;
mod report;
mod rows;
mod run;
mod schedule;
mod shrink;
mod stage;
mod strike;
mod taken;
mod witness;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use plan::{Plan, is_set, variable};
use report::{Check, Report};
use schedule::Schedule;
use strike::{Strike, Trouble};

use crate::support::heavy;
use crate::support::needs::{Need, are_met};
use crate::support::recorder::Build;

/// As much as a machine bears that runs other tests, too.
const RATE: u32 = 400;
const LENGTH: Duration = Duration::from_secs(45);
const FIXED_SEED: u64 = 18;

#[test]
fn a_fixed_seed_loses_nothing_stores_nothing_twice_and_records_every_outage() {
    let plan = Plan { length: LENGTH, rate: RATE, ..Plan::seeded(FIXED_SEED) };
    finds_nothing(&plan, &Schedule::drawn(&plan));
}

#[test]
fn a_random_seed_loses_nothing_stores_nothing_twice_and_records_every_outage() {
    let plan = Plan { length: LENGTH, rate: RATE, ..Plan::seeded(rand::random()) };
    println!("seed {}", plan.seed);
    finds_nothing(&plan, &Schedule::drawn(&plan));
}

/// Mosquitto 2.0.11, restarted with more in flight than its window, delivers new messages before the rest of the
/// redeliveries: each QoS 1 acknowledgement behind 20 unfinished QoS 2 deliveries frees a place that it gives to the next
/// message published.
#[test]
fn a_broker_restart_behind_a_slow_network_stores_nothing_twice() {
    finds_nothing(&slow_network(), &broker_restart());
}

#[test]
fn a_recorder_that_confirms_by_the_order_of_deliveries_is_found_out() {
    if !are_met(&[Need::MistakenRecorder]) {
        return;
    }
    let plan = Plan { build: Build::mistaken("confirm-by-order"), ..slow_network() };
    let report = carried_out(&plan, &broker_restart());
    assert!(report.twice > 0, "it stores messages twice, and that must be seen");
}

#[test]
fn a_recorder_that_acknowledges_before_the_commit_is_found_out() {
    if !are_met(&[Need::MistakenRecorder]) {
        return;
    }
    let build = Build::mistaken("acknowledge-early");
    let plan = Plan { build, rate: RATE, ..Plan::seeded(0) };
    let report = carried_out(&plan, &kills_while_locked());
    assert!(report.lost > 0, "it loses messages, and that must be seen");
}

#[test]
#[ignore = "for any length, by hand: scripts/chaos"]
fn by_hand() {
    let plan = Plan::from_environment();
    println!("seed {}", plan.seed);
    let schedule = match variable::<PathBuf>("SCHEDULE") {
        Some(file) => {
            let text = fs::read_to_string(&file).expect("the file of the schedule can be read");
            text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        }
        None => Schedule::drawn(&plan),
    };
    let mut report = carried_out(&plan, &schedule);
    if !report.findings.is_empty() && is_set("SHRINK") {
        report = shrink::shrink(&plan, report);
        println!("the smallest schedule that fails:\n{report}");
    }
    assert_eq!(report.failed(), Vec::<Check>::new());
}

fn finds_nothing(plan: &Plan, schedule: &Schedule) {
    let report = carried_out(plan, schedule);
    assert_eq!(report.failed(), Vec::<Check>::new());
}

fn carried_out(plan: &Plan, schedule: &Schedule) -> Report {
    let _turn = heavy::turn();
    let report = run::run(plan, schedule);
    println!("{report}");
    report
}

fn slow_network() -> Plan {
    Plan { rate: 600, repeats: false, length: Duration::from_secs(30), ..Plan::seeded(0) }
}

/// With some hundred messages a second, hundreds are in flight when the broker stops, and their acknowledgements are on
/// their way.
fn broker_restart() -> Schedule {
    Schedule(vec![
        Strike::new(5_000, 22_000, Trouble::Delay(541)),
        Strike::new(11_800, 0, Trouble::KillRecorder),
        Strike::new(13_500, 0, Trouble::KillRecorder),
        Strike::new(15_000, 2_400, Trouble::StopBroker),
    ])
}

/// What is acknowledged and not committed dies with the process.
fn kills_while_locked() -> Schedule {
    Schedule(
        (0..12)
            .flat_map(|round| {
                let at = 3_000 + 1_800 * round;
                [
                    Strike::new(at, 1_000, Trouble::Lock),
                    Strike::new(at + 60, 200, Trouble::KillRecorder),
                    Strike::new(at + 1_300, 100, Trouble::KillRecorder),
                ]
            })
            .collect(),
    )
}
