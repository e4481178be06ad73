//! A reload must know of every key that changed, and of no other.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use crate::declare::key::{Key, Table, Wants};
use crate::declare::text::{print_duration, print_size};
use crate::settings::SECTIONS;
use crate::tests::testing::{every_alert, settings, world};
use crate::{Difference, Part, Qos, Secret, Settings, World, differences, known_keys, load_text};

/// With what is absent by default, one alert of each type, and a bounded column.
fn full() -> String {
    let routes = crate::DEFAULT_FILE.split_once("\n[[route]]").unwrap().1;
    let routes = routes.replacen("{ unit = \"°C\" }", "{ unit = \"°C\", min = -60 }", 1);
    format!(
        "[mqtt]\nurl = 'mqtts://b'\nusername = 'u'\npassword = 'p'\nclient_cert = 'c'\nclient_key = 'k'\n\
         [watchtower]\ncert_file = 'c'\nkey_file = 'k'\n{}[[route]]{routes}",
        every_alert()
    )
}

fn section_keys() -> impl Iterator<Item = (&'static Table, &'static Key)> {
    SECTIONS.iter().flat_map(|table| table.keys().map(|key| (*table, key)))
}

/// A good value of a key that is not its default.
fn other_value(key: &Key) -> String {
    match key.spec.wants {
        Wants::Flag => (key.example() != "true").to_string(),
        Wants::Duration { min, .. } if key.name.ends_with("_min") => print_duration(min),
        Wants::Duration { max, .. } => print_duration(max),
        Wants::Size { max, .. } => print_size(max),
        Wants::Whole { max, .. } => max.to_string(),
        Wants::Word(words) => {
            let is_default = |word: &&&str| format!("\"{word}\"") == key.example();
            (*words.iter().find(|word| !is_default(word)).unwrap()).to_owned()
        }
        Wants::Url => "mqtts://other".to_owned(),
        Wants::Names => "['other']".to_owned(),
        Wants::Text if key.name == "listen" => "127.0.0.1:1".to_owned(),
        Wants::Text | Wants::Path | Wants::Secret => "other".to_owned(),
        Wants::Pointer | Wants::SecretUrl | Wants::Real | Wants::Table | Wants::Tables => {
            unreachable!("no section has such a key")
        }
    }
}

#[test]
fn changed_key_of_a_section_is_one_difference_of_its_part() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("other");
    std::fs::write(&file, "hunter2-hunter2-hunter2").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let world = World { cwd: dir.path().to_owned(), ..world() };
    let full = full();
    let old = load_text(&full, &world).unwrap().settings;
    for (table, key) in section_keys() {
        let path = format!("{}.{}", table.name, key.name);
        let variable = crate::read::layers::variable(table.name, key.name);
        let mut world = world.clone();
        world.env.insert(variable, other_value(key));
        let new = load_text(&full, &world).unwrap_or_else(|error| panic!("{path}: {error}"));
        let found = differences(&old, &new.settings);
        let told = format!("{found:?}");
        // A secret that was read from a file is a secret; the lock and the spool lie beside the database.
        let path = path.replace("mqtt.password_file", "mqtt.password");
        let found: Vec<&Difference> = found
            .iter()
            .filter(|found| path != "database.path" || found.key == path)
            .filter(|found| path != "mqtt.client_id" || found.key == path)
            .collect();
        assert_eq!(found.len(), 1, "{path}: {told}");
        assert_eq!((&found[0].key, found[0].part), (&path, key.part), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert_eq!(part_of("database.path"), Part::DatabasePath);
    assert_eq!(part_of("spool.dir"), Part::SpoolDir);
    assert_eq!(part_of("spool.max_size"), Part::Spool);
}

fn part_of(path: &str) -> Part {
    let found = section_keys().find(|(table, key)| format!("{}.{}", table.name, key.name) == path);
    found.unwrap().1.part
}

/// A key of an alert or a route, a text of the full file, and what takes its place.
const CHANGES: &[(&str, &str, &str)] = &[
    ("alert.name", "name = 'webhook'", "name = 'x'"),
    ("alert.type", "type = 'slack'", "type = 'discord'"),
    ("alert.min_severity", "type = 'slack'", "type = 'slack'\nmin_severity = 'critical'"),
    ("alert.after", "type = 'slack'", "type = 'slack'\nafter = '2s'"),
    ("alert.repeat", "type = 'slack'", "type = 'slack'\nrepeat = '1h'"),
    ("alert.quiet_hours", "type = 'slack'", "type = 'slack'\nquiet_hours = '00:00-01:00'"),
    ("alert.resolved", "type = 'slack'", "type = 'slack'\nresolved = false"),
    ("alert.max_per_hour", "type = 'slack'", "type = 'slack'\nmax_per_hour = 1"),
    ("alert.timeout", "type = 'slack'", "type = 'slack'\ntimeout = '2s'"),
    ("alert.ca_file", "type = 'slack'", "type = 'slack'\nca_file = '/x.pem'"),
    ("alert.url", "hooks.example/hunter2", "hooks.example/hunter2-other"),
    ("alert.headers", "X-Key = 'hunter2'", "X-Key = 'hunter2-other'"),
    ("alert.secret", "secret = 'hunter2'", "secret = 'hunter2-other'"),
    ("alert.token", "token = 'hunter2'", "token = 'hunter2-other'"),
    ("alert.chat_id", "chat_id = '1'", "chat_id = '2'"),
    ("alert.host", "host = 'mail.example'", "host = 'other.example'"),
    ("alert.port", "host = 'mail.example'", "host = 'mail.example'\nport = 1"),
    ("alert.tls", "host = 'mail.example'", "host = 'mail.example'\nport = 587\ntls = 'tls'"),
    (
        "alert.username",
        "username = 'u'\npassword = 'hunter2'",
        "username = 'v'\npassword = 'hunter2'",
    ),
    (
        "alert.password",
        "username = 'u'\npassword = 'hunter2'",
        "username = 'u'\npassword = 'hunter2-other'",
    ),
    ("alert.from", "from = 'a@b'", "from = 'x@b'"),
    ("alert.to", "to = ['c@d']", "to = ['c@d', 'x@y']"),
    ("alert.topic", "type = 'mqtt'", "type = 'mqtt'\ntopic = 'x'"),
    ("alert.discovery", "type = 'mqtt'", "type = 'mqtt'\ndiscovery = false"),
    ("alert.discovery_prefix", "type = 'mqtt'", "type = 'mqtt'\ndiscovery_prefix = 'x'"),
    ("alert.argv", "argv = ['/bin/true']", "argv = ['/bin/true', 'x']"),
    ("route.topic", "weathermeters/#", "weathermeters/x"),
    ("route.table", "table = \"weather_data\"", "table = \"x\""),
    ("route.qos", "qos = 1", "qos = 2"),
    ("route.unique", "qos = 1", "qos = 1\nunique = ['timestamp']"),
    ("route.silent_after", "silent_after = \"5min\"", "silent_after = \"6min\""),
    ("route.time_column", "qos = 1", "qos = 1\ntime_column = 'timestamp'"),
    ("route.columns", "\ntemperature = {", "\nmore = 'x'\ntemperature = {"),
    (
        "route.indexes",
        "idx_weather_timestamp = [",
        "idx_x = ['humidity']\nidx_weather_timestamp = [",
    ),
    ("route.columns.*.field", "field = \"sampleinterval\"", "field = \"x\""),
    ("route.columns.*.type", "humidity = { unit", "humidity = { type = 'integer', unit"),
    ("route.columns.*.required", "humidity = { unit", "humidity = { required = true, unit"),
    ("route.columns.*.min", "min = -60", "min = -61"),
    ("route.columns.*.max", "humidity = { unit", "humidity = { max = 1, unit"),
    ("route.columns.*.unit", "unit = \"hPa\"", "unit = \"kPa\""),
    ("route.columns.*.on_bad", "humidity = { unit", "humidity = { on_bad = 'null', unit"),
    ("route.columns.*.stuck_after", "humidity = { unit", "humidity = { stuck_after = 9, unit"),
    ("route.derived", "name = \"rain\"", "name = \"x\""),
    ("route.derived.kind", "kind = \"counter_delta\"", "kind = \"scale\""),
    ("route.derived.of", "of = [\"rain_gauge_count\"]", "of = [\"humidity\"]"),
    ("route.derived.unit", "unit = \"mm\"", "unit = \"cm\""),
    ("route.derived.per", "per = 1.5", "per = 1.6"),
    ("route.derived.factor", "factor = 0.2794", "factor = 0.3"),
    ("route.derived.offset", "factor = 0.2794", "factor = 0.2794\noffset = 1"),
];

/// `route[a].columns.b.min` as the list of known keys has it: `route.columns.*.min`.
fn known(key: &str) -> String {
    let (table, rest) = key.split_once('[').unwrap_or((key, ""));
    let rest = rest.split_once(']').map_or("", |(_, rest)| rest);
    let parts: Vec<&str> = rest.split('.').skip(1).collect();
    match parts[..] {
        ["columns", _, attribute] => format!("{table}.columns.*.{attribute}"),
        ["derived", _, attribute] => format!("{table}.derived.{attribute}"),
        [word @ ("columns" | "derived" | "indexes" | "headers"), _] => format!("{table}.{word}"),
        [] => format!("{table}.name"),
        _ => format!("{table}{rest}"),
    }
}

#[test]
fn changed_key_of_an_alert_or_a_route_is_one_difference_of_its_part() {
    let full = full();
    let old = settings(&full);
    for (key, from, to) in CHANGES {
        assert!(full.contains(from), "{from}");
        let new = settings(&full.replacen(from, to, 1));
        let found = differences(&old, &new);
        let told = format!("{found:?}");
        // What has another name is another thing: one was removed, one added.
        let count = if ["alert.name", "route.derived"].contains(key) { 2 } else { 1 };
        assert_eq!(found.len(), count, "{key}: {told}");
        let part = if key.starts_with("route.derived") { Part::Derived } else { Part::Routes };
        let part = if key.starts_with("alert") { Part::Alerts } else { part };
        for difference in &found {
            assert_eq!(
                (known(&difference.key), difference.part),
                ((*key).to_owned(), part),
                "{told}"
            );
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn every_key_of_alerts_and_routes_is_in_the_table_of_changes() {
    let mut changed: BTreeSet<String> = CHANGES.iter().map(|(key, ..)| (*key).to_owned()).collect();
    changed.insert("route.derived.name".to_owned());
    // A secret that was read from a file is a secret.
    let is_secret_file =
        |key: &str| ["password_file", "url_file", "secret_file", "token_file"].contains(&key);
    let known = known_keys().filter(|key| key.variable().is_none() && !is_secret_file(key.name));
    assert_eq!(changed, known.map(|key| key.to_string()).collect());
}

#[test]
fn settings_do_not_differ_from_themselves_in_any_order() {
    let full = settings(&full());
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
    let old = settings(&full());
    let mut new = old.clone();
    new.mqtt.keep_alive = std::time::Duration::from_secs(30);
    new.mqtt.password = Some(Secret::new("another"));
    new.routes[0].columns[2].max = Some(60.0);
    new.routes.remove(1);
    new.alerts.remove(0);
    assert_eq!(
        told(&old, &new),
        [
            "mqtt.password: the secret changed",
            "mqtt.keep_alive: \"60s\" -> \"30s\"",
            "alert[webhook]: \"webhook\" -> not set",
            "route[weather_data].columns.temperature.max: not set -> 60.0",
            "route[magnetic_flux_data]: \"+/+/weatherstation/magneticfluxsensor/#\" -> not set",
        ]
    );
}

#[test]
fn routes_of_one_table_are_told_apart_by_their_topics() {
    let mut old = settings(&full());
    old.routes[1] = crate::Route { topic: "b/#".into(), ..old.routes[0].clone() };
    let mut new = old.clone();
    new.routes[1].qos = Qos::AtMostOnce;
    assert_eq!(told(&old, &new), ["route[b/#].qos: 1 -> 0"]);
    new.routes[1] = crate::Route { topic: "c/#".into(), ..old.routes[1].clone() };
    assert_eq!(told(&old, &new), ["route[b/#].topic: \"b/#\" -> \"c/#\""]);
}
