//! What environment variables and flags say, brought into the shape of the file's values.

use std::path::Path;

use toml::de::DeValue;

use crate::keys::{DATABASE, Key, LOG, MQTT, SECTIONS, Table, nearest};
use crate::problems::{Place, Problem, Spot};
use crate::redact::written;
use crate::world::{CONFIG_VARIABLE, Overrides, PREFIX, World};

/// One value from outside the file.
pub(crate) struct Spoken<'w> {
    /// Name of the table.
    pub(crate) section: &'static str,
    /// Name of the key in it.
    pub(crate) key: &'static str,
    pub(crate) place: Place,
    /// The value as the file would hold it.
    pub(crate) value: DeValue<'w>,
    /// The words as they were said.
    raw: &'w str,
}

impl Spoken<'_> {
    /// The place of the value, for messages.
    pub(crate) fn spot(&self, key: &Key, path: String) -> Spot {
        Spot {
            place: self.place.clone(),
            path,
            name: key.name.to_owned(),
            written: written(key, &self.value, self.raw),
        }
    }
}

/// Everything environment and flags say, weakest first, and the variables that nobody can have meant.
pub(crate) fn listen<'w>(
    world: &'w World,
    overrides: &'w Overrides,
) -> (Vec<Spoken<'w>>, Vec<Problem>) {
    let mut spoken = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in &world.env {
        if name == CONFIG_VARIABLE {
            continue;
        }
        // Without `__` it is not ours to judge: other programs may share the prefix.
        let Some((section, key)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__"))
        else {
            continue;
        };
        match find(section, key) {
            Some((table, key)) => spoken.push(Spoken {
                section: table.name,
                key: key.name,
                place: Place::Environment(name.clone()),
                value: variable_value(key, value),
                raw: value,
            }),
            None => problems.push(unknown_variable(name, section)),
        }
    }
    let (flags, flag_problems) = flags(overrides);
    spoken.extend(flags);
    problems.extend(flag_problems);
    (spoken, problems)
}

fn find(section: &str, name: &str) -> Option<(&'static Table, &'static Key)> {
    let table = SECTIONS.into_iter().find(|table| table.name.to_uppercase() == section)?;
    let key = table.keys.iter().find(|key| key.name.to_uppercase() == name)?;
    Some((table, key))
}

fn unknown_variable(name: &str, section: &str) -> Problem {
    let (why, instead) = if matches!(section, "ROUTE" | "ALERT") {
        (
            "alerts and routes cannot be set by the environment".to_owned(),
            "write them into the file".to_owned(),
        )
    } else {
        let known: Vec<String> = crate::known_keys().filter_map(|key| key.variable()).collect();
        let why = "there is no setting of this name".to_owned();
        let instead = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("write: {near}"),
            None => format!("remove it; variables are named like {}", known[0]),
        };
        (why, instead)
    };
    let place = Place::Environment(name.to_owned());
    // Without the value: it may be a misspelt password.
    Problem { place, key: String::new(), value: None, why, instead }
}

/// A quoted TOML text, a TOML scalar, or the bare words where a text is wanted or nothing else fits.
fn variable_value<'w>(key: &Key, words: &'w str) -> DeValue<'w> {
    let parsed = DeValue::parse(words.trim()).ok().map(toml::Spanned::into_inner);
    parsed
        .filter(|value| value.is_str() || !key.wants.is_said_as_text())
        .unwrap_or_else(|| DeValue::String(words.into()))
}

fn flags(overrides: &Overrides) -> (Vec<Spoken<'_>>, Vec<Problem>) {
    let db = overrides.db.as_deref();
    let said = [
        (&MQTT, "url", "--mqtt", overrides.mqtt_url.as_deref()),
        (&DATABASE, "path", "--db", db.and_then(Path::to_str)),
        (&LOG, "level", "--log-level", overrides.log_level.as_deref()),
    ];
    let spoken = said.into_iter().filter_map(|(table, key, flag, words)| {
        Some(Spoken {
            section: table.name,
            key: table.key(key).name,
            place: Place::Flag(flag),
            value: DeValue::String(words?.into()),
            raw: words?,
        })
    });
    let not_utf8 = db.filter(|path| path.to_str().is_none()).map(|path| Problem {
        place: Place::Flag("--db"),
        key: "database.path".to_owned(),
        value: Some(path.to_string_lossy().into_owned()),
        why: "the path is not UTF-8".to_owned(),
        instead: "rename the file, or its directory".to_owned(),
    });
    (spoken.collect(), not_utf8.into_iter().collect())
}
