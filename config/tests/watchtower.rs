//! `[watchtower]`: tokens, and who may read the page.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::tests::testing::{problems_of, settings, world};
use crate::{LoadError, Loaded, World, load_text};

const TOKEN: &str = "hunter2-hunter2-hunter2";

/// Loads where these files lie, which only their owner can read.
fn load_beside(files: &[(&str, &str)], text: &str) -> Result<Loaded, LoadError> {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        write(&dir.path().join(name), content, 0o600);
    }
    load_text(&format!("[watchtower]\n{text}"), &world_in(dir.path()))
}

fn world_in(dir: &Path) -> World {
    World { cwd: dir.to_owned(), ..world() }
}

fn write(path: &Path, content: &str, mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn page_that_other_machines_reach_requires_a_token_or_anonymous_read() {
    for address in ["0.0.0.0:8000", "192.0.2.7:80", "[::]:8000", "systemd"] {
        let text = format!("listen = '{address}'\n");
        for way in ["anonymous_read = true", "admin_token_file = 't'", "read_token_file = 't'"] {
            let loaded = load_beside(&[("t", TOKEN)], &format!("{text}{way}\n"));
            let watchtower = loaded.unwrap().settings.watchtower;
            assert_eq!(watchtower.reading_needs_a_token(), !way.starts_with("anonymous"), "{way}");
        }
    }
    for address in ["127.0.0.1:8000", "127.9.9.9:1", "[::1]:8000", "unix:/run/a", "off"] {
        let watchtower = settings(&format!("[watchtower]\nlisten = '{address}'\n")).watchtower;
        assert!(!watchtower.reading_needs_a_token(), "{address}");
    }
}

#[test]
fn token_is_read_from_its_file_and_never_shown() {
    let files = [("a", "hunter2-admin-admin\n"), ("r", "hunter2-read-read\r\n")];
    let loaded = load_beside(&files, "admin_token_file = 'a'\nread_token_file = 'r'\n").unwrap();
    let watchtower = &loaded.settings.watchtower;
    assert_eq!(watchtower.admin_token.as_ref().unwrap().expose(), "hunter2-admin-admin");
    assert_eq!(watchtower.read_token.as_ref().unwrap().expose(), "hunter2-read-read");
    assert!(watchtower.reading_needs_a_token(), "with a read token, reading requires it");
    let shown = format!("{loaded:?}{}", loaded.settings.to_toml());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("admin_token_file = \"***\""), "{shown}");
}

#[test]
fn token_that_can_be_guessed_or_not_be_sent_is_refused_without_being_told() {
    let cases = [
        ("hunter2", "16 to 512 characters in the file, found 7"),
        ("hunter2-15-char", "found 15"),
        ("", "empty"),
        ("hunter2 with blanks in it", "blanks"),
        ("hunter2-hunter2\nhunter2-hunter2", "line ends"),
        ("hunter2-hünter2-hunter2", "letters a to z"),
    ];
    for (token, why) in cases {
        let problems = problems_of(load_beside(&[("t", token)], "read_token_file = 't'\n"));
        let told = problems.to_string();
        assert!(told.contains(why) && !told.contains("hunter2"), "{told}");
    }
    assert!(load_beside(&[("t", "sixteen-letters!")], "read_token_file = 't'\n").is_ok());
    let long = "x".repeat(513);
    let told = problems_of(load_beside(&[("t", &long)], "read_token_file = 't'\n")).to_string();
    assert!(told.contains("found 513"), "{told}");
}

#[test]
fn token_that_every_user_of_the_machine_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t");
    for (mode, is_private) in [(0o600, true), (0o400, true), (0o440, true), (0o604, false)] {
        write(&path, TOKEN, mode);
        let loaded = load_text("[watchtower]\nread_token_file = 't'\n", &world_in(dir.path()));
        match loaded {
            Ok(_) => assert!(is_private, "{mode:o}"),
            Err(error) => {
                assert!(!is_private, "{mode:o}: {error}");
                let told = error.to_string();
                assert!(told.contains(&format!("chmod 600 {}", path.display())), "{told}");
            }
        }
    }
}
