//! What we ask the broker for.

use barograph_config::{Mqtt, Qos, Route, filter_matches};

use crate::mqtt::broker_drops::DROPPED_TOPIC;
use crate::ports::Filter;

/// Those of the routes, in their order; then the broker's own count of what it dropped, unless a
/// route records it.
pub fn filters<'r>(routes: impl IntoIterator<Item = &'r Route>, settings: &Mqtt) -> Vec<Filter> {
    let of_route = |route: &Route| Filter { topic: route.topic.clone(), qos: route.qos };
    let mut filters: Vec<Filter> = routes.into_iter().map(of_route).collect();
    let recorded = filters.iter().any(|filter| filter_matches(&filter.topic, DROPPED_TOPIC));
    if settings.watch_drops && !recorded {
        filters.push(Filter { topic: DROPPED_TOPIC.to_owned(), qos: Qos::AtMostOnce });
    }
    filters
}

/// What we have asked the broker for on the connection in force.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// Requests that have not been answered.
    asked: Vec<(u16, Vec<String>)>,
    leaving: Vec<(u16, Vec<String>)>,
    /// Filters of routes that the broker granted.
    granted: Vec<String>,
}

impl Subscriptions {
    /// A request to subscribe is on its way.
    pub(crate) fn ask(&mut self, id: u16, filters: &[Filter]) {
        self.asked.push((id, filters.iter().map(|filter| filter.topic.clone()).collect()));
    }

    /// A request to unsubscribe is on its way.
    pub(crate) fn leave(&mut self, id: u16, topics: Vec<String>) {
        self.granted.retain(|topic| !topics.contains(topic));
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

    /// The broker granted a filter of a route.
    pub(crate) fn grant(&mut self, topic: String) {
        if !self.granted.contains(&topic) {
            self.granted.push(topic);
        }
    }

    /// Filters of routes that are granted, in the order of the grants.
    pub(crate) fn granted(&self) -> &[String] {
        &self.granted
    }
}

fn take(requests: &mut Vec<(u16, Vec<String>)>, id: u16) -> Option<Vec<String>> {
    let index = requests.iter().position(|(asked, _)| *asked == id)?;
    Some(requests.swap_remove(index).1)
}
