//! What is subscribed to: filters that do not overlap, so that no broker delivers a message twice, and that together match
//! every topic of a route.
//!
//! Two filters that overlap only partly have their least common filter in their place, until nothing overlaps. What comes
//! of that is the narrowest such set, whatever the order: a filter that is once in it is part of each set that would do.

use std::collections::{BTreeMap, HashSet};

use crate::mqtt::qos::Qos;
use crate::route::Route;
use crate::route::filter_trie::{FilterTrie, canonical, join, usual};

/// A filter to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverFilter {
    /// The filter.
    pub filter: String,
    /// The highest quality of service of the routes that it serves.
    pub qos: Qos,
    /// The routes that it serves, as numbers in the list that it was made of.
    pub routes: Vec<usize>,
    /// No route has this filter: it was made of several, and may bring messages that no route wants.
    pub is_wider: bool,
}

/// The filters to subscribe to for these routes, in order of their text.
pub fn cover<'r>(routes: impl IntoIterator<Item = &'r Route>) -> Vec<CoverFilter> {
    let routes: Vec<(&str, Qos)> =
        routes.into_iter().map(|route| (route.filter.as_str(), route.qos)).collect();
    let filters = least_cover(routes.iter().map(|(filter, _)| *filter));
    let mut trie = FilterTrie::default();
    for (number, filter) in (0..).zip(&filters) {
        trie.insert(filter, number);
    }
    let mut cover: BTreeMap<usize, CoverFilter> = BTreeMap::new();
    for (index, (filter, qos)) in routes.iter().enumerate() {
        let filter = canonical(filter);
        let Some(number) = trie.first_containing(filter) else { continue };
        let number = number as usize;
        let own = cover.entry(number).or_insert_with(|| CoverFilter {
            filter: usual(&filters[number]).to_owned(),
            qos: *qos,
            routes: Vec::new(),
            is_wider: true,
        });
        own.qos = own.qos.max(*qos);
        own.is_wider &= filters[number].as_str() != filter;
        own.routes.push(index);
    }
    cover.into_values().collect()
}

/// The cover of filters, in canonical form and in order of their text.
fn least_cover<'f>(filters: impl Iterator<Item = &'f str>) -> Vec<String> {
    let mut trie = FilterTrie::default();
    let mut chosen: Vec<Option<String>> = Vec::new();
    let unlike: HashSet<&str> = filters.map(canonical).collect();
    for filter in unlike {
        let mut filter = filter.to_owned();
        while let Some(number) = trie.overlapping(&filter) {
            let other = chosen[number as usize].take().expect("what the tree has is chosen");
            trie.remove(&other, number);
            filter = join(&filter, &other);
        }
        let number = u32::try_from(chosen.len()).expect("routes are counted in 16 bits");
        trie.insert(&filter, number);
        chosen.push(Some(filter));
    }
    let mut chosen: Vec<String> = chosen.into_iter().flatten().collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::topic::tests::{filter, topics};
    use crate::route::topic::{filter_matches, filters_overlap};
    use crate::tests::testing::settings;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    fn of(filters: &[&str]) -> Vec<String> {
        let cover = least_cover(filters.iter().copied());
        cover.iter().map(|filter| usual(filter).to_owned()).collect()
    }

    #[test]
    fn filter_that_another_contains_is_dropped_and_two_that_overlap_partly_become_one() {
        assert_eq!(of(&["a/#", "a/b", "c"]), ["a/#", "c"]);
        assert_eq!(of(&["+/status/switch:0", "owntracks/+/+"]), ["+/+/+"]);
        assert_eq!(of(&["a/+/#", "+/b/c/d"]), ["+/+/#"]);
        assert_eq!(of(&["a/+", "+/b", "x/y"]), ["+/+"], "the join takes in what it overlaps");
        assert_eq!(of(&["+/x", "$SYS/x", "$SYS/#"]), ["$SYS/#", "+/x"]);
        assert_eq!(of(&["#", "+/#", "$SYS/#"]), ["$SYS/#", "#"]);
        assert_eq!(of(&["/#", "+"]), ["+", "/#"], "no topic is empty");
        assert_eq!(of(&["/#", "+/+"]), ["+/+/#"]);
        assert_eq!(of(&["zigbee2mqtt/bridge/#", "zigbee2mqtt/+"]), ["zigbee2mqtt/+/#"]);
    }

    #[test]
    fn quality_of_service_is_the_highest_of_the_routes_that_a_filter_serves() {
        let route = |topic: &str, qos: u8| {
            format!(
                "[[route]]\ntopic = '{topic}'\ntable = 't'\nqos = {qos}\n[route.columns]\nx = 'x'\n"
            )
        };
        let text = [route("a/+", 0), route("+/b", 2), route("c", 0)].concat();
        let cover = cover(&settings(&text).routes);
        let seen: Vec<_> = cover
            .iter()
            .map(|it| (it.filter.as_str(), it.qos as u8, it.routes.as_slice(), it.is_wider))
            .collect();
        assert_eq!(seen, [("+/+", 2, &[0, 1][..], true), ("c", 0, &[2], false)]);
    }

    #[test]
    fn ten_thousand_filters_are_covered_in_no_time() {
        let literal = (0..3_000).map(|i| format!("site{}/device{i}/temperature", i % 7));
        let wild = (0..3_000).map(|i| format!("+/device{i}/+"));
        let deep = (0..4_000).map(|i| format!("plant/{}/line/{i}/#", i % 11));
        let filters: Vec<String> = literal.chain(wild).chain(deep).collect();
        let began = Instant::now();
        let cover = least_cover(filters.iter().map(String::as_str));
        assert_eq!(cover.len(), 7_000);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }

    /// Filters a step narrower: a level named, a `#` with a level before it, or ended.
    fn narrower(filter: &str) -> Vec<String> {
        let levels: Vec<&str> = filter.split('/').collect();
        let mut all = Vec::new();
        for (at, _) in levels.iter().enumerate().filter(|(_, level)| **level == "+") {
            for name in ["a", "b", "", "z"] {
                let mut levels = levels.clone();
                levels[at] = name;
                all.push(levels.join("/"));
            }
        }
        if let Some(above) = filter.strip_suffix("/#") {
            all.extend([above.to_owned(), format!("{above}/+/#")]);
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn cover_matches_each_topic_of_a_filter_once_and_is_no_wider_than_it_must_be(
            mut filters in proptest::collection::vec(filter(), 1..7),
        ) {
            filters.retain(|filter| !filter.is_empty());
            let cover = of(&filters.iter().map(String::as_str).collect::<Vec<_>>());
            for (at, one) in cover.iter().enumerate() {
                prop_assert!(cover[at + 1..].iter().all(|other| !filters_overlap(one, other)), "{cover:?}");
            }
            let topics = topics();
            for topic in &topics {
                let count = cover.iter().filter(|filter| filter_matches(filter, topic)).count();
                let is_wanted = filters.iter().any(|filter| filter_matches(filter, topic));
                prop_assert!(count == 1 || count == 0 && !is_wanted, "{topic} {cover:?}");
            }
            // Of what one filter of the cover serves, no part can be left out of a narrower one.
            for chosen in &cover {
                let served: Vec<_> =
                    filters.iter().filter(|filter| filters_overlap(filter, chosen)).collect();
                for less in narrower(canonical(chosen)) {
                    let holds = |topic: &&String| served.iter().any(|filter| filter_matches(filter, topic));
                    let misses = topics.iter().filter(holds).any(|topic| !filter_matches(&less, topic));
                    prop_assert!(misses, "{less} does for {served:?} in place of {chosen}");
                }
            }
            let mut reversed: Vec<&str> = filters.iter().map(String::as_str).collect();
            reversed.reverse();
            prop_assert_eq!(&of(&reversed), &cover);
            // Joined step by step, without the tree.
            prop_assert_eq!(naive(&filters), cover);
        }

        #[test]
        fn tree_finds_what_a_look_at_each_filter_finds(
            filters in proptest::collection::vec(filter(), 1..7),
            one in filter(),
        ) {
            prop_assume!(!one.is_empty() && filters.iter().all(|filter| !filter.is_empty()));
            let mut trie = FilterTrie::default();
            for (number, filter) in (0..).zip(&filters) {
                trie.insert(filter, number);
            }
            for topic in topics() {
                let matching: Vec<u32> = (0..)
                    .zip(&filters)
                    .filter(|(_, filter)| filter_matches(filter, &topic))
                    .map(|(number, _)| number)
                    .collect();
                prop_assert_eq!(trie.first(&topic), matching.first().copied(), "{}", topic);
                prop_assert_eq!(trie.all(&topic), matching, "{}", topic);
            }
            let mut trie = FilterTrie::default();
            for (number, filter) in (0..).zip(&filters) {
                trie.insert(canonical(filter), number);
            }
            let overlaps = filters.iter().any(|filter| filters_overlap(filter, &one));
            prop_assert_eq!(trie.overlapping(canonical(&one)).is_some(), overlaps);
            let topics = topics();
            let contains = |filter: &&String| {
                topics.iter().filter(|topic| filter_matches(&one, topic)).all(|topic| filter_matches(filter, topic))
            };
            let containing = filters.iter().find(contains).is_some();
            prop_assert_eq!(trie.first_containing(canonical(&one)).is_some(), containing);
        }
    }

    fn naive(filters: &[String]) -> Vec<String> {
        let mut all: Vec<String> = filters.iter().map(|it| canonical(it).to_owned()).collect();
        'again: loop {
            for one in 0..all.len() {
                for other in one + 1..all.len() {
                    if filters_overlap(&all[one], &all[other]) {
                        let other = all.swap_remove(other);
                        all[one] = join(&all[one], &other);
                        continue 'again;
                    }
                }
            }
            break;
        }
        all.sort_unstable();
        let mut all: Vec<String> = all.iter().map(|it| usual(it).to_owned()).collect();
        all.dedup();
        all
    }
}
