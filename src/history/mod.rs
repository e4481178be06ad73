//! What the database remembers, for those who look: reading alone, on connections of its own, bounded in
//! number and in time. A reader never keeps the writer waiting.

mod pool;
mod raw;
mod series;
mod sum;
mod width;

pub use pool::{HistoryError, Pool};
pub use raw::first_at;
pub use series::{Buckets, Column, Question, Senseless, Series, Stat};
