//! From a topic to the route that wants it.

use std::sync::Arc;

use barograph_config::{Route, filter_matches};

use crate::message::account::RouteId;

/// The settings' routes, asked by topic. Filters never overlap (the settings see to that), so at
/// most one matches.
///
/// A [`RouteId`] means the same route for as long as the process lives: new routes are appended, and
/// one that was removed keeps its place and its name, but matches nothing any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Router {
    /// Shared, because every opening of the database and every reload wants them.
    routes: Arc<[Route]>,
    removed: Vec<bool>,
}

impl Router {
    /// Routes in the order of the settings; that order is the meaning of [`RouteId`].
    pub fn new(routes: Vec<Route>) -> Self {
        let removed = vec![false; routes.len()];
        Self { routes: routes.into(), removed }
    }

    /// The route of a topic, if one matches.
    pub fn find(&self, topic: &str) -> Option<(RouteId, &Route)> {
        self.active().find(|(_, route)| filter_matches(&route.topic, topic))
    }

    /// Every route there ever was, in the order of their ids.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The routes in force.
    pub fn active(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        let all = self.routes.iter().zip(&self.removed).enumerate();
        all.filter(|(_, (_, removed))| !**removed)
            .map(|(index, (route, _))| (RouteId(u16::try_from(index).ok()), route))
    }

    /// The routes in force that store what they take.
    pub fn recording(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        self.active().filter(|(_, route)| !route.ignore)
    }

    /// The name of a route in log, account and tables: its table's, or its topic where it ignores it; empty for none.
    pub fn name(&self, id: RouteId) -> &str {
        self.get(id).map_or("", Route::name)
    }

    /// The route behind an id, also one that was removed.
    pub fn get(&self, id: RouteId) -> Option<&Route> {
        id.0.and_then(|index| self.routes.get(usize::from(index)))
    }

    /// Whether a route has the same columns here and in `other`, and is in force in both: what is known
    /// of its columns by their numbers still holds.
    pub(crate) fn agrees_on(&self, id: RouteId, other: &Self) -> bool {
        let here = self.active().find(|(known, _)| *known == id);
        let there = other.active().find(|(known, _)| *known == id);
        here.zip(there).is_some_and(|((_, a), (_, b))| a.columns == b.columns)
    }

    /// The same routes with the derived values of the settings, which may have changed alone.
    #[must_use]
    pub fn deriving(&self, settings: &[Route]) -> Self {
        let mut routes = self.routes.to_vec();
        derive(&mut routes, settings);
        Self { routes: routes.into(), removed: self.removed.clone() }
    }

    /// Other routes take over. A route is known by its table (what has been counted is counted by the
    /// table's name), and where several share one, by its topic.
    #[must_use]
    pub fn changed_to(&self, wanted: &[Route]) -> Self {
        let mut routes = self.routes.to_vec();
        let mut removed = vec![true; routes.len()];
        let mut newcomers: Vec<&Route> = wanted.iter().collect();
        for by_topic in [true, false] {
            let is_same = |old: &Route, new: &Route| {
                old.table == new.table && (!by_topic || old.topic == new.topic)
            };
            for (old, removed) in routes.iter_mut().zip(&mut removed).filter(|(_, gone)| **gone) {
                if let Some(found) = newcomers.iter().position(|new| is_same(old, new)) {
                    *old = newcomers.remove(found).clone();
                    *removed = false;
                }
            }
        }
        removed.extend(newcomers.iter().map(|_| false));
        routes.extend(newcomers.into_iter().cloned());
        Self { routes: routes.into(), removed }
    }
}

/// The same routes with the derived values of others, which differ in nothing else.
pub fn derive(routes: &mut [Route], wanted: &[Route]) {
    for route in routes {
        // Filters never repeat.
        if let Some(same) = wanted.iter().find(|other| other.topic == route.topic) {
            route.derived.clone_from(&same.derived);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(table: &str, topic: &str) -> Route {
        let mut route = barograph_config::Settings::default_with("test").routes[0].clone();
        (route.table, route.topic) = (table.into(), topic.into());
        route
    }

    fn found(router: &Router, topic: &str) -> Option<u16> {
        router.find(topic).and_then(|(id, _)| id.0)
    }

    #[test]
    fn a_route_keeps_its_id_whatever_comes_and_goes() {
        let first = Router::new(vec![route("a", "a/#"), route("b", "b/#")]);
        let second = first.changed_to(&[route("c", "c/#"), route("b", "b/+")]);
        assert_eq!(found(&second, "a/1"), None, "it was removed");
        assert_eq!((found(&second, "b/1"), found(&second, "c/1")), (Some(1), Some(2)));
        assert_eq!(second.name(RouteId(Some(0))), "a", "what was counted keeps its name");
        let third = second.changed_to(&[route("a", "other"), route("c", "c/#")]);
        assert_eq!((found(&third, "other"), found(&third, "c/1")), (Some(0), Some(2)));
        assert_eq!((found(&third, "b/1"), third.routes().len()), (None, 3));
        assert_eq!(third.active().count(), 2);
    }

    #[test]
    fn routes_that_share_a_table_are_told_apart_by_their_topics() {
        let first = Router::new(vec![route("t", "a"), route("t", "b")]);
        let second = first.changed_to(&[route("t", "b"), route("t", "c")]);
        assert_eq!((found(&second, "b"), found(&second, "c")), (Some(1), Some(0)));
        let moved = first.changed_to(&[route("u", "a"), route("t", "b")]);
        assert_eq!((found(&moved, "a"), found(&moved, "b")), (Some(2), Some(1)));
    }
}
