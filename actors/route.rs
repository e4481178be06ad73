//! From a topic to the route that wants it.

use barograph_config::{Route, filter_matches};

use crate::account::RouteId;

/// The settings' routes, asked by topic. Filters never overlap (the settings see to that), so at
/// most one matches.
#[derive(Debug, Clone)]
pub struct Router {
    routes: Vec<Route>,
}

impl Router {
    /// Routes in the order of the settings; that order is the meaning of [`RouteId`].
    pub fn new(routes: Vec<Route>) -> Self {
        Self { routes }
    }

    /// The route of a topic, if one matches.
    pub fn find(&self, topic: &str) -> Option<(RouteId, &Route)> {
        let index = self.routes.iter().position(|route| filter_matches(&route.topic, topic))?;
        Some((RouteId(u16::try_from(index).ok()), &self.routes[index]))
    }

    /// Every route, in order.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The name of a route in log, account and tables: its table's; empty for none.
    pub fn name(&self, id: RouteId) -> &str {
        id.0.and_then(|index| self.routes.get(usize::from(index))).map_or("", |route| &route.table)
    }
}
