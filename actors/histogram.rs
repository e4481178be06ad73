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
}
