//! Reading a TOML text with all of its problems at once.

pub(crate) mod layers;
pub(crate) mod problems;
pub(crate) mod reader;
pub(crate) mod recovery;
pub(crate) mod redact;
pub(crate) mod section;
pub(crate) mod syntax_error;
pub(crate) mod world;
