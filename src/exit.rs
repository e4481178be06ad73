//! How a command ends that could not do its work.

/// The exit code (see `barograph_actors::exit_code`), and what a person needs to know.
#[derive(Debug)]
pub struct Failed {
    /// The exit code.
    pub code: i32,
    /// What is wrong, where, and what to do.
    pub message: String,
}
