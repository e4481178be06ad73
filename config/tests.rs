//! Tests of the crate as a whole.

mod cases;
mod difference;
mod draft;
mod layer;
mod print;
mod problems;
mod shipped;
pub(crate) mod testing;
