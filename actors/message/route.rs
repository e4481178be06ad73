//! From a topic to the route that wants it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use barograph_config::{CoverFilter, FilterTrie, Route, cover};

use crate::message::account::RouteId;

/// The settings' routes, asked by topic. They have an order, and the first that matches takes the message.
///
/// A [`RouteId`] means the same route for as long as the process lives: new routes are appended, and
/// one that was removed keeps its place and its name, but matches nothing any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Router {
    /// Shared, because every opening of the database and every reload wants them.
    routes: Arc<[Route]>,
    /// Of each route: whether it is in force.
    is_active: Vec<bool>,
    order: Arc<RouteOrder>,
}

/// The routes in force, in the order of the settings: by that place they are numbered here.
#[derive(Debug, PartialEq)]
struct RouteOrder {
    /// Where each is in the list of all.
    places: Vec<usize>,
    filters: FilterTrie,
    cover: Vec<CoverFilter>,
}

impl RouteOrder {
    fn of(routes: &[Route], places: Vec<usize>) -> Self {
        let mut filters = FilterTrie::default();
        for (number, place) in (0..).zip(&places) {
            filters.insert(&routes[*place].filter, number);
        }
        let cover = cover(places.iter().map(|place| &routes[*place]));
        Self { places, filters, cover }
    }
}

fn id_of(place: usize) -> RouteId {
    RouteId(u16::try_from(place).ok())
}

impl Router {
    /// Routes in the order of the settings; that order is the meaning of [`RouteId`].
    pub fn new(routes: Vec<Route>) -> Self {
        let order = RouteOrder::of(&routes, (0..routes.len()).collect());
        let is_active = vec![true; routes.len()];
        Self { routes: routes.into(), is_active, order: Arc::new(order) }
    }

    /// The route that takes the messages of a topic: the first that matches.
    pub fn find(&self, topic: &str) -> Option<(RouteId, &Route)> {
        self.order.filters.first(topic).and_then(|number| self.numbered(number as usize))
    }

    /// Every route that matches a topic, in the order of the settings.
    pub fn matching(&self, topic: &str) -> impl Iterator<Item = (RouteId, &Route)> {
        let numbers = self.order.filters.all(topic);
        numbers.into_iter().filter_map(|number| self.numbered(number as usize))
    }

    /// A route in force by its place in the order of the settings.
    fn numbered(&self, number: usize) -> Option<(RouteId, &Route)> {
        let place = *self.order.places.get(number)?;
        self.routes.get(place).map(|route| (id_of(place), route))
    }

    /// Every route there ever was, in the order of their ids.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The routes in force, in the order of the settings.
    pub fn active(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        self.order.places.iter().map(|place| (id_of(*place), &self.routes[*place]))
    }

    /// The routes in force that store what they take.
    pub fn recording(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        self.active().filter(|(_, route)| !route.ignore)
    }

    /// What is subscribed to for the routes in force.
    pub fn cover(&self) -> &[CoverFilter] {
        &self.order.cover
    }

    /// The routes that a filter of the cover serves.
    pub fn served(&self, filter: &CoverFilter) -> impl Iterator<Item = (RouteId, &Route)> {
        filter.routes.iter().filter_map(|number| self.numbered(*number))
    }

    /// The name of a route in log, account and tables: its table's, or its topic where it ignores it; empty for none.
    pub fn name(&self, id: RouteId) -> &str {
        self.get(id).map_or("", Route::name)
    }

    /// The first route of this name, also one that was removed; none if there is none.
    pub fn id_of(&self, name: &str) -> RouteId {
        let place = self.routes.iter().position(|route| route.name() == name);
        place.map_or(RouteId(None), id_of)
    }

    /// The route behind an id, also one that was removed.
    pub fn get(&self, id: RouteId) -> Option<&Route> {
        id.0.and_then(|index| self.routes.get(usize::from(index)))
    }

    /// The route behind an id, if it is in force.
    fn in_force(&self, id: RouteId) -> Option<&Route> {
        let is_active = id.0.and_then(|index| self.is_active.get(usize::from(index)));
        self.get(id).filter(|_| is_active == Some(&true))
    }

    /// Whether a route has the same columns here and in `other`, and is in force in both: what is known
    /// of its columns by their numbers still holds.
    pub(crate) fn agrees_on(&self, id: RouteId, other: &Self) -> bool {
        let (here, there) = (self.in_force(id), other.in_force(id));
        here.zip(there).is_some_and(|(here, there)| here.columns == there.columns)
    }

    /// The same routes with the derived values of the settings, which may have changed alone.
    #[must_use]
    pub fn deriving(&self, settings: &[Route]) -> Self {
        let mut routes = self.routes.to_vec();
        derive(&mut routes, settings);
        Self { routes: routes.into(), ..self.clone() }
    }

    /// Other routes take over. A route is known by its table (what has been counted is counted by the
    /// table's name), and where several share one, by its topic; one that stores nothing by its topic.
    #[must_use]
    pub fn changed_to(&self, wanted: &[Route]) -> Self {
        let mut routes = self.routes.to_vec();
        let mut numbers: Vec<Option<usize>> = vec![None; routes.len()];
        let mut is_known = vec![false; wanted.len()];
        for name in [name_with_topic, name_of_table] {
            let mut free: HashMap<(&str, &str), VecDeque<usize>> = HashMap::new();
            let newcomers = wanted.iter().enumerate().filter(|(number, _)| !is_known[*number]);
            for (number, name) in newcomers.filter_map(|(number, new)| Some((number, name(new)?))) {
                free.entry(name).or_default().push_back(number);
            }
            for (old, number) in self.routes.iter().zip(&mut numbers).filter(|(_, it)| it.is_none())
            {
                let same = name(old).and_then(|name| free.get_mut(&name)?.pop_front());
                is_known[same.unwrap_or_default()] |= same.is_some();
                *number = same;
            }
        }
        for (old, number) in routes.iter_mut().zip(&numbers) {
            if let Some(number) = number {
                *old = wanted[*number].clone();
            }
        }
        let newcomers = wanted.iter().enumerate().filter(|(number, _)| !is_known[*number]);
        for (number, new) in newcomers {
            routes.push(new.clone());
            numbers.push(Some(number));
        }
        let mut places = vec![0; wanted.len()];
        for (place, number) in numbers.iter().enumerate() {
            if let Some(number) = number {
                places[*number] = place;
            }
        }
        let order = RouteOrder::of(&routes, places);
        let is_active = numbers.iter().map(Option::is_some).collect();
        Self { routes: routes.into(), is_active, order: Arc::new(order) }
    }
}

fn name_with_topic(route: &Route) -> Option<(&str, &str)> {
    Some((&route.table, &route.topic))
}

fn name_of_table(route: &Route) -> Option<(&str, &str)> {
    (!route.ignore).then_some((&route.table, ""))
}

/// The same routes with the derived values of others, which differ in nothing else.
pub fn derive(routes: &mut [Route], wanted: &[Route]) {
    let mut same: HashMap<(&str, &str), VecDeque<&Route>> = HashMap::new();
    for route in wanted {
        same.entry((&route.table, &route.topic)).or_default().push_back(route);
    }
    for route in routes {
        let key = (route.table.as_str(), route.topic.as_str());
        if let Some(other) = same.get_mut(&key).and_then(VecDeque::pop_front) {
            route.derived.clone_from(&other.derived);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(table: &str, topic: &str) -> Route {
        Route::new(topic, table, Vec::new())
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

    #[test]
    fn first_route_that_matches_takes_the_message_also_after_a_change() {
        let first = Router::new(vec![route("one", "a/b"), route("all", "a/#")]);
        assert_eq!((found(&first, "a/b"), found(&first, "a/c")), (Some(0), Some(1)));
        let turned = first.changed_to(&[route("all", "a/#"), route("one", "a/b")]);
        assert_eq!((found(&turned, "a/b"), found(&turned, "a/c")), (Some(1), Some(1)));
        let ids: Vec<_> = turned.matching("a/b").map(|(id, _)| id.0).collect();
        assert_eq!(ids, [Some(1), Some(0)]);
        let named = turned.changed_to(&[route("new", "+/b"), route("one", "a/b")]);
        assert_eq!((found(&named, "a/b"), found(&named, "a/c")), (Some(2), None));
        assert_eq!(named.cover().len(), 1);
    }

    #[test]
    fn route_that_stores_nothing_is_known_by_its_topic() {
        let ignored = |topic: &str| Route { ignore: true, ..route("", topic) };
        let first = Router::new(vec![ignored("a"), ignored("b")]);
        let second = first.changed_to(&[ignored("c"), ignored("b")]);
        assert_eq!((found(&second, "b"), found(&second, "c")), (Some(1), Some(2)));
        assert_eq!(second.name(RouteId(Some(0))), "a");
    }

    #[test]
    fn ten_thousand_routes_change_in_no_time() {
        let many = |from: usize| {
            (from..from + 10_000).map(|i| route(&format!("t{i}"), &format!("a/{i}/+"))).collect()
        };
        let (one, other): (Vec<Route>, Vec<Route>) = (many(0), many(5_000));
        let began = std::time::Instant::now();
        let changed = Router::new(one).changed_to(&other);
        assert_eq!((changed.routes().len(), changed.cover().len()), (15_000, 10_000));
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    }

    proptest::proptest! {
        #[test]
        fn route_is_the_one_that_a_look_at_each_filter_in_turn_finds(
            filters in proptest::collection::vec("([ab+]|[$]s)(/[ab+]){0,2}(/#)?|#", 1..12),
            topics in proptest::collection::vec("([ab]|[$]s)(/[abc]){0,3}", 1..20),
        ) {
            let routes: Vec<Route> =
                filters.iter().map(|filter| route("t", filter)).collect();
            let router = Router::new(routes);
            for topic in topics {
                let linear = router
                    .active()
                    .find(|(_, route)| barograph_config::filter_matches(&route.filter, &topic));
                proptest::prop_assert_eq!(router.find(&topic), linear, "{}", topic);
            }
        }
    }
}
