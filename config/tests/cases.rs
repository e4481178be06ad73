//! Every file in `cases/` is answered with exactly what stands below it.
//!
//! A case is a settings file (environment variables, flags and further files in lines with a `$`), a line `----`, and what
//! the operator reads: the problems, or the settings that are not the default and the warnings. Cases are divided by
//! `====`. Beside them lie the files `token`, `other_token`, `url` and
//! `word`. After an intended change, `BAROGRAPH_BLESS=1 cargo test -p barograph-config` writes the cases anew: review
//! their difference.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::tests::testing::world;
use crate::{LoadError, Overrides, Secret, Settings, World, load};

/// The surroundings that the lines with a `$` of a case make, and its settings file.
fn surroundings(case: &str, world: &World) -> (World, Overrides, String) {
    let (mut world, mut overrides) = (world.clone(), Overrides::default());
    let (outside, file): (Vec<&str>, Vec<&str>) =
        case.split_inclusive('\n').partition(|line| line.starts_with("$ "));
    for line in outside.iter().map(|line| line[2..].trim_end()) {
        if let Some(url) = line.strip_prefix("--mqtt ") {
            overrides.mqtt_url = Some(Secret::new(url));
        } else if let Some(path) = line.strip_prefix("--db ") {
            overrides.db = Some(path.into());
        } else if let Some(file) = line.strip_prefix("write ") {
            write(file, &world.cwd);
        } else if let Some((name, value)) = line.split_once('=') {
            world.env.insert(name.to_owned(), Secret::new(value));
        }
    }
    (world, overrides, file.concat())
}

/// Writes a file: its name, its mode, and its text, in which `\n`, `\r` and `\0` stand for these characters; `x*9` is
/// nine times x.
fn write(file: &str, dir: &Path) {
    let mut words = file.splitn(3, ' ');
    let (name, mode) = (words.next().unwrap(), words.next().unwrap());
    let text = words.next().unwrap_or_default();
    let text = match text.split_once('*').and_then(|(one, count)| Some((one, count.parse().ok()?)))
    {
        Some((one, count)) => one.repeat(count),
        None => text.replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0"),
    };
    let path = dir.join(name);
    // One that was not writable.
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, text).unwrap();
    let mode = u32::from_str_radix(mode, 8).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The answer to a settings file.
fn answer(case: &str, world: &World) -> String {
    let (world, overrides, file) = surroundings(case, world);
    std::fs::write(world.cwd.join("barograph.toml"), file).unwrap();
    let answer = load(&world, &overrides);
    assert!(!format!("{answer:?}{world:?}{overrides:?}").contains("hunter2"), "{case}");
    let lines: Vec<String> = match answer {
        Err(LoadError::Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(error @ LoadError::Unreadable { .. }) => panic!("{error}"),
        Ok(loaded) => {
            let default = Settings::default_with("attic").to_toml();
            let default: BTreeSet<&str> = default.lines().collect();
            let settings = loaded.settings.to_toml();
            let settings = settings.lines().filter(|line| !default.contains(line));
            let warnings = loaded.warnings.iter().map(|warning| format!("warning: {warning}"));
            settings.map(str::to_owned).chain(warnings).collect()
        }
    };
    let answer: String = lines.iter().map(|line| format!("{line}\n")).collect();
    assert!(!answer.contains("hunter2"), "a secret is shown: {answer}");
    answer.replace(&world.cwd.display().to_string(), "/cwd")
}

/// The cases of a file with the answers of now.
fn answered(cases: &str, world: &World) -> String {
    let answered = cases.split("====\n").map(|case| {
        let (text, _) = case.split_once("----\n").expect("a case has a line of four dashes");
        format!("{text}----\n{}", answer(text, world))
    });
    answered.collect::<Vec<_>>().join("====\n")
}

#[test]
fn files_get_the_answers_that_stand_below_them() {
    let dir = tempfile::tempdir().unwrap();
    for file in [
        "token 600 hunter2-hunter2-hunter2\\n",
        "other_token 600 hunter2-another-one",
        "url 600 https://hooks.example/hunter2\\n",
        "word 600 hunter2\\n",
    ] {
        write(file, dir.path());
    }
    let world = World { cwd: dir.path().to_owned(), ..world() };
    for name in ["alerts", "good", "intake", "layers", "routes", "secrets", "sections", "syntax"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(format!("{name}.txt"));
        let expected = std::fs::read_to_string(&path).unwrap();
        let found = answered(&expected, &world);
        if std::env::var_os("BAROGRAPH_BLESS").is_some() {
            std::fs::write(&path, &found).unwrap();
            continue;
        }
        for (found, expected) in found.split("====\n").zip(expected.split("====\n")) {
            assert_eq!(found, expected, "in {}", path.display());
        }
    }
}
