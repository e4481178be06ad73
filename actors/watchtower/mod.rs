//! Keeps the page's server running.

pub mod actor;
