//! The channels behind [`barograph_actors::health::notify`]: how an alert leaves this process. Each attempt has a
//! thread and a time limit of its own.

mod chat;
mod command;
mod email;
mod http;
mod secrets;
mod threads;
mod trust;
mod webhook;

pub use threads::Threads;

use barograph_actors::health::notify::notification::Notification;
use barograph_actors::health::notify::notifier::Failure;
use barograph_config::{Alert, Channel};

/// Delivers an alert: what the other side said. Blocks for about the channel's timeout at most; where a
/// name server or a mail server drips its answer, longer.
///
/// # Errors
/// The other side did not accept it, or that is unknown.
pub fn deliver(alert: &Alert, notification: &Notification) -> Result<String, Failure> {
    let result = match &alert.channel {
        Channel::Webhook { url, headers, secret } => {
            webhook::deliver(alert, url, headers, secret.as_ref(), notification)
        }
        Channel::Slack { url } => chat::slack(alert, url, notification),
        Channel::Discord { url } => chat::discord(alert, url, notification),
        Channel::Ntfy { url, token } => chat::ntfy(alert, url, token.as_ref(), notification),
        Channel::Telegram { url, token, chat_id } => {
            chat::telegram(alert, url, token, chat_id, notification)
        }
        Channel::Email(email) => email::deliver(alert, email, notification),
        Channel::Command { argv } => command::deliver(argv, alert.timeout, notification),
        Channel::Mqtt { .. } => Err(failure(
            "it has a state, and takes no alerts".into(),
            "this is a mistake in Barograph: please report it",
        )),
    };
    let hide = |text: String| secrets::hide(&text, alert);
    result
        .map(hide)
        .map_err(|failure| Failure { said: secrets::hide(&failure.said, alert), ..failure })
}

fn failure(said: String, hint: &str) -> Failure {
    Failure { said, hint: hint.to_owned(), retry_after: None }
}
