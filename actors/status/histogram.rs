//! A histogram: how often a value was how large.

/// Values counted by size. Its buckets are fixed, so that it costs the same however much it sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Upper bounds, each included, in rising order.
    bounds: &'static [f64],
    /// One more than bounds: above the last one.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// An empty one. The bounds rise.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Counts a value.
    pub fn observe(&mut self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket] += 1;
        self.sum += value;
    }

    /// Upper bound of each bucket, and how many values lie in it and in no lower one; the last bound
    /// is infinite.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().copied()).collect()
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All values together.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The mean; `None`: there was no value.
    #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
    pub fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum / count as f64)
    }

    /// Both together. They have the same bounds.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let counts = self.counts.iter().zip(&other.counts);
        let counts = counts.map(|(here, there)| here + there).collect();
        Self { bounds: self.bounds, counts, sum: self.sum + other.sum }
    }

    /// What came after an earlier state of it.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.counts.iter().zip(&earlier.counts);
        let counts = counts.map(|(now, before)| now.saturating_sub(*before)).collect();
        Self { bounds: self.bounds, counts, sum: (self.sum - earlier.sum).max(0.0) }
    }

    /// The value that this share (0 to 1) of the values does not exceed, as if those of a bucket were spread
    /// evenly over it; of the last bucket its lower bound is all that is known. `None`: there was no value.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        let wanted = share * count as f64;
        let (mut below, mut low) = (0.0, 0.0);
        for (bucket, n) in self.counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            low = if bucket == 0 { 0.0 } else { self.bounds[bucket - 1] };
            let n = *n as f64;
            if below + n >= wanted {
                let high = self.bounds.get(bucket).copied().unwrap_or(low);
                return Some(low + (high - low) * ((wanted - below) / n).clamp(0.0, 1.0));
            }
            below += n;
        }
        (count > 0).then_some(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_it_fits() {
        let mut histogram = Histogram::new(&[1.0, 2.0, 5.0]);
        for value in [0.0, 1.0, 1.5, 2.0, 5.1, 99.0] {
            histogram.observe(value);
        }
        let expected = [(1.0, 2), (2.0, 2), (5.0, 0), (f64::INFINITY, 2)];
        assert_eq!(histogram.buckets(), expected);
        assert_eq!(histogram.count(), 6);
        assert!((histogram.sum() - 108.6).abs() < 1e-9);
    }

    #[test]
    fn a_share_of_the_values_is_estimated_within_its_bucket() {
        let mut histogram = Histogram::new(&[1.0, 2.0, 5.0]);
        assert_eq!((histogram.quantile(0.5), histogram.mean()), (None, None));
        for value in [0.5, 1.5, 1.6, 1.7] {
            histogram.observe(value);
        }
        let table = [(0.0, 0.0), (0.25, 1.0), (0.625, 1.5), (1.0, 2.0)];
        for (share, expected) in table {
            assert_eq!(histogram.quantile(share), Some(expected), "{share}");
        }
        histogram.observe(99.0);
        assert_eq!(histogram.quantile(1.0), Some(5.0), "more is not known");
        assert!((histogram.mean().unwrap() - 20.86).abs() < 1e-9);
    }

    #[test]
    fn what_came_after_is_a_difference() {
        let mut histogram = Histogram::new(&[1.0, 2.0]);
        histogram.observe(0.5);
        let before = histogram.clone();
        histogram.observe(1.5);
        let since = histogram.since(&before);
        assert_eq!((since.count(), since.quantile(1.0)), (1, Some(2.0)));
        assert_eq!(since.and(&before).count(), 2);
        assert!((since.sum() - 1.5).abs() < 1e-9);
    }
}
