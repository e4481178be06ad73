//! What we ask the broker for.

use barograph_config::{Mqtt, Qos, Route, filter_matches};

use crate::broker_drops::DROPPED_TOPIC;
use crate::ports::Filter;

/// Those of the routes, in their order; then the broker's own count of what it dropped, unless a
/// route records it.
pub fn filters(routes: &[Route], settings: &Mqtt) -> Vec<Filter> {
    let of_route = |route: &Route| Filter { topic: route.topic.clone(), qos: route.qos };
    let mut filters: Vec<Filter> = routes.iter().map(of_route).collect();
    let recorded = routes.iter().any(|route| filter_matches(&route.topic, DROPPED_TOPIC));
    if settings.watch_drops && !recorded {
        filters.push(Filter { topic: DROPPED_TOPIC.to_owned(), qos: Qos::AtMostOnce });
    }
    filters
}
