//! What the proxy saw of single messages, and why they are stored twice or not at all.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::stage::Journal;
use crate::support::packet_log::{Entry, Kind, PacketLog, Way};

/// Most lines of a history.
const LINES_MAX: usize = 60;
/// What the run did so long before and after a message is part of its history.
const AROUND_MS: i64 = 1_500;

/// A packet that has to do with a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Milliseconds since 1970.
    pub(super) at: i64,
    pub(super) entry: Entry,
}

/// The packets of some messages, by number.
#[derive(Default)]
pub(super) struct Histories(HashMap<i64, Vec<Step>>);

impl Histories {
    /// Reads the log once, for these numbers.
    pub(super) fn of(numbers: &HashSet<i64>, log: &PacketLog) -> Self {
        let mut histories = HashMap::<i64, Vec<Step>>::new();
        // What a packet id means on a connection, as long as it means one of these numbers.
        let mut meanings = HashMap::<(u32, u16), i64>::new();
        for entry in log.entries().iter() {
            let place = (entry.connection, entry.id);
            let number = if entry.is_message() {
                meanings.remove(&place);
                if !numbers.contains(&entry.number) {
                    continue;
                }
                if entry.id != 0 {
                    meanings.insert(place, entry.number);
                }
                entry.number
            } else {
                match (entry.kind, meanings.get(&place)) {
                    (Kind::PubAck | Kind::PubRec | Kind::PubRel | Kind::PubComp, Some(number)) => {
                        *number
                    }
                    _ => continue,
                }
            };
            histories.entry(number).or_default().push(Step { at: log.time(entry), entry: *entry });
        }
        Self(histories)
    }

    /// The packets of a message, in order.
    pub(super) fn steps(&self, number: i64) -> &[Step] {
        self.0.get(&number).map_or(&[], Vec::as_slice)
    }

    /// How often it was delivered to the recorder for the first time: without DUP.
    pub(super) fn fresh(&self, number: i64) -> usize {
        self.deliveries(number).filter(|step| !step.entry.is_dup()).count()
    }

    /// How often the broker repeated it although it had taken its acknowledgement: it was killed in between, and came
    /// back with an old copy of its state.
    pub(super) fn repeated_by_a_killed_broker(&self, number: i64, journal: &Journal) -> usize {
        let acknowledged: Vec<i64> = self
            .steps(number)
            .iter()
            .filter(|step| step.entry.is_acknowledgement() && step.entry.is_delivered())
            .map(|step| step.at)
            .collect();
        let kills = journal.iter().filter(|(_, what)| what.starts_with("begin kill-broker"));
        let kills: Vec<i64> = kills.map(|(at, _)| *at).collect();
        let again = self.deliveries(number).filter(|step| {
            let is_between = |kill: &&i64| {
                **kill < step.at && acknowledged.iter().any(|acknowledged| acknowledged < *kill)
            };
            step.entry.is_dup() && kills.iter().any(|kill| is_between(&kill))
        });
        again.count()
    }

    /// Whether the recorder acknowledged it.
    pub(super) fn is_acknowledged(&self, number: i64) -> bool {
        self.steps(number).iter().any(|step| step.entry.is_acknowledgement())
    }

    fn deliveries(&self, number: i64) -> impl Iterator<Item = &Step> {
        let deliveries = |step: &&Step| step.entry.is_message() && step.entry.is_delivered();
        self.steps(number).iter().filter(deliveries)
    }

    /// Why it may be stored twice, in a few words.
    pub(super) fn cause_of_twice(&self, number: i64, journal: &Journal) -> String {
        let deliveries: Vec<&Step> = self.deliveries(number).collect();
        let (Some(first), Some(last)) = (deliveries.first(), deliveries.last()) else {
            return "never delivered through the proxy".to_owned();
        };
        if deliveries.len() == 1 {
            return "delivered once".to_owned();
        }
        let dup = if last.entry.is_dup() { "with DUP" } else { "without DUP" };
        let acknowledged = match self.acknowledgement(number, last.at) {
            Some(entry) if entry.is_delivered() => "acknowledged, and the broker was sent that",
            Some(_) => "acknowledged, which did not reach the broker",
            None => "not acknowledged",
        };
        let between = between(journal, first.at, last.at);
        let times = deliveries.len();
        format!(
            "delivered {times} times, the last {dup}; before: {acknowledged}; between: {between}"
        )
    }

    /// Why it may be lost, in a few words.
    pub(super) fn cause_of_loss(&self, number: i64) -> String {
        let deliveries = self.deliveries(number).count();
        match (deliveries, self.is_acknowledged(number)) {
            (0, _) => "never delivered to the recorder".to_owned(),
            (_, false) => format!("delivered {deliveries} times, never acknowledged"),
            (_, true) => format!("delivered {deliveries} times and acknowledged"),
        }
    }

    fn acknowledgement(&self, number: i64, before: i64) -> Option<Entry> {
        let earlier = self.steps(number).iter().filter(|step| step.at < before);
        let mut words = earlier.map(|step| step.entry).filter(|entry| entry.is_acknowledgement());
        words.next_back()
    }

    /// The packets and what the run did around them, in lines; times are seconds since the log began.
    pub(super) fn text(&self, number: i64, journal: &Journal, log: &PacketLog) -> String {
        let steps = self.steps(number);
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
            return "the proxy saw nothing of it".to_owned();
        };
        let mut lines: Vec<(i64, String)> =
            steps.iter().map(|step| (step.at, step.entry.to_string())).collect();
        let around = (first.at - AROUND_MS)..=(last.at + AROUND_MS);
        let nearby = journal.iter().filter(|(at, _)| around.contains(at));
        lines.extend(nearby.map(|(at, what)| (*at, format!("    {what}"))));
        lines.sort_by_key(|(at, _)| *at);
        let mut text = String::new();
        for (at, line) in lines.iter().take(LINES_MAX) {
            let _ = writeln!(text, "{:>9.3} {line}", (at - log.began) as f64 / 1_000.0);
        }
        text
    }
}

/// What of the run can explain that a message comes again.
fn between(journal: &Journal, from: i64, to: i64) -> String {
    let happened = |words: &str| {
        journal.iter().any(|(at, what)| (from..=to).contains(at) && what.starts_with(words))
    };
    let words = [
        ("broker started", "a broker restart"),
        ("recorder", "a recorder restart"),
        ("begin move", "a move of the database"),
        ("begin kill-and-move", "a move of the database"),
        ("begin remove", "a removal of the database"),
        ("begin kill-and-remove", "a removal of the database"),
        ("begin rival", "a rival"),
    ];
    let found: Vec<&str> =
        words.iter().filter(|(begin, _)| happened(begin)).map(|(_, name)| *name).collect();
    if found.is_empty() { "only a new connection".to_owned() } else { found.join(", ") }
}

/// How many repeated readings were delivered with DUP between two times.
pub(super) fn repeats_redelivered(log: &PacketLog, from: i64, to: i64) -> i64 {
    let entries = log.entries();
    let redelivered = entries.iter().filter(|entry| {
        entry.is_message()
            && entry.is_dup()
            && entry.number == crate::support::packet_log::NO_NUMBER
            && (from..=to).contains(&log.time(entry))
    });
    i64::try_from(redelivered.count()).expect("few")
}

/// When the broker or the recorder last said something on the network.
pub(super) fn last_message_at(log: &PacketLog) -> i64 {
    let entries = log.entries();
    let last = entries.iter().rev().find(|entry| entry.is_message() && entry.way() == Way::Down);
    last.map_or(0, |entry| log.time(entry))
}

/// Every packet, one a line.
pub(super) fn all_packets(log: &PacketLog) -> String {
    let mut text = String::new();
    for entry in log.entries().iter() {
        let at = log.time(entry) - log.began;
        let _ = writeln!(text, "{:>9.3} {entry}", at as f64 / 1_000.0);
    }
    text
}
