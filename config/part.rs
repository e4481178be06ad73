//! How a changed setting takes effect at a reload.

/// The part of the program that a key concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The lock.
    Instance,
    /// The session at the broker.
    Mqtt,
    /// How the database is written.
    Database,
    /// Which file the database is.
    DatabasePath,
    /// How much the spool may hold.
    Spool,
    /// Where the spool is.
    SpoolDir,
    /// What is checked, and when messages go to the spool.
    Health,
    /// What is kept of messages that could not become rows.
    Quarantine,
    /// How actors are restarted.
    Supervisor,
    /// The log.
    Log,
    /// The metrics endpoint.
    Metrics,
    /// The page.
    Watchtower,
    /// What is recorded.
    Routes,
    /// Values computed from what is recorded.
    Derived,
    /// Who is notified of issues.
    Alerts,
}

impl Part {
    /// What a reload does about a change, for the documentation.
    pub(crate) fn effect(self) -> &'static str {
        match self {
            Self::Instance | Self::DatabasePath | Self::SpoolDir => {
                "takes effect at the next start"
            }
            Self::Mqtt => "a reload reconnects to the broker",
            Self::Database | Self::Spool | Self::Quarantine => "a reload restarts the writer",
            Self::Health => "a reload restarts the writer and the health checks",
            Self::Supervisor | Self::Log | Self::Metrics => "a reload applies it",
            Self::Watchtower => "a reload restarts the page",
            Self::Routes => "a reload applies it without losing a message",
            Self::Derived | Self::Alerts => "a reload applies it",
        }
    }
}
