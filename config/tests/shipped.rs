//! The files that are shipped agree with the declarations.
//!
//! `BAROGRAPH_BLESS=1 cargo test -p barograph-config` writes the sections of `barograph.toml` and `docs/settings.md` anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::alert::channel::ChannelKind;
use crate::declare::key::{Key, Table, Wants};
use crate::docs::keys_with_help;
use crate::settings::sections;
use crate::tests::testing::{loaded, settings};
use crate::word::Word;
use crate::{DEFAULT_FILE, DerivedKind, Settings, known_keys, settings_page};

/// Longest line of the shipped file.
const WIDTH: usize = 100;

/// Begins what is not made of the declarations.
const HAND_WRITTEN: &str = "\n\n# Notification";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Equal to the file, or written into it if that is asked for.
fn holds(name: &str, expected: &str) {
    if std::env::var_os("BAROGRAPH_BLESS").is_some() {
        std::fs::write(path(name), expected).unwrap();
    }
    let found = std::fs::read_to_string(path(name)).unwrap_or_default();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "{name} differs from the declarations: set BAROGRAPH_BLESS=1");
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
}

/// A text as lines of a comment.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().unwrap();
        if last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("# {word}"));
        } else {
            last.push(' ');
            last.push_str(word);
        }
    }
    lines.join("\n")
}

/// A key as the shipped file has it: help, limits, and the default, or an example as a comment.
fn entry(key: &Key, help: &str) -> String {
    let has_limits =
        matches!(key.spec.wants, Wants::Duration { .. } | Wants::Size { .. } | Wants::Whole { .. });
    let expected = key.expected();
    let limits = expected.split_once(" from ").filter(|_| has_limits);
    let limits = limits.map(|(_, limits)| format!(" From {limits}."));
    let absent = match key.spec.absent {
        "" => String::new(),
        absent => format!(" Default: {absent}."),
    };
    let default = (key.default)().unwrap_or_default();
    let shipped = key.spec.shipped;
    let without = match shipped {
        "" => String::new(),
        _ => format!(" Without this line: {default}, in the working directory."),
    };
    let help = comment(&format!("{help}{}{absent}{without}", limits.unwrap_or_default()));
    match (key.default)() {
        _ if !shipped.is_empty() => format!("{help}\n{} = {shipped}\n", key.name),
        Some(default) if key.spec.absent.is_empty() && key.spec.example.is_empty() => {
            format!("{help}\n{} = {default}\n", key.name)
        }
        Some(_) | None => format!("{help}\n# {} = {}\n", key.name, key.example()),
    }
}

fn section(table: &Table) -> String {
    let entries: Vec<String> = keys_with_help(table).map(|(key, help)| entry(key, &help)).collect();
    format!("[{}]\n{}", table.name, entries.join("\n"))
}

#[test]
fn sections_of_the_shipped_file_are_made_of_the_declarations() {
    let (head, rest) = DEFAULT_FILE.split_once("\n[instance]").unwrap();
    let (_, tail) = rest.split_once(HAND_WRITTEN).unwrap();
    let sections: Vec<String> = sections().map(section).collect();
    holds("barograph.toml", &format!("{head}\n{}{HAND_WRITTEN}{tail}", sections.join("\n\n")));
}

#[test]
fn page_of_the_settings_is_made_of_the_declarations() {
    let page = std::fs::read_to_string(path("../docs/settings.md")).unwrap();
    let (introduction, _) = page.split_once("\n## ").unwrap();
    holds("../docs/settings.md", &format!("{introduction}{}", settings_page()));
}

#[test]
fn shipped_file_is_the_built_in_default_but_for_an_absolute_database() {
    let loaded = loaded(DEFAULT_FILE);
    let mut expected = Settings::default_with("attic");
    assert_eq!(settings(""), expected);
    expected.database.path = PathBuf::from("/var/lib/barograph/weather_data.db");
    expected.instance.lock_file = PathBuf::from("/var/lib/barograph/barograph.lock");
    expected.spool.dir = PathBuf::from("/var/lib/barograph/spool");
    assert_eq!(loaded.settings, expected);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn shipped_file_names_every_key_of_alerts_and_routes() {
    for key in known_keys().filter(|key| key.variable().is_none()) {
        let name = key.name;
        let is_there = [format!("{name} = "), format!(".{name}]"), format!("#   {name} ")];
        let is_there = is_there.iter().any(|text| DEFAULT_FILE.contains(text));
        assert!(is_there, "config/barograph.toml does not mention {key}");
    }
}

/// The file with the disabled tables of this header enabled, and the disabled lines of its sections if asked for.
fn enabled(header: &str) -> String {
    let mut text = String::new();
    let mut is_enabled = false;
    for line in DEFAULT_FILE.lines() {
        is_enabled = line == header || is_enabled && !line.is_empty();
        text.push_str(if is_enabled { &line[2..] } else { line });
        text.push('\n');
    }
    text
}

#[test]
fn disabled_settings_of_the_shipped_file_are_good_ones() {
    let mut lines: Vec<String> = Vec::new();
    let mut is_section = true;
    for line in DEFAULT_FILE.lines() {
        is_section &= !line.starts_with(HAND_WRITTEN.trim());
        let name = line.trim_start_matches("# ").split(" = ").next().unwrap_or_default();
        let is_key = line.contains(" = ") && known_keys().any(|key| key.name == name);
        // Of the password's two places one is enough, and the tokens would have to be there.
        let is_file = name == "password_file" || name.ends_with("_token_file");
        let is_enabled =
            is_section && is_key && !is_file || ["unique", "time_column"].contains(&name);
        let line = if is_enabled { line.trim_start_matches("# ") } else { line };
        lines.push(line.replace("\"mqtt://localhost", "\"mqtts://localhost"));
    }
    let settings = settings(&lines.join("\n"));
    assert_eq!(settings.mqtt.client_id, "barograph-attic");
    assert!(settings.mqtt.client_auth.is_some() && settings.watchtower.tls.is_some());
    assert_eq!(settings.routes[0].unique, ["timestamp"]);
    for name in ["temperature", "humidity"] {
        let prefix = format!("# {name} = {{");
        let line = DEFAULT_FILE.lines().find(|line| line.starts_with(&prefix)).unwrap();
        let replaced = format!("\n{}\n#{name} = {{ unit", &line[2..]);
        let text = DEFAULT_FILE.replacen(&format!("\n{name} = {{ unit"), &replaced, 1);
        let route = loaded(&text).settings.routes.remove(0);
        let column = route.columns.into_iter().find(|column| column.name == name).unwrap();
        assert!(column.min.is_some() && column.max.is_some());
    }
}

#[test]
fn example_of_other_devices_in_the_shipped_file_is_a_good_one() {
    let (_, example) = DEFAULT_FILE.split_once("\n# [[route]]\n").unwrap();
    let lines = example.lines().take_while(|line| line.starts_with('#'));
    let text: String = lines.map(|line| format!("{}\n", line[1..].trim_start())).collect();
    let routes = settings(&format!("[[route]]\n{text}")).routes;
    assert!(routes[0].ignore && routes[1].key == ["device"], "{routes:?}");
    let names: Vec<&str> = routes[1].columns.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["device", "co2", "contact", "state"]);
}

#[test]
fn every_kind_of_derived_value_is_in_the_shipped_file_as_a_good_one() {
    let routes = settings(&enabled("# [[route.derived]]")).routes;
    let kinds: BTreeSet<_> =
        routes.iter().flat_map(|route| &route.derived).map(|derived| derived.kind).collect();
    assert_eq!(kinds, DerivedKind::VARIANTS.iter().copied().collect());
    assert!(DerivedKind::WORDS.iter().all(|kind| DEFAULT_FILE.contains(&format!("#     {kind} "))));
}

#[test]
fn every_type_of_alert_is_in_the_shipped_file_as_a_good_disabled_one() {
    let loaded = loaded(&enabled("# [[alert]]"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let types: Vec<_> = loaded.settings.alerts.iter().map(|alert| alert.channel.word()).collect();
    assert_eq!(types, ChannelKind::WORDS);
}

/// Every line is in the text.
fn has_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found.trim() == *line), "{line}");
    }
}

#[test]
fn sample_broker_has_the_settings_that_keep_messages() {
    has_lines(
        include_str!("../mosquitto.conf"),
        &[
            "persistence true",
            "autosave_interval 1",
            "autosave_on_changes true",
            "max_queued_messages 0",
            "set_tcp_nodelay true",
            "listener 1883 localhost",
        ],
    );
}

#[test]
fn sample_of_logrotate_signals_the_recorder_and_no_program_of_an_alert() {
    let sample = include_str!("../logrotate");
    let log = DEFAULT_FILE.lines().find_map(|line| line.strip_prefix("# file = ")).unwrap();
    assert!(sample.contains(&format!("\n{} {{\n", log.trim_matches('"'))), "{log}");
    let signal = "systemctl kill --kill-whom=main --signal=USR1 barograph.service";
    has_lines(sample, &[signal, "delaycompress", "nocreate"]);
    // Where logrotate is installed, it is asked, too; it looks at no file that others can write.
    let dir = tempfile::tempdir().unwrap();
    let (file, state) = (dir.path().join("barograph"), dir.path().join("state"));
    std::fs::write(&file, sample).unwrap();
    let arguments = [Path::new("--debug"), Path::new("--state"), &state, &file];
    if let Ok(output) = Command::new("/usr/sbin/logrotate").args(arguments).output() {
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !told.contains("error:"), "{told}");
        assert!(told.contains("weekly (8 rotations)"), "{told}");
    }
}

#[test]
fn unit_does_not_restart_after_a_bad_setting_and_can_look_at_processes() {
    let unit = include_str!("../barograph.service");
    has_lines(unit, &["Type=notify", "RestartPreventExitStatus=78", "DynamicUser=yes"]);
    let socket = include_str!("../barograph.socket");
    has_lines(socket, &["ListenStream=127.0.0.1:8000", "Service=barograph.service"]);
    let hides = |line: &str| line.starts_with("ProcSubset=") || line.starts_with("ProtectProc=");
    assert!(!unit.lines().any(hides), "who holds the lock is read from /proc");
}
