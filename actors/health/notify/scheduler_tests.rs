//! The policy, against a person who believes what they are told.

mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use barograph_config::{Alert, AlertSeverity, Channel, QuietHours, Secret};
use tokio::time::Instant;

use super::notification::{IssueChange, Notification};
use super::notifier::{AlertOutcome, Failure, Parcel};
use super::scheduler::{ChannelReport, ChannelScheduler, GROUP_WITHIN, View};
use crate::message::delivery::UnixMillis;
use crate::message::moment::Moment;
use crate::status::issue::{Issue, Severity};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn alert() -> Alert {
    Alert::new("phone", Channel::Slack { url: Secret::new("https://x") })
}

fn issue(id: &str, severity: Severity) -> Issue {
    Issue {
        id: id.into(),
        severity,
        since: UnixMillis(0),
        summary: format!("{id} is wrong"),
        hint: String::new(),
    }
}

/// A desk, time, and what the person behind the channel was told.
struct Phone {
    scheduler: ChannelScheduler,
    start: Instant,
    passed: Duration,
    minute: u16,
    issues: Vec<Issue>,
    acknowledged: BTreeSet<String>,
    under_way: Option<Parcel>,
    /// How long an answer takes.
    latency: Duration,
    /// Every attempt, when it left.
    left: Vec<(Duration, Notification)>,
    /// What arrived, and when.
    told: Vec<(Duration, Notification)>,
    said: Vec<ChannelReport>,
}

impl Phone {
    fn new(alert: Alert) -> Self {
        Self {
            scheduler: ChannelScheduler::new(Arc::new(alert)),
            start: Instant::now(),
            passed: Duration::ZERO,
            minute: 720,
            issues: Vec::new(),
            acknowledged: BTreeSet::new(),
            under_way: None,
            latency: Duration::ZERO,
            left: Vec::new(),
            told: Vec::new(),
            said: Vec::new(),
        }
    }

    fn now(&self) -> Moment {
        let wall = UnixMillis(i64::try_from(self.passed.as_millis()).unwrap());
        Moment { wall, steady: self.start + self.passed }
    }

    fn look(&mut self) {
        let view = View {
            now: self.now(),
            minute: self.minute,
            issues: &self.issues,
            acknowledged: &self.acknowledged,
            recorder: "attic",
            random: i64::try_from(self.passed.as_millis()).unwrap(),
        };
        let (parcel, said) = self.scheduler.look(&view);
        self.said.extend(said);
        if let Some(parcel) = parcel {
            assert!(self.under_way.is_none(), "one attempt at a time");
            self.left.push((self.passed, parcel.notification.clone()));
            self.under_way = Some(parcel);
        }
    }

    fn answer(&mut self, result: Result<(), &str>) {
        let Some(parcel) = self.under_way.take() else { return };
        if result.is_ok() {
            self.told.push((self.passed, parcel.notification));
        }
        let result = result.map(|()| "200 OK".to_owned()).map_err(failure);
        let outcome = AlertOutcome { channel: "phone".into(), number: parcel.number, result };
        let said = self.scheduler.hear(&outcome, self.now(), 1.0);
        self.said.extend(said);
    }

    /// Time passes, in steps of half a second; each attempt is answered when it is time.
    fn pass(&mut self, time: Duration, result: Result<(), &str>) {
        let end = self.passed + time;
        while self.passed < end {
            self.passed += SECOND / 2;
            self.look();
            if self.left.last().is_some_and(|(at, _)| self.passed - *at >= self.latency) {
                self.answer(result);
            }
        }
    }

    /// What was told: the changes, with the ids.
    fn changes(&self) -> Vec<(IssueChange, &str)> {
        let items = self.told.iter().flat_map(|(_, told)| &told.items);
        items.map(|item| (item.change, item.issue.id.as_str())).collect()
    }

    /// The ids that the person believes to be wrong now.
    fn beliefs(&self) -> Vec<&str> {
        let mut wrong = BTreeMap::new();
        for (change, id) in self.changes() {
            wrong.insert(id, change.is_trouble());
        }
        wrong.into_iter().filter(|(_, wrong)| *wrong).map(|(id, _)| id).collect()
    }
}

fn failure(said: &str) -> Failure {
    Failure { said: said.into(), hint: "mend it".into(), retry_after: None }
}

const BAD: Result<(), &str> = Err("500 Internal Server Error");

#[test]
fn an_issue_is_told_after_its_time_and_its_end_too() {
    let mut phone = Phone::new(alert());
    phone.issues = vec![issue("a", Severity::Warning)];
    phone.pass(MINUTE, Ok(()));
    assert!(phone.told.is_empty(), "not before `after`");
    phone.pass(GROUP_WITHIN + SECOND, Ok(()));
    assert_eq!(phone.changes(), [(IssueChange::New, "a")]);
    phone.pass(600 * MINUTE, Ok(()));
    assert_eq!(phone.told.len(), 1, "once, without `repeat`");
    phone.issues.clear();
    phone.pass(10 * SECOND, Ok(()));
    assert_eq!(phone.changes(), [(IssueChange::New, "a"), (IssueChange::Over, "a")]);
    assert!(phone.told[1].1.items[0].ended.is_some());
}

#[test]
fn an_issue_shorter_than_after_is_never_told_nor_its_end() {
    let mut phone = Phone::new(alert());
    for _ in 0..100 {
        phone.issues = vec![issue("a", Severity::Critical)];
        phone.pass(59 * SECOND, Ok(()));
        phone.issues.clear();
        phone.pass(SECOND, Ok(()));
    }
    assert!(phone.told.is_empty());
}

#[test]
fn what_is_due_within_seconds_goes_as_one_alert_the_worst_first() {
    let mut phone = Phone::new(alert());
    phone.issues = vec![issue("a", Severity::Warning)];
    phone.pass(SECOND, Ok(()));
    phone.issues.push(issue("b", Severity::Critical));
    phone.pass(2 * MINUTE, Ok(()));
    assert_eq!(phone.told.len(), 1);
    assert_eq!(phone.changes(), [(IssueChange::New, "b"), (IssueChange::New, "a")]);
}

#[test]
fn what_lasts_is_repeated_and_what_gets_worse_is_told_at_once() {
    let mut phone = Phone::new(Alert { repeat: Some(60 * MINUTE), ..alert() });
    phone.issues = vec![issue("a", Severity::Warning)];
    phone.pass(150 * MINUTE, Ok(()));
    assert_eq!(
        phone.changes(),
        [(IssueChange::New, "a"), (IssueChange::Still, "a"), (IssueChange::Still, "a")]
    );
    phone.acknowledged.insert("a".to_owned());
    phone.pass(180 * MINUTE, Ok(()));
    assert_eq!(phone.changes().len(), 3, "it is acknowledged");
    phone.acknowledged.clear();
    phone.issues = vec![issue("a", Severity::Critical)];
    phone.pass(3 * SECOND, Ok(()));
    assert_eq!(phone.changes()[3], (IssueChange::Worse, "a"));
}

#[test]
fn a_channel_for_the_critical_hears_nothing_else_and_when_it_eases() {
    let mut phone = Phone::new(Alert { min_severity: AlertSeverity::Critical, ..alert() });
    phone.issues = vec![issue("a", Severity::Warning)];
    phone.pass(5 * MINUTE, Ok(()));
    assert!(phone.told.is_empty());
    phone.issues = vec![issue("a", Severity::Critical)];
    phone.pass(59 * SECOND, Ok(()));
    assert!(phone.told.is_empty(), "critical for less than `after`");
    phone.pass(5 * SECOND, Ok(()));
    phone.issues = vec![issue("a", Severity::Warning)];
    phone.pass(5 * SECOND, Ok(()));
    assert_eq!(phone.changes(), [(IssueChange::New, "a"), (IssueChange::Eased, "a")]);
}

#[test]
fn without_resolve_notices_the_end_is_not_told() {
    let mut phone = Phone::new(Alert { resolved: false, ..alert() });
    for _ in 0..2 {
        phone.issues = vec![issue("a", Severity::Warning)];
        phone.pass(2 * MINUTE, Ok(()));
        phone.issues.clear();
        phone.pass(2 * MINUTE, Ok(()));
    }
    assert_eq!(phone.changes(), [(IssueChange::New, "a"), (IssueChange::New, "a")]);
}

#[test]
fn warnings_wait_for_the_morning_and_what_is_critical_does_not() {
    let hours = QuietHours { from_minute: 22 * 60, to_minute: 7 * 60 };
    let mut phone = Phone::new(Alert { quiet_hours: Some(hours), ..alert() });
    phone.minute = 23 * 60;
    phone.issues = vec![issue("a", Severity::Warning), issue("b", Severity::Warning)];
    phone.pass(60 * MINUTE, Ok(()));
    assert!(phone.told.is_empty());
    phone.issues.push(issue("c", Severity::Critical));
    phone.pass(2 * MINUTE, Ok(()));
    assert_eq!(phone.changes(), [(IssueChange::New, "c")]);
    phone.issues = vec![issue("b", Severity::Warning)];
    phone.pass(2 * MINUTE, Ok(()));
    assert_eq!(phone.changes(), [(IssueChange::New, "c"), (IssueChange::Over, "c")]);
    phone.minute = 7 * 60;
    phone.pass(3 * SECOND, Ok(()));
    let (_, morning) = phone.told.last().unwrap();
    assert_eq!(morning.items[0].issue.id, "b");
    assert_eq!((morning.passed[0].issue.id.as_str(), morning.passed[0].times), ("a", 1));
    phone.pass(60 * MINUTE, Ok(()));
    assert_eq!(phone.told.len(), 3, "told once");
}

#[test]
fn a_thousand_flaps_give_at_most_the_alerts_of_the_settings_and_the_last_word_is_true() {
    let mut phone = Phone::new(Alert { after: Duration::ZERO, max_per_hour: 5, ..alert() });
    for _ in 0..1_000 {
        phone.issues = vec![issue("a", Severity::Warning)];
        phone.pass(4 * SECOND, Ok(()));
        phone.issues.clear();
        phone.pass(4 * SECOND, Ok(()));
    }
    let hours = phone.passed.as_secs().div_ceil(3600);
    assert!(phone.told.len() as u64 <= 5 * (hours + 1), "{} alerts", phone.told.len());
    assert_rate(&phone, 5);
    let (mut came, mut passed) = (0, 0);
    phone.pass(2 * 60 * MINUTE, Ok(()));
    assert_eq!(phone.beliefs(), [""; 0]);
    for (_, told) in &phone.told {
        came += told.items.iter().filter(|item| item.change == IssueChange::New).count() as u64;
        passed += told.passed.iter().map(|passed| passed.times).sum::<u64>();
    }
    // A flap after one that was told and not yet told to be over changes nothing that the person believes.
    assert!(came > 0 && passed > 0 && came + passed <= 1_000, "{came} told, {passed} counted");
    assert!(phone.told.iter().any(|(_, told)| told.limit == Some(5)));
}

/// The incident: an attempt that failed for more than an hour was no longer counted when it arrived.
#[test]
fn an_alert_that_arrives_after_hours_of_failure_counts_in_the_hour_of_its_arrival() {
    let mut phone = Phone::new(Alert { max_per_hour: 1, ..alert() });
    phone.issues = vec![issue("a", Severity::Critical)];
    phone.pass(90 * MINUTE, BAD);
    phone.pass(20 * MINUTE, Ok(()));
    assert_eq!(phone.told.len(), 1);
    phone.issues.push(issue("b", Severity::Critical));
    phone.pass(30 * MINUTE, Ok(()));
    assert_eq!(phone.told.len(), 1, "the hour of the first one is not over");
    phone.pass(60 * MINUTE, Ok(()));
    assert_eq!(phone.told.len(), 2);
}

/// In no hour more than the limit.
fn assert_rate(phone: &Phone, limit: usize) {
    for (index, (at, _)) in phone.told.iter().enumerate().skip(limit) {
        let (earlier, _) = &phone.told[index - limit];
        assert!(*at - *earlier >= 60 * MINUTE, "{limit} alerts from {earlier:?} to {at:?}");
    }
}

#[test]
fn a_failing_channel_is_tried_with_pauses_said_once_and_is_a_finding() {
    let mut phone = Phone::new(alert());
    phone.issues = vec![issue("a", Severity::Critical)];
    phone.pass(2 * MINUTE, BAD);
    let finding = phone.scheduler.finding().expect("it fails");
    assert_eq!(finding.id, "alert_channel_failing:phone");
    assert!(finding.summary.contains("500 Internal"), "{}", finding.summary);
    // Its own failure is an issue like others, but not for itself.
    phone.issues.push(issue("alert_channel_failing:phone", Severity::Warning));
    phone.pass(600 * MINUTE, BAD);
    let failed =
        phone.said.iter().filter(|said| matches!(said, ChannelReport::Failed { .. })).count();
    assert_eq!((failed, phone.told.len()), (1, 0));
    phone.issues.clear();
    phone.pass(11 * MINUTE, Ok(()));
    assert!(phone.scheduler.finding().is_none());
    let (_, told) = &phone.told[0];
    assert_eq!((told.items.len(), told.passed.len()), (0, 1), "it came and went meanwhile");
    assert!(told.failed_since.is_some());
    assert!(matches!(phone.said.last(), Some(ChannelReport::Recovered { .. })));
    phone.pass(60 * MINUTE, Ok(()));
    assert_eq!(phone.told.len(), 1);
}

#[test]
fn attempts_of_a_failing_channel_are_few() {
    let mut phone = Phone::new(alert());
    phone.issues = vec![issue("a", Severity::Critical)];
    let mut attempts = 0;
    for _ in 0..2 * 3600 {
        phone.passed += SECOND;
        phone.look();
        attempts += u32::from(phone.under_way.is_some());
        phone.answer(BAD);
    }
    assert!((10..=25).contains(&attempts), "{attempts} attempts in two hours");
}

#[test]
fn a_channel_that_never_answers_has_one_attempt_hanging() {
    let mut phone = Phone::new(alert());
    phone.issues = vec![issue("a", Severity::Critical)];
    for _ in 0..3600 {
        phone.passed += SECOND;
        phone.look();
    }
    let hanging = phone.under_way.clone().expect("an attempt");
    assert_eq!(hanging.number, 1);
    let finding = phone.scheduler.finding().expect("it hangs");
    assert!(finding.summary.contains("hangs"), "{}", finding.summary);
    phone.answer(Ok(()));
    assert!(phone.scheduler.believes("a") && phone.scheduler.finding().is_none(), "late, but told");
}

#[test]
fn the_other_side_can_ask_to_be_left_alone() {
    let mut phone = Phone::new(alert());
    phone.issues = vec![issue("a", Severity::Critical)];
    while phone.under_way.is_none() {
        phone.passed += SECOND;
        phone.look();
    }
    let parcel = phone.under_way.take().unwrap();
    let busy = Failure { retry_after: Some(10 * MINUTE), ..failure("429 Too Many Requests") };
    let outcome =
        AlertOutcome { channel: "phone".into(), number: parcel.number, result: Err(busy) };
    phone.scheduler.hear(&outcome, phone.now(), 1.0);
    phone.pass(9 * MINUTE, Ok(()));
    assert!(phone.told.is_empty());
    phone.pass(2 * MINUTE, Ok(()));
    assert_eq!(phone.told.len(), 1);
}

#[test]
fn the_same_words_have_the_same_id_and_other_words_another() {
    let mut phone = Phone::new(alert());
    phone.issues = vec![issue("a", Severity::Critical)];
    let mut ids = Vec::new();
    for round in 0..3 {
        while phone.under_way.is_none() {
            phone.passed += SECOND;
            phone.look();
        }
        ids.push(phone.under_way.clone().unwrap().notification.id);
        phone.answer(BAD);
        if round == 1 {
            phone.issues.clear();
        }
    }
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
}

#[test]
fn an_issue_that_comes_back_while_its_end_is_being_told_is_told_again() {
    let mut phone = Phone::new(Alert { after: Duration::ZERO, ..alert() });
    phone.issues = vec![issue("a", Severity::Warning)];
    phone.pass(5 * SECOND, Ok(()));
    phone.issues.clear();
    phone.latency = 5 * SECOND;
    phone.pass(4 * SECOND, Ok(()));
    assert!(phone.under_way.is_some(), "its end is being told");
    phone.issues = vec![issue("a", Severity::Warning)];
    phone.pass(60 * SECOND, Ok(()));
    assert_eq!(
        phone.changes(),
        [(IssueChange::New, "a"), (IssueChange::Over, "a"), (IssueChange::New, "a")]
    );
}

#[test]
fn settings_may_change_and_what_was_told_stays_told() {
    let mut phone = Phone::new(alert());
    phone.issues = vec![issue("a", Severity::Warning)];
    phone.pass(2 * MINUTE, Ok(()));
    let now = phone.now().steady;
    phone.scheduler.set(Arc::new(Alert { after: Duration::ZERO, ..alert() }), now);
    phone.pass(60 * MINUTE, Ok(()));
    assert_eq!(phone.changes(), [(IssueChange::New, "a")]);
}
