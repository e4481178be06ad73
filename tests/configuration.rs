//! What the operator says: where the file is found, what overrules what, and every mistake at once.

use std::fs;
use std::time::Duration;

use crate::support::folder::Folder;
use crate::support::ports::free_port;
use crate::support::process::{self, Outcome};
use crate::support::recorder::{Recorder, barograph, barograph_with, command};
use crate::support::scene::Scene;

const SOON: Duration = Duration::from_secs(20);

/// Each line below a section is one mistake.
const TEN_MISTAKES: &str = r#"[mqtt]
url = "http://localhost"
protocol = "4"
keep_alive = "soon"
receive_maximum = 0
kep_alive = "60s"
[database]
synchronous = "off"
busy_timeout = 5
[supervisor]
intensity = -1
[log]
level = "loud"
format = "xml"
"#;

#[test]
fn a_file_with_ten_mistakes_reports_ten_with_place_and_remedy() {
    let folder = Folder::new();
    let file = folder.path("ten.toml");
    fs::write(&file, TEN_MISTAKES).expect("our own folder");
    for command in ["run", "check"] {
        let mut command = barograph(&[command, "--config"]);
        command.arg(&file).current_dir(folder.root());
        let outcome = process::outcome(command, SOON);
        assert_eq!(outcome.code, Some(78), "{outcome:?}");
        assert_reports_every_mistake(&(outcome.stdout + &outcome.stderr));
    }
    let left: Vec<_> = fs::read_dir(folder.root()).expect("ours").collect();
    assert_eq!(left.len(), 1, "left behind: {left:?}");
}

fn assert_reports_every_mistake(said: &str) {
    let mut mistakes = 0;
    for (number, line) in TEN_MISTAKES.lines().enumerate().filter(|(_, line)| line.contains('=')) {
        let (key, value) = line.split_once(" = ").expect("a key and a value");
        let place = format!("line {}, column ", number + 1);
        let found = said.lines().find(|line| line.contains(&place) && line.contains(key));
        let found = found.unwrap_or_else(|| panic!("{line:?} is not reported in:\n{said}"));
        if key != "kep_alive" {
            assert!(found.contains(value), "{value} is not in {found:?}");
        }
        mistakes += 1;
    }
    assert_eq!(mistakes, 10);
    assert!(said.contains("10 problems"), "{said}");
    assert!(said.matches("keep_alive").count() >= 2, "the nearest known key is not named: {said}");
}

#[test]
fn a_page_for_everybody_is_refused_until_somebody_says_so() {
    let scene = Scene::new();
    let settings = scene.settings().text("watchtower", "listen", "0.0.0.0:0");
    let outcome = process::outcome(barograph_with("run", &settings), SOON);
    assert_eq!(outcome.code, Some(78), "{outcome:?}");
    for way in ["read_token_file = ", "anonymous_read = true"] {
        assert!(outcome.stderr.contains(way), "{way}: {outcome:?}");
    }
    let outcome = command(&["check"], &settings.set("watchtower", "anonymous_read", "true"));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

#[test]
fn a_token_that_the_program_makes_is_one_that_it_takes() {
    let scene = Scene::new();
    let file = scene.folder.path("token");
    let name = file.to_str().expect("our paths are UTF-8");
    let made = process::outcome(barograph(&["token", name]), SOON);
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), ""), "{made:?}");
    let again = process::outcome(barograph(&["token", name]), SOON);
    assert_eq!(again.code, Some(73), "{again:?}");
    let settings = scene.settings().text("watchtower", "listen", "0.0.0.0:0");
    let settings = settings.path("watchtower", "read_token_file", &file);
    let outcome = command(&["check"], &settings);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

#[test]
fn text_that_is_no_toml_is_an_error_with_its_place() {
    let folder = Folder::new();
    let file = folder.path("bad.toml");
    fs::write(&file, "[mqtt]\nurl = \n").expect("our own folder");
    let mut command = barograph(&["check", "--config"]);
    command.arg(&file);
    let outcome = process::outcome(command, SOON);
    assert_eq!(outcome.code, Some(78), "{outcome:?}");
    assert!((outcome.stdout + &outcome.stderr).contains("line 2"));
}

#[test]
fn a_named_file_that_is_missing_is_an_error_and_not_the_default() {
    let folder = Folder::new();
    let mut command = barograph(&["run", "--config", "not-there.toml"]);
    command.current_dir(folder.root());
    let outcome = process::outcome(command, SOON);
    assert_eq!(outcome.code, Some(78), "{outcome:?}");
    assert!(outcome.stderr.contains("not-there.toml"), "{}", outcome.stderr);
}

#[test]
fn a_command_line_that_cannot_be_understood_is_a_usage_error() {
    for arguments in [&["rum"][..], &["run", "--speed", "9"], &["run", "--mqtt"]] {
        let outcome = process::outcome(barograph(arguments), SOON);
        assert_eq!(outcome.code, Some(64), "{arguments:?}: {outcome:?}");
    }
}

#[test]
fn flag_overrules_environment_overrules_file_overrules_default() {
    let scene = Scene::new();
    let (by_file, by_environment) = (free_port(), free_port());
    let url = |port: u16| format!("mqtt://127.0.0.1:{port}");
    let settings = scene.settings().text("mqtt", "url", &url(by_file));

    assert!(checked(barograph_with("check", &settings)).contains(&by_file.to_string()));
    let mut command = barograph_with("check", &settings);
    command.env("BAROGRAPH_MQTT__URL", url(by_environment));
    let said = checked(command);
    assert!(said.contains(&by_environment.to_string()) && !said.contains(&by_file.to_string()));

    let mut command = barograph_with("run", &settings);
    command.env("BAROGRAPH_MQTT__URL", url(by_environment));
    command.args(["--mqtt", &url(scene.broker.port())]);
    command.arg("--db").arg(scene.folder.path("flag.db"));
    let recorder = Recorder::spawn(command);
    recorder.event("broker_connected");
    assert!(scene.folder.path("flag.db").exists() && !scene.database.path().exists());
}

#[test]
fn the_file_is_found_by_variable_and_then_in_the_working_directory() {
    let scene = Scene::new();
    let (here, named) = (free_port(), free_port());
    let url = |port: u16| format!("mqtt://127.0.0.1:{port}");
    let settings = scene.settings().text("mqtt", "url", &url(here));
    settings.write(); // barograph.toml
    let other = scene.folder.path("other.toml");
    settings.clone().file(other.clone()).text("mqtt", "url", &url(named)).write();

    let check = || {
        let mut command = barograph(&["check"]);
        command.current_dir(scene.folder.root());
        command
    };
    assert!(checked(check()).contains(&here.to_string()));
    let mut command = check();
    command.env("BAROGRAPH_CONFIG", &other);
    assert!(checked(command).contains(&named.to_string()));
}

/// What `check` says of settings whose broker is not there: everything else is right.
fn checked(command: std::process::Command) -> String {
    let Outcome { code, stdout, stderr } = process::outcome(command, SOON);
    assert_eq!(code, Some(69), "{stdout}\n{stderr}");
    stdout + &stderr
}
