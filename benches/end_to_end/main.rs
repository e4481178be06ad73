//! From a real Mosquitto to committed rows, beside what can hardly be beaten, in the same run and in turns:
//! a bare receive loop, bare inserts, and a naive recorder of sixty lines that keeps no ledger.
//!
//! `cargo bench --bench end_to_end [-- WORDS]`: without words everything; `backlog`, `live` and `latency` choose, and so do
//! `sample` and `stock` for the broker. `--test` only proves that it works, in seconds. It says how it went and never fails by time; it does fail when a message is
//! lost or stored twice.

// The tests use all of it, we only some.
#[allow(dead_code)]
#[path = "../../tests/support/mod.rs"]
mod support;

mod bare;
mod contestant;
mod field;
mod inserts;
mod latency;
mod rate;
mod reference;
mod report;

use std::env;

use field::BrokerKind;
use rate::Scenario;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Messages of one run: the targets for memory are said for 300,000.
    messages: i64,
    /// Turns that each contestant has; the ratio is the median of theirs.
    rounds: usize,
    /// Seconds of one round of the latency, at each rate.
    timed_s: f64,
    /// Messages of one such round, at least: of fewer than a hundred, a hundredth is none.
    timed_min: i64,
}

const WHOLE: Scale = Scale { messages: 300_000, rounds: 3, timed_s: 6.0, timed_min: 100 };
const TEST: Scale = Scale { messages: 2_000, rounds: 1, timed_s: 0.2, timed_min: 20 };

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bare", port, count] => bare::receive(number(port), number(count)),
        ["reference", port, database] => reference::record(number(port), database.as_ref()),
        ["inserts", database, count] => inserts::insert(database.as_ref(), number(count)),
        options => measure(options),
    }
}

fn measure(options: &[&str]) {
    let scale = if options.contains(&"--test") { TEST } else { WHOLE };
    let is_chosen = |word: &str, words: &[&str]| {
        options.contains(&word) || !words.iter().any(|word| options.contains(word))
    };
    report::say_load();
    let brokers = BrokerKind::ALL.map(BrokerKind::word);
    for broker in BrokerKind::ALL.into_iter().filter(|it| is_chosen(it.word(), &brokers)) {
        let is_wanted = |word| is_chosen(word, &["backlog", "live", "latency"]);
        for scenario in [Scenario::Backlog, Scenario::Live] {
            for qos in [1, 0].into_iter().filter(|_| is_wanted(scenario.word())) {
                rate::measure(broker, scenario, qos, scale);
            }
        }
        if is_wanted("latency") {
            latency::measure(broker, scale);
        }
    }
    report::say_load();
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("{word:?} is not the number it should be"))
}
