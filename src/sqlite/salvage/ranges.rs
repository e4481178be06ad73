//! Sets of row ids as ranges: what could not be read.

use serde_json::{Value, json};

/// Past this many, neighbours are merged: a report of more ranges is of no use, and each step stores
/// them anew.
const RANGES_MAX: usize = 2048;

/// Row ids, as ascending ranges with both ends inclusive that neither overlap nor touch. `i64::MIN`
/// and `i64::MAX` are open ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(i64, i64)>);

impl Ranges {
    /// Every id.
    pub(super) fn all() -> Self {
        Self(vec![(i64::MIN, i64::MAX)])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        let after = self.0.partition_point(|&(first, _)| first <= id);
        after > 0 && self.0[after - 1].1 >= id
    }

    pub(super) fn add(&mut self, first: i64, last: i64) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        let from = self.0.partition_point(|&(_, end)| end.saturating_add(1) < first);
        let to = self.0.partition_point(|&(start, _)| start <= last.saturating_add(1));
        for &(start, end) in &self.0[from..to.max(from)] {
            first = first.min(start);
            last = last.max(end);
        }
        self.0.splice(from..to.max(from), [(first, last)]);
        self.bound();
    }

    pub(super) fn remove(&mut self, first: i64, last: i64) {
        let from = self.0.partition_point(|&(_, end)| end < first);
        let to = self.0.partition_point(|&(start, _)| start <= last);
        if from >= to {
            return;
        }
        let (head, tail) = (self.0[from].0, self.0[to - 1].1);
        let mut left = Vec::with_capacity(2);
        if head < first {
            left.push((head, first - 1));
        }
        if tail > last {
            left.push((last + 1, tail));
        }
        self.0.splice(from..to, left);
        self.bound();
    }

    /// Merges the two ranges with the least between them until there are few enough.
    fn bound(&mut self) {
        while self.0.len() > RANGES_MAX {
            let between = |at: &usize| self.0[at + 1].0.abs_diff(self.0[*at].1);
            let Some(at) = (0..self.0.len() - 1).min_by_key(between) else { return };
            self.0[at].1 = self.0[at + 1].1;
            self.0.remove(at + 1);
        }
    }

    /// `[[first, last], …]`, with null for an open end.
    pub(super) fn to_json(&self) -> String {
        let end = |id: i64| if id == i64::MIN || id == i64::MAX { Value::Null } else { json!(id) };
        let ranges: Vec<Value> = self.iter().map(|(a, b)| json!([end(a), end(b)])).collect();
        Value::Array(ranges).to_string()
    }

    /// What is no such list is taken as "everything": then it is searched again.
    pub(super) fn from_json(text: &str) -> Self {
        Self::parsed(text).unwrap_or_else(Self::all)
    }

    fn parsed(text: &str) -> Option<Self> {
        let list: Vec<(Option<i64>, Option<i64>)> = serde_json::from_str(text).ok()?;
        let mut ranges = Self::default();
        for (first, last) in list {
            ranges.add(first.unwrap_or(i64::MIN), last.unwrap_or(i64::MAX));
        }
        Some(ranges)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Ranges;

    proptest! {
        #[test]
        fn ranges_are_a_set(steps in proptest::collection::vec((any::<bool>(), 0..60_i64, 0..9_i64), 0..40)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (add, first, length) in steps {
                let ids = first..=first + length;
                if add {
                    ranges.add(first, first + length);
                    set.extend(ids);
                } else {
                    ranges.remove(first, first + length);
                    set.retain(|id| !ids.contains(id));
                }
                let listed: Vec<i64> = ranges.iter().flat_map(|(a, b)| a..=b).collect();
                prop_assert_eq!(listed, set.iter().copied().collect::<Vec<_>>());
                for id in 0..80 {
                    prop_assert_eq!(ranges.contains(id), set.contains(&id));
                }
                let touching = ranges.0.windows(2).any(|pair| pair[0].1 + 1 >= pair[1].0);
                prop_assert!(!touching);
                prop_assert_eq!(&Ranges::from_json(&ranges.to_json()), &ranges);
            }
        }
    }

    #[test]
    fn open_ends_survive() {
        let mut ranges = Ranges::all();
        ranges.remove(1, 50);
        assert_eq!(ranges.to_json(), "[[null,0],[51,null]]");
        assert_eq!(Ranges::from_json(&ranges.to_json()), ranges);
        ranges.add(1, 50);
        assert_eq!(ranges, Ranges::all());
        assert_eq!(Ranges::from_json("nonsense"), Ranges::all());
    }
}
