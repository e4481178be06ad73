//! Counts, rates and latencies.

pub mod actor;
