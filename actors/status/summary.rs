//! The recorder's health in one sentence, for the service manager, the page and the commands.

use crate::status::mode::Mode;
use crate::status::{Connection, Snapshot};

/// How the recorder is, in one sentence: what the worst issue says, or what it does.
pub fn summary(state: &Snapshot) -> String {
    if let Some(worst) = state.health.issues.first() {
        return worst.summary.clone();
    }
    if let Some(trouble) = mode_summary(state) {
        return trouble;
    }
    if let Some(since) = state.broker.paused {
        return format!("paused by a person since {since} UTC: the broker keeps QoS 1 and 2");
    }
    match &state.broker.connection {
        Connection::Down(since, why) => format!("not connected since {since} UTC: {why}"),
        Connection::Starting => "starting".to_owned(),
        Connection::Up(since) => {
            let dropped = match state.broker.dropped {
                0 => String::new(),
                n => format!("; the broker reports that it dropped {n} messages meanwhile"),
            };
            format!("recording; connected since {since} UTC{dropped}")
        }
    }
}

/// What is wrong with the durable places; `None` while nothing is.
pub(crate) fn mode_summary(state: &Snapshot) -> Option<String> {
    let failure = state.health.last_failure.as_deref().unwrap_or("the database cannot be written");
    match state.health.mode {
        Mode::Normal => None,
        Mode::Holding { since, .. } => Some(format!(
            "not recording since {since} UTC: {failure}; no place is left to write to, nothing is \
             acknowledged, the broker keeps QoS 1 and 2"
        )),
        Mode::Retrying { failures, .. } => Some(format!(
            "not recording: {failure} ({failures} tries failed); nothing is acknowledged, the broker \
             keeps the messages"
        )),
        Mode::Degraded { since, .. } => Some(format!(
            "recording into the spool since {since} UTC ({} messages): {failure}",
            state.storage.spooled
        )),
        Mode::Recovering { .. } => Some(format!(
            "recovering: the database takes over what the spool holds, {} messages to go",
            state.storage.spooled
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::delivery::UnixMillis;
    use crate::message::write::WriteCause;
    use crate::status::issue::{Issue, Severity};

    #[test]
    fn the_sentence_names_the_worst_first() {
        let mut state = Snapshot::default();
        let (since, cause) = (UnixMillis(0), WriteCause::Full);
        assert_eq!(summary(&state), "starting");
        state.broker.connection = Connection::Up(since);
        assert_eq!(summary(&state), "recording; connected since 1970-01-01 00:00:00.000 UTC");
        state.broker.dropped = 3;
        assert!(summary(&state).ends_with("dropped 3 messages meanwhile"));
        state.broker.connection = Connection::Down(since, "nobody listens".into());
        assert!(summary(&state).starts_with("not connected since"));
        state.health.last_failure = Some("the disk is full".into());
        let table = [
            (
                Mode::Retrying { since, cause, failures: 3 },
                "not recording: the disk is full (3 tries",
            ),
            (Mode::Degraded { since, cause }, "recording into the spool since 1970-01-01"),
            (Mode::Recovering { since, cause }, "recovering: the database takes over"),
            (Mode::Holding { since, cause }, "not recording since 1970-01-01"),
        ];
        for (mode, begins) in table {
            state.health.mode = mode;
            assert!(summary(&state).starts_with(begins), "{}", summary(&state));
        }
        let said = "the worst of all".to_owned();
        let (id, severity, hint) = ("x".to_owned(), Severity::Critical, String::new());
        state.health.issues = vec![Issue { id, severity, since, summary: said.clone(), hint }];
        assert_eq!(summary(&state), said);
    }
}
