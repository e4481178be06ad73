//! Default, file, environment, flag: who wins, who is found, and what each may say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::tests::testing::{loaded, problems_of, settings, world, world_with};
use crate::{
    Level, LoadError, NamedBy, Overrides, Place, Secret, Settings, World, load, load_text,
};

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
    expect(&world, &overrides, "etc.toml", Level::Error);
    write(dir.path(), "barograph.toml", "warn");
    expect(&world, &overrides, "barograph.toml", Level::Warn);
    let named = write(dir.path(), "variable.toml", "debug");
    world.env.insert("BAROGRAPH_CONFIG".to_owned(), named.display().to_string());
    expect(&world, &overrides, "variable.toml", Level::Debug);
    write(dir.path(), "flag.toml", "trace");
    overrides.config = Some(PathBuf::from("flag.toml"));
    expect(&world, &overrides, "flag.toml", Level::Trace);
}

#[test]
fn named_file_that_cannot_be_read_is_an_error_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "barograph.toml", "warn");
    let mut world = world_in(dir.path());
    world.env.insert("BAROGRAPH_CONFIG".to_owned(), "gone.toml".to_owned());
    let error = load(&world, &Overrides::default()).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("gone.toml") && told.contains("BAROGRAPH_CONFIG"), "{told}");
    assert!(told.contains("No such file"), "{told}");
    let overrides = Overrides { config: Some(dir.path().to_owned()), ..Overrides::default() };
    let error = load(&world, &overrides).unwrap_err();
    assert!(matches!(error, LoadError::Unreadable { named_by: NamedBy::Flag, .. }), "{error}");
    world.env.insert("BAROGRAPH_CONFIG".to_owned(), String::new());
    assert!(load(&world, &Overrides::default()).is_ok(), "an empty variable names no file");
}

#[test]
fn found_file_that_cannot_be_read_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("barograph.toml")).unwrap();
    let error = load(&world_in(dir.path()), &Overrides::default()).unwrap_err();
    assert!(matches!(error, LoadError::Unreadable { named_by: NamedBy::Search, .. }), "{error}");
}

#[test]
fn endless_file_ends() {
    let overrides = Overrides { config: Some(PathBuf::from("/dev/zero")), ..Overrides::default() };
    let error = load(&world(), &overrides).unwrap_err();
    assert!(error.to_string().contains("1 MiB"), "{error}");
}

#[test]
fn each_layer_is_stronger_than_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "barograph.toml", "error");
    let mut world = world_in(dir.path());
    let mut overrides = Overrides::default();
    assert_eq!(load(&world, &overrides).unwrap().settings.log.level, Level::Error);
    world.env.insert("BAROGRAPH_LOG__LEVEL".to_owned(), "warn".to_owned());
    assert_eq!(load(&world, &overrides).unwrap().settings.log.level, Level::Warn);
    overrides.log_level = Some("debug".to_owned());
    assert_eq!(load(&world, &overrides).unwrap().settings.log.level, Level::Debug);
}

#[test]
fn flags_set_broker_and_database() {
    let overrides = Overrides {
        mqtt_url: Some("mqtts://broker".to_owned()),
        db: Some(PathBuf::from("/data/station.db")),
        ..Overrides::default()
    };
    let settings = load(&world(), &overrides).unwrap().settings;
    assert_eq!(settings.mqtt.url.to_string(), "mqtts://broker:8883");
    assert_eq!(settings.database.path, Path::new("/data/station.db"));
    assert_eq!(settings.instance.lock_file, Path::new("/data/barograph.lock"));
}

#[test]
fn variables_are_scalars_or_bare_words() {
    let with = |name, value| load_text("", &world_with(name, value)).unwrap().settings;
    assert_eq!(with("BAROGRAPH_SUPERVISOR__INTENSITY", "7").supervisor.intensity, 7);
    assert_eq!(with("BAROGRAPH_MQTT__KEEP_ALIVE", "90s").mqtt.keep_alive, Duration::from_secs(90));
    assert_eq!(
        with("BAROGRAPH_MQTT__KEEP_ALIVE", "\"2m\"").mqtt.keep_alive,
        Duration::from_secs(120)
    );
    assert_eq!(with("BAROGRAPH_MQTT__MAX_UNACKED", "2 MiB").mqtt.max_unacked, 2 << 20);
    assert_eq!(with("BAROGRAPH_MQTT__MAX_UNACKED", "4096").mqtt.max_unacked, 4096);
    assert_eq!(with("BAROGRAPH_MQTT__USERNAME", "1234").mqtt.username.as_deref(), Some("1234"));
    assert_eq!(with("BAROGRAPH_MQTT__USERNAME", "true").mqtt.username.as_deref(), Some("true"));
    assert_eq!(with("BAROGRAPH_MQTT__PROTOCOL", "5").mqtt.protocol.as_str(), "5");
    assert_eq!(
        with("BAROGRAPH_DATABASE__SYNCHRONOUS", "full").database.synchronous.as_str(),
        "full"
    );
    assert_eq!(
        with("BAROGRAPH_DATABASE__COMMIT_INTERVAL", "0").database.commit_interval,
        Duration::ZERO
    );
}

#[test]
fn variables_nobody_can_have_meant_are_problems() {
    let told = |name: &str, value| problems_of(load_text("", &world_with(name, value))).to_string();
    for (name, value, problem) in [
        ("MQTT__URLL", "x", "unknown setting; did you mean BAROGRAPH_MQTT__URL?"),
        ("ROUTE__TOPIC", "x", "the environment cannot set alerts and routes; write"),
        ("LOG__LEVEL", "loud", "found loud; write: BAROGRAPH_LOG__LEVEL=info"),
        ("SUPERVISOR__INTENSITY", "0", "found 0; write: BAROGRAPH_SUPERVISOR__INTENSITY=1"),
    ] {
        let name = format!("BAROGRAPH_{name}");
        let text = told(&name, value);
        assert!(text.contains(&format!("environment variable {name}: ")), "{text}");
        assert!(text.contains(problem), "{text}");
    }
    let other_program = load_text("", &world_with("BAROGRAPH_HOME", "/x")).unwrap();
    assert!(other_program.warnings.is_empty(), "{:?}", other_program.warnings);
}

#[test]
fn variable_with_a_single_underscore_is_ignored_with_a_warning() {
    let loaded = load_text("", &world_with("BAROGRAPH_MQTT_URL", "mqtt://u:hunter2@b")).unwrap();
    let expected =
        "environment variable BAROGRAPH_MQTT_URL: ignored; did you mean BAROGRAPH_MQTT__URL?";
    assert_eq!(loaded.warnings, [expected]);
    assert_eq!(loaded.settings.mqtt.url.host, "localhost");
}

#[test]
fn problems_of_all_layers_are_told_together() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "barograph.toml", "loud");
    let mut world = world_in(dir.path());
    world.env.insert("BAROGRAPH_LOG__LEVEL".to_owned(), "warn".to_owned());
    world.env.insert("BAROGRAPH_MQTT__KEEP_ALIVE".to_owned(), "60".to_owned());
    let overrides = Overrides { mqtt_url: Some("broker:1883".to_owned()), ..Overrides::default() };
    let problems = problems_of(load(&world, &overrides));
    let expected = "\
the settings have 3 problems:
  barograph.toml, line 2, column 9: log.level: expected one of \"error\", \"warn\", \"info\", \"debug\", \"trace\", \
found \"loud\"; write: level = \"info\"
  environment variable BAROGRAPH_MQTT__KEEP_ALIVE: mqtt.keep_alive: expected whole seconds from 5s to 18h, found 60; \
write: BAROGRAPH_MQTT__KEEP_ALIVE=60s
  --mqtt: mqtt.url: expected a URL that begins with mqtt://, or with mqtts:// for TLS, found \"broker:1883\"; \
write: --mqtt mqtt://broker:1883
";
    assert_eq!(problems.to_string(), expected);
    assert_eq!(problems.iter().last().map(|problem| &problem.place), Some(&Place::Flag("--mqtt")));
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
fn shared_client_id_and_password_on_the_command_line_are_warned_about() {
    let nameless = World { hostname: "localhost".to_owned(), ..world() };
    assert!(load_text("", &nameless).unwrap().warnings[0].contains("client_id"));
    let overrides =
        Overrides { mqtt_url: Some("mqtt://u:hunter2@b".to_owned()), ..Overrides::default() };
    let warnings = load(&world(), &overrides).unwrap().warnings.join("\n");
    assert!(warnings.contains("command line") && !warnings.contains("hunter2"), "{warnings}");
}

#[test]
fn debug_shows_no_secret() {
    let loaded = loaded("[mqtt]\nusername = 'u'\npassword = 'hunter2'\n");
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let overrides =
        Overrides { mqtt_url: Some("mqtt://u:hunter2@b".to_owned()), ..Overrides::default() };
    assert!(!format!("{overrides:?}").contains("hunter2"));
    assert!(
        !format!("{:?}", world_with("BAROGRAPH_MQTT__PASSWORD", "hunter2")).contains("hunter2")
    );
}

#[test]
fn this_process_has_a_world() {
    let world = World::of_this_process();
    assert!(!world.hostname.is_empty());
    assert_eq!(world.etc_file, Path::new("/etc/barograph/barograph.toml"));
    assert!(world.env.keys().all(|name| name.starts_with("BAROGRAPH_")));
}
