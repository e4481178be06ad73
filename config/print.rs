//! Resolved settings as a file that would resolve to them. Secrets become `***`.

use std::path::Path;
use std::time::Duration;

use crate::alert::{Alert, Channel, Email};
use crate::http_url;
use crate::names::print_pointer;
use crate::redact::HIDDEN;
use crate::settings::{
    Column, Database, Health, Log, Mqtt, OnBad, Quarantine, Route, Secret, Settings, Spool,
    Supervision,
};
use crate::values::{print_duration, print_size};

impl Settings {
    /// The settings as TOML, every key said, secrets as `***`. Loading the text gives equal settings, except for
    /// secrets.
    pub fn to_toml(&self) -> String {
        let mut page = Page::default();
        page.header("[instance]");
        page.path("lock_file", Some(&self.instance.lock_file));
        mqtt(&mut page, &self.mqtt);
        database(&mut page, &self.database);
        spool(&mut page, &self.spool);
        health(&mut page, &self.health);
        quarantine(&mut page, &self.quarantine);
        supervisor(&mut page, &self.supervisor);
        log(&mut page, &self.log);
        page.header("[metrics]");
        page.text("listen", self.metrics.listen.map(|listen| listen.to_string()).as_deref());
        for alert in &self.alerts {
            print_alert(&mut page, alert);
        }
        for route in &self.routes {
            print_route(&mut page, route);
        }
        page.0
    }
}

/// A text as TOML, with its quotes.
pub(crate) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The text so far.
#[derive(Default)]
struct Page(String);

impl Page {
    fn header(&mut self, header: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(header);
        self.0.push('\n');
    }

    fn raw(&mut self, name: &str, value: &str) {
        self.0.push_str(&format!("{name} = {value}\n"));
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.raw(name, &quote(text));
        }
    }

    fn secret(&mut self, name: &str, secret: Option<&Secret>) {
        self.text(name, secret.map(|_| HIDDEN));
    }

    /// A secret under a name of the operator's, which TOML may want in quotes.
    fn named_secret(&mut self, name: &str, secret: &Secret) {
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let name = if name.chars().all(is_bare) { name.to_owned() } else { quote(name) };
        self.secret(&name, Some(secret));
    }

    fn secret_url(&mut self, url: &Secret) {
        self.text("url", Some(&http_url::print(url.expose())));
    }

    fn path(&mut self, name: &str, path: Option<&Path>) {
        self.text(name, path.map(|path| path.to_string_lossy()).as_deref());
    }

    fn duration(&mut self, name: &str, duration: Duration) {
        self.text(name, Some(&print_duration(duration)));
    }

    fn size(&mut self, name: &str, size: u64) {
        self.raw(name, &print_size(size));
    }

    fn names(&mut self, name: &str, names: &[String]) {
        let quoted: Vec<String> = names.iter().map(|name| quote(name)).collect();
        self.raw(name, &format!("[{}]", quoted.join(", ")));
    }
}

fn mqtt(page: &mut Page, mqtt: &Mqtt) {
    page.header("[mqtt]");
    page.text("url", Some(&mqtt.url.to_string()));
    page.text("protocol", Some(mqtt.protocol.as_str()));
    page.text("client_id", Some(&mqtt.client_id));
    page.text("username", mqtt.username.as_deref());
    page.secret("password", mqtt.password.as_ref());
    page.duration("keep_alive", mqtt.keep_alive);
    page.duration("session_expiry", mqtt.session_expiry);
    page.raw("receive_maximum", &mqtt.receive_maximum.to_string());
    page.size("max_packet_size", mqtt.max_packet_size);
    page.size("max_unacked", mqtt.max_unacked);
    page.duration("reconnect_min", mqtt.reconnect_min);
    page.duration("reconnect_max", mqtt.reconnect_max);
    page.path("ca_file", mqtt.ca_file.as_deref());
    let auth = mqtt.client_auth.as_ref();
    page.path("client_cert", auth.map(|auth| auth.cert_file.as_path()));
    page.path("client_key", auth.map(|auth| auth.key_file.as_path()));
    page.raw("watch_drops", &mqtt.watch_drops.to_string());
    page.raw("echo", &mqtt.echo.to_string());
}

fn database(page: &mut Page, database: &Database) {
    page.header("[database]");
    page.path("path", Some(&database.path));
    page.duration("busy_timeout", database.busy_timeout);
    page.duration("commit_interval", database.commit_interval);
    page.text("synchronous", Some(database.synchronous.as_str()));
}

fn spool(page: &mut Page, spool: &Spool) {
    page.header("[spool]");
    page.path("dir", Some(&spool.dir));
    page.size("max_size", spool.max_size);
    page.size("min_free", spool.min_free);
}

fn health(page: &mut Page, health: &Health) {
    page.header("[health]");
    page.raw("max_write_failures", &health.max_write_failures.to_string());
    page.duration("no_write_issue_after", health.no_write_issue_after);
    page.duration("probe_min", health.probe_min);
    page.duration("probe_max", health.probe_max);
    page.duration("check_interval", health.check_interval);
    page.raw("clock_sync", &health.clock_sync.to_string());
}

fn quarantine(page: &mut Page, quarantine: &Quarantine) {
    page.header("[quarantine]");
    page.raw("max_rows", &quarantine.max_rows.to_string());
    page.duration("max_age", quarantine.max_age);
}

fn supervisor(page: &mut Page, supervisor: &Supervision) {
    page.header("[supervisor]");
    page.duration("backoff_min", supervisor.backoff_min);
    page.duration("backoff_max", supervisor.backoff_max);
    page.raw("intensity", &supervisor.intensity.to_string());
    page.duration("intensity_period", supervisor.intensity_period);
    page.duration("stable_after", supervisor.stable_after);
    page.duration("stuck_after", supervisor.stuck_after);
}

fn log(page: &mut Page, log: &Log) {
    page.header("[log]");
    page.text("level", Some(log.level.as_str()));
    page.text("format", Some(log.format.as_str()));
    page.path("file", log.file.as_deref());
    page.duration("stats_interval", log.stats_interval);
    if let Some(size) = log.rotate_size {
        page.size("rotate_size", size);
    }
    page.raw("rotate_keep", &log.rotate_keep.to_string());
}

fn print_alert(page: &mut Page, alert: &Alert) {
    page.header("[[alert]]");
    page.text("name", Some(&alert.name));
    page.text("type", Some(alert.channel.word()));
    page.text("min_severity", Some(alert.min_severity.as_str()));
    page.duration("after", alert.after);
    if let Some(repeat) = alert.repeat {
        page.duration("repeat", repeat);
    }
    page.text("quiet_hours", alert.quiet_hours.map(|hours| hours.to_string()).as_deref());
    page.raw("resolved", &alert.resolved.to_string());
    page.raw("max_per_hour", &alert.max_per_hour.to_string());
    page.duration("timeout", alert.timeout);
    print_channel(page, &alert.channel);
}

fn print_channel(page: &mut Page, channel: &Channel) {
    match channel {
        Channel::Webhook { url, headers, secret } => {
            page.secret_url(url);
            page.secret("secret", secret.as_ref());
            if !headers.is_empty() {
                page.header("[alert.headers]");
            }
            for (name, value) in headers {
                page.named_secret(name, value);
            }
        }
        Channel::Slack { url } | Channel::Discord { url } => page.secret_url(url),
        Channel::Ntfy { url, token } => {
            page.secret_url(url);
            page.secret("token", token.as_ref());
        }
        Channel::Telegram { url, token, chat_id } => {
            page.text("url", Some(url));
            page.secret("token", Some(token));
            page.text("chat_id", Some(chat_id));
        }
        Channel::Email(email) => print_email(page, email),
        Channel::Mqtt { topic, discovery, discovery_prefix } => {
            page.text("topic", Some(topic));
            page.raw("discovery", &discovery.to_string());
            page.text("discovery_prefix", Some(discovery_prefix));
        }
        Channel::Command { argv } => page.names("argv", argv),
    }
}

fn print_email(page: &mut Page, email: &Email) {
    page.text("host", Some(&email.host));
    page.raw("port", &email.port.to_string());
    page.text("tls", Some(email.tls.as_str()));
    page.text("username", email.username.as_deref());
    page.secret("password", email.password.as_ref());
    page.text("from", Some(&email.from));
    page.names("to", &email.to);
}

fn print_route(page: &mut Page, route: &Route) {
    page.header("[[route]]");
    page.text("topic", Some(&route.topic));
    page.text("table", Some(&route.table));
    page.raw("qos", &route.qos.number().to_string());
    page.names("unique", &route.unique);
    if let Some(after) = route.silent_after {
        page.duration("silent_after", after);
    }
    page.text("time_column", route.time_column.as_deref());
    page.header("[route.columns]");
    for column in &route.columns {
        page.raw(&column.name, &attributes(column));
    }
    page.header("[route.indexes]");
    for index in &route.indexes {
        page.names(&index.name, &index.columns);
    }
}

fn attributes(column: &Column) -> String {
    let mut attributes = vec![
        format!("field = {}", quote(print_pointer(&column.pointer))),
        format!("type = \"{}\"", column.kind.as_str()),
    ];
    if column.required {
        attributes.push("required = true".to_owned());
    }
    // Debug of a finite number is TOML: `-60.0`, `1e300`.
    attributes.extend(column.min.map(|min| format!("min = {min:?}")));
    attributes.extend(column.max.map(|max| format!("max = {max:?}")));
    attributes.extend(column.unit.as_ref().map(|unit| format!("unit = {}", quote(unit))));
    if column.on_bad != OnBad::Quarantine {
        attributes.push(format!("on_bad = \"{}\"", column.on_bad.as_str()));
    }
    attributes.extend(column.stuck_after.map(|count| format!("stuck_after = {count}")));
    format!("{{ {} }}", attributes.join(", "))
}
