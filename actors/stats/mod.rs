//! Counts, rates and latencies.

pub mod actor;
pub mod histogram;
pub mod measures;
