//! What is counted beside the account, for the metrics: how long commits take and how large they
//! are, how old a measurement is when it is committed, what failed. The writer counts as it writes: to wake another thread
//! for each commit costs more than counting. Kept in published state, so that no count goes back when an actor dies.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::message::account::{RouteId, Sums};
use crate::message::batch::{Batch, Body, Value};
use crate::message::delivery::UnixMillis;
use crate::message::route::Router;
use crate::message::write::{Place, WriteCause};
use crate::status::histogram::Histogram;

/// Bounds for the time of a commit, in seconds: from a fast disk to one that is dying.
const COMMIT_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds for the deliveries of a batch.
const BATCH_ROWS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0];
/// Bounds for the age of a measurement at its commit, in seconds: from a sensor on the same table to
/// a day in the spool.
const AGE_SECONDS: &[f64] =
    &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0];

/// An age above it is no age: the sensor's clock is wrong, or was never set.
const AGE_MAX_SECONDS: f64 = 365.0 * 86_400.0;
/// A time from here on is in milliseconds: in seconds it would be the year 5138.
const MILLIS_FROM: f64 = 1e11;

/// Pause between two looks at the totals, for the rates.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Looks that are kept: a minute's, and the one before it.
const LOOKS_MAX: usize = 13;

/// Commits of one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Commits {
    /// How long each took, in seconds.
    pub seconds: Histogram,
    /// Deliveries of each.
    pub rows: Histogram,
}

impl Commits {
    fn since(&self, earlier: &Self) -> Self {
        Self { seconds: self.seconds.since(&earlier.seconds), rows: self.rows.since(&earlier.rows) }
    }
}

impl Default for Commits {
    fn default() -> Self {
        Self { seconds: Histogram::new(COMMIT_SECONDS), rows: Histogram::new(BATCH_ROWS) }
    }
}

/// Ages of the measurements of one route when they were committed to the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Ages {
    /// In seconds.
    pub seconds: Histogram,
    /// Times that tell no age: later than the commit, more than a year before it, or none at all.
    pub unusable: u64,
}

impl Default for Ages {
    fn default() -> Self {
        Self { seconds: Histogram::new(AGE_SECONDS), unusable: 0 }
    }
}

/// Everything that was measured since the process began.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Batches that went to the database.
    pub database: Commits,
    /// Batches that went to the spool.
    pub spool: Commits,
    /// Failed writes, by place and cause.
    pub failures: Vec<(Place, WriteCause, u64)>,
    /// Ages, of each route that has a `time_column`.
    pub ages: Vec<(RouteId, Ages)>,
    looks: VecDeque<RateSample>,
    slowest: Duration,
    line: Option<Totals>,
}

impl Measured {
    /// Batches that became durable, in either place.
    pub fn commits(&self) -> u64 {
        self.database.seconds.count() + self.spool.seconds.count()
    }

    /// Writes that failed, in either place.
    pub fn failed(&self) -> u64 {
        self.failures.iter().map(|(_, _, n)| n).sum()
    }

    fn of(&mut self, place: Place) -> &mut Commits {
        match place {
            Place::Database => &mut self.database,
            Place::Spool => &mut self.spool,
        }
    }

    fn ages_of(&mut self, route: RouteId) -> &mut Ages {
        let there = self.ages.iter().position(|(known, _)| *known == route);
        let index = there.unwrap_or_else(|| {
            self.ages.push((route, Ages::default()));
            self.ages.len() - 1
        });
        &mut self.ages[index].1
    }

    /// Commits of the last minute, to database and spool.
    pub fn lately(&self) -> Commits {
        let now = self.both();
        match self.looks.front() {
            Some(first) => now.since(&first.durable),
            None => now,
        }
    }

    fn both(&self) -> Commits {
        let (database, spool) = (&self.database, &self.spool);
        Commits {
            seconds: database.seconds.and(&spool.seconds),
            rows: database.rows.and(&spool.rows),
        }
    }

    /// Deliveries a second over the last minute, as far as the process has lived.
    pub fn rates(&self) -> Rates {
        let (Some(first), Some(last)) = (self.looks.front(), self.looks.back()) else {
            return Rates::default();
        };
        let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = |before: u64, now: u64| match seconds {
            0.0 => 0.0,
            _ => now.saturating_sub(before) as f64 / seconds,
        };
        Rates {
            received: rate(first.received, last.received),
            stored: rate(first.stored, last.stored),
            commits: rate(first.durable.seconds.count(), last.durable.seconds.count()),
            failed: rate(first.failed, last.failed),
            over: last.at.saturating_duration_since(first.at),
        }
    }
}

/// Deliveries a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Taken from the broker.
    pub received: f64,
    /// Stored as rows.
    pub stored: f64,
    /// Not deliveries: batches that became durable.
    pub commits: f64,
    /// Not deliveries: writes that failed.
    pub failed: f64,
    /// Over how long; zero: not known yet.
    pub over: Duration,
}

#[derive(Debug, Clone)]
struct RateSample {
    at: Instant,
    received: u64,
    stored: u64,
    durable: Commits,
    failed: u64,
}

/// The totals at one moment: the difference of two is a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// When.
    pub at: Instant,
    /// Taken from the broker.
    pub received: u64,
    /// What became of deliveries.
    pub sums: Sums,
    /// Batches that became durable.
    pub commits: u64,
    /// Writes that failed.
    pub failed_writes: u64,
    /// Restarts of all actors.
    pub restarts: u64,
}

/// The one place of what is measured. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Measures(Arc<Mutex<Measured>>);

impl Measures {
    fn with<T>(&self, change: impl FnOnce(&mut Measured) -> T) -> T {
        change(&mut self.0.lock())
    }

    /// A copy of everything.
    pub fn snapshot(&self) -> Measured {
        self.with(|measured| measured.clone())
    }

    /// A batch became durable.
    pub(crate) fn committed(&self, place: Place, rows: u64, took: Duration) {
        self.with(|measured| {
            measured.slowest = measured.slowest.max(took);
            let commits = measured.of(place);
            commits.seconds.observe(took.as_secs_f64());
            #[expect(clippy::cast_precision_loss, reason = "a batch has some thousand")]
            commits.rows.observe(rows as f64);
        });
    }

    /// A write failed.
    pub(crate) fn failed(&self, place: Place, cause: WriteCause) {
        self.with(|measured| {
            let known = measured.failures.iter_mut().find(|(p, c, _)| (*p, *c) == (place, cause));
            match known {
                Some((_, _, n)) => *n += 1,
                None => measured.failures.push((place, cause, 1)),
            }
        });
    }

    /// Rows are in the database. One lock a batch, and none where no route says which column holds
    /// its time.
    pub(crate) fn aged(&self, times: &TimeColumns, batch: &Batch, now: UnixMillis) {
        if times.0.is_empty() {
            return;
        }
        self.with(|measured| {
            for record in &batch.records {
                if let Body::Rows(rows) = &record.body
                    && let Some(column) = times.of(record.route)
                {
                    let ages = measured.ages_of(record.route);
                    for row in rows.iter() {
                        match row.get(column).and_then(|time| age_seconds(time, now)) {
                            Some(age) => ages.seconds.observe(age),
                            None => ages.unusable += 1,
                        }
                    }
                }
            }
        });
    }

    /// Looks at the totals, for the rates; to be called every [`LOOK_EVERY`].
    pub(crate) fn look(&self, at: Instant, received: u64, stored: u64) {
        self.with(|measured| {
            let (durable, failed) = (measured.both(), measured.failed());
            measured.looks.push_back(RateSample { at, received, stored, durable, failed });
            while measured.looks.len() > LOOKS_MAX {
                measured.looks.pop_front();
            }
        });
    }

    /// A period ends, and the next begins: what the totals were when it began, and its slowest commit.
    pub(crate) fn next_period(&self, totals: Totals) -> (Option<Totals>, Duration) {
        self.with(|measured| {
            let before = measured.line.replace(totals);
            (before, std::mem::take(&mut measured.slowest))
        })
    }

    /// The first period begins; a later life of the counting actor goes on with the one under way.
    pub(crate) fn begin(&self, totals: Totals) {
        self.with(|measured| {
            measured.line.get_or_insert(totals);
        });
    }
}

/// Which column holds the time of the measurement, by route.
#[derive(Debug, Clone, Default)]
pub(crate) struct TimeColumns(Vec<(RouteId, usize)>);

impl TimeColumns {
    pub(crate) fn of_routes(router: &Router) -> Self {
        let routes = router.routes().iter().enumerate();
        let column = routes.filter_map(|(index, route)| {
            let name = route.time_column.as_ref()?;
            let column = route.columns.iter().position(|column| column.name == *name)?;
            Some((RouteId(Some(u16::try_from(index).ok()?)), column))
        });
        Self(column.collect())
    }

    fn of(&self, route: RouteId) -> Option<usize> {
        self.0.iter().find(|(known, _)| *known == route).map(|(_, column)| *column)
    }
}

/// How old a measurement is, in seconds; `None` where its time does not tell.
#[expect(clippy::cast_precision_loss, reason = "whole milliseconds are exact to the year 287,396")]
fn age_seconds(time: &Value, now: UnixMillis) -> Option<f64> {
    let time = match time {
        Value::Integer(time) => *time as f64,
        Value::Real(time) => *time,
        Value::Time(time) => time.0 as f64 / 1000.0,
        Value::Null | Value::Text(_) | Value::Blob(_) => return None,
    };
    let seconds = if time.abs() >= MILLIS_FROM { time / 1_000.0 } else { time };
    let age = now.0 as f64 / 1_000.0 - seconds;
    (0.0..=AGE_MAX_SECONDS).contains(&age).then_some(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_from_seconds_and_milliseconds_and_from_nothing_absurd() {
        let now = UnixMillis(1_800_000_000_500);
        let table = [
            (Value::Integer(1_800_000_000), Some(0.5)),
            (Value::Real(1_799_999_999.25), Some(1.25)),
            (Value::Integer(1_800_000_000_000), Some(0.5)),
            (Value::Integer(1_800_000_001), None),
            (Value::Integer(1_800_000_000 - 31_536_000), Some(31_536_000.5)),
            (Value::Integer(0), None),
            (Value::Integer(i64::MIN), None),
            (Value::Real(f64::NAN), None),
            (Value::Null, None),
            (Value::Text("2026".into()), None),
        ];
        for (time, expected) in table {
            let expected = expected.filter(|age| *age <= AGE_MAX_SECONDS);
            assert_eq!(age_seconds(&time, now), expected, "{time:?}");
        }
    }

    #[test]
    fn rates_are_those_of_the_last_minute() {
        let (measures, began) = (Measures::default(), Instant::now());
        assert_eq!(measures.snapshot().rates(), Rates::default());
        // 10 a second for two minutes, of which half are stored; then nothing.
        for look in 0..=24_u64 {
            measures.look(began + LOOK_EVERY * u32::try_from(look).unwrap(), look * 50, look * 25);
        }
        let rates = measures.snapshot().rates();
        assert_eq!((rates.received, rates.stored), (10.0, 5.0));
        for look in 25..=36_u32 {
            measures.look(began + LOOK_EVERY * look, 24 * 50, 24 * 25);
        }
        let rates = measures.snapshot().rates();
        assert_eq!((rates.received, rates.stored), (0.0, 0.0));
    }

    #[test]
    fn commits_of_the_last_minute_are_those_of_both_places() {
        let (measures, began) = (Measures::default(), Instant::now());
        measures.committed(Place::Database, 7, Duration::from_millis(3));
        assert_eq!(measures.snapshot().lately().rows.mean(), Some(7.0), "all that there is");
        for look in 0..=LOOKS_MAX {
            measures.look(began + LOOK_EVERY * u32::try_from(look).unwrap(), 0, 0);
        }
        assert_eq!(measures.snapshot().lately().rows.mean(), None, "a minute ago");
        measures.committed(Place::Database, 10, Duration::from_millis(3));
        measures.committed(Place::Spool, 20, Duration::from_millis(3));
        measures.failed(Place::Database, WriteCause::Other);
        measures.look(began + LOOK_EVERY * 14, 0, 0);
        let measured = measures.snapshot();
        assert_eq!(measured.lately().rows.mean(), Some(15.0));
        let rates = measured.rates();
        assert_eq!((rates.commits, rates.failed), (2.0 / 60.0, 1.0 / 60.0));
    }

    #[test]
    fn a_period_outlives_the_actor_that_counts() {
        let measures = Measures::default();
        let totals = |received| Totals {
            at: Instant::now(),
            received,
            sums: Sums::default(),
            commits: 0,
            failed_writes: 0,
            restarts: 0,
        };
        let first = totals(0);
        measures.begin(first);
        measures.committed(Place::Database, 7, Duration::from_millis(3));
        measures.begin(totals(5));
        assert_eq!(
            measures.next_period(totals(9)),
            (Some(first), Duration::from_millis(3)),
            "a second life goes on with the period of the first"
        );
        assert_eq!(measures.next_period(totals(9)).1, Duration::ZERO);
        assert_eq!(measures.snapshot().commits(), 1);
    }
}
