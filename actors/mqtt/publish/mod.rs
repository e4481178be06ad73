//! What the recorder publishes itself, on the recording connection.

pub mod echo;
pub(super) mod publish_guard;
pub(super) mod publisher;
