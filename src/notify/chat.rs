//! Chats: the same text for people, as each of them wants it.

use barograph_actors::health::notify::notification::Notification;
use barograph_actors::health::notify::notifier::Failure;
use barograph_actors::status::issue::Severity;
use barograph_config::{Alert, Secret};
use serde_json::{Value, json};

use super::http::{OutgoingRequest, post};

/// Longest texts, in characters. Slack cuts at 40,000, but shows so much without a click.
const SLACK_MAX: usize = 3_000;
/// Discord refuses more.
const DISCORD_MAX: usize = 2_000;
/// Telegram refuses more than 4,096 UTF-16 units.
const TELEGRAM_MAX: usize = 2_000;
/// ntfy makes a file to download of more than 4,096 bytes.
const NTFY_BYTES_MAX: usize = 4_000;

/// Slack's own signs are escaped: a reading must not become a link or mention a person.
pub(super) fn slack(alert: &Alert, url: &Secret, told: &Notification) -> Result<String, Failure> {
    post_json(alert, url.expose(), &json!({ "text": slack_text(told) }))
}

fn slack_text(told: &Notification) -> String {
    let text = with_subject(told, SLACK_MAX);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A payload mentions no person (`@everyone`).
pub(super) fn discord(alert: &Alert, url: &Secret, told: &Notification) -> Result<String, Failure> {
    let content = with_subject(told, DISCORD_MAX);
    let body = json!({ "content": content, "allowed_mentions": { "parse": [] } });
    post_json(alert, url.expose(), &body)
}

pub(super) fn telegram(
    alert: &Alert,
    url: &str,
    token: &Secret,
    chat_id: &str,
    told: &Notification,
) -> Result<String, Failure> {
    let url = format!("{url}/bot{}/sendMessage", token.expose());
    let body = json!({
        "chat_id": chat_id,
        "text": with_subject(told, TELEGRAM_MAX),
        "link_preview_options": { "is_disabled": true },
    });
    post_json(alert, &url, &body)
}

pub(super) fn ntfy(
    alert: &Alert,
    url: &Secret,
    token: Option<&Secret>,
    told: &Notification,
) -> Result<String, Failure> {
    let (priority, tags) = match told.severity() {
        Some(Severity::Critical) => ("urgent", "rotating_light"),
        Some(Severity::Warning) => ("default", "warning"),
        None => ("low", "white_check_mark"),
    };
    let mut headers = vec![
        ("Title", told.subject()),
        ("Priority", priority.to_owned()),
        ("Tags", tags.to_owned()),
    ];
    if let Some(token) = token {
        headers.push(("Authorization", format!("Bearer {}", token.expose())));
    }
    let mut text = told.text(NTFY_BYTES_MAX);
    if text.len() > NTFY_BYTES_MAX {
        // A character has four bytes at most.
        text = told.text(NTFY_BYTES_MAX / 4);
    }
    let content_type = "text/plain; charset=utf-8";
    let body = text.into_bytes();
    post(alert, OutgoingRequest { url: url.expose(), content_type, headers, body })
}

/// The subject, and the text as far as it fits behind it.
fn with_subject(told: &Notification, chars_max: usize) -> String {
    let subject = told.subject();
    let left = chars_max.saturating_sub(subject.chars().count() + 2);
    format!("{subject}\n\n{}", told.text(left))
}

fn post_json(alert: &Alert, url: &str, body: &Value) -> Result<String, Failure> {
    let body = body.to_string().into_bytes();
    post(
        alert,
        OutgoingRequest { url, content_type: "application/json", headers: Vec::new(), body },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use barograph_actors::health::notify::notification::{IssueChange, NotificationItem};
    use barograph_actors::message::delivery::UnixMillis;
    use barograph_actors::status::issue::Issue;

    fn many(summary: &str) -> Notification {
        let item = |n: usize| NotificationItem {
            change: IssueChange::New,
            issue: Issue {
                id: format!("i{n}"),
                severity: Severity::Warning,
                since: UnixMillis(0),
                summary: format!("{summary} {n}"),
                hint: "h".into(),
            },
            ended: None,
        };
        let test = Notification::test("7".into(), "attic", UnixMillis(0));
        Notification { test: false, items: (0..200).map(item).collect(), ..test }
    }

    #[test]
    fn texts_keep_to_the_limits_of_each_chat() {
        let told = many("a <!channel> & °C @everyone");
        for max in [SLACK_MAX, DISCORD_MAX, TELEGRAM_MAX] {
            let text = with_subject(&told, max);
            assert!(text.chars().count() <= max && text.contains("more: see `barograph status`"));
        }
        assert!(!slack_text(&told).contains("<!channel>"));
    }
}
