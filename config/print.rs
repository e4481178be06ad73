//! What resolved settings say, key by key: as a file that would resolve to them. Secrets become `***`.

use crate::alert::{Alert, Channel, Email};
use crate::derived::Derived;
use crate::difference::Part;
use crate::names::print_pointer;
use crate::page::{Page, list};
use crate::settings::{
    Column, Database, Health, Log, Mqtt, OnBad, Quarantine, Route, Settings, Spool, Supervision,
};
use crate::watchtower::Watchtower;

impl Settings {
    /// The settings as TOML, every key said, secrets as `***`. Loading the text gives equal settings, except for
    /// secrets; with a token of the page it cannot be loaded, because the token's file is not named.
    pub fn to_toml(&self) -> String {
        self.page().to_toml()
    }

    /// Every key that is said.
    pub(crate) fn page(&self) -> Page {
        let mut page = Page::default();
        page.header(Part::Instance, "[instance]");
        page.path("lock_file", Some(&self.instance.lock_file));
        mqtt(&mut page, &self.mqtt);
        database(&mut page, &self.database);
        spool(&mut page, &self.spool);
        health(&mut page, &self.health);
        quarantine(&mut page, &self.quarantine);
        supervisor(&mut page, &self.supervisor);
        log(&mut page, &self.log);
        page.header(Part::Metrics, "[metrics]");
        page.text("listen", self.metrics.listen.map(|listen| listen.to_string()).as_deref());
        watchtower(&mut page, &self.watchtower);
        for alert in &self.alerts {
            print_alert(&mut page, alert);
        }
        for route in &self.routes {
            print_route(&mut page, route);
        }
        page
    }
}

/// A text as TOML, with its quotes.
pub(crate) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn mqtt(page: &mut Page, mqtt: &Mqtt) {
    page.header(Part::Mqtt, "[mqtt]");
    page.text("url", Some(&mqtt.url.to_string()));
    page.text("protocol", Some(mqtt.protocol.as_str()));
    page.text("client_id", Some(&mqtt.client_id));
    page.text("username", mqtt.username.as_deref());
    page.secret("password", mqtt.password.as_ref());
    page.duration("keep_alive", mqtt.keep_alive);
    page.duration("session_expiry", mqtt.session_expiry);
    page.raw("receive_maximum", &mqtt.receive_maximum);
    page.size("max_packet_size", mqtt.max_packet_size);
    page.size("max_unacked", mqtt.max_unacked);
    page.duration("reconnect_min", mqtt.reconnect_min);
    page.duration("reconnect_max", mqtt.reconnect_max);
    page.path("ca_file", mqtt.ca_file.as_deref());
    let auth = mqtt.client_auth.as_ref();
    page.path("client_cert", auth.map(|auth| auth.cert_file.as_path()));
    page.path("client_key", auth.map(|auth| auth.key_file.as_path()));
    page.raw("watch_drops", &mqtt.watch_drops);
    page.raw("echo", &mqtt.echo);
    page.duration("echo_interval", mqtt.echo_interval);
}

fn database(page: &mut Page, database: &Database) {
    page.header(Part::Database, "[database]");
    page.path("path", Some(&database.path));
    page.duration("busy_timeout", database.busy_timeout);
    page.duration("commit_interval", database.commit_interval);
    page.text("synchronous", Some(database.synchronous.as_str()));
}

fn spool(page: &mut Page, spool: &Spool) {
    page.header(Part::Spool, "[spool]");
    page.path("dir", Some(&spool.dir));
    page.size("max_size", spool.max_size);
    page.size("min_free", spool.min_free);
}

fn health(page: &mut Page, health: &Health) {
    page.header(Part::Health, "[health]");
    page.raw("max_write_failures", &health.max_write_failures);
    page.duration("no_write_issue_after", health.no_write_issue_after);
    page.duration("probe_min", health.probe_min);
    page.duration("probe_max", health.probe_max);
    page.duration("check_interval", health.check_interval);
    page.raw("clock_sync", &health.clock_sync);
}

fn quarantine(page: &mut Page, quarantine: &Quarantine) {
    page.header(Part::Quarantine, "[quarantine]");
    page.raw("max_rows", &quarantine.max_rows);
    page.duration("max_age", quarantine.max_age);
}

fn supervisor(page: &mut Page, supervisor: &Supervision) {
    page.header(Part::Supervisor, "[supervisor]");
    page.duration("backoff_min", supervisor.backoff_min);
    page.duration("backoff_max", supervisor.backoff_max);
    page.raw("intensity", &supervisor.intensity);
    page.duration("intensity_period", supervisor.intensity_period);
    page.duration("stable_after", supervisor.stable_after);
    page.duration("stuck_after", supervisor.stuck_after);
}

fn log(page: &mut Page, log: &Log) {
    page.header(Part::Log, "[log]");
    page.text("level", Some(log.level.as_str()));
    page.text("format", Some(log.format.as_str()));
    page.path("file", log.file.as_deref());
    page.duration("stats_interval", log.stats_interval);
    page.size("rotate_size", log.rotate_size);
    page.raw("rotate_keep", &log.rotate_keep);
}

/// A token is printed as the file that it is in, which is not known any more.
fn watchtower(page: &mut Page, watchtower: &Watchtower) {
    page.header(Part::Watchtower, "[watchtower]");
    page.text("listen", Some(&watchtower.listen.to_string()));
    page.raw("anonymous_read", &watchtower.anonymous_read);
    page.secret("admin_token_file", watchtower.admin_token.as_ref());
    page.secret("read_token_file", watchtower.read_token.as_ref());
    let tls = watchtower.tls.as_ref();
    page.path("cert_file", tls.map(|tls| tls.cert_file.as_path()));
    page.path("key_file", tls.map(|tls| tls.key_file.as_path()));
    page.names("hosts", &watchtower.hosts);
    page.raw("max_connections", &watchtower.max_connections);
    page.raw("max_connections_per_address", &watchtower.max_connections_per_address);
}

fn print_alert(page: &mut Page, alert: &Alert) {
    page.header(Part::Alerts, "[[alert]]");
    page.text("name", Some(&alert.name));
    page.text("type", Some(alert.channel.word()));
    page.text("min_severity", Some(alert.min_severity.as_str()));
    page.duration("after", alert.after);
    page.duration("repeat", alert.repeat);
    page.text("quiet_hours", alert.quiet_hours.map(|hours| hours.to_string()).as_deref());
    page.raw("resolved", &alert.resolved);
    page.raw("max_per_hour", &alert.max_per_hour);
    page.duration("timeout", alert.timeout);
    page.path("ca_file", alert.ca_file.as_deref());
    print_channel(page, &alert.channel);
}

fn print_channel(page: &mut Page, channel: &Channel) {
    match channel {
        Channel::Webhook { url, headers, secret } => {
            page.secret_url("url", url);
            page.secret("secret", secret.as_ref());
            if !headers.is_empty() {
                page.header(Part::Alerts, "[alert.headers]");
            }
            for (name, value) in headers {
                page.named_secret(name, value);
            }
        }
        Channel::Slack { url } | Channel::Discord { url } => page.secret_url("url", url),
        Channel::Ntfy { url, token } => {
            page.secret_url("url", url);
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
            page.raw("discovery", &discovery);
            page.text("discovery_prefix", Some(discovery_prefix));
        }
        Channel::Command { argv } => page.names("argv", argv),
    }
}

fn print_email(page: &mut Page, email: &Email) {
    page.text("host", Some(&email.host));
    page.raw("port", &email.port);
    page.text("tls", Some(email.tls.as_str()));
    page.text("username", email.username.as_deref());
    page.secret("password", email.password.as_ref());
    page.text("from", Some(&email.from));
    page.names("to", &email.to);
}

fn print_route(page: &mut Page, route: &Route) {
    page.header(Part::Routes, "[[route]]");
    page.text("topic", Some(&route.topic));
    page.text("table", Some(&route.table));
    page.raw("qos", &route.qos.number());
    page.names("unique", &route.unique);
    page.duration("silent_after", route.silent_after);
    page.text("time_column", route.time_column.as_deref());
    page.header(Part::Routes, "[route.columns]");
    for column in &route.columns {
        page.braces(&column.name, attributes(column));
    }
    page.header(Part::Routes, "[route.indexes]");
    for index in &route.indexes {
        page.names(&index.name, &index.columns);
    }
    for value in &route.derived {
        derived(page, value);
    }
}

/// A table of its own; what means nothing to its kind is not said.
pub(crate) fn derived(page: &mut Page, derived: &Derived) {
    let kind = derived.kind;
    let said = [
        ("kind", Some(quote(kind.word()))),
        ("of", Some(list(&derived.of))),
        ("unit", derived.unit.as_deref().map(quote)),
        ("per", kind.has_per().then(|| number(derived.per))),
        ("factor", kind.has_factor().then(|| number(derived.factor))),
        ("offset", kind.has_offset().then(|| number(derived.offset))),
    ];
    let said = said.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    page.entry(Part::Routes, "[[route.derived]]", &derived.name, said);
}

/// Debug of a finite number is TOML: `-60.0`, `1e300`.
fn number(number: f64) -> String {
    format!("{number:?}")
}

fn attributes(column: &Column) -> Vec<(&'static str, String)> {
    let on_bad = (column.on_bad != OnBad::Quarantine).then(|| quote(column.on_bad.as_str()));
    let said = [
        ("field", Some(quote(print_pointer(&column.pointer)))),
        ("type", Some(quote(column.kind.as_str()))),
        ("required", column.required.then(|| "true".to_owned())),
        ("min", column.min.map(number)),
        ("max", column.max.map(number)),
        ("unit", column.unit.as_deref().map(quote)),
        ("on_bad", on_bad),
        ("stuck_after", column.stuck_after.map(|count| count.to_string())),
    ];
    said.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
