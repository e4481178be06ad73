//! Buckets of an answer, while they are summed up.

use barograph_actors::history::rollup::{Bucket, start_of};

/// The buckets of some series over a range of time.
#[derive(Debug, Clone)]
pub(super) struct BucketSums {
    from_ms: i64,
    to_ms: i64,
    width_ms: i64,
    series: Vec<Vec<(i64, Bucket)>>,
}

impl BucketSums {
    /// `from_ms` and `to_ms` are starts of buckets.
    pub(super) fn new(from_ms: i64, to_ms: i64, width_ms: i64, series: usize) -> Self {
        Self { from_ms, to_ms, width_ms, series: vec![Vec::new(); series] }
    }

    /// Of the same range, and empty.
    pub(super) fn like(other: &Self) -> Self {
        Self::new(other.from_ms, other.to_ms, other.width_ms, other.series.len())
    }

    pub(super) fn begin_ms(&self) -> i64 {
        self.from_ms
    }

    pub(super) fn end_ms(&self) -> i64 {
        self.to_ms
    }

    pub(super) fn width_ms(&self) -> i64 {
        self.width_ms
    }

    /// A value of a row, if it is in the range; rows come in the order of their ids.
    pub(super) fn add(&mut self, series: usize, ms: i64, value: f64) {
        if (self.from_ms..self.to_ms).contains(&ms) {
            self.merge(series, ms, &Bucket::of(ms, value), true);
        }
    }

    /// What a narrower bucket holds that begins at `ms`; see [`Bucket::merge`].
    #[inline]
    pub(super) fn merge(&mut self, series: usize, ms: i64, bucket: &Bucket, after: bool) {
        let buckets = &mut self.series[series];
        if let Some((at, last)) = buckets.last_mut()
            && (*at..*at + self.width_ms).contains(&ms)
        {
            return last.merge(bucket, after);
        }
        let start = start_of(ms, self.width_ms);
        match buckets.last() {
            Some((at, _)) if *at > start => {
                match buckets.binary_search_by_key(&start, |(at, _)| *at) {
                    Ok(found) => buckets[found].1.merge(bucket, after),
                    Err(place) => buckets.insert(place, (start, *bucket)),
                }
            }
            Some(_) | None => buckets.push((start, *bucket)),
        }
    }

    /// Takes another one in, whose rows have higher ids (`after`) or lower ones.
    pub(super) fn take(&mut self, other: &Self, after: bool) {
        for (series, buckets) in other.series.iter().enumerate() {
            for (at, bucket) in buckets {
                self.merge(series, *at, bucket, after);
            }
        }
    }

    /// Takes in another one of one series.
    pub(super) fn take_one(&mut self, series: usize, other: &Self, after: bool) {
        for (at, bucket) in other.series.iter().flatten() {
            self.merge(series, *at, bucket, after);
        }
    }

    /// The starts of all buckets that hold something, and each series beside them.
    pub(super) fn table(&self) -> (Vec<i64>, Vec<Vec<Option<Bucket>>>) {
        let mut starts: Vec<i64> = self.series.iter().flatten().map(|(at, _)| *at).collect();
        // Stable: each series is in order already, and such runs are merged.
        starts.sort();
        starts.dedup();
        let beside = |buckets: &Vec<(i64, Bucket)>| {
            let mut next = buckets.iter().peekable();
            let at = |start| next.next_if(|(at, _)| *at == start).map(|(_, bucket)| *bucket);
            starts.iter().copied().map(at).collect()
        };
        let columns = self.series.iter().map(beside).collect();
        (starts, columns)
    }
}
