//! `[[alert]]`: who is told when something is wrong, how soon, and on which way.

use std::path::PathBuf;
use std::time::Duration;

use crate::http_url;
use crate::settings::Secret;

/// `[[alert]]`: one way on which a person hears of issues.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Names it in logs and commands: letters, digits, `_` and `-`; no other alert has it.
    pub name: String,
    /// The least severity that is told; default `warning`.
    pub min_severity: AlertSeverity,
    /// How long an issue must last before it is told; default 1 min.
    pub after: Duration,
    /// An issue that still lasts is told again this often; `None`, the default: it is told once.
    pub repeat: Option<Duration>,
    /// Local time of day in which warnings wait until it ends; critical issues do not.
    pub quiet_hours: Option<QuietHours>,
    /// Tell when an issue that was told is over; default true.
    pub resolved: bool,
    /// Most messages in an hour; default 20.
    pub max_per_hour: u32,
    /// How long one attempt to deliver a message may take; default 10 s.
    pub timeout: Duration,
    /// Trust only the authorities of this file (PEM) when the other side is reached by TLS; default: the system's.
    pub ca_file: Option<PathBuf>,
    /// The way.
    pub channel: Channel,
}

impl Alert {
    /// One with everything as it is if the operator does not want it otherwise.
    pub fn new(name: impl Into<String>, channel: Channel) -> Self {
        Self {
            name: name.into(),
            min_severity: AlertSeverity::Warning,
            after: Duration::from_secs(60),
            repeat: None,
            quiet_hours: None,
            resolved: true,
            max_per_hour: 20,
            timeout: Duration::from_secs(10),
            ca_file: None,
            channel,
        }
    }
}

/// How bad an issue must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertSeverity {
    /// Something is wrong, and nothing is lost yet.
    Warning,
    /// Readings are lost, or will be.
    Critical,
}

/// A stretch of each day, in local time, perhaps over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// Its first minute, counted from midnight, 0 to 1439.
    pub from_minute: u16,
    /// The first minute after it, counted from midnight, 0 to 1439; less than `from_minute`: on the next day.
    pub to_minute: u16,
}

/// The way on which an alert goes, with what only that way needs. The file's key is `type`.
#[derive(Debug, Clone, PartialEq)]
pub enum Channel {
    /// A JSON object, sent by POST.
    Webhook {
        /// Where to (from `url` or read from `url_file`): http or https.
        url: Secret,
        /// Our own headers, in the order of the file.
        headers: Vec<(String, Secret)>,
        /// Key of the HMAC-SHA256 that signs the body (from `secret` or read from `secret_file`).
        secret: Option<Secret>,
    },
    /// An incoming webhook of Slack, or of what speaks like it.
    Slack {
        /// Where to; whoever knows it can write there.
        url: Secret,
    },
    /// An incoming webhook of Discord.
    Discord {
        /// Where to; whoever knows it can write there.
        url: Secret,
    },
    /// A topic of ntfy.
    Ntfy {
        /// The server and the topic: `https://ntfy.sh/topic`.
        url: Secret,
        /// An access token, if the topic wants one.
        token: Option<Secret>,
    },
    /// A bot of Telegram.
    Telegram {
        /// The server, without a slash at its end; default `https://api.telegram.org`.
        url: String,
        /// The bot's token.
        token: Secret,
        /// The chat that the bot writes to.
        chat_id: String,
    },
    /// Mail by SMTP.
    Email(Email),
    /// A retained state on our own broker; at most one alert has it.
    Mqtt {
        /// Where the state is published; no route records it. Default `barograph/<client_id>/health`.
        topic: String,
        /// Announce the recorder to Home Assistant as a device; default true.
        discovery: bool,
        /// First levels of the announcement's topic; default `homeassistant`.
        discovery_prefix: String,
    },
    /// A program, never a shell.
    Command {
        /// The program and its arguments; never empty.
        argv: Vec<String>,
    },
}

impl Channel {
    /// The word the settings file uses for it.
    pub fn word(&self) -> &'static str {
        self.kind().as_str()
    }

    /// Where it goes, as far as that is no secret: a person must recognise it in a list and in an error.
    pub fn destination(&self) -> String {
        match self {
            Self::Webhook { url, .. }
            | Self::Slack { url }
            | Self::Discord { url }
            | Self::Ntfy { url, .. } => http_url::print(url.expose()),
            Self::Telegram { url, chat_id, .. } => format!("{url}, chat {chat_id}"),
            Self::Email(email) => {
                format!("{} by {}:{}", email.to.join(", "), email.host, email.port)
            }
            Self::Mqtt { topic, .. } => topic.clone(),
            Self::Command { argv } => argv.first().cloned().unwrap_or_default(),
        }
    }

    /// The topic of the state that is kept on the broker; `None`: this way takes messages.
    pub fn state_topic(&self) -> Option<&str> {
        match self {
            Self::Mqtt { topic, .. } => Some(topic),
            Self::Webhook { .. }
            | Self::Slack { .. }
            | Self::Discord { .. }
            | Self::Ntfy { .. }
            | Self::Telegram { .. }
            | Self::Email(_)
            | Self::Command { .. } => None,
        }
    }

    pub(crate) fn kind(&self) -> ChannelKind {
        match self {
            Self::Webhook { .. } => ChannelKind::Webhook,
            Self::Slack { .. } => ChannelKind::Slack,
            Self::Discord { .. } => ChannelKind::Discord,
            Self::Ntfy { .. } => ChannelKind::Ntfy,
            Self::Telegram { .. } => ChannelKind::Telegram,
            Self::Email(_) => ChannelKind::Email,
            Self::Mqtt { .. } => ChannelKind::Mqtt,
            Self::Command { .. } => ChannelKind::Command,
        }
    }
}

/// What `type` may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelKind {
    Webhook,
    Slack,
    Discord,
    Ntfy,
    Telegram,
    Email,
    Mqtt,
    Command,
}

impl ChannelKind {
    /// The keys of the table that only some types have, and this is one of them.
    pub(crate) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Webhook => &["url", "url_file", "headers", "secret", "secret_file", "ca_file"],
            Self::Slack | Self::Discord => &["url", "url_file", "ca_file"],
            Self::Ntfy => &["url", "url_file", "token", "token_file", "ca_file"],
            Self::Telegram => &["url", "token", "token_file", "chat_id", "ca_file"],
            Self::Email => &[
                "host",
                "port",
                "tls",
                "username",
                "password",
                "password_file",
                "from",
                "to",
                "ca_file",
            ],
            Self::Mqtt => &["topic", "discovery", "discovery_prefix"],
            Self::Command => &["argv"],
        }
    }
}

/// A mail server and who writes to whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Email {
    /// Host name or address of the server.
    pub host: String,
    /// TCP port; default 587 with `starttls`, 465 with `tls`, 25 with `none`.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: EmailTls,
    /// Who we are to the server; with a password, or both absent.
    pub username: Option<String>,
    /// Its password (from `password` or read from `password_file`).
    pub password: Option<Secret>,
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses; never empty.
    pub to: Vec<String>,
}

/// Encryption of a connection to a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailTls {
    /// The connection begins in the clear and must become encrypted before anything is said (the default).
    StartTls,
    /// Encrypted from the first byte.
    Tls,
    /// In the clear.
    None,
}
