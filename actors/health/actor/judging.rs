//! From a look to the issues: asks for what is outside, lets the checks look, and tells of what changed.

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::{AsyncContext, Context};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::HealthActor;
use crate::health::checks::{Changes, findings};
use crate::health::probes::SystemSnapshot;
use crate::message::event;
use crate::status::issue::{Issue, Severity};
use crate::status::summary::summary;

/// A survey out of turn comes at most this often, whatever changes.
const SURVEY_PAUSE: Duration = Duration::from_secs(1);

impl HealthActor {
    /// Looks at everything, publishes what is wrong, and says the sentence when it is a new one. Right after the
    /// process stood still, every sign of life is as old as that: the next look is the judge's.
    pub(super) fn judge(&mut self) {
        if self.setup.published.is_waking(self.now()) {
            return;
        }
        let (now, mut state) = (self.now(), self.setup.published.snapshot());
        self.memory.look(now, &state);
        let mut found = findings(&self.look(&state));
        found.extend(self.setup.alerts.findings());
        let changes = self.memory.book.look(now, &found);
        let issues = self.memory.book.issues();
        self.setup.memory.keep(self.memory.clone());
        state.health = self.setup.published.health.update(|health| {
            health.set_issues(issues);
            health.clone()
        });
        let said = summary(&state);
        self.tell_changes(&changes);
        if said != self.told {
            self.manager.status(&said);
            self.told = said;
        }
    }

    fn tell_changes(&self, changes: &Changes) {
        let now = self.now();
        let tell = |name, issue: &Issue| {
            let Issue { id, severity, summary, hint, .. } = issue;
            let told = format!("{summary}. What to do: {hint}");
            match severity {
                Severity::Warning => warn!(event = name, id, severity = severity.word(), "{told}"),
                Severity::Critical => {
                    error!(event = name, id, severity = severity.word(), "{told}")
                }
            }
            self.setup.published.note(name, now.wall, format!("{id} ({severity}): {told}"));
        };
        changes.appeared.iter().for_each(|issue| tell(event::ISSUE_APPEARED, issue));
        changes.changed.iter().for_each(|issue| tell(event::ISSUE_CHANGED, issue));
        for Issue { id, severity, since, summary, .. } in &changes.resolved {
            let lasted = now.wall.0.saturating_sub(since.0).max(0).unsigned_abs() / 1_000;
            let lasted = humantime::format_duration(Duration::from_secs(lasted));
            let told = format!("resolved after {lasted}: {summary}");
            info!(event = event::ISSUE_RESOLVED, id, severity = severity.word(), since = %since, "{told}");
            let told = format!("{id} ({severity}): {told}");
            self.setup.published.note(event::ISSUE_RESOLVED, now.wall, told);
        }
    }

    /// Something changed: what is outside may have, too.
    pub(super) fn look_outside_soon(&mut self) {
        let soonest = self.surveyed_at + SURVEY_PAUSE;
        self.survey_at = self.survey_at.min(soonest.max(Instant::now()));
    }

    /// Asks for a survey when it is time. Never for a second one before the first has come.
    pub(super) fn look_outside(&mut self, ctx: &mut Context<Self>) {
        let now = self.now();
        if self.outside.asked.is_some() || now.steady < self.survey_at {
            return;
        }
        let (answer, survey) = oneshot::channel();
        (self.probe)(answer);
        self.outside.asked = Some(now);
        self.surveyed_at = now.steady;
        self.survey_at = now.steady + self.settings.health.check_interval;
        ctx.spawn(survey.into_actor(self).map(|survey, health, _| health.on_survey(survey.ok())));
    }

    /// `None`: the probe's thread died over it; it is asked again another time.
    fn on_survey(&mut self, survey: Option<SystemSnapshot>) {
        let now = self.now();
        self.outside.asked = None;
        if let Some(survey) = survey {
            self.memory.survey(now, &survey);
            self.outside.last = Some((now, survey));
            self.try_to_recover();
        }
        self.judge();
    }
}
