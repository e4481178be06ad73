//! A reload must know of every key that changed, and of no other.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::testing::{every_alert, settings};
use crate::{
    AlertSeverity, Channel, DerivedKind, Difference, EmailTls, Format, Kind, Level, Listen, OnBad,
    Part, Protocol, Qos, QuietHours, Secret, Settings, Synchronous, differences, known_keys,
};

const DAY: Duration = Duration::from_secs(86_400);

/// The default, with one alert of each type, a bounded column, and whatever else is absent by default.
fn full() -> Settings {
    let mut full = settings(&format!(
        "[mqtt]\nurl = 'mqtts://b'\nusername = 'u'\npassword = 'p'\nclient_cert = 'c'\n\
         client_key = 'k'\n[watchtower]\ncert_file = 'c'\nkey_file = 'k'\n{}",
        every_alert()
    ));
    full.routes[0].columns[2].min = Some(-60.0);
    full
}

/// What is known, the part it concerns, and a change of it.
type Change = (&'static str, Part, fn(&mut Settings));

/// The alert of a type, which is called like it.
fn channel<'s>(settings: &'s mut Settings, name: &str) -> &'s mut Channel {
    let alert = settings.alerts.iter_mut().find(|alert| alert.name == name);
    &mut alert.unwrap().channel
}

const SECTIONS: &[Change] = &[
    ("instance.lock_file", Part::Instance, |s| s.instance.lock_file = "x".into()),
    ("mqtt.url", Part::Mqtt, |s| s.mqtt.url.port = 1),
    ("mqtt.protocol", Part::Mqtt, |s| s.mqtt.protocol = Protocol::V5),
    ("mqtt.client_id", Part::Mqtt, |s| s.mqtt.client_id = "x".into()),
    ("mqtt.username", Part::Mqtt, |s| s.mqtt.username = None),
    ("mqtt.password", Part::Mqtt, |s| s.mqtt.password = Some(Secret::new("x"))),
    ("mqtt.keep_alive", Part::Mqtt, |s| s.mqtt.keep_alive = DAY),
    ("mqtt.session_expiry", Part::Mqtt, |s| s.mqtt.session_expiry = DAY),
    ("mqtt.receive_maximum", Part::Mqtt, |s| s.mqtt.receive_maximum = 1),
    ("mqtt.max_packet_size", Part::Mqtt, |s| s.mqtt.max_packet_size = 1),
    ("mqtt.max_unacked", Part::Mqtt, |s| s.mqtt.max_unacked = 1),
    ("mqtt.reconnect_min", Part::Mqtt, |s| s.mqtt.reconnect_min = DAY),
    ("mqtt.reconnect_max", Part::Mqtt, |s| s.mqtt.reconnect_max = DAY),
    ("mqtt.ca_file", Part::Mqtt, |s| s.mqtt.ca_file = Some("x".into())),
    ("mqtt.client_cert", Part::Mqtt, |s| {
        s.mqtt.client_auth.as_mut().unwrap().cert_file = "x".into();
    }),
    ("mqtt.client_key", Part::Mqtt, |s| {
        s.mqtt.client_auth.as_mut().unwrap().key_file = "x".into();
    }),
    ("mqtt.watch_drops", Part::Mqtt, |s| s.mqtt.watch_drops = false),
    ("mqtt.echo", Part::Mqtt, |s| s.mqtt.echo = false),
    ("mqtt.echo_interval", Part::Mqtt, |s| s.mqtt.echo_interval = DAY),
    ("database.path", Part::DatabasePath, |s| s.database.path = "x".into()),
    ("database.busy_timeout", Part::Database, |s| s.database.busy_timeout = DAY),
    ("database.commit_interval", Part::Database, |s| s.database.commit_interval = DAY),
    ("database.synchronous", Part::Database, |s| s.database.synchronous = Synchronous::Normal),
    ("spool.dir", Part::SpoolDir, |s| s.spool.dir = "x".into()),
    ("spool.max_size", Part::Spool, |s| s.spool.max_size = 1),
    ("spool.min_free", Part::Spool, |s| s.spool.min_free = 1),
    ("health.max_write_failures", Part::Health, |s| s.health.max_write_failures = 1),
    ("health.no_write_issue_after", Part::Health, |s| s.health.no_write_issue_after = DAY),
    ("health.probe_min", Part::Health, |s| s.health.probe_min = DAY),
    ("health.probe_max", Part::Health, |s| s.health.probe_max = DAY),
    ("health.check_interval", Part::Health, |s| s.health.check_interval = DAY),
    ("health.clock_sync", Part::Health, |s| s.health.clock_sync = false),
    ("quarantine.max_rows", Part::Quarantine, |s| s.quarantine.max_rows = 1),
    ("quarantine.max_age", Part::Quarantine, |s| s.quarantine.max_age = DAY),
    ("supervisor.backoff_min", Part::Supervisor, |s| s.supervisor.backoff_min = DAY),
    ("supervisor.backoff_max", Part::Supervisor, |s| s.supervisor.backoff_max = DAY),
    ("supervisor.intensity", Part::Supervisor, |s| s.supervisor.intensity = 1),
    ("supervisor.intensity_period", Part::Supervisor, |s| s.supervisor.intensity_period = DAY),
    ("supervisor.stable_after", Part::Supervisor, |s| s.supervisor.stable_after = DAY),
    ("supervisor.stuck_after", Part::Supervisor, |s| s.supervisor.stuck_after = DAY),
    ("log.level", Part::Log, |s| s.log.level = Level::Trace),
    ("log.format", Part::Log, |s| s.log.format = Format::Json),
    ("log.file", Part::Log, |s| s.log.file = Some(PathBuf::from("x"))),
    ("log.stats_interval", Part::Log, |s| s.log.stats_interval = DAY),
    ("log.rotate_size", Part::Log, |s| s.log.rotate_size = Some(65_536)),
    ("log.rotate_keep", Part::Log, |s| s.log.rotate_keep = 1),
    ("watchtower.listen", Part::Watchtower, |s| s.watchtower.listen = Listen::Off),
    ("watchtower.anonymous_read", Part::Watchtower, |s| s.watchtower.anonymous_read = true),
    ("watchtower.admin_token_file", Part::Watchtower, |s| {
        s.watchtower.admin_token = Some(Secret::new("another"));
    }),
    ("watchtower.read_token_file", Part::Watchtower, |s| {
        s.watchtower.read_token = Some(Secret::new("another"));
    }),
    ("watchtower.cert_file", Part::Watchtower, |s| {
        s.watchtower.tls.as_mut().unwrap().cert_file = "x".into();
    }),
    ("watchtower.key_file", Part::Watchtower, |s| {
        s.watchtower.tls.as_mut().unwrap().key_file = "x".into();
    }),
    ("watchtower.hosts", Part::Watchtower, |s| s.watchtower.hosts.push("x".into())),
    ("watchtower.max_connections", Part::Watchtower, |s| s.watchtower.max_connections = 1),
    ("watchtower.max_connections_per_address", Part::Watchtower, |s| {
        s.watchtower.max_connections_per_address = 1;
    }),
    ("metrics.listen", Part::Metrics, |s| s.metrics.listen = "[::1]:1".parse().ok()),
];

const ROUTES: &[Change] = &[
    ("route.topic", Part::Routes, |s| s.routes[0].topic = "x".into()),
    ("route.table", Part::Routes, |s| s.routes[0].table = "x".into()),
    ("route.qos", Part::Routes, |s| s.routes[0].qos = Qos::ExactlyOnce),
    ("route.unique", Part::Routes, |s| s.routes[0].unique = vec!["timestamp".into()]),
    ("route.silent_after", Part::Routes, |s| s.routes[0].silent_after = None),
    ("route.time_column", Part::Routes, |s| s.routes[0].time_column = Some("timestamp".into())),
    ("route.derived", Part::Derived, |s| drop(s.routes[0].derived.remove(0))),
    ("route.derived.name", Part::Derived, |s| s.routes[0].derived[0].name = "x".into()),
    ("route.derived.kind", Part::Derived, |s| {
        s.routes[1].derived[0].kind = DerivedKind::CounterDelta
    }),
    ("route.derived.of", Part::Derived, |s| s.routes[1].derived[0].of = vec!["z".into()]),
    ("route.derived.unit", Part::Derived, |s| s.routes[0].derived[0].unit = None),
    ("route.derived.per", Part::Derived, |s| s.routes[0].derived[0].per = 2.0),
    ("route.derived.factor", Part::Derived, |s| s.routes[0].derived[0].factor = 2.0),
    ("route.derived.offset", Part::Derived, |s| s.routes[0].derived[0].offset = 2.0),
    ("route.indexes", Part::Routes, |s| s.routes[0].indexes[0].columns.push("id".into())),
    ("route.columns", Part::Routes, |s| s.routes[0].columns[2].name = "x".into()),
    ("route.columns.*.field", Part::Routes, |s| s.routes[0].columns[2].pointer = "/x".into()),
    ("route.columns.*.type", Part::Routes, |s| s.routes[0].columns[2].kind = Kind::Integer),
    ("route.columns.*.required", Part::Routes, |s| s.routes[0].columns[2].required = true),
    ("route.columns.*.min", Part::Routes, |s| s.routes[0].columns[2].min = None),
    ("route.columns.*.max", Part::Routes, |s| s.routes[0].columns[2].max = Some(60.0)),
    ("route.columns.*.unit", Part::Routes, |s| s.routes[0].columns[2].unit = Some("K".into())),
    ("route.columns.*.on_bad", Part::Routes, |s| s.routes[0].columns[2].on_bad = OnBad::Null),
    ("route.columns.*.stuck_after", Part::Routes, |s| s.routes[0].columns[2].stuck_after = Some(9)),
];

const ALERTS: &[Change] = &[
    ("alert.name", Part::Alerts, |s| s.alerts[0].name = "x".into()),
    ("alert.type", Part::Alerts, |s| {
        let url = Secret::new("https://hooks.example/hunter2");
        let slack = matches!(channel(s, "slack"), Channel::Slack { .. });
        *channel(s, "slack") =
            if slack { Channel::Discord { url } } else { Channel::Slack { url } };
    }),
    ("alert.min_severity", Part::Alerts, |s| s.alerts[0].min_severity = AlertSeverity::Critical),
    ("alert.after", Part::Alerts, |s| s.alerts[0].after = DAY),
    ("alert.repeat", Part::Alerts, |s| s.alerts[0].repeat = Some(DAY)),
    ("alert.quiet_hours", Part::Alerts, |s| {
        s.alerts[0].quiet_hours = Some(QuietHours { from_minute: 0, to_minute: 60 });
    }),
    ("alert.resolved", Part::Alerts, |s| s.alerts[0].resolved = false),
    ("alert.max_per_hour", Part::Alerts, |s| s.alerts[0].max_per_hour = 1),
    ("alert.timeout", Part::Alerts, |s| s.alerts[0].timeout = DAY),
    ("alert.ca_file", Part::Alerts, |s| s.alerts[0].ca_file = Some("/x.pem".into())),
    ("alert.url", Part::Alerts, |s| {
        let Channel::Webhook { url, .. } = channel(s, "webhook") else { panic!() };
        *url = Secret::new("https://hooks.example/another");
    }),
    ("alert.headers", Part::Alerts, |s| {
        let Channel::Webhook { headers, .. } = channel(s, "webhook") else { panic!() };
        headers[0].1 = Secret::new("another");
    }),
    ("alert.secret", Part::Alerts, |s| {
        let Channel::Webhook { secret, .. } = channel(s, "webhook") else { panic!() };
        *secret = Some(Secret::new("another"));
    }),
    ("alert.token", Part::Alerts, |s| {
        let Channel::Telegram { token, .. } = channel(s, "telegram") else { panic!() };
        *token = Secret::new("another");
    }),
    ("alert.chat_id", Part::Alerts, |s| {
        let Channel::Telegram { chat_id, .. } = channel(s, "telegram") else { panic!() };
        *chat_id = "x".into();
    }),
    ("alert.host", Part::Alerts, |s| email(s).host = "x".into()),
    ("alert.port", Part::Alerts, |s| email(s).port = 1),
    ("alert.tls", Part::Alerts, |s| email(s).tls = EmailTls::None),
    ("alert.username", Part::Alerts, |s| email(s).username = None),
    ("alert.password", Part::Alerts, |s| email(s).password = None),
    ("alert.from", Part::Alerts, |s| email(s).from = "x@y".into()),
    ("alert.to", Part::Alerts, |s| email(s).to.push("x@y".into())),
    ("alert.topic", Part::Alerts, |s| {
        let Channel::Mqtt { topic, .. } = channel(s, "mqtt") else { panic!() };
        *topic = "x".into();
    }),
    ("alert.discovery", Part::Alerts, |s| {
        let Channel::Mqtt { discovery, .. } = channel(s, "mqtt") else { panic!() };
        *discovery = false;
    }),
    ("alert.discovery_prefix", Part::Alerts, |s| {
        let Channel::Mqtt { discovery_prefix, .. } = channel(s, "mqtt") else { panic!() };
        *discovery_prefix = "x".into();
    }),
    ("alert.argv", Part::Alerts, |s| {
        let Channel::Command { argv } = channel(s, "command") else { panic!() };
        argv.push("x".into());
    }),
];

fn email(settings: &mut Settings) -> &mut crate::Email {
    let Channel::Email(email) = channel(settings, "email") else { panic!() };
    email
}

/// `route[a].columns.b.min` as the list of known keys has it: `route.columns.*.min`.
fn known(key: &str) -> String {
    let (table, rest) = key.split_once('[').unwrap_or((key, ""));
    let rest = rest.split_once(']').map_or("", |(_, rest)| rest);
    let parts: Vec<&str> = rest.split('.').skip(1).collect();
    match parts[..] {
        ["columns", _, attribute] => format!("{table}.columns.*.{attribute}"),
        ["derived", _, attribute] => format!("{table}.derived.{attribute}"),
        [word @ ("columns" | "derived" | "indexes" | "headers"), _] => format!("{table}.{word}"),
        _ => format!("{table}{rest}"),
    }
}

#[test]
fn one_changed_key_is_one_difference_of_its_part() {
    let full = full();
    for (key, part, change) in SECTIONS.iter().chain(ROUTES).chain(ALERTS) {
        let mut changed = full.clone();
        change(&mut changed);
        for (old, new) in [(&full, &changed), (&changed, &full)] {
            let found = differences(old, new);
            // What has another name is another thing: one went, one came.
            let is_renamed = ["alert.name", "route.columns", "route.derived.name"].contains(key);
            assert_eq!(found.len(), if is_renamed { 2 } else { 1 }, "{key}: {found:?}");
            for difference in &found {
                assert_eq!(difference.part, *part, "{key}");
                let is_whole = ["alert.name", "route.derived.name"].contains(key);
                let expected = if is_whole { key.trim_end_matches(".name") } else { key };
                assert_eq!(known(&difference.key), expected, "{difference:?}");
            }
        }
    }
}

#[test]
fn every_known_key_is_in_the_table_of_changes() {
    let changed: BTreeSet<String> =
        SECTIONS.iter().chain(ROUTES).chain(ALERTS).map(|(key, ..)| (*key).to_owned()).collect();
    // A secret that was read from a file is a secret.
    let is_secret_file =
        |key: &str| ["password_file", "url_file", "secret_file", "token_file"].contains(&key);
    let known: BTreeSet<String> =
        known_keys().filter(|key| !is_secret_file(key.name)).map(|key| key.to_string()).collect();
    assert_eq!(changed, known);
}

#[test]
fn settings_do_not_differ_from_themselves_in_any_order() {
    let full = full();
    assert_eq!(differences(&full, &full), []);
    let mut turned = full.clone();
    turned.routes.reverse();
    turned.alerts.reverse();
    assert_eq!(differences(&full, &turned), []);
}

fn told(old: &Settings, new: &Settings) -> Vec<String> {
    differences(old, new).iter().map(ToString::to_string).collect()
}

#[test]
fn difference_is_a_line_for_a_person() {
    let old = full();
    let mut new = old.clone();
    new.mqtt.keep_alive = Duration::from_secs(30);
    new.mqtt.password = Some(Secret::new("another"));
    new.routes[0].columns[2].max = Some(60.0);
    new.routes.remove(1);
    new.alerts.remove(0);
    assert_eq!(
        told(&old, &new),
        [
            "mqtt.password: another secret than before",
            "mqtt.keep_alive: \"1m\" -> \"30s\"",
            "alert[webhook]: \"webhook\" -> not set",
            "route[weather_data].columns.temperature.max: not set -> 60.0",
            "route[magnetic_flux_data]: \"+/+/weatherstation/magneticfluxsensor/#\" -> not set",
        ]
    );
}

#[test]
fn routes_of_one_table_are_told_apart_by_their_topics() {
    let mut old = full();
    old.routes[1] = crate::Route { topic: "b/#".into(), ..old.routes[0].clone() };
    let mut new = old.clone();
    new.routes[1].qos = Qos::AtMostOnce;
    assert_eq!(told(&old, &new), ["route[b/#].qos: 1 -> 0"]);
    new.routes[1] = crate::Route { topic: "c/#".into(), ..old.routes[1].clone() };
    assert_eq!(told(&old, &new), ["route[b/#].topic: \"b/#\" -> \"c/#\""]);
}

#[test]
fn changed_secret_is_told_and_not_shown() {
    let old = full();
    for (key, _, change) in SECTIONS.iter().chain(ALERTS) {
        let mut new = old.clone();
        change(&mut new);
        let found: Vec<Difference> = differences(&old, &new);
        let told = format!("{found:?}");
        assert!(!told.contains("hunter2") && !told.contains("another"), "{key}: {told}");
    }
}
