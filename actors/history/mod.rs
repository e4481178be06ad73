//! Arithmetic of history: derived values and rollups. Pure.

pub mod derived;
pub mod rollup;
