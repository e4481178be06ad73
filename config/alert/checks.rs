//! Checks over the settings of one alert.

use crate::alert::Alert;
use crate::alert::channel::{Channel, ChannelKind};
use crate::alert::email::{Email, EmailTls};
use crate::alert::http_url;
use crate::declare::key::Complaint;
use crate::read::reader::join;
use crate::read::redact::shorten;
use crate::read::section::Section;
use crate::route::topic::filter_matches;
use crate::word::Word;

/// Checks an alert, and fills what follows from the rest.
pub(crate) fn check(
    section: &mut Section<'_, '_>,
    alert: &mut Alert,
    client_id: &str,
    filters: &[&str],
) {
    let kind = alert.channel.kind();
    refuse_foreign(section, kind);
    match &mut alert.channel {
        Channel::Webhook { url, .. }
        | Channel::Slack { url }
        | Channel::Discord { url }
        | Channel::Ntfy { url, .. } => warn_of_plain_url(section, url.expose()),
        Channel::Telegram { url, .. } => warn_of_plain_url(section, url),
        Channel::Email(email) => check_email(section, email),
        Channel::Mqtt { topic, discovery, discovery_prefix } => {
            if topic.is_empty() {
                *topic = health_topic(client_id);
            }
            let prefix = discovery.then_some(discovery_prefix.as_str());
            keep_off_the_routes(section, topic, prefix, filters);
        }
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

/// The topic of our own health: below the client's name, in which nothing may be a wildcard.
fn health_topic(client_id: &str) -> String {
    format!("barograph/{}/health", client_id.replace(['+', '#'], "_"))
}

/// One problem for each key that only other types have.
fn refuse_foreign(section: &mut Section<'_, '_>, kind: ChannelKind) {
    let has = |kind: ChannelKind, name: &str| kind.table().keys().any(|key| key.name == name);
    let no_server = matches!(kind, ChannelKind::Mqtt | ChannelKind::Command);
    let mut seen = Vec::new();
    for key in Channel::tables().flat_map(|table| table.keys()) {
        if seen.contains(&key.name) || has(kind, key.name) {
            continue;
        }
        seen.push(key.name);
        let homes = ChannelKind::VARIANTS.iter().filter(|home| has(**home, key.name));
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
    let Ok(address) = http_url::address(url) else { return };
    if let Some(spot) = section.spot("url").filter(|_| !address.tls && !address.loopback) {
        let text =
            "others on the network can read this URL and what is sent to it; better: https://";
        section.reader.warn(&spot, text);
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
    if let Some(spot) = section.spot("password").filter(|_| email.tls == EmailTls::None)
        && !email.host.is_empty()
        && !http_url::is_loopback(&email.host)
    {
        let text = "others on the network can read this password; better: tls = \"starttls\"";
        section.reader.warn(&spot, text);
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
