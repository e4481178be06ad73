//! The channels of alerts, each with the keys that only it has.

use url::{Host, Url};

use crate::alert::email::Email;
use crate::declare::key::{
    Complaint, FLAG, Key, NAMES, PATH, SECRET, SECRET_URL, SUBTABLE, Spec, TEXT, Table,
};
use crate::declare::text::{quote, spell_key};
use crate::declare::values::{self, Scalar};
use crate::field::{Declared, Field, ListItem, line, lines_of, take_fields};
use crate::page::{Assignment, ShownValue};
use crate::part::Part;
use crate::read::redact::{HIDDEN, printed_url};
use crate::read::section::{Entry, Section};
use crate::route::topic::filter_fault;
use crate::secret::Secret;
use crate::word::{Word, words};

/// Headers that are set by the recorder or by HTTP.
const OWN_HEADERS: [&str; 6] =
    ["connection", "content-length", "content-type", "host", "transfer-encoding", "user-agent"];

/// Where a URL may stand in place of the settings file.
const URL_FILE: Spec =
    PATH.example(r#""/etc/barograph/hook""#).note("A file that holds the URL and nothing else.");

/// Where a token may stand in place of the settings file.
const TOKEN_FILE: Spec =
    PATH.example(r#""/etc/barograph/token""#).note("A file that holds the token and nothing else.");

/// The server of Telegram's bots.
const TELEGRAM: &str = "https://api.telegram.org";

/// Declares the channels: a variant with its word, and fields as [`settings!`](crate::declare::settings) has them, or a
/// struct that is declared with it.
macro_rules! channels {
    ($(
        $(#[$doc:meta])*
        $variant:ident $(($inner:ident: $struct:ident))? = $word:literal $({
            $(
                $(#[doc = $help:literal])*
                $field:ident: $type:ty = $default:expr,
                $(as $key:literal)? $spec:expr $(, and $key2:literal $spec2:expr)*;
            )+
        })?
    )+) => {
        /// The channel of an alert, with what only it needs. The file's key is `type`.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Channel {
            $( $(#[$doc])* $variant $(($struct))? $({ $( $(#[doc = $help])* $field: $type, )+ })?, )+
        }

        words! {
            /// What `type` may be.
            pub(crate) enum ChannelKind, as_str {
                $( $(#[$doc])* $variant = $word, )+
            }
        }

        impl ChannelKind {
            /// Its keys.
            pub(crate) const fn table(self) -> &'static Table {
                match self {
                    $( Self::$variant => &const {
                        $( <$struct as Declared>::TABLE )?
                        $( Table { name: "alert", fields: crate::declare::field_keys! {
                            Part::Alerts;
                            Channel::initial(ChannelKind::$variant).lines();
                            $([$($help)*] $field: $type = $default, $(as $key)? $spec $(, and $key2 $spec2)*;)+
                        } } )?
                    }, )+
                }
            }
        }

        impl Channel {
            /// One with all defaults.
            fn initial(kind: ChannelKind) -> Self {
                match kind {
                    $( ChannelKind::$variant => {
                        $( Self::$variant(<$struct as Declared>::initial()) )?
                        $( Self::$variant { $($field: $default),+ } )?
                    } )+
                }
            }

            fn fields(&self) -> Vec<&dyn Field> {
                match self {
                    $( Self::$variant $(($inner))? $({ $($field),+ })? => {
                        $( $inner.fields() )?
                        $( vec![$($field),+] )?
                    } )+
                }
            }

            fn fields_mut(&mut self) -> Vec<&mut dyn Field> {
                match self {
                    $( Self::$variant $(($inner))? $({ $($field),+ })? => {
                        $( $inner.fields_mut() )?
                        $( vec![$($field),+] )?
                    } )+
                }
            }

            pub(crate) fn kind(&self) -> ChannelKind {
                match self {
                    $( Self::$variant { .. } => ChannelKind::$variant, )+
                }
            }
        }
    };
}

channels! {
    /// A JSON object, sent by POST.
    Webhook = "webhook" {
        /// Where to: http or https. Anyone who knows the URL can use it, so it is treated as a secret.
        url: Secret = Secret::new(""),
            SECRET_URL.checked(url).example(r#""https://station.example/hook""#).needed(),
            and "url_file" URL_FILE;
        /// Headers of your own, in the order of the file.
        headers: Vec<(String, Secret)> = Vec::new(), SUBTABLE
            .of("headers")
            .at_most(50, "remove some of them")
            .example("[alert.headers]")
            .absent("none");
        /// Key of the HMAC-SHA256 that signs the body.
        secret: Option<Secret> = None, SECRET,
            and "secret_file" PATH.example(r#""/etc/barograph/hook-secret""#)
                .note("A file that holds the secret and nothing else.");
    }

    /// An incoming webhook of Slack, or of what takes the same messages.
    Slack = "slack" {
        /// Where to. Anyone who knows it can write there.
        url: Secret = Secret::new(""),
            SECRET_URL.checked(url).example(r#""https://hooks.slack.com/services/...""#).needed(),
            and "url_file" URL_FILE;
    }

    /// An incoming webhook of Discord.
    Discord = "discord" {
        /// Where to. Anyone who knows it can write there.
        url: Secret = Secret::new(""),
            SECRET_URL.checked(url).example(r#""https://discord.com/api/webhooks/...""#).needed(),
            and "url_file" URL_FILE;
    }

    /// A topic of ntfy.
    Ntfy = "ntfy" {
        /// The server and the topic: `https://ntfy.sh/topic`.
        url: Secret = Secret::new(""),
            SECRET_URL.checked(url).example(r#""https://ntfy.sh/...""#).needed(),
            and "url_file" URL_FILE;
        /// An access token, if the topic requires one.
        token: Option<Secret> = None, SECRET,
            and "token_file" TOKEN_FILE;
    }

    /// A bot of Telegram.
    Telegram = "telegram" {
        /// The server, without a slash at its end.
        url: String = TELEGRAM.to_owned(), TEXT.checked(telegram_url);
        /// The bot's token, from @BotFather.
        token: Secret = Secret::new(""), SECRET.needed(),
            and "token_file" TOKEN_FILE;
        /// The chat that the bot writes to; its number is in the bot's getUpdates.
        chat_id: String = String::new(), TEXT.example(r#""-1001234567890""#).needed();
    }

    /// Mail by SMTP.
    Email(email: Email) = "email"

    /// A retained state on our own broker; at most one alert has it.
    Mqtt = "mqtt" {
        /// Where the state is published; no route records it.
        topic: String = String::new(), TEXT
            .checked(topic)
            .example(r#""barograph/attic/health""#)
            .absent("barograph/, the client_id, and /health");
        /// Announce the recorder to Home Assistant as a device.
        discovery: bool = true, FLAG;
        /// First levels of the announcement's topic.
        discovery_prefix: String = "homeassistant".to_owned(), TEXT.checked(topic);
    }

    /// A program, never a shell.
    Command = "command" {
        /// The program and its arguments; never empty.
        argv: Vec<String> = Vec::new(), NAMES
            .checked(argument)
            .example(r#"["/usr/local/bin/notify", "--urgent"]"#)
            .needed();
    }
}

impl Channel {
    /// The word the settings file uses for it.
    pub fn word(&self) -> &'static str {
        self.kind().as_str()
    }

    /// Where it goes, without secrets, so that a person recognises it in a list and in an error.
    pub fn destination(&self) -> String {
        match self {
            Self::Webhook { url, .. }
            | Self::Slack { url }
            | Self::Discord { url }
            | Self::Ntfy { url, .. } => printed_url(url.expose()),
            Self::Telegram { url, chat_id, .. } => format!("{url}, chat {chat_id}"),
            Self::Email(email) => {
                format!("{} by {}:{}", email.to.join(", "), email.host, email.port)
            }
            Self::Mqtt { topic, .. } => topic.clone(),
            Self::Command { argv } => argv.first().cloned().unwrap_or_default(),
        }
    }

    /// The topic of the state that is kept on the broker; `None`: this channel sends messages.
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

    /// Its keys that are set.
    pub(crate) fn lines(&self) -> Vec<Assignment> {
        lines_of(self.fields(), self.kind().table())
    }

    /// The keys of all types.
    pub(crate) fn tables() -> impl Iterator<Item = &'static Table> {
        ChannelKind::VARIANTS.iter().map(|kind| kind.table())
    }
}

/// The keys that are read follow from the type.
impl Field for Channel {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        let kind = keys.first().and_then(|key| section.take(key, ChannelKind::read));
        if let Some(kind) = kind {
            *self = Self::initial(kind);
            take_fields(self.fields_mut(), kind.table(), section);
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Assignment> {
        keys.iter().map(|key| line(key, ShownValue::Plain(quote(self.word())))).collect()
    }
}

fn url(text: &str, key: &Key) -> Result<String, Complaint> {
    match http_url(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(why) => Err(Complaint::write(why, key.example())),
    }
}

fn telegram_url(text: &str, key: &Key) -> Result<String, Complaint> {
    match http_url(text) {
        Ok(address) if address.has_more => {
            let why = "expected a URL that ends with its host, port or path";
            Err(Complaint::write(why, key.example()))
        }
        Ok(_) => Ok(text.trim_end_matches('/').to_owned()),
        Err(why) => Err(Complaint::write(why, key.example())),
    }
}

/// A topic to publish on, which is a filter without wildcards.
fn topic(topic: &str, key: &Key) -> Result<String, Complaint> {
    let why = if topic.contains(['+', '#']) {
        "expected a topic without wildcards (`+`, `#`)"
    } else if topic.starts_with('$') {
        "expected a topic that does not begin with `$`: those are the broker's"
    } else if let Some(why) = filter_fault(topic) {
        why
    } else {
        return Ok(topic.to_owned());
    };
    Err(Complaint::write(why, key.example()))
}

fn argument(word: &str, key: &Key) -> Result<String, Complaint> {
    if word.contains('\0') {
        let why = "expected an argument without NUL characters";
        return Err(Complaint::write(why, key.example()));
    }
    Ok(word.to_owned())
}

/// `[alert.headers]`: the operator's own names, and secret values.
impl ListItem for (String, Secret) {
    fn read<'a>(section: &mut Section<'_, 'a>, entry: Entry<'a>, before: &[Self]) -> Option<Self> {
        let header = Key { spec: SECRET, ..*entry.key };
        let given = section.reader.given(&header, entry.spot.path, entry.value);
        if given.is_broken {
            return None;
        }
        let text = header_name(entry.name, before)
            .and_then(|()| values::text(given.value, &header))
            .and_then(header_value);
        match text {
            Ok(value) => Some((entry.name.to_owned(), value)),
            Err(complaint) => {
                section.reader.refuse(&given.spot, complaint);
                None
            }
        }
    }

    fn shown(all: &[Self]) -> Option<ShownValue> {
        let headers = all.iter().map(|(name, value)| Assignment {
            name: spell_key(name),
            value: ShownValue::Secret(quote(HIDDEN), value.clone()),
            part: Part::Alerts,
        });
        (!all.is_empty()).then(|| ShownValue::Table(headers.collect()))
    }
}

/// Whether a name is one for a header of the operator's (RFC 9110, a token).
fn header_name(name: &str, before: &[(String, Secret)]) -> Result<(), Complaint> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let why = if name.is_empty() || name.len() > 100 || !name.chars().all(is_token) {
        "expected a header name of at most 100 letters, digits and `-`"
    } else if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        "this header is set by the recorder, and cannot be changed"
    } else if before.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
        "HTTP takes this for the header of the same letters above"
    } else {
        return Ok(());
    };
    Err(Complaint::advise(why, "rename it, or remove it"))
}

fn header_value(text: String) -> Result<Secret, Complaint> {
    if text.chars().any(char::is_control) {
        let why = "expected a header of one line, without control characters";
        return Err(Complaint::advise(why, "write it in one line"));
    }
    Ok(Secret::new(text))
}

/// What matters of a URL.
#[derive(Debug)]
pub(crate) struct HttpUrl {
    /// `https://`
    pub(crate) tls: bool,
    /// The host is this machine.
    pub(crate) loopback: bool,
    /// It holds a user, a query or a fragment.
    pub(crate) has_more: bool,
}

/// Reads a URL of an alert. Who knows one may use it, so no text here repeats a part of one; the error says why it is none.
pub(crate) fn http_url(text: &str) -> Result<HttpUrl, &'static str> {
    if !text.contains("://") {
        return Err("expected a URL that begins with https:// or http://");
    }
    let url = Url::parse(text).map_err(|_| "expected a URL")?;
    let tls = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err("expected a URL that begins with https:// or http://"),
    };
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("expected a URL without blanks");
    }
    if url.port() == Some(0) {
        return Err("expected a port from 1 to 65535");
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => is_loopback(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("expected a URL with a host"),
    };
    let has_user = !url.username().is_empty() || url.password().is_some();
    let has_more = has_user || url.query().is_some() || url.fragment().is_some();
    Ok(HttpUrl { tls, loopback, has_more })
}

/// Whether a host, by name or by address, is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}
