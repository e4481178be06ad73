//! One channel's desk: which issues are told when. Pure: time, issues and outcomes come in.
//!
//! It keeps no queue of messages. It keeps what the person behind the channel believes (`ToldIssue`) and what
//! is true, and an alert is the difference between the two at the moment in which it leaves. So there is
//! nothing to overflow, what waited comes merged and as it is now, and the last word is true. What came
//! and went untold meanwhile is counted ([`Passed`]) and told with the next alert.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use barograph_config::{Alert, AlertSeverity};
use tokio::time::Instant;

use super::notification::{IssueChange, Notification, NotificationItem, Passed};
use super::notifier::{AlertOutcome, Failure, Parcel};
use crate::message::delivery::UnixMillis;
use crate::message::moment::Moment;
use crate::status::issue::{Finding, HealthLevel, Issue, Severity};
use crate::supervisor::restart::backoff;

/// What becomes due within this time goes as one alert.
pub(crate) const GROUP_WITHIN: Duration = Duration::from_secs(2);
/// The stretch that `max_per_hour` means.
const HOUR: Duration = Duration::from_secs(3600);
/// Pauses between attempts of a channel that fails.
pub(crate) const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(600);
/// The longest pause that the other side can ask for.
const RETRY_AFTER_MAX: Duration = HOUR;
/// An answer that is later than the channel's timeout and this is one that may never come.
const GRACE: Duration = Duration::from_secs(2);
/// So many ids are remembered of what came and went untold.
const PASSED_MAX: usize = 100;
/// The id of all that are more.
const OTHERS: &str = "others";
/// So many different causes of a failure are said until it works again.
const CAUSES_MAX: usize = 10;

/// What a desk sees at one look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'v> {
    /// When.
    pub(crate) now: Moment,
    /// Minute of the day in local time.
    pub(crate) minute: u16,
    /// What is wrong.
    pub(crate) issues: &'v [Issue],
    /// Ids of the acknowledged ones.
    pub(crate) acknowledged: &'v BTreeSet<String>,
    /// The recorder's name.
    pub(crate) recorder: &'v str,
    /// Drawn at random, anew at each look.
    pub(crate) random: i64,
}

/// What the log should know of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelReport {
    /// An alert was taken: its subject, and what the other side said.
    Sent { subject: String, said: String },
    /// It fails, for a cause that was not said since it last worked.
    Failed { said: String, hint: String },
    /// It works again; it had failed since then.
    Recovered { since: UnixMillis },
}

/// What the person behind the channel knows of an issue.
#[derive(Debug, Clone, Copy)]
struct ToldIssue {
    severity: Severity,
    at: Instant,
}

/// An issue that is there, or that must still be told to be over.
#[derive(Debug)]
struct AlertEntry {
    issue: Issue,
    /// It is bad enough for this channel since then.
    since: Instant,
    ended: Option<UnixMillis>,
    /// It has ended for this channel only: it is there, and less severe.
    eased: bool,
    /// It has lasted long enough to be told.
    due: bool,
    /// It is acknowledged.
    acknowledged: bool,
    told: Option<ToldIssue>,
}

impl AlertEntry {
    fn new(issue: &Issue, since: Instant) -> Self {
        let issue = issue.clone();
        let (eased, due, acknowledged) = (false, false, false);
        Self { issue, since, ended: None, eased, due, acknowledged, told: None }
    }

    fn is_here(&mut self, issue: &Issue, now: Instant) {
        self.issue.clone_from(issue);
        if self.ended.take().is_some() {
            self.since = now;
            self.due = false;
        }
    }

    /// What there is to tell.
    fn change(&mut self, now: Instant, alert: &Alert) -> Option<IssueChange> {
        match (self.ended, self.told) {
            (Some(_), None) => None,
            (Some(_), Some(_)) => {
                Some(if self.eased { IssueChange::Eased } else { IssueChange::Over })
            }
            (None, None) => {
                self.due |= now.duration_since(self.since) >= alert.after;
                self.due.then_some(IssueChange::New)
            }
            (None, Some(told)) if self.issue.severity > told.severity => Some(IssueChange::Worse),
            (None, Some(told)) => {
                let again =
                    alert.repeat.is_some_and(|repeat| now.duration_since(told.at) >= repeat);
                (again && !self.acknowledged).then_some(IssueChange::Still)
            }
        }
    }

    /// The severity that decides whether it is sent during quiet hours.
    fn weight(&self) -> Severity {
        let told = self.told.map_or(Severity::Warning, |told| told.severity);
        if self.ended.is_some() { told } else { self.issue.severity }
    }
}

#[derive(Debug)]
struct ParcelUnderWay {
    number: u64,
    notification: Notification,
    began: Moment,
    overdue: bool,
}

#[derive(Debug)]
struct ChannelTrouble {
    since: UnixMillis,
    attempts: u32,
    retry_at: Instant,
    failure: Failure,
    causes: Vec<String>,
}

/// One channel's desk.
#[derive(Debug)]
pub(crate) struct ChannelScheduler {
    alert: Arc<Alert>,
    entries: BTreeMap<String, AlertEntry>,
    passed: BTreeMap<String, Passed>,
    due_since: Option<Instant>,
    /// When the alerts of the last hour arrived. Not when they left: attempts may fail for longer than an hour.
    arrived: VecDeque<Instant>,
    /// The alert that left last has not arrived yet; the next attempt counts as the same one.
    trying: Option<Notification>,
    under_way: Option<ParcelUnderWay>,
    trouble: Option<ChannelTrouble>,
    number: u64,
}

impl ChannelScheduler {
    /// A desk that has told nothing.
    pub(crate) fn new(alert: Arc<Alert>) -> Self {
        Self {
            alert,
            entries: BTreeMap::new(),
            passed: BTreeMap::new(),
            due_since: None,
            arrived: VecDeque::new(),
            trying: None,
            under_way: None,
            trouble: None,
            number: 0,
        }
    }

    /// The channel's name.
    pub(crate) fn name(&self) -> &str {
        &self.alert.name
    }

    /// The channel's settings.
    pub(crate) fn alert(&self) -> &Alert {
        &self.alert
    }

    /// The settings changed; what was told stays told. Another way of delivery is tried at once.
    pub(crate) fn set(&mut self, alert: Arc<Alert>, now: Instant) {
        if alert.channel != self.alert.channel
            && let Some(trouble) = &mut self.trouble
        {
            trouble.retry_at = now;
        }
        self.alert = alert;
    }

    /// What is to leave now.
    pub(crate) fn look(&mut self, view: &View<'_>) -> (Option<Parcel>, Option<ChannelReport>) {
        self.absorb(view);
        let said = self.notice_hang(view.now);
        let is_quiet = self.alert.quiet_hours.is_some_and(|hours| hours.contains(view.minute));
        let (items, passed) = self.due(view.now.steady, is_quiet);
        let tries_again = self.trouble.is_some() && !is_quiet;
        if items.is_empty() && passed.is_empty() && !tries_again {
            self.due_since = None;
            return (None, said);
        }
        let now = view.now.steady;
        let due_since = *self.due_since.get_or_insert(now);
        if now.duration_since(due_since) < GROUP_WITHIN || !self.may_leave(now) {
            return (None, said);
        }
        (Some(self.leave(view, items, passed)), said)
    }

    /// Takes in what is wrong now.
    fn absorb(&mut self, view: &View<'_>) {
        let (now, own) = (view.now, self.finding_id());
        let least = match self.alert.min_severity {
            AlertSeverity::Warning => Severity::Warning,
            AlertSeverity::Critical => Severity::Critical,
        };
        // A channel that fails cannot say so, and what it says afterwards is in every first alert.
        let is_ours = |issue: &&Issue| issue.severity >= least && issue.id != own;
        let here: BTreeMap<&str, &Issue> =
            view.issues.iter().filter(is_ours).map(|issue| (issue.id.as_str(), issue)).collect();
        for (id, issue) in &here {
            match self.entries.get_mut(*id) {
                Some(entry) => entry.is_here(issue, now.steady),
                None => {
                    self.entries.insert((*id).to_owned(), AlertEntry::new(issue, now.steady));
                }
            }
        }
        for (id, entry) in &mut self.entries {
            entry.acknowledged = view.acknowledged.contains(id);
            if !here.contains_key(id.as_str()) {
                entry.ended.get_or_insert(now.wall);
                entry.eased = view.issues.iter().any(|issue| issue.id == *id);
            }
        }
        self.forget();
    }

    /// Lets go of what has ended and needs no word, or can have none any more.
    fn forget(&mut self) {
        let Self { entries, passed, under_way, alert, .. } = self;
        let items = under_way.iter().flat_map(|under_way| &under_way.notification.items);
        let in_flight: Vec<&str> = items.map(|item| item.issue.id.as_str()).collect();
        entries.retain(|id, entry| {
            if entry.ended.is_none() || in_flight.contains(&id.as_str()) {
                return true;
            }
            if entry.told.is_none() && entry.due {
                remember(passed, &entry.issue);
            }
            entry.told.is_some() && alert.resolved
        });
    }

    /// What there is to tell at this hour.
    fn due(&mut self, now: Instant, is_quiet: bool) -> (Vec<NotificationItem>, Vec<Passed>) {
        let wakes = |severity| !is_quiet || severity == Severity::Critical;
        let mut items = Vec::new();
        for entry in self.entries.values_mut() {
            if let Some(change) = entry.change(now, &self.alert)
                && wakes(entry.weight())
            {
                items.push(NotificationItem {
                    change,
                    issue: entry.issue.clone(),
                    ended: entry.ended,
                });
            }
        }
        items.sort_by_key(|item| {
            let Issue { severity, since, .. } = item.issue;
            (!item.change.is_trouble(), std::cmp::Reverse(severity), since)
        });
        let passed = self.passed.values().filter(|passed| wakes(passed.issue.severity));
        (items, passed.cloned().collect())
    }

    /// Whether an attempt may begin: none is under way, no pause holds, and the hour has room.
    fn may_leave(&mut self, now: Instant) -> bool {
        while self.arrived.front().is_some_and(|at| now.duration_since(*at) >= HOUR) {
            self.arrived.pop_front();
        }
        let is_paused = self.trouble.as_ref().is_some_and(|trouble| now < trouble.retry_at);
        let has_room = self.trying.is_some() || self.arrived.len() < self.limit();
        self.under_way.is_none() && !is_paused && has_room
    }

    fn limit(&self) -> usize {
        usize::try_from(self.alert.max_per_hour).unwrap_or(usize::MAX)
    }

    fn leave(
        &mut self,
        view: &View<'_>,
        items: Vec<NotificationItem>,
        passed: Vec<Passed>,
    ) -> Parcel {
        let is_last = self.arrived.len() + 1 >= self.limit();
        // Who has it already, and whose answer was lost, knows the same words by their id.
        let same = |tried: &&Notification| tried.items == items && tried.passed == passed;
        let id = match self.trying.as_ref().filter(same) {
            Some(tried) => tried.id.clone(),
            None => format!("{:016x}", view.random),
        };
        let notification = Notification {
            id,
            at: view.now.wall,
            recorder: view.recorder.to_owned(),
            health: HealthLevel::of(view.issues),
            test: false,
            items,
            passed,
            failed_since: self.trouble.as_ref().map(|trouble| trouble.since),
            limit: is_last.then_some(self.alert.max_per_hour),
        };
        self.number += 1;
        let number = self.number;
        self.trying = Some(notification.clone());
        self.under_way = Some(ParcelUnderWay {
            number,
            notification: notification.clone(),
            began: view.now,
            overdue: false,
        });
        Parcel { channel: Arc::clone(&self.alert), number, notification }
    }

    /// An answer that does not come counts as a failure; the attempt stays under way, so that a
    /// channel that hangs has one attempt hanging, not many.
    fn notice_hang(&mut self, now: Moment) -> Option<ChannelReport> {
        let patience = self.alert.timeout + GRACE;
        let under_way = self.under_way.as_mut()?;
        if under_way.overdue || now.steady.duration_since(under_way.began.steady) < patience {
            return None;
        }
        under_way.overdue = true;
        let patience = humantime::format_duration(patience);
        self.fail(
            now,
            1.0,
            Failure {
                said: format!("it hangs: no end within {patience}"),
                hint: "look at the other side, and at the network between".into(),
                retry_after: None,
            },
        )
    }

    /// What became of a parcel.
    pub(crate) fn hear(
        &mut self,
        outcome: &AlertOutcome,
        now: Moment,
        jitter: f64,
    ) -> Vec<ChannelReport> {
        let ours = self.under_way.take_if(|under_way| under_way.number == outcome.number);
        let Some(ParcelUnderWay { notification, .. }) = ours else { return Vec::new() };
        match &outcome.result {
            Ok(said) => {
                let sent =
                    ChannelReport::Sent { subject: notification.subject(), said: said.clone() };
                self.settle(&notification, now.steady);
                let recovered = self
                    .trouble
                    .take()
                    .map(|trouble| ChannelReport::Recovered { since: trouble.since });
                std::iter::once(sent).chain(recovered).collect()
            }
            Err(failure) => {
                self.forget();
                self.fail(now, jitter, failure.clone()).into_iter().collect()
            }
        }
    }

    /// The other side knows now.
    fn settle(&mut self, notification: &Notification, now: Instant) {
        self.trying = None;
        self.due_since = None;
        self.arrived.push_back(now);
        for NotificationItem { change, issue, .. } in &notification.items {
            let Some(entry) = self.entries.get_mut(&issue.id) else { continue };
            if change.is_trouble() {
                entry.told = Some(ToldIssue { severity: issue.severity, at: now });
            } else {
                entry.told = None;
                // Otherwise it came back while this was under way, and will be told anew.
                if entry.ended.is_some() {
                    self.entries.remove(&issue.id);
                }
            }
        }
        for told in &notification.passed {
            if let Some(passed) = self.passed.get_mut(&told.issue.id) {
                passed.times -= told.times.min(passed.times);
            }
        }
        self.passed.retain(|_, passed| passed.times > 0);
    }

    /// Says the cause, where it is a new one.
    fn fail(&mut self, now: Moment, jitter: f64, failure: Failure) -> Option<ChannelReport> {
        let trouble = self.trouble.get_or_insert_with(|| ChannelTrouble {
            since: now.wall,
            attempts: 0,
            retry_at: now.steady,
            failure: failure.clone(),
            causes: Vec::new(),
        });
        trouble.attempts = trouble.attempts.saturating_add(1);
        let asked = failure.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        let pause = backoff(RETRY_MIN, RETRY_MAX, trouble.attempts, jitter).max(asked);
        trouble.retry_at = now.steady + pause;
        trouble.failure = failure;
        let Failure { said, hint, .. } = &trouble.failure;
        if trouble.causes.contains(said) || trouble.causes.len() >= CAUSES_MAX {
            return None;
        }
        trouble.causes.push(said.clone());
        Some(ChannelReport::Failed { said: said.clone(), hint: hint.clone() })
    }

    fn finding_id(&self) -> String {
        format!("alert_channel_failing:{}", self.alert.name)
    }

    /// A channel that fails is an issue, for everyone but itself.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let ChannelTrouble { since, failure, .. } = self.trouble.as_ref()?;
        let (name, word) = (&self.alert.name, self.alert.channel.word());
        Some(Finding {
            id: self.finding_id(),
            severity: Severity::Warning,
            summary: format!(
                "the alert channel {name} ({word}) fails since {since} UTC: {}; it delivers no \
                alerts",
                failure.said
            ),
            hint: format!("{}; then try `barograph alert test {name}`", failure.hint),
        })
    }

    /// Whether this channel's person was told of an issue, and not that it is over.
    #[cfg(test)]
    pub(crate) fn believes(&self, id: &str) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.told.is_some())
    }
}

/// Beyond the bound the last place counts for all others.
fn remember(passed: &mut BTreeMap<String, Passed>, issue: &Issue) {
    let mut issue = issue.clone();
    if passed.len() >= PASSED_MAX && !passed.contains_key(&issue.id) {
        OTHERS.clone_into(&mut issue.id);
    }
    let known = passed.remove(&issue.id).map_or(0, |known| known.times);
    passed.insert(issue.id.clone(), Passed { issue, times: known + 1 });
}
