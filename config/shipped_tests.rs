//! The files we ship say what the program does.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::alert::ChannelKind;
use crate::testing::{loaded, settings};
use crate::words::Word;
use crate::{DEFAULT_FILE, DerivedKind, Settings, known_keys};

/// Lines of the file that set or, resting behind a `#`, would set something, with their table.
fn settings_lines() -> Vec<(String, String)> {
    let mut table = String::new();
    let mut lines = Vec::new();
    for line in DEFAULT_FILE.lines() {
        let line = line.trim_start_matches("# ");
        if line.starts_with('[') && line.ends_with(']') {
            table = line.trim_matches(['[', ']']).to_owned();
        }
        if let Some((name, _)) = line.split_once(" = ") {
            lines.push((table.clone(), name.trim().to_owned()));
        }
    }
    lines
}

#[test]
fn shipped_file_is_the_built_in_default() {
    let loaded = loaded(DEFAULT_FILE);
    assert_eq!(loaded.settings, Settings::default_with("attic"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(settings(""), loaded.settings);
}

#[test]
fn shipped_file_names_every_key_in_its_table() {
    let lines = settings_lines();
    for key in known_keys() {
        let is_there = match key.table {
            // Attributes of columns stand in braces, and in the notes above the routes.
            "route.columns.*" => DEFAULT_FILE.contains(&format!(" {} = ", key.name)),
            "route" if key.name == "columns" || key.name == "indexes" => {
                DEFAULT_FILE.contains(&format!("\n[route.{}]\n", key.name))
            }
            "route" if key.name == "derived" => DEFAULT_FILE.contains("\n[[route.derived]]\n"),
            // The names of files are in the notes above the examples.
            "alert" => {
                let name = key.name;
                let said = [format!("# [alert.{name}]"), format!(" {name} = ")];
                said.iter().any(|said| DEFAULT_FILE.contains(said))
            }
            table => lines.iter().any(|(place, name)| place == table && name == key.name),
        };
        assert!(is_there, "config/barograph.toml does not mention {key}");
    }
}

#[test]
fn resting_settings_of_the_shipped_file_are_good_ones() {
    let (before, alerts) = DEFAULT_FILE.split_once("\n# Who is told").unwrap();
    let (_, after) = alerts.split_once("\n# What is recorded").unwrap();
    let mut woken = format!("{before}\n# {after}").replace("url = \"mqtt://", "url = \"mqtts://");
    for name in [
        "client_id",
        "username",
        "password",
        "ca_file",
        "client_cert",
        "client_key",
        "file",
        "unique",
        "time_column",
        "rotate_size",
        "listen",
        "lock_file",
        "dir",
        "cert_file",
        "key_file",
        "hosts",
    ] {
        let resting = format!("\n# {name} = ");
        assert_eq!(woken.matches(&resting).count(), 1, "{name}");
        woken = woken.replace(&resting, &format!("\n{name} = "));
    }
    let settings = settings(&woken);
    assert_eq!(settings.mqtt.client_id, "barograph-attic");
    assert!(settings.mqtt.client_auth.is_some());
    assert_eq!(settings.routes[0].unique, ["timestamp"]);
    for name in ["temperature", "humidity"] {
        let asleep = format!("\n{name} = {{ unit");
        let line =
            DEFAULT_FILE.lines().find(|line| line.starts_with(&format!("# {name} = {{"))).unwrap();
        let awake =
            DEFAULT_FILE.replacen(&asleep, &format!("\n{}\n#{name} = {{ unit", &line[2..]), 1);
        let route = loaded(&awake).settings.routes.remove(0);
        let column = route.columns.into_iter().find(|column| column.name == name).unwrap();
        assert!(column.min.is_some() && column.max.is_some());
    }
}

#[test]
fn every_kind_of_derived_value_is_in_the_shipped_file_as_a_good_one() {
    let mut woken = String::new();
    let mut awake = false;
    for line in DEFAULT_FILE.lines() {
        awake = line == "# [[route.derived]]" || awake && !line.is_empty();
        woken.push_str(if awake { &line[2..] } else { line });
        woken.push('\n');
    }
    let routes = settings(&woken).routes;
    let kinds: BTreeSet<_> =
        routes.iter().flat_map(|route| &route.derived).map(|derived| derived.kind).collect();
    assert_eq!(kinds, BTreeSet::from(DerivedKind::ALL));
    let notes = DEFAULT_FILE.lines().filter(|line| line.starts_with("#                "));
    let notes: String = notes.collect();
    assert!(DerivedKind::ALL.iter().all(|kind| notes.contains(kind.word())));
}

#[test]
fn every_type_of_alert_rests_in_the_shipped_file_as_a_good_one() {
    let mut woken = String::new();
    let mut awake = false;
    for line in DEFAULT_FILE.lines() {
        awake = line == "# [[alert]]" || awake && !line.is_empty();
        woken.push_str(if awake { &line[2..] } else { line });
        woken.push('\n');
    }
    let loaded = loaded(&woken);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let types: Vec<_> = loaded.settings.alerts.iter().map(|alert| alert.channel.word()).collect();
    let all: Vec<_> = ChannelKind::ALL.iter().map(|kind| kind.word()).collect();
    assert_eq!(types, all);
}

#[test]
fn sample_broker_has_the_settings_that_keep_messages() {
    let sample = include_str!("mosquitto.conf");
    for line in [
        "persistence true",
        "autosave_interval 1",
        "autosave_on_changes true",
        "max_queued_messages 0",
        "set_tcp_nodelay true",
        "listener 1883 localhost",
    ] {
        assert!(sample.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn sample_of_logrotate_tells_the_recorder_and_no_program_of_an_alert() {
    let sample = include_str!("logrotate");
    let log = DEFAULT_FILE.lines().find_map(|line| line.strip_prefix("# file = ")).unwrap();
    assert!(sample.contains(&format!("\n{} {{\n", log.trim_matches('"'))), "{log}");
    let tell = "systemctl kill --kill-whom=main --signal=USR1 barograph.service";
    for line in [tell, "delaycompress", "nocreate"] {
        assert!(sample.lines().any(|found| found.trim() == line), "{line}");
    }
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
fn unit_stays_away_after_a_mistake_in_the_settings_and_may_look_at_processes() {
    let unit = include_str!("barograph.service");
    for line in ["Type=notify", "RestartPreventExitStatus=78", "DynamicUser=yes"] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    let socket = include_str!("barograph.socket");
    for line in ["ListenStream=127.0.0.1:8000", "Service=barograph.service"] {
        assert!(socket.lines().any(|found| found == line), "{line}");
    }
    let hides = |line: &str| line.starts_with("ProcSubset=") || line.starts_with("ProtectProc=");
    assert!(!unit.lines().any(hides), "who holds the lock is read from /proc");
}
