//! Tests of the crate as a whole.

mod alert;
mod cases;
mod derived;
mod difference;
mod layer;
mod print;
mod problems;
mod route;
mod shipped;
mod testing;
mod watchtower;
