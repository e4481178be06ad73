//! What environment variables and flags set, brought into the shape of the file's values.

use std::path::Path;

use toml::de::DeValue;

use crate::declare::key::{Key, Table};
use crate::declare::nearest::nearest;
use crate::read::problems::{Origin, SettingProblem, Spot};
use crate::read::redact::written;
use crate::read::world::{CONFIG_VARIABLE, Overrides, PREFIX, World};
use crate::secret::Secret;

/// One value from outside the file.
pub(crate) struct Layered<'w> {
    /// Its place, and its key's path.
    pub(crate) spot: Spot,
    /// The value as the file would hold it.
    pub(crate) value: DeValue<'w>,
}

impl<'w> Layered<'w> {
    fn new(place: Origin, table: &str, key: &Key, value: DeValue<'w>, raw: &str) -> Self {
        let written = Some(written(key, &value, raw));
        let (path, name) = (format!("{table}.{}", key.name), key.name.to_owned());
        Self { spot: Spot { place, path, name, written }, value }
    }
}

/// What environment and flags set, and what is wrong with their names.
#[derive(Default)]
pub(crate) struct Layers<'w> {
    /// Weakest first.
    pub(crate) values: Vec<Layered<'w>>,
    pub(crate) problems: Vec<SettingProblem>,
    pub(crate) warnings: Vec<String>,
}

/// The variable that sets a key: `BAROGRAPH_MQTT__URL`.
pub(crate) fn variable(table: &str, key: &str) -> String {
    format!("{PREFIX}{}__{}", table.to_uppercase(), key.to_uppercase())
}

/// Looks at every variable and flag.
pub(crate) fn collect<'w>(
    world: &'w World,
    overrides: &'w Overrides,
    sections: &[&'static Table],
) -> Layers<'w> {
    let known: Vec<(&str, &Key, String)> = sections
        .iter()
        .flat_map(|table| {
            table.keys().map(move |key| (table.name, key, variable(table.name, key.name)))
        })
        .collect();
    let mut layers = Layers::default();
    for (name, value) in world.env.iter().filter(|(name, _)| *name != CONFIG_VARIABLE) {
        let single = |variable: &str| variable.replacen("__", "_", 1);
        if let Some((table, key, _)) = known.iter().find(|(.., variable)| variable == name) {
            let (place, raw) = (Origin::Environment(name.clone()), value.expose());
            let value = variable_value(key, raw);
            layers.values.push(Layered::new(place, table, key, value, raw));
        } else if let Some(section) = section_of(name) {
            let variables = known.iter().map(|(.., variable)| variable.as_str());
            layers.problems.push(unknown_variable(name, section, variables));
        } else if let Some((.., meant)) = known.iter().find(|(.., it)| single(it) == *name) {
            // Without `__` it may be another program's: other programs may share the prefix.
            let text = format!("environment variable {name}: ignored; did you mean {meant}?");
            layers.warnings.push(text);
        }
    }
    let (flags, problem) = flags(overrides, &known);
    layers.values.extend(flags);
    layers.problems.extend(problem);
    layers
}

/// `MQTT` of `BAROGRAPH_MQTT__...`.
fn section_of(name: &str) -> Option<&str> {
    Some(name.strip_prefix(PREFIX)?.split_once("__")?.0)
}

fn unknown_variable<'k>(
    name: &str,
    section: &str,
    known: impl Iterator<Item = &'k str>,
) -> SettingProblem {
    let (why, instead) = if matches!(section, "ROUTE" | "ALERT") {
        let why = "the environment cannot set alerts and routes";
        (why, "write them into the file".to_owned())
    } else {
        let near = nearest(name, known);
        let advice = near.map(|near| format!("did you mean {near}?"));
        let example = format!("remove it; variables are named like {}", variable("mqtt", "url"));
        ("unknown setting", advice.unwrap_or(example))
    };
    // Without the value: it may be a misspelt password.
    SettingProblem {
        place: Origin::Environment(name.to_owned()),
        text: format!("{why}; {instead}"),
    }
}

/// A quoted TOML text, a TOML scalar, or the bare words where a text is expected or nothing else fits.
fn variable_value<'w>(key: &Key, words: &'w str) -> DeValue<'w> {
    let parsed = DeValue::parse(words.trim()).ok().map(toml::Spanned::into_inner);
    parsed
        .filter(|value| value.is_str() || !key.is_quoted())
        .unwrap_or_else(|| DeValue::String(words.into()))
}

fn flags<'w>(
    overrides: &'w Overrides,
    known: &[(&str, &Key, String)],
) -> (Vec<Layered<'w>>, Option<SettingProblem>) {
    let db = overrides.db.as_deref();
    let given = [
        ("mqtt", "url", "--mqtt", overrides.mqtt_url.as_ref().map(Secret::expose)),
        ("database", "path", "--db", db.and_then(Path::to_str)),
        ("log", "level", "--log-level", overrides.log_level.as_deref()),
    ];
    let values = given.into_iter().filter_map(|(table, name, flag, text)| {
        let (_, key, _) = known.iter().find(|(of, key, _)| (*of, key.name) == (table, name))?;
        let value = DeValue::String(text?.into());
        Some(Layered::new(Origin::Flag(flag), table, key, value, text?))
    });
    let not_utf8 = db.filter(|path| path.to_str().is_none()).map(|path| SettingProblem {
        place: Origin::Flag("--db"),
        text: format!(
            "database.path: expected a path in UTF-8, found {}; rename the file, or its directory",
            path.to_string_lossy()
        ),
    });
    (values.collect(), not_utf8)
}
