//! A reload must know of every key that changed, and of no other.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::declare::key::Key;
use crate::tests::draft::{Draft, any_value, full, is_secret_file, text};
use crate::tests::testing::{settings, world};
use crate::{Difference, Part, Qos, Secret, Settings, World, differences, known_keys, load_text};

/// `route[a].columns.b.min` as the list of known keys has it: `route.columns.*.min`.
fn known(key: &str) -> String {
    let (table, rest) = key.split_once('[').unwrap_or((key, ""));
    let rest = rest.split_once(']').map_or("", |(_, rest)| rest);
    if let Some(condition) = rest.strip_prefix(".when[") {
        let attribute = condition.rsplit_once("].").map_or("field", |(_, attribute)| attribute);
        return format!("{table}.when.{attribute}");
    }
    let parts: Vec<&str> = rest.split('.').skip(1).collect();
    match parts[..] {
        ["columns", _, "map", _] => format!("{table}.columns.*.map"),
        ["columns", _, attribute] => format!("{table}.columns.*.{attribute}"),
        ["derived", _, attribute] => format!("{table}.derived.{attribute}"),
        [word @ ("columns" | "derived" | "indexes" | "headers"), _] => format!("{table}.{word}"),
        [] if rest.is_empty() && key.contains('[') => format!("{table}.name"),
        _ => format!("{table}{rest}"),
    }
}

/// What differs once a key of a draft has another good value; the first of some that makes a difference.
fn changed(
    drafts: &[Draft],
    at: usize,
    key: &'static Key,
    old: &Settings,
    world: &World,
) -> Option<Vec<Difference>> {
    let mut runner = TestRunner::deterministic();
    (0..30).find_map(|_| {
        let value = match is_secret_file(key) {
            true => "'other'".to_owned(),
            false => any_value(key).new_tree(&mut runner).unwrap().current(),
        };
        let mut drafts = drafts.to_vec();
        let lines = &mut drafts[at].lines;
        lines.remove(secret_of(key.name));
        lines.insert(key.name.to_owned(), value);
        let new = load_text(&text(&drafts), world).ok()?.settings;
        Some(differences(old, &new)).filter(|found| !found.is_empty())
    })
}

/// The path of a key of a draft. A secret that was read from a file is a secret.
fn path_of(draft: &Draft, key: &Key) -> String {
    let table = draft.header.trim_matches(['[', ']']);
    let table = if table.starts_with("route.columns") { "route.columns.*" } else { table };
    let is_token = key.name.ends_with("_token_file");
    let name = if is_token { key.name } else { secret_of(key.name) };
    if (table, name) == ("route.derived", "name") {
        table.to_owned()
    } else {
        format!("{table}.{name}")
    }
}

/// `password` of `password_file`; other names stay.
fn secret_of(name: &str) -> &str {
    let secret = ["password_file", "url_file", "secret_file", "token_file"].contains(&name);
    if secret { name.trim_end_matches("_file") } else { name }
}

/// Keys with a change that changes others, too: the lock and the spool lie beside the database, the topic of an alert is
/// named after the client, the kind of a derived value decides which numbers it has, captures are columns, indexes are
/// named after the table, a format has keys of its own, and a column has one source, which decides its usual type.
const HAS_OTHERS: [&str; 9] = [
    "database.path",
    "mqtt.client_id",
    "route.derived.kind",
    "route.topic",
    "route.table",
    "route.payload",
    "route.columns.*.message",
    "route.columns.*.from",
    "route.columns.*.value",
];

#[test]
fn every_changed_key_is_one_difference_of_its_part() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("other");
    std::fs::write(&file, "https://h/hunter2-hunter2").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let world = World { cwd: dir.path().to_owned(), ..world() };
    let drafts = full();
    let old = load_text(&text(&drafts), &world).unwrap().settings;
    let mut seen = BTreeSet::new();
    for (at, draft) in drafts.iter().enumerate() {
        for key in draft.keys.iter().copied() {
            let Some(found) = changed(&drafts, at, key, &old, &world) else { continue };
            let told = format!("{found:?}");
            assert!(!told.contains("hunter2"), "{told}");
            let path = path_of(draft, key);
            let has_others = HAS_OTHERS.contains(&path.as_str());
            let is_own = |found: &&Difference| known(&found.key) == path;
            let found: Vec<&Difference> =
                found.iter().filter(|found| !has_others || is_own(found)).collect();
            // What has another name is another thing: one was removed, one added.
            let count =
                if ["alert.name", "route.derived", "route.when.field"].contains(&path.as_str()) {
                    2
                } else {
                    1
                };
            assert_eq!(found.len(), count, "{path}: {told}");
            let is_right = |found: &&Difference| is_own(found) && found.part == key.part;
            assert!(found.iter().all(is_right), "{path}: {told}");
            seen.insert(path);
        }
    }
    let entries = [
        ("[route.columns.x]", "[route.columns.new]\n[route.columns.x]", Part::Routes),
        ("off = 0", "off = 5", Part::Routes),
        ("[route.indexes]", "[route.indexes]\nj = ['x']", Part::Routes),
        ("[alert.headers]", "[alert.headers]\nX-New = 'hunter2'", Part::Alerts),
    ];
    for (from, to, part) in entries {
        let new = load_text(&text(&drafts).replacen(from, to, 1), &world).unwrap().settings;
        let found = differences(&old, &new);
        assert_eq!((found.len(), found[0].part), (1, part), "{found:?}");
        seen.insert(known(&found[0].key));
    }
    let keys = known_keys().filter(|key| secret_of(key.name) == key.name);
    // A route that is ignored has no other key: with `ignore` all of them change.
    let others = ["route.derived.name", "route.ignore", "route.when"];
    let keys = keys.map(|key| key.to_string()).filter(|path| !others.contains(&path.as_str()));
    assert_eq!(seen, keys.collect());
}

#[test]
fn settings_do_not_differ_from_themselves_and_only_the_order_of_routes_matters() {
    let full = settings(&text(&full()));
    assert_eq!(differences(&full, &full), []);
    let mut turned = full.clone();
    turned.alerts.reverse();
    turned.routes[3].columns.reverse();
    assert_eq!(differences(&full, &turned), []);
    turned.routes.swap(2, 3);
    let found = told(&full, &turned);
    let (one, other) = (r#""keyvalue/#""#, r#""t/{device}/{*path}""#);
    assert_eq!(found, [format!("route: {one} before {other} -> {other} before {one}")]);
}

fn told(old: &Settings, new: &Settings) -> Vec<String> {
    differences(old, new).iter().map(ToString::to_string).collect()
}

/// The built-in routes, a password and an alert.
fn with_routes() -> Settings {
    settings(
        "[mqtt]\nusername = 'u'\npassword = 'p'\n[[alert]]\nname = 'webhook'\ntype = 'webhook'\nurl = 'https://h'\n",
    )
}

#[test]
fn difference_is_a_line_for_a_person() {
    let old = with_routes();
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
    let mut old = with_routes();
    old.routes[1] = crate::Route { topic: "b/#".into(), ..old.routes[0].clone() };
    let mut new = old.clone();
    new.routes[1].qos = Qos::AtMostOnce;
    assert_eq!(told(&old, &new), ["route[b/#].qos: 1 -> 0"]);
    new.routes[1] = crate::Route { topic: "c/#".into(), ..old.routes[1].clone() };
    assert_eq!(told(&old, &new), ["route[b/#].topic: \"b/#\" -> \"c/#\""]);
}

#[test]
fn ten_thousand_routes_are_read_and_compared_in_no_time() {
    let route = |number: usize| {
        let head = format!("[[route]]\ntopic = 'plant/{number}/{{device}}'\ntable = 't{number}'\n");
        format!("{head}[route.columns]\nx = 'x'\n")
    };
    let text: String = (0..10_000).map(route).collect();
    let began = std::time::Instant::now();
    let old = settings(&text);
    let mut new = old.clone();
    new.routes.remove(0);
    new.routes[5_000].qos = Qos::AtMostOnce;
    let found = told(&old, &new);
    assert_eq!(found, ["route[t0]: \"plant/0/{device}\" -> not set", "route[t5001].qos: 1 -> 0"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}
