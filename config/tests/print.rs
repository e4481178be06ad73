//! Printed settings read as themselves.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::Settings;
use crate::load_text;
use crate::tests::draft::{Draft, any_value, full, is_secret_file, text};
use crate::tests::testing::{loaded, settings, world};

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

/// Keys that others need, or that tell the tables of a file apart.
const KEPT: [&str; 7] =
    ["url", "username", "password", "client_cert", "client_key", "cert_file", "key_file"];
const IDENTITY: [&str; 7] = ["name", "type", "kind", "of", "ignore", "payload", "rows"];

/// The table with other values, and with some of the keys that may be absent.
fn any_lines(draft: Draft) -> impl Strategy<Value = Draft> {
    let keys = draft.keys.iter().copied().filter(|key| !is_secret_file(key));
    let keys =
        keys.filter(|key| !(IDENTITY.contains(&key.name) && draft.lines.contains_key(key.name)));
    let lines = keys.map(|key| {
        let is_kept = key.spec.is_needed || KEPT.contains(&key.name);
        let is_kept = is_kept || ["topic", "table"].contains(&key.name);
        let value = if is_kept {
            any_value(key).prop_map(Some).boxed()
        } else {
            proptest::option::of(any_value(key)).boxed()
        };
        value.prop_map(move |value| value.map(|value| (key.name.to_owned(), value)))
    });
    lines.collect::<Vec<_>>().prop_map(move |lines| {
        let kept = draft.lines.clone().into_iter();
        let kept =
            kept.filter(|(name, _)| IDENTITY.contains(&name.as_str()) || draft.keys.is_empty());
        let lines: BTreeMap<String, String> = kept.chain(lines.into_iter().flatten()).collect();
        draft.with(lines).consistent()
    })
}

/// Any file in which each table of the full one has other values.
fn any_file() -> impl Strategy<Value = String> {
    let drafts: Vec<_> = full().into_iter().map(any_lines).collect();
    drafts.prop_map(|drafts| text(&drafts).replace("hunter2", "***"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_settings_read_as_themselves(file in any_file()) {
        let settings = settings(&file);
        let text = settings.to_toml();
        match load_text(&text, &world()) {
            Ok(loaded) => prop_assert_eq!(loaded.settings, settings),
            Err(error) => prop_assert!(false, "{}\n---\n{}", error, text),
        }
    }
}
