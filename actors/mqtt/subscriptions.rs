//! What we ask the broker for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use barograph_config::{CoverFilter, Mqtt, Qos, filter_matches};

use crate::message::route::Router;
use crate::mqtt::broker_drops::DROPPED_TOPIC;
use crate::ports::Filter;

/// The cover of the routes, in its order; then the broker's own count of what it dropped, unless a
/// route records it.
pub fn filters(cover: &[CoverFilter], settings: &Mqtt) -> Vec<Filter> {
    let mut filters: Vec<Filter> =
        cover.iter().map(|part| Filter::new(&part.filter, part.qos)).collect();
    let recorded = filters.iter().any(|filter| filter_matches(&filter.topic, DROPPED_TOPIC));
    if settings.watch_drops && !recorded {
        filters.push(Filter::new(DROPPED_TOPIC, Qos::AtMostOnce));
    }
    filters
}

/// Filters of the cover that were subscribed to before and now serve a route that was not there, or that stored nothing:
/// what the broker retains for it comes only if they are subscribed to once more.
pub(crate) fn serving_more(router: &Router, before: &Router) -> HashSet<String> {
    let known: HashSet<&str> = before.recording().map(|(_, route)| route.filter.as_str()).collect();
    let serves_more = |part: &&CoverFilter| {
        let mut served = router.served(part).filter(|(_, route)| !route.ignore);
        served.any(|(_, route)| !known.contains(route.filter.as_str()))
    };
    router.cover().iter().filter(serves_more).map(|part| part.filter.clone()).collect()
}

/// The filters of the routes that store what they take and that these parts of the cover serve, in order. What is retained
/// for them is known by these: another cover for the same routes brings it again.
pub(crate) fn served_filters(router: &Router, granted: &BTreeSet<String>) -> Vec<String> {
    let parts = router.cover().iter().filter(|part| granted.contains(&part.filter));
    let served = parts.flat_map(|part| router.served(part)).filter(|(_, route)| !route.ignore);
    let mut filters: Vec<String> = served.map(|(_, route)| route.filter.clone()).collect();
    filters.sort_unstable();
    filters.dedup();
    filters
}

/// Divided so that each request holds filters of one shape, and has one identifier.
pub fn by_shape(filters: Vec<Filter>) -> impl Iterator<Item = Vec<Filter>> {
    let mut shapes: BTreeMap<(u32, bool), Vec<Filter>> = BTreeMap::new();
    for filter in filters {
        shapes.entry((filter.shape(), filter.is_repeated)).or_default().push(filter);
    }
    shapes.into_values()
}

/// What we have asked the broker for on the connection in force.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// Requests that have not been answered.
    asked: Vec<(u16, Vec<String>)>,
    leaving: Vec<(u16, Vec<String>)>,
    /// Filters of the cover that the broker granted.
    granted: BTreeSet<String>,
}

impl Subscriptions {
    /// A request to subscribe is on its way.
    pub(crate) fn ask(&mut self, id: u16, filters: &[Filter]) {
        self.asked.push((id, filters.iter().map(|filter| filter.topic.clone()).collect()));
    }

    /// A request to unsubscribe is on its way.
    pub(crate) fn leave(&mut self, id: u16, topics: Vec<String>) {
        for topic in &topics {
            self.granted.remove(topic);
        }
        self.leaving.push((id, topics));
    }

    /// What was asked with this request; `None`: it is none of these.
    pub(crate) fn answered(&mut self, id: u16) -> Option<Vec<String>> {
        take(&mut self.asked, id)
    }

    /// What has ended with this request; `None`: it is none of these.
    pub(crate) fn left(&mut self, id: u16) -> Option<Vec<String>> {
        take(&mut self.leaving, id)
    }

    /// The broker granted a filter of the cover.
    pub(crate) fn grant(&mut self, topic: String) {
        self.granted.insert(topic);
    }

    /// Filters of the cover that are granted.
    pub(crate) fn granted(&self) -> &BTreeSet<String> {
        &self.granted
    }

    /// No request waits for its answer.
    pub(crate) fn all_answered(&self) -> bool {
        self.asked.is_empty()
    }
}

fn take(requests: &mut Vec<(u16, Vec<String>)>, id: u16) -> Option<Vec<String>> {
    let index = requests.iter().position(|(asked, _)| *asked == id)?;
    Some(requests.swap_remove(index).1)
}
