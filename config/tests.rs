//! Tests of the crate as a whole.

mod alert;
mod cases;
mod difference;
mod layer;
mod print;
mod problems;
mod shipped;
mod testing;
mod watchtower;
