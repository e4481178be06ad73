//! Default, file, environment, flag: which one wins, and what each may hold.

use std::path::{Path, PathBuf};

use crate::tests::testing::{settings, world, world_with};
use crate::{LogLevel, Overrides, Secret, Settings, World, load, load_text};

fn world_in(dir: &Path) -> World {
    World { cwd: dir.to_owned(), etc_file: dir.join("etc.toml"), ..world() }
}

fn write(dir: &Path, name: &str, level: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, format!("[log]\nlevel = \"{level}\"\n")).unwrap();
    path
}

#[test]
fn without_any_file_the_default_holds() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = load(&world_in(dir.path()), &Overrides::default()).unwrap();
    assert_eq!(loaded.settings, Settings::default_with("attic"));
    assert_eq!((loaded.source, loaded.warnings), (None, Vec::new()));
}

#[test]
fn file_is_the_first_of_flag_variable_directory_and_etc() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world_in(dir.path());
    let mut overrides = Overrides::default();
    let expect = |world: &World, overrides: &Overrides, name: &str, level| {
        let loaded = load(world, overrides).unwrap();
        assert_eq!(loaded.source.as_deref(), Some(dir.path().join(name).as_path()));
        assert_eq!(loaded.settings.log.level, level);
    };
    write(dir.path(), "etc.toml", "error");
    expect(&world, &overrides, "etc.toml", LogLevel::Error);
    write(dir.path(), "barograph.toml", "warn");
    expect(&world, &overrides, "barograph.toml", LogLevel::Warn);
    let named = write(dir.path(), "variable.toml", "debug");
    world.env.insert("BAROGRAPH_CONFIG".to_owned(), Secret::new(named.display().to_string()));
    expect(&world, &overrides, "variable.toml", LogLevel::Debug);
    write(dir.path(), "flag.toml", "trace");
    overrides.config = Some(PathBuf::from("flag.toml"));
    expect(&world, &overrides, "flag.toml", LogLevel::Trace);
}

#[test]
fn named_file_that_cannot_be_read_is_an_error_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "barograph.toml", "warn");
    let mut world = world_in(dir.path());
    world.env.insert("BAROGRAPH_CONFIG".to_owned(), Secret::new("gone.toml"));
    let error = load(&world, &Overrides::default()).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("gone.toml") && told.contains("BAROGRAPH_CONFIG"), "{told}");
    assert!(told.contains("No such file"), "{told}");
    let overrides = Overrides { config: Some(dir.path().to_owned()), ..Overrides::default() };
    let error = load(&world, &overrides).unwrap_err();
    assert!(error.to_string().contains("named by --config"), "{error}");
    world.env.insert("BAROGRAPH_CONFIG".to_owned(), Secret::new(""));
    assert!(load(&world, &Overrides::default()).is_ok(), "an empty variable names no file");
}

#[test]
fn found_file_that_cannot_be_read_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("barograph.toml")).unwrap();
    let error = load(&world_in(dir.path()), &Overrides::default()).unwrap_err();
    assert!(error.to_string().contains("usual place"), "{error}");
}

#[test]
fn endless_file_ends() {
    let overrides = Overrides { config: Some(PathBuf::from("/dev/zero")), ..Overrides::default() };
    let error = load(&world(), &overrides).unwrap_err();
    assert!(error.to_string().contains("16 MiB"), "{error}");
}

#[test]
fn each_layer_is_stronger_than_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "barograph.toml", "error");
    let mut world = world_in(dir.path());
    let mut overrides = Overrides::default();
    assert_eq!(load(&world, &overrides).unwrap().settings.log.level, LogLevel::Error);
    world.env.insert("BAROGRAPH_LOG__LEVEL".to_owned(), Secret::new("warn"));
    assert_eq!(load(&world, &overrides).unwrap().settings.log.level, LogLevel::Warn);
    overrides.log_level = Some("debug".to_owned());
    assert_eq!(load(&world, &overrides).unwrap().settings.log.level, LogLevel::Debug);
}

#[test]
fn credentials_of_the_stronger_layer_win() {
    let file = "[mqtt]\nurl = 'mqtt://bob:old@broker'\n";
    let mqtt = settings(file).mqtt;
    assert_eq!((mqtt.username.as_deref(), mqtt.password), (Some("bob"), Some(Secret::new("old"))));
    let mqtt =
        load_text(file, &world_with("BAROGRAPH_MQTT__PASSWORD", "new")).unwrap().settings.mqtt;
    assert_eq!((mqtt.username.as_deref(), mqtt.password), (Some("bob"), Some(Secret::new("new"))));
    let file = "[mqtt]\nusername = 'bob'\npassword = 'old'\n";
    let world = world_with("BAROGRAPH_MQTT__URL", "mqtt://eve:new@broker");
    let mqtt = load_text(file, &world).unwrap().settings.mqtt;
    assert_eq!((mqtt.username.as_deref(), mqtt.password), (Some("eve"), Some(Secret::new("new"))));
}

#[test]
fn password_file_loses_one_line_end() {
    let dir = tempfile::tempdir().unwrap();
    let world = world_in(dir.path());
    let text = "[mqtt]\nusername = 'u'\npassword_file = 'password'\n";
    for (content, expected) in [("a b\n", "a b"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n")] {
        std::fs::write(dir.path().join("password"), content).unwrap();
        let password = load_text(text, &world).unwrap().settings.mqtt.password;
        assert_eq!(password, Some(Secret::new(expected)));
    }
    for bad in ["", "\n", "a\0b", "\u{1}".repeat(70_000).as_str()] {
        std::fs::write(dir.path().join("password"), bad).unwrap();
        assert!(load_text(text, &world).is_err(), "{} bytes", bad.len());
    }
}

#[test]
fn a_client_id_is_told_from_the_default_also_where_both_are_equal() {
    assert!(!load_text("", &world()).unwrap().client_id_is_set);
    let loaded = load_text("[mqtt]\nclient_id = 'barograph-attic'", &world()).unwrap();
    assert!(loaded.client_id_is_set);
    let by_variable = world_with("BAROGRAPH_MQTT__CLIENT_ID", "attic");
    assert!(load_text("", &by_variable).unwrap().client_id_is_set);
}

#[test]
fn topics_follow_another_client_id_unless_they_are_set() {
    let topic = |text: &str| {
        let alert = format!("[[alert]]\nname = 'a'\ntype = 'mqtt'\n{text}");
        let mut settings = load_text(&alert, &world()).unwrap().settings;
        settings.use_client_id("barograph-attic-3f9a12");
        settings.to_toml().lines().find(|line| line.starts_with("topic = ")).unwrap().to_owned()
    };
    assert_eq!(topic(""), "topic = \"barograph/barograph-attic-3f9a12/health\"");
    assert_eq!(topic("topic = 'mine/health'"), "topic = \"mine/health\"");
}

#[test]
fn this_process_has_a_world() {
    let world = World::of_this_process();
    assert!(!world.hostname.is_empty());
    assert_eq!(world.etc_file, Path::new("/etc/barograph/barograph.toml"));
    assert!(world.env.keys().all(|name| name.starts_with("BAROGRAPH_")));
}
