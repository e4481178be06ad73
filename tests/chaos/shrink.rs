//! Makes a schedule that fails smaller, by delta debugging: what can be left out, and it still fails the same check, is.

use super::plan::Plan;
use super::report::{Check, Report};
use super::run::run;
use super::schedule::Schedule;

/// Most runs that are spent on it.
const RUNS_MAX: usize = 40;

/// The smallest schedule found, and its report; `failed` is the report of the whole one.
pub(super) fn shrink(plan: &Plan, failed: Report) -> Report {
    let wanted = failed.failed();
    let mut smallest = failed;
    let mut runs = 0;
    let mut parts = 2;
    while smallest.schedule.len() > 1 && runs < RUNS_MAX {
        let count = smallest.schedule.len();
        let size = count.div_ceil(parts);
        let starts = (0..count).step_by(size);
        let mut found = None;
        for from in starts.take(RUNS_MAX - runs) {
            runs += 1;
            let schedule = smallest.schedule.without(from, from + size);
            found = failing(plan, &schedule, &wanted);
            println!(
                "shrinking, run {runs}: {} strikes: {}",
                schedule.len(),
                if found.is_some() { "still fails" } else { "does not fail" }
            );
            if found.is_some() {
                break;
            }
        }
        match found {
            Some(report) => {
                smallest = report;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(count),
        }
    }
    smallest
}

/// The report of a run that fails one of these checks.
fn failing(plan: &Plan, schedule: &Schedule, wanted: &[Check]) -> Option<Report> {
    let report = run(plan, schedule);
    let fails = report.failed().iter().any(|check| wanted.contains(check));
    fails.then_some(report)
}
