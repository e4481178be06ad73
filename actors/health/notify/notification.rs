//! What one alert says: a subject, a text for people, an object for programs. Each channel takes of it
//! what it can carry.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::message::delivery::UnixMillis;
use crate::status::issue::{HealthLevel, Issue, Severity, rfc3339};

/// Version of the JSON object. Keys may be added without a new one; none changes its meaning.
const JSON_VERSION: u32 = 1;

/// Longest subject, in characters.
const SUBJECT_LEN_MAX: usize = 150;

/// Kept of a text for the sentence that says how much was left out, in characters.
const MORE_LEN: usize = 60;

/// What has become of an issue since this channel last told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IssueChange {
    /// It is new.
    New,
    /// It was told as a warning, and is critical now.
    Worse,
    /// It was told, and lasts.
    Still,
    /// It lasts, but is no longer as bad as this channel wants to hear of.
    Eased,
    /// It was told, and is over.
    Over,
}

impl IssueChange {
    /// Whether the issue is there.
    pub fn is_trouble(self) -> bool {
        match self {
            Self::New | Self::Worse | Self::Still => true,
            Self::Eased | Self::Over => false,
        }
    }
}

/// An issue, and what the alert says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotificationItem {
    /// What has become of it.
    pub change: IssueChange,
    /// Its newest state, or its last one.
    #[serde(flatten)]
    pub issue: Issue,
    /// When it ended, or eased.
    #[serde(serialize_with = "rfc3339")]
    pub ended: Option<UnixMillis>,
}

/// Issues of one id that should have been told, and were over before that was possible (the limit of
/// an hour, quiet hours, a channel that failed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// The last of them.
    #[serde(flatten)]
    pub issue: Issue,
    /// How many there were.
    pub times: u64,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Drawn at random: the same in each attempt to deliver it.
    pub id: String,
    /// When this attempt was made.
    pub at: UnixMillis,
    /// The recorder's name: its client id at the broker.
    pub recorder: String,
    /// How the recorder is now.
    pub health: HealthLevel,
    /// Sent because a person asked for a test.
    pub test: bool,
    /// What is told, the worst first.
    pub items: Vec<NotificationItem>,
    /// What came and went untold.
    pub passed: Vec<Passed>,
    /// The channel failed since then, and this is the first to come through.
    pub failed_since: Option<UnixMillis>,
    /// It is the last that the limit of an hour allows for now.
    pub limit: Option<u32>,
}

impl Notification {
    /// A test: nothing is wrong.
    pub fn test(id: String, recorder: &str, at: UnixMillis) -> Self {
        Self {
            id,
            at,
            recorder: recorder.to_owned(),
            health: HealthLevel::Ok,
            test: true,
            items: Vec::new(),
            passed: Vec::new(),
            failed_since: None,
            limit: None,
        }
    }

    /// The worst of what is there; `None`: nothing that is told is there any more.
    pub fn severity(&self) -> Option<Severity> {
        let there = self.items.iter().filter(|item| item.change.is_trouble());
        there.map(|item| item.issue.severity).max()
    }

    /// One line, without control characters.
    pub fn subject(&self) -> String {
        let line = format!("[{}] {}", self.recorder, self.gist());
        let plain: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        cut(&plain, SUBJECT_LEN_MAX)
    }

    fn gist(&self) -> String {
        if self.test {
            return "a test: alerts arrive here".to_owned();
        }
        let count = self.items.len();
        let there = self.items.iter().filter(|item| item.change.is_trouble()).count();
        match self.items.first() {
            Some(item) if count == 1 && item.change.is_trouble() => {
                format!("{}: {}", item.issue.severity, item.issue.summary)
            }
            Some(item) if count == 1 => format!("{}: {}", over_word(item), item.issue.summary),
            Some(item) if there > 0 => {
                let over = count - there;
                let over = if over > 0 { format!(", {over} resolved") } else { String::new() };
                let severity = item.issue.severity;
                format!("{}{over}; {severity}: {}", plural(there, "issue"), item.issue.summary)
            }
            Some(item) => format!("{} resolved: {}", plural(count, "issue"), item.issue.summary),
            None => match self.passed.first() {
                Some(passed) => format!("resolved before this alert: {}", passed.issue.summary),
                None => "alerts arrive here again".to_owned(),
            },
        }
    }

    /// For people, of at most so many characters; what does not fit is counted.
    pub fn text(&self, chars_max: usize) -> String {
        let paragraphs = self.paragraphs();
        let mut text = String::new();
        for (index, paragraph) in paragraphs.iter().enumerate() {
            let left = paragraphs.len() - index;
            let reserve = if left > 1 { MORE_LEN } else { 0 };
            let length = text.chars().count() + paragraph.chars().count() + 2;
            if length + reserve > chars_max {
                if text.is_empty() {
                    text = cut(paragraph, chars_max.saturating_sub(MORE_LEN));
                    continue;
                }
                text += &format!("\n\nand {left} more: see `barograph status`");
                return text;
            }
            if !text.is_empty() {
                text += "\n\n";
            }
            text += paragraph;
        }
        text
    }

    fn paragraphs(&self) -> Vec<String> {
        if self.test {
            let text = format!(
                "This is a test of the recorder {}, sent by `barograph alert test`. Nothing is wrong.",
                self.recorder
            );
            return vec![text];
        }
        let mut paragraphs: Vec<String> = self.items.iter().map(paragraph).collect();
        paragraphs.extend(self.passed.iter().map(|passed| {
            let times =
                if passed.times == 1 { "once".into() } else { format!("{} times", passed.times) };
            format!("RESOLVED BEFORE THIS ALERT ({times}): {}", passed.issue.summary)
        }));
        if let Some(since) = self.failed_since {
            paragraphs.push(format!("This channel failed since {since} UTC, and works again."));
        }
        if let Some(limit) = self.limit {
            paragraphs.push(format!(
                "The limit of {limit} alerts an hour is reached (max_per_hour): further alerts \
                wait, and are sent together."
            ));
        }
        paragraphs
    }

    /// For programs. docs/alerts.md has the meaning of each key.
    pub fn json(&self) -> Value {
        json!({
            "version": JSON_VERSION,
            "kind": if self.test { "test" } else { "alert" },
            "id": self.id,
            "at": self.at.rfc3339(),
            "recorder": self.recorder,
            "health": self.health.word(),
            "subject": self.subject(),
            "issues": self.items,
            "passed": self.passed,
            "failed_since": self.failed_since.map(UnixMillis::rfc3339),
            "limit_reached": self.limit.is_some(),
        })
    }
}

fn paragraph(item: &NotificationItem) -> String {
    let Issue { severity, since, summary, hint, .. } = &item.issue;
    let head = match item.change {
        IssueChange::New => severity.word().to_uppercase(),
        IssueChange::Worse => format!("{}, was a warning", severity.word().to_uppercase()),
        IssueChange::Still => format!("STILL {}", severity.word().to_uppercase()),
        IssueChange::Eased | IssueChange::Over => {
            let word = over_word(item).to_uppercase();
            let lasted = item.ended.and_then(|ended| lasted(*since, ended));
            let lasted = lasted.map(|lasted| format!(" after {lasted}")).unwrap_or_default();
            return format!("{word}{lasted}: {summary}");
        }
    };
    let hint = if hint.is_empty() { String::new() } else { format!("\nWhat to do: {hint}") };
    // Most sentences say it themselves.
    let says_when = summary.contains(&since.to_string());
    let since = if says_when { String::new() } else { format!("\nSince {since} UTC.") };
    format!("{head}: {summary}{since}{hint}")
}

fn over_word(item: &NotificationItem) -> &'static str {
    match item.change {
        IssueChange::Eased => "no longer critical",
        IssueChange::New | IssueChange::Worse | IssueChange::Still | IssueChange::Over => {
            "resolved"
        }
    }
}

/// In whole seconds; `None` where the wall clock went backwards.
fn lasted(since: UnixMillis, ended: UnixMillis) -> Option<String> {
    let ms = u64::try_from(ended.0 - since.0).ok()?;
    Some(humantime::format_duration(Duration::from_secs(ms.div_ceil(1000))).to_string())
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// At most so many characters; what is cut off leaves three dots.
fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max.saturating_sub(3)).collect::<String>() + "..."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(change: IssueChange, id: &str, severity: Severity) -> NotificationItem {
        NotificationItem {
            change,
            issue: Issue {
                id: id.into(),
                severity,
                since: UnixMillis(0),
                summary: format!("{id} is wrong"),
                hint: "mend it".into(),
            },
            ended: Some(UnixMillis(90_000)).filter(|_| !change.is_trouble()),
        }
    }

    fn notification(items: Vec<NotificationItem>) -> Notification {
        Notification {
            test: false,
            items,
            ..Notification::test("7".into(), "attic", UnixMillis(0))
        }
    }

    #[test]
    fn the_subject_is_the_sentence() {
        let (warning, critical) = (Severity::Warning, Severity::Critical);
        let table = [
            (vec![item(IssueChange::New, "a", critical)], "[attic] critical: a is wrong"),
            (vec![item(IssueChange::Over, "a", critical)], "[attic] resolved: a is wrong"),
            (
                vec![item(IssueChange::Eased, "a", warning)],
                "[attic] no longer critical: a is wrong",
            ),
            (
                vec![item(IssueChange::New, "a", critical), item(IssueChange::Over, "b", warning)],
                "[attic] 1 issue, 1 resolved; critical: a is wrong",
            ),
            (
                vec![item(IssueChange::Over, "a", warning), item(IssueChange::Over, "b", warning)],
                "[attic] 2 issues resolved: a is wrong",
            ),
            (vec![], "[attic] alerts arrive here again"),
        ];
        for (items, subject) in table {
            assert_eq!(notification(items).subject(), subject);
        }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let items: Vec<NotificationItem> =
            (0..50).map(|n| item(IssueChange::New, &format!("x{n}"), Severity::Warning)).collect();
        let all = notification(items);
        assert_eq!(all.text(usize::MAX).matches("is wrong").count(), 50);
        for max in [200, 500, 1000, 1900] {
            let text = all.text(max);
            assert!(text.chars().count() <= max, "{max}: {text}");
            let told = text.matches("is wrong").count();
            assert!(
                told > 0
                    && text.ends_with(&format!("and {} more: see `barograph status`", 50 - told))
            );
        }
        let long = Issue { summary: "y".repeat(5000), ..all.items[0].issue.clone() };
        let text =
            notification(vec![NotificationItem { issue: long, ..all.items[0].clone() }]).text(1900);
        assert!(text.chars().count() <= 1900 && text.ends_with("..."));
    }

    #[test]
    fn text_and_json_say_all_that_a_person_needs() {
        let mut told = notification(vec![
            item(IssueChange::New, "a", Severity::Critical),
            item(IssueChange::Over, "b", Severity::Warning),
        ]);
        told.passed =
            vec![Passed { issue: item(IssueChange::New, "c", Severity::Warning).issue, times: 3 }];
        told.failed_since = Some(UnixMillis(0));
        told.limit = Some(20);
        let text = told.text(10_000);
        for words in [
            "CRITICAL: a is wrong\nSince 1970-01-01 00:00:00.000 UTC.\nWhat to do: mend it",
            "RESOLVED after 1m 30s: b is wrong",
            "RESOLVED BEFORE THIS ALERT (3 times): c is wrong",
            "failed since 1970-01-01",
            "limit of 20 alerts an hour",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let json = told.json();
        assert_eq!(json["issues"][0]["change"], "new");
        assert_eq!(json["issues"][0]["ended"], Value::Null);
        assert_eq!(json["issues"][1]["ended"], "1970-01-01T00:01:30.000Z");
        assert_eq!(
            (&json["passed"][0]["times"], &json["limit_reached"]),
            (&json!(3), &json!(true))
        );
        assert_eq!(Notification::test("7".into(), "attic", UnixMillis(0)).json()["kind"], "test");
    }

    #[test]
    fn a_subject_is_one_line_whatever_a_sensor_says() {
        let mut bad = item(IssueChange::New, "a", Severity::Warning);
        bad.issue.summary = format!("value \"\r\nBcc: x\" {}", "z".repeat(400));
        let subject = notification(vec![bad]).subject();
        assert!(!subject.contains(['\r', '\n']) && subject.chars().count() == SUBJECT_LEN_MAX);
    }
}
