//! What the messages of a route show to be wrong with its settings. Written by the data path, read by
//! `HealthActor`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::message::account::RouteId;

/// What is wrong with the settings of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteFault {
    /// No message of the first ones had the field of this column.
    ColumnNeverSeen {
        /// Index of the column.
        column: usize,
        /// Pointer to the field that is probably meant.
        nearest: Option<String>,
    },
    /// Several topics write to its table, and no column tells their rows apart.
    SeveralSources {
        /// The first two of the topics.
        topics: [String; 2],
    },
}

impl RouteFault {
    /// The column that it is about.
    fn column(&self) -> Option<usize> {
        match self {
            Self::ColumnNeverSeen { column, .. } => Some(*column),
            Self::SeveralSources { .. } => None,
        }
    }
}

type FaultsByRoute = BTreeMap<(RouteId, Option<usize>), RouteFault>;

/// The faults of now. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct RouteFaults(Arc<Mutex<FaultsByRoute>>);

impl RouteFaults {
    /// Every fault, by route and column.
    pub fn all(&self) -> Vec<(RouteId, RouteFault)> {
        let copy =
            |((route, _), fault): (&(RouteId, Option<usize>), &RouteFault)| (*route, fault.clone());
        self.0.lock().iter().map(copy).collect()
    }

    pub(crate) fn add(&self, route: RouteId, fault: RouteFault) {
        self.0.lock().insert((route, fault.column()), fault);
    }

    /// A column has a value.
    pub(crate) fn column_is_seen(&self, route: RouteId, column: usize) {
        self.0.lock().remove(&(route, Some(column)));
    }

    /// Other routes are in force: keeps what is known of those that are as they were.
    pub(crate) fn keep(&self, is_as_it_was: impl Fn(RouteId) -> bool) {
        self.0.lock().retain(|(route, _), _| is_as_it_was(*route));
    }
}
