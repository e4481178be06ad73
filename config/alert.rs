//! `[[alert]]`: who is notified when something is wrong, how soon, and over which channel.

pub(crate) mod channel;
pub(crate) mod checks;
pub(crate) mod email;
pub(crate) mod http_url;
pub(crate) mod quiet_hours;

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use crate::alert::channel::{Channel, ChannelKind};
use crate::alert::quiet_hours::QuietHours;
use crate::declare::key::{
    Complaint, DAY, FLAG, Key, MINUTE, PATH, SECOND, TEXT, YEAR, count, millis, time, word,
};
use crate::declare::settings;
use crate::declare::text::quote;
use crate::field::{Declared, word_scalars};
use crate::page::{Line, Sheet, Shown};
use crate::part::Part;
use crate::read::problems::Spot;
use crate::read::reader::Reader;
use crate::read::section::Section;
use crate::word::{Word, words};

/// Most alerts of a file: each may have a thread of its own.
const ALERTS_MAX: usize = 100;

/// Longest name, in bytes.
const NAME_LEN_MAX: usize = 64;

settings! {
    /// `[[alert]]`: one way to notify a person of issues.
    pub struct Alert in "alert" concerns Part::Alerts;

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

word_scalars!(AlertSeverity);

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

    /// Its tables, as the file writes them.
    pub(crate) fn sheets(&self) -> Vec<Sheet> {
        let (mut headers, mut lines): (Vec<Line>, Vec<Line>) =
            self.lines().into_iter().partition(|line| line.name == "headers");
        lines.extend(self.channel.lines().into_iter().filter(|line| line.name != "headers"));
        headers.extend(self.channel.lines().into_iter().filter(|line| line.name == "headers"));
        let mut sheets = vec![Sheet::new("[[alert]]", lines)];
        for line in headers {
            if let Shown::Braces(lines) = line.value {
                sheets.push(Sheet::new("[alert.headers]", lines));
            }
        }
        sheets
    }
}

/// The alerts of the file. `client_id` is our name at the broker, `filters` are those of all routes.
pub(crate) fn read(reader: &mut Reader<'_>, client_id: &str, filters: &[&str]) -> Vec<Alert> {
    let Some((list, spot)) = reader.list("alert") else { return Vec::new() };
    if list.len() > ALERTS_MAX {
        let why = format!("expected at most {ALERTS_MAX} alerts");
        let advice = "let one webhook or command notify the others";
        reader.refuse(&spot, Complaint::advise(why, advice));
        return Vec::new();
    }
    let mut alerts: Vec<Alert> = Vec::new();
    let mut places = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let Some((alert, spot)) = read_one(reader, index, value, client_id, filters) else {
            continue;
        };
        compare(reader, &alerts, &places, &alert, &spot);
        alerts.push(alert);
        places.push(spot);
    }
    alerts
}

/// An alert and the place of its name.
fn read_one<'a>(
    reader: &mut Reader<'a>,
    index: usize,
    value: &'a Spanned<DeValue<'a>>,
    client_id: &str,
    filters: &[&str],
) -> Option<(Alert, Spot)> {
    let path = format!("alert[{}]", index + 1);
    let table = reader.expect_table(&path, value, "[[alert]]")?;
    let header = reader.spot(path, value.span(), None);
    let keys = Alert::TABLE.keys().chain(Channel::tables().flat_map(|table| table.keys()));
    let mut section = Section::open(reader, keys, Some(table), header.clone());
    let mut alert = Alert::initial();
    alert.take(&mut section);
    let kind = section.again(Alert::TABLE.key("type"), crate::declare::values::word);
    if let Some(kind) = kind {
        alert.channel = Channel::take(kind, &mut section);
        checks::check(&mut section, &mut alert, client_id, filters);
    }
    let spot = section.spot("name").unwrap_or(header);
    Some((alert, spot))
}

/// Names never repeat, and the broker holds one state of ours.
fn compare(reader: &mut Reader<'_>, before: &[Alert], places: &[Spot], alert: &Alert, spot: &Spot) {
    let twin = |is_twin: &dyn Fn(&Alert) -> bool| {
        let found = before.iter().position(is_twin);
        found.map(|found| places[found].place.clone())
    };
    if let Some(at) = twin(&|other| !other.name.is_empty() && other.name == alert.name) {
        let why = format!("another alert has this name ({at})");
        reader.refuse(spot, Complaint::write(why, format!("\"{}-2\"", alert.name)));
    }
    let is_mqtt = |alert: &Alert| alert.channel.state_topic().is_some();
    if let Some(at) = twin(&is_mqtt).filter(|_| is_mqtt(alert)) {
        let why = format!("another alert is of type mqtt ({at})");
        let spot = Spot { written: None, ..spot.clone() };
        reader.refuse(&spot, Complaint::advise(why, "keep only one of them"));
    }
}
