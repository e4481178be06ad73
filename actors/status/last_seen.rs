//! When something last came of each route, and when something last became durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::message::account::RouteId;
use crate::message::moment::Moment;
use parking_lot::Mutex;

/// When each thing was last seen. The data path writes it, the checks read it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct LastSeen(Arc<Mutex<Times>>);

#[derive(Debug, Default)]
struct Times {
    heard: BTreeMap<RouteId, Moment>,
    durable: Option<Moment>,
}

impl LastSeen {
    fn with<T>(&self, look: impl FnOnce(&mut Times) -> T) -> T {
        look(&mut self.0.lock())
    }

    /// Messages of these routes came.
    pub fn heard(&self, routes: &[RouteId], at: Moment) {
        self.with(|seen| seen.heard.extend(routes.iter().map(|route| (*route, at))));
    }

    /// When a route last said something.
    pub fn last_heard(&self, route: RouteId) -> Option<Moment> {
        self.with(|seen| seen.heard.get(&route).copied())
    }

    /// Something became durable.
    pub fn became_durable(&self, at: Moment) {
        self.with(|seen| seen.durable = Some(at));
    }

    /// When something last became durable.
    pub fn last_durable(&self) -> Option<Moment> {
        self.with(|seen| seen.durable)
    }
}
