//! A small world for tests, and short ways to load in it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::read::problems::{Problems, SettingProblem};
use crate::{LoadError, Loaded, Secret, Settings, World, load_text};

/// A world without files and variables, on a host named `attic`.
pub(crate) fn world() -> World {
    World {
        env: BTreeMap::new(),
        cwd: PathBuf::from("/nowhere"),
        hostname: "attic".to_owned(),
        etc_file: PathBuf::from("/nowhere/etc/barograph.toml"),
    }
}

/// The same with one environment variable.
pub(crate) fn world_with(name: &str, value: &str) -> World {
    World { env: BTreeMap::from([(name.to_owned(), Secret::new(value))]), ..world() }
}

/// What a good text gives.
pub(crate) fn loaded(text: &str) -> Loaded {
    load_text(text, &world()).unwrap_or_else(|error| panic!("{error}\n---\n{text}"))
}

/// The settings of a good text.
pub(crate) fn settings(text: &str) -> Settings {
    loaded(text).settings
}

/// The problems behind an error.
pub(crate) fn problems_of(result: Result<Loaded, LoadError>) -> Problems {
    match result {
        Ok(loaded) => panic!("no problem: {:?}", loaded.settings),
        Err(LoadError::Problems(problems)) => problems,
        Err(unreadable @ LoadError::Unreadable { .. }) => panic!("{unreadable}"),
    }
}

/// The problems of a bad text.
pub(crate) fn problems(text: &str) -> Problems {
    problems_of(load_text(text, &world()))
}

/// The only problem of a bad text.
pub(crate) fn only_problem(text: &str) -> SettingProblem {
    let problems = problems(text);
    assert_eq!(problems.iter().count(), 1, "{problems}\n---\n{text}");
    problems.iter().next().unwrap().clone()
}

/// A good route for a text that needs one.
pub(crate) const ROUTE: &str = "[[route]]\ntopic = 'a/#'\ntable = 'a'\n[route.columns]\nx = 'x'\n";
