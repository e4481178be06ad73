//! Retained messages: recorded when their subscription is new, and never again because we subscribed
//! once more.

use std::collections::HashSet;

use barograph_config::{FilterTrie, Route};

use crate::message::batch::Record;

/// What is known of retained messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RetainedSeen {
    /// Filters whose retained messages have all been recorded.
    filters: Vec<String>,
    /// The same, to be asked by topic.
    topics: FilterTrie,
    /// Digests of those recorded while their filter was new: a connection that is cut before the
    /// filter is settled brings them again.
    digests: HashSet<u64>,
}

impl RetainedSeen {
    /// As it was stored: the filters whose retained messages were all recorded, and the digests of those that
    /// were recorded since.
    pub(super) fn new(filters: Vec<String>, digests: HashSet<u64>) -> Self {
        Self { topics: topics_of(&filters), filters, digests }
    }

    /// A retained message that was recorded before: its topic was heard under any filter, perhaps another route's. One
    /// with DUP set was never acknowledged, and is the ledger's to judge.
    pub(super) fn is_repeat(&self, record: &Record, route: Option<&Route>) -> bool {
        record.retain
            && !record.dup
            && (self.digests.contains(&record.digest)
                || route.is_some() && self.topics.first(&record.topic).is_some())
    }

    /// These were recorded.
    pub(super) fn record(&mut self, digests: &[u64]) {
        self.digests.extend(digests);
    }

    /// These filters have delivered theirs; now they are known as a whole.
    pub(super) fn settle(&mut self, filters: Vec<String>) {
        self.topics = topics_of(&filters);
        self.filters = filters;
        self.digests.clear();
    }

    /// Whether settling these filters would change nothing.
    pub(super) fn has_settled(&self, filters: &[String]) -> bool {
        self.filters == filters
    }
}

fn topics_of(filters: &[String]) -> FilterTrie {
    let mut topics = FilterTrie::default();
    for (number, filter) in (0..).zip(filters) {
        topics.insert(filter, number);
    }
    topics
}
