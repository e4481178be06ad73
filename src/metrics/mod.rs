//! What the metrics say, in the text format of Prometheus and OpenMetrics.

mod exposition;
mod page;
mod recorder;
mod this_process;

pub(crate) use exposition::{Exposition, ExpositionFormat};
pub use recorder::MeasuredFiles;
