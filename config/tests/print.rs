//! Printed settings read as themselves.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use crate::declare::key::{Key, Wants};
use crate::declare::text::{print_duration, quote};
use crate::settings::SECTIONS;
use crate::tests::testing::{loaded, settings, world};
use crate::word::Word;
use crate::{Column, Derived, DerivedKind, Index, Kind, OnBad, Qos, Route, Settings, load_text};

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
    let kinds = DerivedKind::VARIANTS.iter().copied().filter(fits);
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

/// A good value of a key of a section, as TOML.
fn any_value(key: &'static Key) -> BoxedStrategy<String> {
    let quoted = |text: String| quote(&text);
    match key.spec.wants {
        Wants::Flag => any::<bool>().prop_map(|flag| flag.to_string()).boxed(),
        Wants::Duration { min, max, whole_seconds } => {
            // The first of a pair may not be longer than the second.
            let high = if key.name.ends_with("_min") { Duration::from_millis(100) } else { max };
            let low = if key.name.ends_with("_max") { Duration::from_secs(60) } else { min };
            let step = if whole_seconds { 1000 } else { 1 };
            let count = low.as_millis() as u64 / step..=high.as_millis() as u64 / step;
            let print = move |count| quote(&print_duration(Duration::from_millis(count * step)));
            count.prop_map(print).boxed()
        }
        Wants::Size { min, max } => (min..=max).prop_map(|size| size.to_string()).boxed(),
        Wants::Whole { min, max } => (min..=max).prop_map(|number| number.to_string()).boxed(),
        Wants::Word(words) => proptest::sample::select(words).prop_map(quote).boxed(),
        Wants::Url => (1..=u16::MAX, any::<bool>())
            .prop_map(|(port, ipv6)| {
                let host = if ipv6 { "[fe80::1]" } else { "broker.example" };
                format!("\"mqtts://{host}:{port}\"")
            })
            .boxed(),
        Wants::Names => Just(r#"["a.example", "::1"]"#.to_owned()).boxed(),
        Wants::Text if key.name == "listen" => (any::<bool>(), any::<u16>())
            .prop_map(|(ipv6, port)| {
                format!("\"{}:{port}\"", if ipv6 { "[::1]" } else { "127.0.0.1" })
            })
            .boxed(),
        Wants::Text => text().prop_map(quoted).boxed(),
        Wants::Path => path().prop_map(|path| quote(&path.to_string_lossy())).boxed(),
        Wants::Secret => Just("\"***\"".to_owned()).boxed(),
        Wants::Pointer | Wants::SecretUrl | Wants::Real | Wants::Table | Wants::Tables => {
            unreachable!("no section has such a key")
        }
    }
}

/// A file that sets some keys of each section: always those that others need, never those of secret files.
fn any_sections() -> impl Strategy<Value = String> {
    let of_pairs = ["url", "username", "client_cert", "client_key", "cert_file", "key_file"];
    let lines = SECTIONS.iter().flat_map(|table| {
        let header = Just(format!("[{}]\n", table.name)).boxed();
        let keys = table
            .keys()
            .filter(|key| !key.name.ends_with("_token_file") && key.name != "password_file");
        let lines = keys.map(move |key| {
            let value = any_value(key);
            let value = match of_pairs.contains(&key.name) {
                true => value.prop_map(Some).boxed(),
                false => proptest::option::of(value).boxed(),
            };
            let line = move |value: String| format!("{} = {value}\n", key.name);
            value.prop_map(move |value| value.map(line).unwrap_or_default()).boxed()
        });
        std::iter::once(header).chain(lines).collect::<Vec<_>>()
    });
    lines.collect::<Vec<_>>().prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_settings_read_as_themselves(sections in any_sections(), routes in routes()) {
        let settings = Settings { routes, ..settings(&sections) };
        let text = settings.to_toml();
        match load_text(&text, &world()) {
            Ok(loaded) => prop_assert_eq!(loaded.settings, settings),
            Err(error) => prop_assert!(false, "{}\n---\n{}", error, text),
        }
    }
}
