//! What the settings file says, and is not in force.

use super::{CheckInput, warning};
use crate::status::issue::Finding;

/// The file was read again and cannot be used.
pub(super) fn invalid(look: &CheckInput<'_>) -> Vec<Finding> {
    let invalid = look.state.unsettled.invalid.iter();
    let finding = |(since, problems): &(_, String)| {
        let summary = format!(
            "the settings file cannot be used since {since} UTC, and the settings before hold: {}",
            problems.split_whitespace().collect::<Vec<_>>().join(" ")
        );
        let hint = "correct it (barograph check names every problem), then reload";
        warning("settings_invalid", summary, hint)
    };
    invalid.map(finding).collect()
}

/// Some of it could not be put in force, or not yet.
pub(super) fn not_in_force(look: &CheckInput<'_>) -> Vec<Finding> {
    let unsettled = &look.state.unsettled;
    let mut findings = Vec::new();
    let mut find =
        |id: &str, summary: String, hint: &str| findings.push(warning(id, summary, hint));
    if !unsettled.at_next_start.is_empty() {
        let summary = format!(
            "changed settings take effect at the next start only: {}",
            unsettled.at_next_start.join("; ")
        );
        find(
            "settings_at_next_start",
            summary,
            "restart the recorder, or undo the change and \
             reload",
        );
    }
    if !unsettled.refused.is_empty() {
        let summary =
            format!("settings could not be put in force: {}", unsettled.refused.join("; "));
        find(
            "settings_refused",
            summary,
            "remove the cause that it names, or change the settings, \
             and reload",
        );
    }
    if let Some(since) = unsettled.routes_wait {
        let summary = format!(
            "since {since} UTC the new routes wait until all messages of the old ones are durable"
        );
        find("routes_wait", summary, "remove what keeps messages from becoming durable");
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::Scene;
    use crate::message::delivery::UnixMillis;

    fn ids(scene: &Scene) -> Vec<String> {
        let look = scene.look();
        invalid(&look).into_iter().chain(not_in_force(&look)).map(|found| found.id).collect()
    }

    #[test]
    fn what_is_not_in_force_is_an_issue_until_it_is() {
        let mut scene = Scene::new();
        assert!(ids(&scene).is_empty());
        scene.state.unsettled.invalid = Some((UnixMillis(0), "line 1:\n  odd".into()));
        assert_eq!(ids(&scene), ["settings_invalid"]);
        assert!(invalid(&scene.look())[0].summary.ends_with("line 1: odd"));
        scene.state.unsettled.invalid = None;
        scene.state.unsettled.at_next_start = vec!["database.path".into()];
        scene.state.unsettled.refused = vec!["the old routes stay".into()];
        scene.state.unsettled.routes_wait = Some(UnixMillis(0));
        assert_eq!(ids(&scene), ["settings_at_next_start", "settings_refused", "routes_wait"]);
    }
}
