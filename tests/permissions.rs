//! Commands of a user without permission end with exit code 77 and name the command to try. They report "not running" only
//! where that is known.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::needs::{self, Need};
use crate::support::process::{self, Outcome};
use crate::support::recorder::{barograph, command_line};
use crate::support::scene::Scene;
use crate::support::settings::Settings;

/// As Debian numbers `nobody` and `nogroup`.
const NOBODY: u32 = 65_534;
const SOON: Duration = Duration::from_secs(60);

/// Runs a command as a user without any rights.
fn by_nobody(mut command: Command) -> Outcome {
    command.uid(NOBODY).gid(NOBODY);
    process::outcome(command, SOON)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own folder");
}

/// Settings that everybody may read, with everything of the recorder in a folder of its own.
fn apart(scene: &Scene) -> Settings {
    set_mode(scene.folder.root(), 0o755);
    let folder = scene.folder.path("data");
    fs::create_dir(&folder).expect("our own folder");
    let settings = scene.settings().path("database", "path", &folder.join("data.db"));
    set_mode(settings.write(), 0o644);
    settings
}

fn assert_denied(words: &[&str], outcome: &Outcome) {
    assert_eq!(outcome.code, Some(77), "{words:?}: {outcome:?}");
    assert!(outcome.stderr.contains("permission denied"), "{words:?}: {outcome:?}");
    let tried = format!("try: sudo barograph {}", words.join(" "));
    assert!(outcome.stderr.contains(&tried), "{words:?}: {outcome:?}");
    assert!(!outcome.stderr.contains("not running"), "{words:?}: {outcome:?}");
}

#[test]
fn a_user_who_may_not_reach_lock_socket_or_database_is_told_so_and_what_to_try() {
    if !needs::are_met(&[Need::Root]) {
        return;
    }
    let scene = Scene::new();
    let settings = apart(&scene);
    let mut recorder = scene.recorder(&settings);
    let asked: [&[&str]; 6] =
        [&["status"], &["stop"], &["pause"], &["acknowledge", "deaf"], &["checkpoint"], &["tail"]];
    for mode in [0o700, 0o755] {
        set_mode(&scene.folder.path("data"), mode);
        for words in asked {
            assert_denied(words, &by_nobody(command_line(words, &settings)));
        }
    }
    set_mode(&scene.folder.path("data"), 0o700);
    for words in [
        &["account"][..],
        &["events"],
        &["events", "--follow"],
        &["verify"],
        &["quarantine", "list"],
    ] {
        assert_denied(words, &by_nobody(command_line(words, &settings)));
    }
    assert!(recorder.process.is_running(), "it was stopped by a user who may not");
    recorder.stop();
    assert_denied(&["status"], &by_nobody(command_line(&["status"], &settings)));
    set_mode(&scene.folder.path("data"), 0o755);
    let outcome = by_nobody(command_line(&["status"], &settings));
    assert_eq!(outcome.code, Some(3), "now it is known: {outcome:?}");
    assert!(outcome.stdout.contains("not running"), "{outcome:?}");
}

/// A path that is relative leads elsewhere from elsewhere.
#[test]
fn the_shipped_settings_name_an_absolute_database() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/barograph.toml");
    let mut command = barograph(&["check", "--show", "--config"]);
    command.arg(shipped).current_dir("/");
    let shown = process::outcome(command, SOON).stdout;
    for line in [
        "path = \"/var/lib/barograph/weather_data.db\"",
        "lock_file = \"/var/lib/barograph/barograph.lock\"",
    ] {
        assert!(shown.contains(line), "no {line} in: {shown}");
    }
}
