//! When the recorder could not record: as the run brought it about, and as `barograph_gaps` says.

use std::fmt::Write as _;

use super::lives::Life;
use crate::support::packet_log::PacketLog;

/// A stretch of time that no gap covers is a finding when it is longer than this.
pub(super) const UNCOVERED_MAX_MS: i64 = 2_000;

/// How an outage ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// At this time.
    Time(i64),
    /// With the CONNACK of a connection that is younger than this one.
    Accepted { after: u32 },
    /// With the first CONNACK from this time on.
    AcceptedSince { from: i64 },
    /// With the first message or CONNACK that gets through, from this time on.
    Heard { from: i64 },
    /// It is not over: until the end of the run.
    Open,
}

/// Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub(super) struct Outage {
    pub(super) from: i64,
    pub(super) until: Until,
    pub(super) cause: String,
    /// It begins later: with the last message on this connection, if one got through after `from`.
    pub(super) last_on: Option<u32>,
}

/// From, to, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) cause: String,
}

/// All outages of a run.
#[derive(Default)]
pub(super) struct Outages(pub(super) Vec<Outage>);

impl Outages {
    /// Begins one; its place is for `ends`.
    pub(super) fn begins(&mut self, from: i64, until: Until, cause: impl Into<String>) -> usize {
        self.0.push(Outage { from, until, cause: cause.into(), last_on: None });
        self.0.len() - 1
    }

    /// How an open one ends.
    pub(super) fn ends(&mut self, place: usize, until: Until) {
        self.0[place].until = until;
    }

    /// Each as a stretch of time, after the run.
    pub(super) fn stretches(&self, log: &PacketLog, end_of_run: i64) -> Vec<Stretch> {
        let stretch = |outage: &Outage| {
            let from = begin(outage, log);
            let to = end(outage, log).unwrap_or(end_of_run);
            (to > from).then(|| Stretch { from, to, cause: outage.cause.clone() })
        };
        self.0.iter().filter_map(stretch).collect()
    }
}

fn begin(outage: &Outage, log: &PacketLog) -> i64 {
    let Some(connection) = outage.last_on else { return outage.from };
    let entries = log.entries();
    let mut ours = entries.iter().rev().filter(|entry| entry.connection == connection);
    let last = ours.find(|entry| entry.is_message() && entry.is_delivered());
    last.map_or(outage.from, |entry| log.time(entry)).max(outage.from)
}

fn end(outage: &Outage, log: &PacketLog) -> Option<i64> {
    let entries = log.entries();
    let mut delivered = entries.iter().filter(|entry| entry.is_delivered());
    match outage.until {
        Until::Time(at) => Some(at),
        Until::Open => None,
        Until::Accepted { after } => delivered
            .find(|entry| entry.is_acceptance() && entry.connection > after)
            .map(|entry| log.time(entry)),
        Until::AcceptedSince { from } => delivered
            .find(|entry| entry.is_acceptance() && log.time(entry) >= from)
            .map(|entry| log.time(entry)),
        Until::Heard { from } => delivered
            .find(|entry| (entry.is_acceptance() || entry.is_message()) && log.time(entry) >= from)
            .map(|entry| log.time(entry)),
    }
}

/// The stretches in which a recorder said itself that it had no place to write to.
pub(super) fn holding(lives: &[Life], end_of_run: i64) -> Vec<Stretch> {
    let mut found = Vec::new();
    for life in lives {
        let changes = life.events("mode_changed");
        let end = life.ended.map_or(end_of_run, |(at, _)| at);
        for (place, (at, event)) in changes.iter().enumerate() {
            let to = changes.get(place + 1).map_or(end, |(next, _)| *next);
            if event["mode"] == "holding" {
                found.push(Stretch { from: *at, to, cause: "holding".to_owned() });
            }
        }
    }
    found
}

/// What is in `wanted`, and in none of `covering`.
pub(super) fn uncovered(wanted: &[Stretch], covering: &[Stretch]) -> Vec<Stretch> {
    let covering = union(covering);
    let mut rest = Vec::new();
    for stretch in union(wanted) {
        let mut from = stretch.from;
        let begins = stretch.from;
        for cover in covering.iter().filter(|it| it.to > begins && it.from < stretch.to) {
            if cover.from > from {
                rest.push(Stretch { from, to: cover.from, cause: stretch.cause.clone() });
            }
            from = from.max(cover.to);
        }
        if from < stretch.to {
            rest.push(Stretch { from, to: stretch.to, cause: stretch.cause.clone() });
        }
    }
    rest
}

/// The same times in order, without overlaps; the causes of what was joined are named together.
fn union(stretches: &[Stretch]) -> Vec<Stretch> {
    let mut sorted = stretches.to_vec();
    sorted.sort_by_key(|stretch| stretch.from);
    let mut joined: Vec<Stretch> = Vec::new();
    for stretch in sorted {
        match joined.last_mut().filter(|last| last.to >= stretch.from) {
            Some(last) => {
                last.to = last.to.max(stretch.to);
                if !last.cause.contains(&stretch.cause) {
                    let _ = write!(last.cause, "; {}", stretch.cause);
                }
            }
            None => joined.push(stretch),
        }
    }
    joined
}

#[test]
fn only_what_no_gap_covers_is_uncovered() {
    let stretch = |from, to, cause: &str| Stretch { from, to, cause: cause.to_owned() };
    let wanted = [stretch(0, 10, "a"), stretch(5, 20, "b"), stretch(30, 40, "c")];
    let gaps = [stretch(2, 4, ""), stretch(18, 33, ""), stretch(35, 90, "")];
    let rest = uncovered(&wanted, &gaps);
    assert_eq!(rest, [stretch(0, 2, "a; b"), stretch(4, 18, "a; b"), stretch(33, 35, "c")]);
}
