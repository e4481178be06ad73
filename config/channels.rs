//! What belongs to the type of an alert: addresses, secrets, recipients.

use toml::de::DeValue;

use crate::alert::{Channel, ChannelKind, Email, EmailTls};
use crate::alerts::Surroundings;
use crate::columns::in_order;
use crate::credentials::read_secret;
use crate::defaults;
use crate::http_url;
use crate::keys::{self, Key};
use crate::problems::{Complaint, Spot};
use crate::reader::join;
use crate::redact::written;
use crate::section::Section;
use crate::settings::Secret;
use crate::topic::filter_fault;
use crate::values;

/// Most headers of a webhook, and most recipients of a mail.
const ENTRIES_MAX: usize = 50;

/// Headers that are said already, by us or by HTTP.
const OWN_HEADERS: [&str; 6] =
    ["connection", "content-length", "content-type", "host", "transfer-encoding", "user-agent"];

/// Reads the keys of a type; `None` where something is wrong or missing, and has been refused.
pub(crate) fn read(
    section: &mut Section<'_, '_>,
    kind: ChannelKind,
    header: &Spot,
    surroundings: &Surroundings<'_>,
) -> Option<Channel> {
    match kind {
        ChannelKind::Webhook => {
            let url = read_url(section, header, surroundings);
            let headers = read_headers(section);
            let secret = secret(section, "secret", "secret_file", surroundings);
            let secret = secret.map(|(secret, _)| secret);
            Some(Channel::Webhook { url: url?, headers: headers?, secret })
        }
        ChannelKind::Slack => {
            Some(Channel::Slack { url: read_url(section, header, surroundings)? })
        }
        ChannelKind::Discord => {
            Some(Channel::Discord { url: read_url(section, header, surroundings)? })
        }
        ChannelKind::Ntfy => {
            let url = read_url(section, header, surroundings);
            let token = secret(section, "token", "token_file", surroundings);
            Some(Channel::Ntfy { url: url?, token: token.map(|(token, _)| token) })
        }
        ChannelKind::Telegram => telegram(section, header, surroundings),
        ChannelKind::Email => email(section, header, surroundings).map(Channel::Email),
        ChannelKind::Mqtt => Some(mqtt(section, surroundings)),
        ChannelKind::Command => command(section, header),
    }
}

/// A secret that stands in the file, or in a file of its own.
fn secret(
    section: &mut Section<'_, '_>,
    word: &str,
    file: &str,
    surroundings: &Surroundings<'_>,
) -> Option<(Secret, Spot)> {
    let said = section.take(word, |value, key| values::text(value, key).map(Secret::new)).good();
    let (path, spot) = match (section.path(file).good(), said) {
        (None, said) => return said,
        (Some((_, spot)), Some((_, other))) => {
            let why = format!("{} ({}) says this, too", other.path, other.place);
            section.reader.refuse(&spot, Complaint::advise(why, "keep only one of them"));
            return None;
        }
        (Some(file), None) => file,
    };
    match read_secret(&surroundings.cwd.join(path)) {
        Ok(secret) => Some((secret, spot)),
        Err(complaint) => {
            section.reader.refuse(&spot, complaint);
            None
        }
    }
}

/// The same for one that the alert cannot do without.
fn needed_secret(
    section: &mut Section<'_, '_>,
    (word, file): (&str, &str),
    header: &Spot,
    surroundings: &Surroundings<'_>,
) -> Option<(Secret, Spot)> {
    if section.value(word).is_none() && section.value(file).is_none() {
        let why = format!("the alert lacks it, and {file} too");
        let complaint = Complaint::write(why, keys::ALERT.key(word).example);
        section.refuse_lack(word, header, complaint);
    }
    secret(section, word, file, surroundings)
}

fn read_url(
    section: &mut Section<'_, '_>,
    header: &Spot,
    surroundings: &Surroundings<'_>,
) -> Option<Secret> {
    let (url, spot) = needed_secret(section, ("url", "url_file"), header, surroundings)?;
    match http_url::address(url.expose()) {
        Ok(address) => {
            warn_of_plain(section, &address, &spot);
            Some(url)
        }
        Err(why) => {
            let example = keys::ALERT.key("url").example;
            let complaint = if spot.name == "url" {
                Complaint::write(why, example)
            } else {
                let advice = format!("write into that file a URL like {example}, without quotes");
                Complaint::advise(why, advice)
            };
            section.reader.refuse(&spot, complaint);
            None
        }
    }
}

fn warn_of_plain(section: &mut Section<'_, '_>, address: &http_url::Address, spot: &Spot) {
    if !address.tls && !address.loopback {
        let text = "whoever is on the way can read this URL and what is sent with it; \
                    better: https://";
        section.reader.warn(spot, text);
    }
}

fn read_headers(section: &mut Section<'_, '_>) -> Option<Vec<(String, Secret)>> {
    if section.value("headers").is_none() {
        return Some(Vec::new());
    }
    let table = section.table("headers")?;
    let path = join(&section.path, "headers");
    let key = &keys::ALERT_HEADER;
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (name, value) in in_order(table) {
        let raw = section.reader.raw(value.span());
        let at = join(&path, name.get_ref());
        let spot = section.reader.spot(at, value.span(), written(key, value.get_ref(), raw));
        if section.reader.slipped_at(key, &spot, &value.span()) {
            continue;
        }
        let name: &str = name.get_ref();
        let fault = header_fault(name, &headers).map_or_else(
            || values::text(value.get_ref(), key).and_then(header_value),
            |why| Err(Complaint::advise(why, "rename it, or remove it")),
        );
        match fault {
            Ok(value) => headers.push((name.to_owned(), value)),
            Err(complaint) => section.reader.refuse(&spot, complaint),
        }
    }
    (headers.len() == table.len()).then_some(headers)
}

/// Why a name is not one of a header of ours (RFC 9110, a token).
fn header_fault(name: &str, before: &[(String, Secret)]) -> Option<&'static str> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || name.len() > 100 || !name.chars().all(is_token) {
        Some("the name of a header has letters, digits and `-`, 100 at most")
    } else if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        Some("this header is said already, and cannot be changed")
    } else if before.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
        Some("HTTP takes this for the header of the same letters above")
    } else if before.len() == ENTRIES_MAX {
        Some("an alert has at most 50 headers")
    } else {
        None
    }
}

fn header_value(text: String) -> Result<Secret, Complaint> {
    if text.chars().any(char::is_control) {
        let why = "a header is one line, without control characters";
        return Err(Complaint::advise(why, "write it in one line"));
    }
    Ok(Secret::new(text))
}

fn telegram(
    section: &mut Section<'_, '_>,
    header: &Spot,
    surroundings: &Surroundings<'_>,
) -> Option<Channel> {
    let answer = section.take("url", |value, key| {
        let example = format!("\"{}\"", defaults::TELEGRAM);
        let text = values::text(value, key)?;
        match http_url::address(&text) {
            Ok(address) if address.has_more => {
                let why = "the URL of a bot's server ends with its host, port or path";
                Err(Complaint::write(why, example))
            }
            Ok(address) => Ok((text.trim_end_matches('/').to_owned(), address)),
            Err(why) => Err(Complaint::write(why, example)),
        }
    });
    let is_bad = answer.is_bad();
    let url = match answer.good() {
        Some(((url, address), spot)) => {
            warn_of_plain(section, &address, &spot);
            url
        }
        None => defaults::TELEGRAM.to_owned(),
    };
    let token = needed_secret(section, ("token", "token_file"), header, surroundings);
    let chat_id = section.text("chat_id");
    let chat_id = section.demand("chat_id", header, chat_id);
    let channel = Channel::Telegram { url, token: token?.0, chat_id: chat_id?.0 };
    (!is_bad).then_some(channel)
}

fn email(
    section: &mut Section<'_, '_>,
    header: &Spot,
    surroundings: &Surroundings<'_>,
) -> Option<Email> {
    let host = section.take("host", |value, key| {
        let host = values::text(value, key)?;
        if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@".contains(c)) {
            let why = "a host is a name or an address alone";
            return Err(Complaint::write(why, key.example));
        }
        Ok(host)
    });
    let host = section.demand("host", header, host);
    let mut tls = EmailTls::StartTls;
    section.word("tls", &mut tls);
    let port = section.number("port").good().map_or(defaults::mail_port(tls), |(port, _)| port);
    let username = section.text("username").good();
    let password = secret(section, "password", "password_file", surroundings);
    let has_password =
        section.value("password").is_some() || section.value("password_file").is_some();
    match (&username, has_password) {
        (Some((_, spot)), false) => {
            let advice = "add: password_file = \"...\", or remove this line";
            section.reader.refuse(spot, Complaint::advise("a user needs a password", advice));
        }
        (None, true) if section.value("username").is_none() => {
            let complaint =
                Complaint::write("a password needs its user", keys::ALERT.key("username").example);
            section.refuse_lack("username", header, complaint);
        }
        (Some(_), true) | (None, true | false) => {}
    }
    if let (Some((host, _)), Some((_, spot)), EmailTls::None) = (&host, &password, tls)
        && !http_url::is_loopback(host)
    {
        let text = "whoever is on the way can read this password; better: tls = \"starttls\"";
        section.reader.warn(spot, text);
    }
    let from = section.take("from", |value, key| mailbox(values::text(value, key)?, key));
    let from = section.demand("from", header, from);
    let to = read_recipients(section, header);
    let (username, password) = (username.map(|(name, _)| name), password.map(|(word, _)| word));
    Some(Email { host: host?.0, port, tls, username, password, from: from?.0, to: to? })
}

fn read_recipients(section: &mut Section<'_, '_>, header: &Spot) -> Option<Vec<String>> {
    let key = keys::ALERT.key("to");
    let names = section.names("to");
    let (names, spot) = section.demand("to", header, names)?;
    if names.is_empty() || names.len() > ENTRIES_MAX {
        let why = format!("a mail has one recipient at least, and {ENTRIES_MAX} at most");
        section.reader.refuse(&spot, Complaint::write(why, key.example));
        return None;
    }
    let count = names.len();
    let mut to = Vec::with_capacity(count);
    for (name, spot) in names {
        match mailbox(name, key) {
            Ok(address) => to.push(address),
            Err(complaint) => section.reader.refuse(&spot, complaint),
        }
    }
    (to.len() == count).then_some(to)
}

/// `user@host`, and nothing around it.
fn mailbox(text: String, key: &Key) -> Result<String, Complaint> {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "<>,;:\"()".contains(c);
    let parts = text.split_once('@');
    let is_good = parts.is_some_and(|(user, host)| {
        !user.is_empty() && !host.is_empty() && !host.contains('@') && !text.contains(is_odd)
    });
    let why = "a mail address is a user, one `@` and a host, without a name or brackets";
    if is_good { Ok(text) } else { Err(Complaint::write(why, key.example)) }
}

fn mqtt(section: &mut Section<'_, '_>, surroundings: &Surroundings<'_>) -> Channel {
    let mut topic = defaults::health_topic(surroundings.client_id);
    let mut discovery = true;
    let mut discovery_prefix = defaults::DISCOVERY_PREFIX.to_owned();
    section.take("topic", read_topic).store(&mut topic);
    section.flag("discovery", &mut discovery);
    section.take("discovery_prefix", read_topic).store(&mut discovery_prefix);
    Channel::Mqtt { topic, discovery, discovery_prefix }
}

/// A topic to publish on, which is a filter without wildcards.
fn read_topic(value: &DeValue<'_>, key: &Key) -> Result<String, Complaint> {
    let topic = values::text(value, key)?;
    if topic.contains(['+', '#']) {
        let why = "a topic to publish on has no wildcards (`+`, `#`)";
        return Err(Complaint::write(why, key.example));
    }
    if topic.starts_with('$') {
        return Err(Complaint::write("topics that begin with `$` are the broker's", key.example));
    }
    match filter_fault(&topic) {
        None => Ok(topic),
        Some((why, _)) => Err(Complaint::write(why, key.example)),
    }
}

fn command(section: &mut Section<'_, '_>, header: &Spot) -> Option<Channel> {
    let key = keys::ALERT.key("argv");
    let words = section.names("argv");
    let (words, spot) = section.demand("argv", header, words)?;
    if words.first().is_none_or(|(program, _)| program.is_empty()) {
        let why = "the first entry is the program, and cannot be absent or empty";
        section.reader.refuse(&spot, Complaint::write(why, key.example));
        return None;
    }
    if let Some((_, at)) = words.iter().find(|(word, _)| word.contains('\0')) {
        let why = "no argument of a program can hold a NUL character";
        section.reader.refuse(at, Complaint::write(why, key.example));
        return None;
    }
    Some(Channel::Command { argv: words.into_iter().map(|(word, _)| word).collect() })
}
