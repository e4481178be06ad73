//! What the database remembers, for those who look: reading alone, on connections of its own, bounded in
//! number and in time. A reader never keeps the writer waiting.

mod pool;

pub use pool::{HistoryError, Pool};
