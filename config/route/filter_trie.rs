//! Topic filters as a tree of their levels: which of them match a topic, contain a filter, or overlap one, at a cost that
//! does not grow with their number.

use std::collections::HashMap;

/// Filters, each with a number; of several that match, the smallest number is the first.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterTrie {
    /// The first is the root.
    nodes: Vec<TrieNode>,
}

/// What the filters share up to some level.
#[derive(Debug, Clone, PartialEq)]
struct TrieNode {
    levels: HashMap<Box<str>, usize>,
    /// Where `+` leads to.
    one: Option<usize>,
    /// Filters that end here with `#`, in order.
    rest: Vec<u32>,
    /// Filters that end here, in order.
    end: Vec<u32>,
    /// No filter here or below has a smaller number.
    first: u32,
    /// Filters here or below.
    count: usize,
}

impl Default for TrieNode {
    fn default() -> Self {
        let (rest, end) = (Vec::new(), Vec::new());
        Self { levels: HashMap::new(), one: None, rest, end, first: u32::MAX, count: 0 }
    }
}

impl Default for FilterTrie {
    fn default() -> Self {
        Self { nodes: vec![TrieNode::default()] }
    }
}

/// A place on the way down: a node, and what is left of the topic or filter; `None`: nothing, it ended here.
type TrieStep<'t> = (usize, Option<&'t str>);

fn split(levels: &str) -> (&str, Option<&str>) {
    match levels.split_once('/') {
        Some((level, below)) => (level, Some(below)),
        None => (levels, None),
    }
}

impl FilterTrie {
    /// Adds a filter under a number.
    pub fn insert(&mut self, filter: &str, number: u32) {
        let (at, is_rest) = self.path(filter, number);
        let node = &mut self.nodes[at];
        let numbers = if is_rest { &mut node.rest } else { &mut node.end };
        let place = numbers.partition_point(|other| *other < number);
        numbers.insert(place, number);
    }

    /// Makes the way of a filter, and counts it there; gives the last node, and whether `#` stands behind it.
    fn path(&mut self, filter: &str, number: u32) -> (usize, bool) {
        let mut at = 0;
        self.count(at, number);
        for level in filter.split('/') {
            if level == "#" {
                return (at, true);
            }
            let next = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match level {
                "+" => *node.one.get_or_insert(next),
                level => match node.levels.get(level) {
                    Some(known) => *known,
                    None => *node.levels.entry(level.into()).or_insert(next),
                },
            };
            if at == next {
                self.nodes.push(TrieNode::default());
            }
            self.count(at, number);
        }
        (at, false)
    }

    fn count(&mut self, at: usize, number: u32) {
        let node = &mut self.nodes[at];
        node.first = node.first.min(number);
        node.count += 1;
    }

    /// Removes a filter that was added under this number.
    pub(crate) fn remove(&mut self, filter: &str, number: u32) {
        let mut at = 0;
        self.nodes[at].count -= 1;
        for level in filter.split('/') {
            let node = &mut self.nodes[at];
            let next = match level {
                "#" => return node.rest.retain(|other| *other != number),
                "+" => node.one,
                level => node.levels.get(level).copied(),
            };
            at = next.expect("it was added");
            self.nodes[at].count -= 1;
        }
        self.nodes[at].end.retain(|other| *other != number);
    }

    /// The smallest number of a filter that matches a topic.
    pub fn first(&self, topic: &str) -> Option<u32> {
        let mut best = u32::MAX;
        self.walk(topic, |node, numbers| {
            best = numbers.first().map_or(best, |number| best.min(*number));
            // Nothing here or below comes before it.
            best <= node.first
        });
        (best != u32::MAX).then_some(best)
    }

    /// The numbers of all filters that match a topic, in order.
    pub fn all(&self, topic: &str) -> Vec<u32> {
        let mut all = Vec::new();
        self.walk(topic, |_, numbers| {
            all.extend_from_slice(numbers);
            false
        });
        all.sort_unstable();
        all
    }

    /// The smallest number of a filter that matches every topic that `filter` matches; both in canonical form.
    pub(crate) fn first_containing(&self, filter: &str) -> Option<u32> {
        self.first(filter)
    }

    /// Goes every way that a topic can take, and hands out the filters that end on it; a way ends where `visit` says that
    /// it has seen enough. In a filter that is read as a topic, `+` and `#` are levels that only wildcards match.
    fn walk(&self, topic: &str, mut visit: impl FnMut(&TrieNode, &[u32]) -> bool) {
        let is_own = topic.starts_with('$');
        let mut open: Vec<TrieStep<'_>> = Vec::new();
        let mut next: Option<TrieStep<'_>> = Some((0, Some(topic)));
        while let Some((at, left)) = next.take().or_else(|| open.pop()) {
            let node = &self.nodes[at];
            let is_wild = at != 0 || !is_own;
            if visit(node, if is_wild { &node.rest } else { &[] }) {
                continue;
            }
            let Some(left) = left else {
                visit(node, &node.end);
                continue;
            };
            let (level, below) = split(left);
            // `#` is more than one level.
            next = node.one.filter(|_| is_wild && level != "#").map(|one| (one, below));
            if let Some(same) = node.levels.get(level) {
                open.extend(next.replace((*same, below)));
            }
        }
    }

    /// The number of a filter that shares a topic with this one; both in canonical form.
    pub(crate) fn overlapping(&self, filter: &str) -> Option<u32> {
        let is_own = filter.starts_with('$');
        let mut open: Vec<TrieStep<'_>> = vec![(0, Some(filter))];
        while let Some((at, left)) = open.pop() {
            let node = &self.nodes[at];
            if node.count == 0 {
                continue;
            }
            let is_wild = at != 0 || !is_own;
            if let Some(number) = node.rest.first().filter(|_| is_wild) {
                return Some(*number);
            }
            let Some(left) = left else {
                if let Some(number) = node.end.first() {
                    return Some(*number);
                }
                continue;
            };
            let (level, below) = split(left);
            match level {
                "#" => return self.any_below(at),
                "+" => {
                    let takes = |name: &str| at != 0 || !name.starts_with('$');
                    let taken = node.levels.iter().filter(|(name, _)| takes(name));
                    open.extend(taken.map(|(_, next)| (*next, below)));
                }
                level => open.extend(node.levels.get(level).map(|next| (*next, below))),
            }
            open.extend(node.one.filter(|_| is_wild).map(|one| (one, below)));
        }
        None
    }

    /// Any filter at or below a node that has some.
    fn any_below(&self, mut at: usize) -> Option<u32> {
        loop {
            let node = &self.nodes[at];
            if let Some(number) = node.end.first().or(node.rest.first()) {
                return Some(*number);
            }
            let below = node.levels.values().copied().chain(node.one);
            at = below.into_iter().find(|next| self.nodes[*next].count > 0)?;
        }
    }
}

/// A filter in the one form that its meaning has: `#` is `+/#`, because a topic has at least one level, and `/#` is `/+/#`,
/// because no topic is empty.
pub(crate) fn canonical(filter: &str) -> &str {
    match filter {
        "#" => "+/#",
        "/#" => "/+/#",
        filter => filter,
    }
}

/// As people write it.
pub(crate) fn usual(filter: &str) -> &str {
    match filter {
        "+/#" => "#",
        "/+/#" => "/#",
        filter => filter,
    }
}

/// The least filter that matches all topics of two; all in canonical form. Level by level: `+` where they differ, `#` where
/// one ends or takes all that follow.
pub(crate) fn join(one: &str, other: &str) -> String {
    let parts = |filter: &str| -> (usize, bool) {
        let levels = filter.split('/').count();
        if filter.ends_with('#') { (levels - 1, true) } else { (levels, false) }
    };
    let ((ones, one_rest), (others, other_rest)) = (parts(one), parts(other));
    let levels = one.split('/').zip(other.split('/')).take(ones.min(others));
    let mut joined: Vec<&str> =
        levels.map(|(one, other)| if one == other { one } else { "+" }).collect();
    if one_rest || other_rest || ones != others {
        joined.push("#");
    }
    canonical(&joined.join("/")).to_owned()
}
