//! How a child ended.

use std::fmt;

/// Why a child gave up by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// One sentence: what went wrong, where, and what to do.
    pub message: String,
    /// Set when starting again cannot help: the process ends with this exit code and a person must
    /// act.
    pub permanent: Option<i32>,
}

impl Cause {
    /// A failure that may end by itself.
    pub fn passing(message: impl Into<String>) -> Self {
        Self { message: message.into(), permanent: None }
    }

    /// A failure that only a person can end; the process exits with `code`.
    pub fn permanent(message: impl Into<String>, code: i32) -> Self {
        Self { message: message.into(), permanent: Some(code) }
    }
}

/// How a child ended, told by its [`Lifeline`](super::Lifeline).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It stopped by itself, without a reason: like `exit(0)`. Unless it was asked to, that is
    /// unexpected too.
    Done,
    /// It gave up and said why: like `exit(1)` with a line on standard error.
    Failed(Cause),
    /// A handler panicked: like a death by signal. The text is the panic's message.
    Panicked(String),
    /// Its pulse stood still: like a process in uninterruptible sleep. A thread cannot be killed,
    /// so this one is only ever told by the supervisor.
    Stuck,
}

impl Exit {
    /// The one word that the log uses.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Panicked(_) => "panicked",
            Self::Stuck => "stuck",
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("it stopped by itself"),
            Self::Failed(cause) => f.write_str(&cause.message),
            Self::Panicked(message) => write!(f, "panic: {message}"),
            Self::Stuck => f.write_str("it gave no sign of life"),
        }
    }
}
