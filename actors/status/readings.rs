//! Readings that are wrong in themselves: a value that stands still for longer than a living sensor's
//! would, or one that its column does not take.
//!
//! The data path looks at each record and writes only what changes; `HealthActor` reads. Routes
//! without `stuck_after` and without a bad value cost a branch.

use std::collections::BTreeMap;
use std::sync::Arc;

use barograph_config::Route;
use parking_lot::Mutex;

use crate::message::account::RouteId;
use crate::message::batch::{Body, Record, Value};
use crate::message::delivery::UnixMillis;

/// What is wrong with a column's readings.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// The same value again and again, since then.
    Stuck {
        /// The value.
        value: Value,
        /// When it came first.
        since: UnixMillis,
    },
    /// Out of bounds, or of the wrong type, since then.
    Bad {
        /// The latest of them, as a sentence.
        detail: String,
        /// When the first of them came.
        since: UnixMillis,
    },
}

/// Both kinds, so that a column may have one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TroubleKind {
    Stuck,
    Bad,
}

type Troubles = BTreeMap<(RouteId, usize, TroubleKind), Trouble>;

/// Troubles of now, by route and column. Written by the data path, read by `HealthActor` and the page. Clones
/// share it.
#[derive(Debug, Clone, Default)]
pub struct Readings(Arc<Mutex<Troubles>>);

impl Readings {
    fn with<T>(&self, look: impl FnOnce(&mut Troubles) -> T) -> T {
        look(&mut self.0.lock())
    }

    /// Every trouble: route, index of the column, what it is.
    pub fn troubles(&self) -> Vec<(RouteId, usize, Trouble)> {
        let copy = |((route, column, _), trouble): (&(RouteId, usize, TroubleKind), &Trouble)| {
            (*route, *column, trouble.clone())
        };
        self.with(|troubles| troubles.iter().map(copy).collect())
    }

    /// Other routes are in force: keeps what is known of those that are as they were.
    pub(crate) fn keep(&self, is_as_it_was: impl Fn(RouteId) -> bool) {
        self.with(|troubles| troubles.retain(|(route, _, _), _| is_as_it_was(*route)));
    }
}

/// One column, as far as it is watched.
#[derive(Debug, Default)]
struct ColumnWatch {
    stuck_after: Option<u32>,
    last: Option<Value>,
    /// How often `last` came in a row, and since when.
    same: u32,
    since: UnixMillis,
    /// An issue of this kind is reported.
    stuck: bool,
    bad: bool,
}

#[derive(Debug)]
struct RouteWatch {
    columns: Vec<ColumnWatch>,
    any_stuck_after: bool,
    /// Columns with bad values.
    bad: usize,
}

/// The data path's side.
#[derive(Debug)]
pub(crate) struct ReadingWatch {
    shared: Readings,
    routes: Vec<RouteWatch>,
    /// Bad values of the record at hand: index of the column, what is wrong.
    noticed: Vec<(usize, String)>,
}

impl ReadingWatch {
    /// A new life. What the one before told of ends with the next good reading.
    pub(crate) fn new(routes: &[Route], shared: Readings) -> Self {
        let watch = |route: &Route| {
            let of = |stuck_after| ColumnWatch { stuck_after, ..ColumnWatch::default() };
            RouteWatch {
                columns: route.columns.iter().map(|column| of(column.stuck_after)).collect(),
                any_stuck_after: route.columns.iter().any(|column| column.stuck_after.is_some()),
                bad: 0,
            }
        };
        let mut routes: Vec<RouteWatch> = routes.iter().map(watch).collect();
        for (route, column, trouble) in shared.troubles() {
            let watch = route.0.and_then(|index| routes.get_mut(usize::from(index)));
            let Some(watch) = watch.filter(|watch| column < watch.columns.len()) else { continue };
            match trouble {
                Trouble::Stuck { value, since } => {
                    let it = &mut watch.columns[column];
                    (it.last, it.since, it.stuck) = (Some(value), since, true);
                }
                Trouble::Bad { .. } => {
                    watch.columns[column].bad = true;
                    watch.bad += 1;
                }
            }
        }
        Self { shared, routes, noticed: Vec::new() }
    }

    /// A value of the record at hand is bad.
    pub(crate) fn notice(&mut self, column: usize, detail: &str) {
        self.noticed.push((column, detail.to_owned()));
    }

    /// Looks at a record, and at what was noticed of it.
    pub(crate) fn look(&mut self, record: &Record) {
        let noticed = std::mem::take(&mut self.noticed);
        let watch = record.route.0.and_then(|index| self.routes.get_mut(usize::from(index)));
        let Some(watch) = watch else { return };
        let (route, at) = (record.route, record.received_at);
        for (column, detail) in noticed {
            watch.is_bad(&self.shared, (route, column), detail, at);
        }
        let Body::Rows(rows) = &record.body else { return };
        for values in rows.iter() {
            if watch.bad > 0 {
                watch.mend(&self.shared, route, values);
            }
            // A repetition of the broker's is none of the sensor's.
            if watch.any_stuck_after && !record.dup && !record.retain {
                watch.compare(&self.shared, route, values, at);
            }
        }
    }
}

impl RouteWatch {
    fn is_bad(
        &mut self,
        shared: &Readings,
        (route, column): (RouteId, usize),
        detail: String,
        at: UnixMillis,
    ) {
        let Some(watch) = self.columns.get_mut(column) else { return };
        self.bad += usize::from(!std::mem::replace(&mut watch.bad, true));
        shared.with(|troubles| {
            let key = (route, column, TroubleKind::Bad);
            let since = match troubles.get(&key) {
                Some(Trouble::Bad { since, .. } | Trouble::Stuck { since, .. }) => *since,
                None => at,
            };
            troubles.insert(key, Trouble::Bad { detail, since });
        });
    }

    /// A value that is there is a good one; a missing one says nothing.
    fn mend(&mut self, shared: &Readings, route: RouteId, values: &[Value]) {
        for (column, (watch, value)) in self.columns.iter_mut().zip(values).enumerate() {
            if watch.bad && *value != Value::Null {
                watch.bad = false;
                self.bad -= 1;
                shared.with(|troubles| troubles.remove(&(route, column, TroubleKind::Bad)));
            }
        }
    }

    fn compare(&mut self, shared: &Readings, route: RouteId, values: &[Value], at: UnixMillis) {
        for (column, (watch, value)) in self.columns.iter_mut().zip(values).enumerate() {
            let Some(stuck_after) = watch.stuck_after else { continue };
            if *value == Value::Null {
                continue;
            }
            if watch.last.as_ref() != Some(value) {
                (watch.last, watch.same, watch.since) = (Some(value.clone()), 1, at);
                if std::mem::take(&mut watch.stuck) {
                    shared.with(|troubles| troubles.remove(&(route, column, TroubleKind::Stuck)));
                }
                continue;
            }
            watch.same = watch.same.saturating_add(1);
            if watch.same >= stuck_after && !watch.stuck {
                watch.stuck = true;
                let trouble = Trouble::Stuck { value: value.clone(), since: watch.since };
                shared
                    .with(|troubles| troubles.insert((route, column, TroubleKind::Stuck), trouble));
            }
        }
    }
}

#[cfg(test)]
#[path = "readings_tests.rs"]
mod tests;
