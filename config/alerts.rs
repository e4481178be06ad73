//! `[[alert]]`: what all alerts have in common is read here; `channels.rs` reads what belongs to their type.

use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use crate::alert::{Alert, Channel, ChannelKind, QuietHours};
use crate::channels;
use crate::keys::{self, ROOT};
use crate::problems::{Complaint, Spot};
use crate::reader::{Reader, join};
use crate::section::{Answer, Section};
use crate::topic::filter_matches;
use crate::values;
use crate::words::Word;

/// Most alerts of a file: each may have a thread of its own.
const ALERTS_MAX: usize = 100;

/// Longest name, in bytes.
const NAME_LEN_MAX: usize = 64;

/// What an alert needs to know of the rest.
pub(crate) struct Surroundings<'s> {
    /// Where relative paths begin.
    pub(crate) cwd: &'s Path,
    /// Our name at the broker.
    pub(crate) client_id: &'s str,
    /// The filters of all routes.
    pub(crate) filters: Vec<&'s str>,
}

/// The alerts of the file, without those that have a problem.
pub(crate) fn read(reader: &mut Reader<'_>, surroundings: &Surroundings<'_>) -> Vec<Alert> {
    let Some((list, spot)) = reader.list("alert") else { return Vec::new() };
    if list.len() > ALERTS_MAX {
        let why = format!("a file has at most {ALERTS_MAX} alerts");
        let advice = "let one webhook or command tell the others";
        reader.refuse(&spot, Complaint::advise(why, advice));
        return Vec::new();
    }
    let mut alerts: Vec<(Alert, Spot)> = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let Some((alert, spot)) = read_alert(reader, index, value, surroundings) else { continue };
        compare(reader, &alerts, &alert, &spot);
        alerts.push((alert, spot));
    }
    alerts.into_iter().map(|(alert, _)| alert).collect()
}

/// An alert and the place of its name.
fn read_alert<'a>(
    reader: &mut Reader<'a>,
    index: usize,
    value: &'a Spanned<DeValue<'a>>,
    surroundings: &Surroundings<'_>,
) -> Option<(Alert, Spot)> {
    let path = format!("alert[{}]", index + 1);
    let table = reader.expect_table(ROOT.key("alert"), &path, value)?;
    let header = reader.spot(path.clone(), value.span(), None);
    let mut section = Section::new(reader, &keys::ALERT, Some(table), path);
    let name = read_name(&mut section, &header);
    let kind = read_type(&mut section, &header);
    let channel = kind.and_then(|kind| {
        refuse_foreign(&mut section, kind);
        channels::read(&mut section, kind, &header, surroundings)
    });
    if let Some(Channel::Mqtt { topic, discovery, discovery_prefix }) = &channel {
        let prefix = discovery.then_some(discovery_prefix.as_str());
        keep_off_the_routes(&mut section, topic, prefix, &header, &surroundings.filters);
    }
    // Also where the name or the channel is wrong: each mistake is to be found.
    let mut alert = Alert::new("", Channel::Command { argv: Vec::new() });
    section.word("min_severity", &mut alert.min_severity);
    section.duration("after", &mut alert.after);
    section.take("repeat", values::duration).map(Some).store(&mut alert.repeat);
    section.take("quiet_hours", read_quiet_hours).map(Some).store(&mut alert.quiet_hours);
    section.flag("resolved", &mut alert.resolved);
    section.whole("max_per_hour", &mut alert.max_per_hour);
    section.duration("timeout", &mut alert.timeout);
    section.path("ca_file").map(Some).store(&mut alert.ca_file);
    let (name, spot) = name?;
    Some((Alert { name, channel: channel?, ..alert }, spot))
}

fn read_name(section: &mut Section<'_, '_>, header: &Spot) -> Option<(String, Spot)> {
    let answer = section.take("name", |value, key| {
        let name = values::text(value, key)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.chars().all(is_plain) && name.len() <= NAME_LEN_MAX {
            return Ok(name);
        }
        let why = format!("a name is at most {NAME_LEN_MAX} letters, digits, `_` and `-`");
        let plain: String =
            name.chars().map(|c| if is_plain(c) { c } else { '_' }).take(NAME_LEN_MAX).collect();
        Err(Complaint::write(why, format!("\"{plain}\"")))
    });
    section.demand("name", header, answer)
}

fn read_type(section: &mut Section<'_, '_>, header: &Spot) -> Option<ChannelKind> {
    let answer = section.take("type", values::word::<ChannelKind>);
    if matches!(answer, Answer::Unset) {
        let words: Vec<String> =
            ChannelKind::ALL.iter().map(|kind| format!("\"{}\"", kind.word())).collect();
        let why = format!("the alert lacks its way; there are {}", words.join(", "));
        let complaint = Complaint::write(why, keys::ALERT.key("type").example);
        section.refuse_lack("type", header, complaint);
    }
    answer.good().map(|(kind, _)| kind)
}

fn read_quiet_hours(value: &DeValue<'_>, key: &keys::Key) -> Result<QuietHours, Complaint> {
    let text = values::text(value, key)?;
    QuietHours::parse(&text).map_err(|why| Complaint::write(why, key.example))
}

/// One problem for each key that only other types know.
fn refuse_foreign(section: &mut Section<'_, '_>, kind: ChannelKind) {
    for key in keys::ALERT.keys {
        let homes: Vec<&str> = ChannelKind::ALL
            .iter()
            .filter(|kind| kind.keys().contains(&key.name))
            .map(|kind| kind.word())
            .collect();
        let is_foreign = !homes.is_empty() && !kind.keys().contains(&key.name);
        if let Some(value) = section.value(key.name).filter(|_| is_foreign) {
            let why = format!("an alert of type {} has no such key", kind.word());
            let advice = format!("remove it; it belongs to type {}", homes.join(", "));
            let spot = section.reader.spot(join(&section.path, key.name), value.span(), None);
            section.reader.refuse(&spot, Complaint::advise(why, advice));
        }
    }
}

/// What we publish would come back to us, and be recorded.
fn keep_off_the_routes(
    section: &mut Section<'_, '_>,
    topic: &str,
    discovery_prefix: Option<&str>,
    header: &Spot,
    filters: &[&str],
) {
    let place = |section: &Section<'_, '_>, name: &str| match section.value(name) {
        Some(value) => section.reader.spot(join(&section.path, name), value.span(), None),
        None => Spot { path: join(&header.path, name), name: name.to_owned(), ..header.clone() },
    };
    if let Some(filter) = filters.iter().find(|filter| filter_matches(filter, topic)) {
        let filter = crate::redact::shorten(filter);
        let why = format!("the route with the topic `{filter}` would record this alert's messages");
        let advice = "make the route's topic narrower, or write another topic here";
        let spot = place(section, "topic");
        section.reader.refuse(&spot, Complaint::advise(why, advice));
    }
    let Some(prefix) = discovery_prefix else { return };
    // <prefix>/<component>/[<node>/]<object>/config, for what we may be announced as.
    let announced = [
        format!("{prefix}/device/barograph/config"),
        format!("{prefix}/sensor/barograph/0/config"),
    ];
    let taken = |filter: &&&str| announced.iter().any(|topic| filter_matches(filter, topic));
    if let Some(filter) = filters.iter().find(taken) {
        let filter = crate::redact::shorten(filter);
        let why = format!("the route with the topic `{filter}` would record the announcement");
        let advice = "make the route's topic narrower, or write: discovery = false";
        let spot = place(section, "discovery_prefix");
        section.reader.refuse(&spot, Complaint::advise(why, advice));
    }
}

/// Names never repeat, and our broker holds one state of ours.
fn compare(reader: &mut Reader<'_>, before: &[(Alert, Spot)], alert: &Alert, spot: &Spot) {
    if let Some((_, at)) = before.iter().find(|(other, _)| other.name == alert.name) {
        let why = format!("there is an alert of this name already ({})", at.place);
        reader.refuse(spot, Complaint::write(why, format!("\"{}-2\"", alert.name)));
    }
    let is_mqtt = |alert: &Alert| alert.channel.kind() == ChannelKind::Mqtt;
    if let Some((_, at)) = before.iter().find(|(other, _)| is_mqtt(other) && is_mqtt(alert)) {
        let why = format!("there is an alert of type mqtt already ({})", at.place);
        reader.refuse(spot, Complaint::advise(why, "keep only one of them"));
    }
}
