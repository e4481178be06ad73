//! The channels of alerts, each with the keys that only it has.

use crate::alert::email::Email;
use crate::alert::http_url;
use crate::declare::key::{
    Complaint, FLAG, Key, NAMES, PATH, SECRET, SECRET_URL, SUBTABLE, TEXT, Table,
};
use crate::declare::text::{quote, spell_key};
use crate::declare::values;
use crate::field::{Declared, Field, line};
use crate::page::{Line, Shown};
use crate::part::Part;
use crate::read::reader::{in_order, join};
use crate::read::redact::{HIDDEN, printed_url, written};
use crate::read::section::Section;
use crate::route::topic::filter_fault;
use crate::secret::Secret;
use crate::word::words;

/// Most headers of a webhook.
const HEADERS_MAX: usize = 50;

/// Headers that are set by the recorder or by HTTP.
const OWN_HEADERS: [&str; 6] =
    ["connection", "content-length", "content-type", "host", "transfer-encoding", "user-agent"];

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
                            Channel::$variant { $($field: $default),+ }.lines();
                            $([$($help)*] $field: $type = $default, $(as $key)? $spec $(, and $key2 $spec2)*;)+
                        } } )?
                    }, )+
                }
            }
        }

        impl Channel {
            /// Reads the keys of a type.
            pub(crate) fn take(kind: ChannelKind, section: &mut Section<'_, '_>) -> Self {
                match kind {
                    $( ChannelKind::$variant => {
                        $(
                            let mut inner = <$struct as Declared>::initial();
                            inner.take(section);
                            Self::$variant(inner)
                        )?
                        $(
                            let mut fields = kind.table().fields.iter();
                            $(
                                let mut $field: $type = $default;
                                crate::declare::take_next(&mut $field, section, &mut fields);
                            )+
                            Self::$variant { $($field),+ }
                        )?
                    } )+
                }
            }

            /// Its keys that are set.
            pub(crate) fn lines(&self) -> Vec<Line> {
                match self {
                    $( Self::$variant $(($inner))? $({ $($field),+ })? => {
                        $( $inner.lines() )?
                        $(
                            let mut fields = ChannelKind::$variant.table().fields.iter();
                            let lines = [$( crate::declare::lines_of_next($field, &mut fields) ),+];
                            lines.into_iter().flatten().collect()
                        )?
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
        /// Where to: http or https. Who knows the URL can use it, so it is treated as a secret.
        url: Secret = Secret::new(""),
            SECRET_URL.checked(url).example(r#""https://station.example/hook""#).needed(),
            and "url_file" PATH.example(r#""/etc/barograph/hook""#)
                .note("A file that holds the URL and nothing else.");
        /// Headers of your own, in the order of the file.
        headers: Vec<(String, Secret)> = Vec::new(), SUBTABLE.example("[alert.headers]").absent("none");
        /// Key of the HMAC-SHA256 that signs the body.
        secret: Option<Secret> = None, SECRET,
            and "secret_file" PATH.example(r#""/etc/barograph/hook-secret""#)
                .note("A file that holds the secret and nothing else.");
    }

    /// An incoming webhook of Slack, or of what takes the same messages.
    Slack = "slack" {
        /// Where to; who knows it can write there.
        url: Secret = Secret::new(""),
            SECRET_URL.checked(url).example(r#""https://hooks.slack.com/services/...""#).needed(),
            and "url_file" PATH.example(r#""/etc/barograph/hook""#)
                .note("A file that holds the URL and nothing else.");
    }

    /// An incoming webhook of Discord.
    Discord = "discord" {
        /// Where to; who knows it can write there.
        url: Secret = Secret::new(""),
            SECRET_URL.checked(url).example(r#""https://discord.com/api/webhooks/...""#).needed(),
            and "url_file" PATH.example(r#""/etc/barograph/hook""#)
                .note("A file that holds the URL and nothing else.");
    }

    /// A topic of ntfy.
    Ntfy = "ntfy" {
        /// The server and the topic: `https://ntfy.sh/topic`.
        url: Secret = Secret::new(""),
            SECRET_URL.checked(url).example(r#""https://ntfy.sh/...""#).needed(),
            and "url_file" PATH.example(r#""/etc/barograph/hook""#)
                .note("A file that holds the URL and nothing else.");
        /// An access token, if the topic requires one.
        token: Option<Secret> = None, SECRET,
            and "token_file" PATH.example(r#""/etc/barograph/token""#)
                .note("A file that holds the token and nothing else.");
    }

    /// A bot of Telegram.
    Telegram = "telegram" {
        /// The server, without a slash at its end.
        url: String = TELEGRAM.to_owned(), TEXT.checked(telegram_url);
        /// The bot's token, from @BotFather.
        token: Secret = Secret::new(""), SECRET.needed(),
            and "token_file" PATH.example(r#""/etc/barograph/token""#)
                .note("A file that holds the token and nothing else.");
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

    /// The keys of all types.
    pub(crate) fn tables() -> impl Iterator<Item = &'static Table> {
        use crate::word::Word;
        ChannelKind::VARIANTS.iter().map(|kind| kind.table())
    }
}

/// The type is read by [`crate::alert::read`], because the keys follow from it.
impl Field for Channel {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        for key in keys {
            section.take(key, values::word::<ChannelKind>);
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Line> {
        keys.iter().map(|key| line(key, Shown::Plain(quote(self.word())))).collect()
    }
}

fn url(text: &str, key: &Key) -> Result<String, Complaint> {
    match http_url::address(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(why) => Err(Complaint::write(why, key.example())),
    }
}

fn telegram_url(text: &str, key: &Key) -> Result<String, Complaint> {
    match http_url::address(text) {
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
    } else if let Some((why, _)) = filter_fault(topic) {
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
impl Field for Vec<(String, Secret)> {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        let [key] = keys else { return };
        let Some(value) = section.value(key.name) else { return };
        let path = join(&section.path, key.name);
        let Some(table) = section.reader.expect_table(&path, value, "[alert.headers]") else {
            return;
        };
        let header = Key { spec: SECRET, ..*key };
        for (name, value) in in_order(table) {
            let shown = written(&header, value.get_ref(), "");
            let at = join(&path, name.get_ref());
            let spot = section.reader.spot(at, value.span(), Some(shown));
            if section.reader.is_broken_at(&header, &spot, &value.span()) {
                continue;
            }
            let name: &str = name.get_ref();
            let text = header_name(name, self)
                .and_then(|()| values::text(value.get_ref(), &header))
                .and_then(header_value);
            match text {
                Ok(value) => self.push((name.to_owned(), value)),
                Err(complaint) => section.reader.refuse(&spot, complaint),
            }
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Line> {
        let headers = self.iter().map(|(name, value)| Line {
            name: spell_key(name),
            value: Shown::Secret(quote(HIDDEN), value.clone()),
            part: Part::Alerts,
        });
        let value = Shown::Braces(headers.collect());
        let key = keys.first().filter(|_| !self.is_empty());
        key.map(|key| line(key, value)).into_iter().collect()
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
    } else if before.len() == HEADERS_MAX {
        "expected at most 50 headers"
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
