//! What the other side says may repeat what we said to it: many servers answer a wrong path with that
//! path, and the path of a chat's webhook is its password.

use barograph_config::{Alert, Channel, Secret};

const HIDDEN: &str = "***";

/// Shorter pieces of a URL are words, and hiding them would make an answer unreadable.
const PIECE_LEN_MIN: usize = 6;

/// The text without the channel's secrets.
pub(super) fn hide(text: &str, alert: &Alert) -> String {
    let mut secrets = Vec::new();
    match &alert.channel {
        Channel::Webhook { url, headers, secret } => {
            of_url(url, &mut secrets);
            secrets.extend(headers.iter().map(|(_, value)| value.expose()));
            secrets.extend(secret.iter().map(Secret::expose));
        }
        Channel::Slack { url } | Channel::Discord { url } => of_url(url, &mut secrets),
        Channel::Ntfy { url, token } => {
            of_url(url, &mut secrets);
            secrets.extend(token.iter().map(Secret::expose));
        }
        Channel::Telegram { token, .. } => secrets.push(token.expose()),
        Channel::Email(email) => secrets.extend(email.password.iter().map(Secret::expose)),
        Channel::Mqtt { .. } | Channel::Command { .. } => {}
    }
    // The longest first: a part that is replaced would hide the whole.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let secrets = secrets.into_iter().filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
}

/// The URL, what comes after its host, and each piece of that.
fn of_url<'s>(url: &'s Secret, secrets: &mut Vec<&'s str>) {
    let url = url.expose();
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    secrets.push(url);
    if let Some((user, _)) = rest.split_once('@') {
        secrets.push(user);
    }
    let Some((_, path)) = rest.split_once('/') else { return };
    let pieces = path.split(['/', '?', '&', '=', '#']);
    secrets.extend(pieces.chain([path]).filter(|piece| piece.len() >= PIECE_LEN_MIN));
}

#[cfg(test)]
mod tests {
    use super::*;
    use barograph_config::AlertSeverity;
    use std::time::Duration;

    fn alert(channel: Channel) -> Alert {
        Alert {
            name: "a".into(),
            min_severity: AlertSeverity::Warning,
            after: Duration::ZERO,
            repeat: None,
            quiet_hours: None,
            resolved: true,
            max_per_hour: 1,
            timeout: Duration::from_secs(1),
            ca_file: None,
            channel,
        }
    }

    #[test]
    fn an_answer_that_repeats_the_path_keeps_the_secret() {
        let url =
            Secret::new("https://bob:hunter2@hooks.example/services/T0/hunter2hunter2?key=hunter3");
        let alert = alert(Channel::Slack { url });
        for answer in [
            "Cannot POST /services/T0/hunter2hunter2?key=hunter3",
            "no hook hunter2hunter2",
            "bad key hunter3 for bob:hunter2",
        ] {
            let shown = hide(answer, &alert);
            assert!(!shown.contains("hunter"), "{shown}");
        }
        assert_eq!(hide("500 hooks.example is tired", &alert), "500 hooks.example is tired");
    }

    #[test]
    fn headers_tokens_and_passwords_are_hidden() {
        let channel = Channel::Webhook {
            url: Secret::new("https://x"),
            headers: vec![("Authorization".into(), Secret::new("Bearer hunter2"))],
            secret: Some(Secret::new("hunter3")),
        };
        assert_eq!(hide("got 'Bearer hunter2' and hunter3", &alert(channel)), "got '***' and ***");
        let channel = Channel::Telegram {
            url: "https://t".into(),
            token: Secret::new("1:hunter"),
            chat_id: "7".into(),
        };
        assert_eq!(hide("/bot1:hunter/sendMessage", &alert(channel)), "/bot***/sendMessage");
    }
}
