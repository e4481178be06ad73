//! `[[alert]]`: who is notified when something is wrong, how soon, and over which channel.

pub(crate) mod channel;
pub(crate) mod email;
pub(crate) mod quiet_hours;

use std::path::PathBuf;
use std::time::Duration;

use crate::alert::channel::{Channel, ChannelKind, http_url, is_loopback};
use crate::alert::email::{Email, EmailTls};
use crate::alert::quiet_hours::QuietHours;
use crate::declare::key::{
    Complaint, DAY, FLAG, Key, MINUTE, PATH, SECOND, TEXT, YEAR, count, millis, time, word,
};
use crate::declare::settings;
use crate::declare::text::quote;
use crate::field::{Declared, ListItem};
use crate::page::ShownValue;
use crate::part::Part;
use crate::read::problems::Spot;
use crate::read::reader::join;
use crate::read::redact::shorten;
use crate::read::section::{Entry, Section};
use crate::route::topic::filter_matches;
use crate::word::{Word, words};

/// Longest name, in bytes.
const NAME_LEN_MAX: usize = 64;

settings! {
    /// `[[alert]]`: one way to notify a person of issues.
    pub struct Alert in "alert" concerns Part::Alerts, checked check;

    /// Its name in logs and commands: letters, digits, `_` and `-`; no other alert has it.
    name: String = String::new(), TEXT.checked(plain_name).example(r#""phone""#).needed();

    /// How messages are sent: webhook, slack, discord, ntfy, telegram, email, mqtt or command. Each has keys of its own.
    channel: Channel = Channel::Command { argv: Vec::new() },
        as "type" word(ChannelKind::WORDS).example(r#""webhook""#).needed();

    /// The least severity that is notified. "warning": all issues. "critical": only those in which data is or will be
    /// lost.
    min_severity: AlertSeverity = AlertSeverity::Warning, word(AlertSeverity::WORDS);

    /// How long an issue must last before it is notified.
    after: Duration = millis(MINUTE), time(0, DAY);

    /// Notify again of an issue that lasts, this often.
    repeat: Option<Duration> = None, time(MINUTE, YEAR).example(r#""12h""#).absent("never");

    /// Local time of day in which warnings wait until it ends; critical issues do not.
    quiet_hours: Option<QuietHours> = None, TEXT.example(r#""22:00-07:00""#).absent("none");

    /// Notify also when an issue is resolved.
    resolved: bool = true, FLAG;

    /// Most messages in an hour; further ones wait, and are sent together.
    max_per_hour: u32 = 20, count(1, 3600).of("messages");

    /// How long one attempt to send a message may take.
    timeout: Duration = millis(10 * SECOND), time(SECOND, 5 * MINUTE);

    /// A PEM file of the only authorities to trust, for a server with a certificate of your own authority. Not for mqtt
    /// (that is mqtt.ca_file) and command.
    ca_file: Option<PathBuf> = None, PATH
        .example(r#""/etc/barograph/alert-ca.pem""#)
        .absent("those of the system");
}

words! {
    /// How bad an issue must be.
    pub enum AlertSeverity, as_str {
        /// Something is wrong, and nothing is lost yet.
        Warning = "warning",
        /// Data is or will be lost.
        Critical = "critical",
    }
}

fn plain_name(name: &str, _key: &Key) -> Result<String, Complaint> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.chars().all(is_plain) && name.len() <= NAME_LEN_MAX {
        return Ok(name.to_owned());
    }
    let why = format!("expected at most {NAME_LEN_MAX} letters, digits, `_` and `-`");
    let plain = name.chars().map(|c| if is_plain(c) { c } else { '_' }).take(NAME_LEN_MAX);
    Err(Complaint::write(why, quote(&plain.collect::<String>())))
}

impl Alert {
    /// One with everything but name and channel at its default.
    pub fn new(name: impl Into<String>, channel: Channel) -> Self {
        Self { name: name.into(), channel, ..Self::initial() }
    }
}

impl ListItem for Alert {
    fn read<'a>(section: &mut Section<'_, 'a>, entry: Entry<'a>, _before: &[Self]) -> Option<Self> {
        let keys = Channel::tables().flat_map(|table| table.keys());
        let mut alert = Self::initial();
        if let Some(mut section) = section.open_entry(entry, Self::TABLE.keys().chain(keys)) {
            Declared::read(&mut alert, &mut section);
        }
        Some(alert)
    }

    fn shown(all: &[Self]) -> Option<ShownValue> {
        let lines = all.iter().map(|alert| {
            let mut lines = alert.lines();
            lines.extend(alert.channel.lines());
            lines
        });
        Some(ShownValue::List(lines.collect()))
    }
}

/// Checks an alert, and fills what follows from the rest.
fn check(alert: &mut Alert, section: &mut Section<'_, '_>) {
    if section.spot("type").is_none() {
        return;
    }
    let kind = alert.channel.kind();
    refuse_foreign(section, kind);
    match &mut alert.channel {
        Channel::Webhook { url, .. }
        | Channel::Slack { url }
        | Channel::Discord { url }
        | Channel::Ntfy { url, .. } => warn_of_plain_url(section, url.expose()),
        Channel::Telegram { url, .. } => warn_of_plain_url(section, url),
        Channel::Email(email) => check_email(section, email),
        Channel::Mqtt { .. } => {}
        Channel::Command { argv } => {
            let is_set = section.spot("argv").is_some();
            if is_set && argv.first().is_none_or(String::is_empty) {
                let why = "expected the program as the first entry";
                let example = kind.table().key("argv").example();
                section.refuse("argv", Complaint::write(why, example));
            }
        }
    }
}

/// Names never repeat, the broker holds one state of ours, and no route records it. `client_id` is our name at the broker,
/// `filters` are those of all routes.
pub(crate) fn compare(
    file: &mut Section<'_, '_>,
    alerts: &mut [Alert],
    client_id: &str,
    filters: &[&str],
) {
    let mut names: Vec<(String, Spot)> = Vec::new();
    let mut state: Option<Spot> = None;
    for (index, alert) in alerts.iter_mut().enumerate() {
        let Some(mut section) = file.reopen_entry("alert", index) else { continue };
        let spot = section.spot("name").unwrap_or_else(|| section.header.clone());
        let twin = names.iter().find(|(name, _)| !name.is_empty() && *name == alert.name);
        if let Some((_, at)) = twin {
            let why = format!("another alert has this name ({})", at.place);
            let offer = format!("\"{}-2\"", alert.name);
            section.reader.refuse(&spot, Complaint::write(why, offer));
        }
        names.push((alert.name.clone(), spot.clone()));
        let Channel::Mqtt { topic, discovery, discovery_prefix } = &mut alert.channel else {
            continue;
        };
        if topic.is_empty() {
            *topic = health_topic(client_id);
        }
        let prefix = discovery.then_some(discovery_prefix.as_str());
        keep_off_the_routes(&mut section, topic, prefix, filters);
        if let Some(at) = &state {
            let why = format!("another alert is of type mqtt ({})", at.place);
            let complaint = Complaint::advise(why, "keep only one of them");
            section.reader.refuse(&spot.bare(), complaint);
        }
        state = state.or(Some(spot));
    }
}

/// The topic of our own health follows our name at the broker, unless another one is set.
pub(crate) fn follow_client_id(alerts: &mut [Alert], from: &str, to: &str) {
    for alert in alerts {
        if let Channel::Mqtt { topic, .. } = &mut alert.channel
            && *topic == health_topic(from)
        {
            *topic = health_topic(to);
        }
    }
}

/// The topic of our own health: below the client's name, in which nothing may be a wildcard.
fn health_topic(client_id: &str) -> String {
    format!("barograph/{}/health", client_id.replace(['+', '#'], "_"))
}

/// One problem for each key that only other types have.
fn refuse_foreign(section: &mut Section<'_, '_>, kind: ChannelKind) {
    let no_server = matches!(kind, ChannelKind::Mqtt | ChannelKind::Command);
    let mut seen = Vec::new();
    for key in Channel::tables().flat_map(|table| table.keys()) {
        if seen.contains(&key.name) || kind.table().has(key.name) {
            continue;
        }
        seen.push(key.name);
        let homes = ChannelKind::VARIANTS.iter().filter(|home| home.table().has(key.name));
        let homes: Vec<&str> = homes.map(|home| home.word()).collect();
        refuse_key(section, key.name, kind, &homes.join(", "));
    }
    if no_server {
        refuse_key(section, "ca_file", kind, "types that connect to a server");
    }
}

fn refuse_key(section: &mut Section<'_, '_>, name: &str, kind: ChannelKind, homes: &str) {
    if let Some(value) = section.value(name) {
        let spot = section.reader.spot(join(&section.path, name), value.span(), None);
        let why = format!("an alert of type {} has no such key", kind.word());
        let advice = format!("remove it; it belongs to {homes}");
        section.reader.refuse(&spot, Complaint::advise(why, advice));
    }
}

fn warn_of_plain_url(section: &mut Section<'_, '_>, url: &str) {
    if http_url(url).is_ok_and(|address| !address.tls && !address.loopback) {
        let text =
            "others on the network can read this URL and what is sent to it; better: https://";
        section.warn("url", text);
    }
}

fn check_email(section: &mut Section<'_, '_>, email: &mut Email) {
    if section.spot("port").is_none() {
        email.port = email.tls.port();
    }
    let has_password =
        section.value("password").is_some() || section.value("password_file").is_some();
    match (section.value("username").is_some(), has_password) {
        (true, false) if !section.is_bad("username") => {
            let advice = "add: password_file = \"...\", or remove this line";
            let complaint = Complaint::advise("a user name needs a password", advice);
            section.refuse("username", complaint);
        }
        (false, true) => {
            let example = ChannelKind::Email.table().key("username").example();
            section.refuse_lack(
                "username",
                Complaint::write("missing, but there is a password", example),
            );
        }
        (true | false, _) => {}
    }
    let leaves = !email.host.is_empty() && !is_loopback(&email.host);
    if leaves && email.tls == EmailTls::None {
        let text = "others on the network can read this password; better: tls = \"starttls\"";
        section.warn("password", text);
    }
    if section.spot("to").is_some() && !(1..=50).contains(&email.to.len()) {
        let example = ChannelKind::Email.table().key("to").example();
        section.refuse("to", Complaint::write("expected 1 to 50 recipients", example));
    }
}

/// What we publish would come back to us, and be recorded.
fn keep_off_the_routes(
    section: &mut Section<'_, '_>,
    topic: &str,
    discovery_prefix: Option<&str>,
    filters: &[&str],
) {
    if let Some(filter) = filters.iter().find(|filter| filter_matches(filter, topic)) {
        let why = format!(
            "the route with the topic `{}` would record this alert's messages",
            shorten(filter)
        );
        let advice = "make the route's topic narrower, or write another topic here";
        section.refuse("topic", Complaint::advise(why, advice));
    }
    let Some(prefix) = discovery_prefix else { return };
    // <prefix>/<component>/[<node>/]<object>/config, for what we may be announced as.
    let announced = [
        format!("{prefix}/device/barograph/config"),
        format!("{prefix}/sensor/barograph/0/config"),
    ];
    let taken = |filter: &&&str| announced.iter().any(|topic| filter_matches(filter, topic));
    if let Some(filter) = filters.iter().find(taken) {
        let why =
            format!("the route with the topic `{}` would record the announcement", shorten(filter));
        let advice = "make the route's topic narrower, or write: discovery = false";
        section.refuse("discovery_prefix", Complaint::advise(why, advice));
    }
}
