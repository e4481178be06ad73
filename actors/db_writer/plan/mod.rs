//! What storing a batch comes to, by the rules of exactly-once. Pure.

pub mod history;
pub mod retained;
