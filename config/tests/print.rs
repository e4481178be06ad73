//! Printed settings read as themselves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use crate::tests::testing::{loaded, settings, world};
use crate::{
    BrokerUrl, ClientAuth, Column, Derived, DerivedKind, Format, Index, Kind, Level, Listen, OnBad,
    PageTls, Protocol, Qos, Route, Settings, Synchronous, Watchtower, load_text,
};

#[test]
fn default_reads_as_itself() {
    let default = Settings::default_with("attic");
    assert_eq!(settings(&default.to_toml()), default);
    assert!(loaded(&default.to_toml()).warnings.is_empty());
}

#[test]
fn secret_is_printed_as_stars_and_nothing_else_changes() {
    let mut given = settings("[mqtt]\nurl = 'mqtt://bob:hunter2@b'\n");
    let text = given.to_toml();
    assert!(!text.contains("hunter2") && text.contains("password = \"***\""), "{text}");
    given.mqtt.password = Some(crate::Secret::new("***"));
    assert_eq!(settings(&text), given);
}

fn millis(limits: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    limits.prop_map(Duration::from_millis)
}

/// Any text a setting may hold: not empty, and without NUL.
fn text() -> impl Strategy<Value = String> {
    "[^\0]{1,12}|[\"'\\\\\n\t#=]{1,6}"
}

fn path() -> impl Strategy<Value = PathBuf> {
    "[^\0:]{1,12}".prop_map(|name| PathBuf::from(format!("d/{name}")))
}

fn column(name: String) -> impl Strategy<Value = Column> {
    let kinds = [Kind::Integer, Kind::Real, Kind::Text, Kind::Boolean, Kind::Json];
    let bounds = (any::<f64>(), any::<f64>()).prop_map(|(a, b)| {
        let finite = |bound: f64| bound.is_finite().then_some(bound);
        let (a, b) = (finite(a), finite(b));
        if a > b && b.is_some() { (b, a) } else { (a, b) }
    });
    let pointer = prop_oneof![Just(String::new()), "(/([^/~]|~0|~1){0,4}){1,3}"];
    let more = (any::<bool>(), any::<bool>(), proptest::option::of(text()));
    (proptest::sample::select(kinds.to_vec()), bounds, pointer, more).prop_map(
        move |(kind, (min, max), pointer, (required, null, unit))| {
            let bounded = matches!(kind, Kind::Integer | Kind::Real);
            Column {
                name: name.clone(),
                pointer,
                kind,
                required,
                min: min.filter(|_| bounded),
                max: max.filter(|_| bounded),
                unit,
                stuck_after: required.then_some(7),
                on_bad: if null && !required { OnBad::Null } else { OnBad::Quarantine },
            }
        },
    )
}

/// Each kind that these columns allow.
fn derived(columns: &(Column, Column)) -> Vec<Derived> {
    let is_number = |column: &&Column| matches!(column.kind, Kind::Integer | Kind::Real);
    let names: Vec<&str> =
        [&columns.0, &columns.1].into_iter().filter(is_number).map(|it| it.name.as_str()).collect();
    let fits = |kind: &DerivedKind| kind.columns().contains(&names.len());
    let kinds = DerivedKind::ALL.into_iter().filter(fits);
    kinds
        .map(|kind| Derived {
            per: if kind.has_per() { 1e300 } else { 1.0 },
            factor: if kind.has_factor() { -9.174e-8 } else { 1.0 },
            offset: if kind.has_offset() { -1.5 } else { 0.0 },
            ..Derived::new(&format!("of_{}", kind.word()), kind, &names, "\"µ")
        })
        .collect()
}

fn routes() -> impl Strategy<Value = Vec<Route>> {
    let columns = (column("z".into()), column("a".into()));
    let route = (columns, 0..3_i64, any::<bool>(), "[a-c+]{0,0}[^\0#+$/]{1,8}", any::<bool>());
    proptest::collection::vec(route, 1..4).prop_map(|drafts| {
        let drafts = drafts.into_iter().enumerate();
        drafts
            .map(|(index, (columns, qos, unique, level, indexed))| Route {
                topic: format!("{index}/+/{level}/#"),
                table: format!("t{index}"),
                qos: Qos::from_number(qos).unwrap(),
                unique: if unique { vec!["a".into(), "z".into()] } else { Vec::new() },
                time_column: matches!(columns.1.kind, Kind::Integer | Kind::Real)
                    .then(|| "a".to_owned()),
                derived: derived(&columns),
                columns: vec![columns.0, columns.1],
                silent_after: indexed.then_some(Duration::from_millis(100 + u64::from(unique))),
                indexes: indexed
                    .then(|| Index {
                        name: format!("i{index}"),
                        columns: vec!["z".into(), "id".into()],
                    })
                    .into_iter()
                    .collect(),
            })
            .collect()
    })
}

fn watchtower(numbers: (u16, u64, u64, u32), path: &Path, tls: bool) -> Watchtower {
    let listen = match numbers.0 % 5 {
        0 => Listen::Off,
        1 => Listen::Tcp(([127, 0, 0, 1], numbers.0).into()),
        2 => Listen::Tcp(([0; 16], numbers.0).into()),
        3 => Listen::Unix(path.join("socket")),
        _ => Listen::Systemd,
    };
    let in_the_clear = matches!(listen, Listen::Unix(_));
    Watchtower {
        anonymous_read: tls || !listen.is_local(),
        listen,
        admin_token: None,
        read_token: None,
        tls: (tls && !in_the_clear)
            .then(|| PageTls { cert_file: path.join("cert"), key_file: path.join("key") }),
        hosts: if tls { vec!["a.example".into(), "::1".into()] } else { Vec::new() },
        max_connections: numbers.3 % 100_000 + 1,
        max_connections_per_address: numbers.3 % 1000 + 1,
    }
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let texts =
        (text(), proptest::option::of(text()), path(), path(), proptest::option::of(path()));
    let numbers = (1..=u16::MAX, 128..(1_u64 << 28), 1..(1_u64 << 40), 1..1_000_000_u32);
    let keep_alive = (5..64_800_u64).prop_map(Duration::from_secs);
    let expiry = (1..3_155_760_000_u64).prop_map(Duration::from_secs);
    let times =
        (keep_alive, expiry, millis(10..86_400_000), millis(1..86_400_000), millis(0..600_000));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (texts, numbers, times, flags, routes()).prop_map(|(texts, numbers, times, flags, routes)| {
        let mut settings = Settings::default_with("attic");
        let (tls, newer, ipv6, json) = flags;
        let host = if ipv6 { "fe80::1" } else { "broker.example" };
        let mqtt = &mut settings.mqtt;
        mqtt.url = BrokerUrl { host: host.to_owned(), port: numbers.0, tls };
        mqtt.protocol = if newer { Protocol::V5 } else { Protocol::V311 };
        (mqtt.client_id, mqtt.username) = (texts.0, texts.1);
        (mqtt.receive_maximum, mqtt.max_packet_size, mqtt.max_unacked) =
            (numbers.0, numbers.1, numbers.2);
        (mqtt.keep_alive, mqtt.session_expiry) = (times.0, times.1);
        (mqtt.reconnect_min, mqtt.reconnect_max) = (times.2, times.2);
        mqtt.ca_file = texts.4.clone().filter(|_| tls);
        mqtt.client_auth = texts
            .4
            .clone()
            .filter(|_| tls)
            .map(|cert_file| ClientAuth { key_file: cert_file.join("key"), cert_file });
        settings.database.path = texts.2;
        settings.database.busy_timeout = times.4;
        settings.database.commit_interval = times.4;
        settings.database.synchronous = if newer { Synchronous::Full } else { Synchronous::Normal };
        settings.instance.lock_file = texts.3.join("lock");
        settings.spool.dir = settings.instance.lock_file.join("spool");
        (settings.spool.max_size, settings.spool.min_free) = (numbers.2.max(64 << 10), numbers.2);
        settings.health.max_write_failures = numbers.3;
        (settings.health.probe_min, settings.health.probe_max) = (times.2, times.2);
        settings.quarantine.max_rows = numbers.2;
        settings.mqtt.watch_drops = json;
        settings.mqtt.echo_interval =
            times.2.clamp(Duration::from_secs(1), Duration::from_hours(1));
        settings.supervisor.backoff_min = times.3;
        settings.supervisor.backoff_max = times.3;
        settings.supervisor.intensity = numbers.3;
        settings.log.file = texts.4.map(|path| path.join("log"));
        settings.log.rotate_size = settings.log.file.is_some().then_some(numbers.2.max(64 << 10));
        settings.log.rotate_keep = u32::from(numbers.0 % 1000 + 1);
        settings.watchtower = watchtower(numbers, &texts.3, tls);
        settings.metrics.listen = json.then_some(([127, 0, 0, 1], numbers.0).into());
        settings.health.check_interval = Duration::from_secs(1 + u64::from(numbers.0) % 3600);
        (settings.health.clock_sync, settings.mqtt.echo) = (tls, newer);
        settings.log.format = if json { Format::Json } else { Format::Text };
        settings.log.level = if json { Level::Trace } else { Level::Error };
        settings.routes = routes;
        settings
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_settings_read_as_themselves(settings in any_settings()) {
        let text = settings.to_toml();
        match load_text(&text, &world()) {
            Ok(loaded) => prop_assert_eq!(loaded.settings, settings),
            Err(error) => prop_assert!(false, "{}\n---\n{}", error, text),
        }
    }
}
