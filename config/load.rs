//! Finds the file, joins the layers, and hands out either settings or everything that is wrong.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::alerts;
use crate::lines::Lines;
use crate::problems::{Place, Problem, Problems};
use crate::reader::Reader;
use crate::recovery::{Fault, blank_slips};
use crate::route_set;
use crate::routes::{self, Draft};
use crate::sections;
use crate::settings::Settings;
use crate::spoken;
use crate::world::{CONFIG_VARIABLE, Overrides, World};

/// Largest settings file, in bytes: a limit, so that `--config /dev/zero` ends.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The name looked for in the working directory.
const FILE_NAME: &str = "barograph.toml";

/// What a load gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The settings, checked.
    pub settings: Settings,
    /// The file that was read, joined to the working directory; `None`: there is none, and the default holds.
    pub source: Option<PathBuf>,
    /// What is allowed but hardly meant: one sentence each, without secrets.
    pub warnings: Vec<String>,
}

/// Why there are no settings. Both are for a person to mend: nothing will change by trying again.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is there, or was named, and cannot be read.
    #[error(
        "cannot read the settings file {}, {named_by}: {cause}\n  \
         mend the path or the permissions of the file, or name another with --config",
        path.display()
    )]
    Unreadable {
        /// The path as it was named.
        path: PathBuf,
        /// Who named it.
        named_by: NamedBy,
        /// What the operating system says.
        cause: io::Error,
    },
    /// Everything that is wrong in the file, the environment and the flags.
    #[error(transparent)]
    Problems(#[from] Problems),
}

/// Who named the settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// `--config`
    Flag,
    /// `BAROGRAPH_CONFIG`
    Variable,
    /// Nobody: it is in one of the usual places.
    Search,
}

impl fmt::Display for NamedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("named by --config"),
            Self::Variable => write!(f, "named by the environment variable {CONFIG_VARIABLE}"),
            Self::Search => f.write_str("found in its usual place"),
        }
    }
}

/// The settings, from the built-in default, the file, the environment and the flags, each stronger than the one before.
///
/// The file is the first of: `overrides.config`, the variable `BAROGRAPH_CONFIG` (an empty one is none),
/// `barograph.toml` in the working directory, `world.etc_file`. Reads that file and those that it names for secrets
/// (`mqtt.password_file`, `url_file` of an alert and the like), nothing else.
///
/// A variable is named after section and key, `BAROGRAPH_MQTT__URL`, and holds a TOML scalar; where a text, path, word,
/// duration or size is wanted, its quotes may be left out. A problem of a weaker layer is one even if a stronger layer
/// says something else about the same key: the file is to be mended.
///
/// # Errors
///
/// [`LoadError::Unreadable`] if a named file, or one that is there, cannot be read; [`LoadError::Problems`] with
/// everything else that is wrong.
pub fn load(world: &World, overrides: &Overrides) -> Result<Loaded, LoadError> {
    let file = find_file(world, overrides)?;
    resolve(file, world, overrides)
}

/// The settings from a text in place of a file, under the environment of `world`.
///
/// # Errors
///
/// As [`load`], but no settings file is read.
pub fn load_text(text: &str, world: &World) -> Result<Loaded, LoadError> {
    let file = SettingsFile { named: None, path: None, bytes: text.as_bytes().to_vec() };
    resolve(file, world, &Overrides::default())
}

/// The bytes of the file, or none.
#[derive(Default)]
struct SettingsFile {
    /// The path as a message shows it.
    named: Option<String>,
    path: Option<PathBuf>,
    bytes: Vec<u8>,
}

fn find_file(world: &World, overrides: &Overrides) -> Result<SettingsFile, LoadError> {
    let variable = world.env.get(CONFIG_VARIABLE).filter(|path| !path.is_empty());
    if let Some(path) = &overrides.config {
        return read_named(world, path, NamedBy::Flag);
    }
    if let Some(path) = variable {
        return read_named(world, Path::new(path), NamedBy::Variable);
    }
    for path in [Path::new(FILE_NAME), &world.etc_file] {
        match read_named(world, path, NamedBy::Search) {
            Err(LoadError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            }
            found => return found,
        }
    }
    Ok(SettingsFile::default())
}

fn read_named(world: &World, named: &Path, named_by: NamedBy) -> Result<SettingsFile, LoadError> {
    let path = world.cwd.join(named);
    let mut bytes = Vec::new();
    let read = std::fs::File::open(&path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .and_then(|_| {
            let too_large = bytes.len() as u64 > FILE_BYTES_MAX;
            let limit = "it is larger than 1 MiB, and cannot be a settings file";
            if too_large { Err(io::Error::other(limit)) } else { Ok(()) }
        });
    match read {
        Ok(()) => {
            Ok(SettingsFile { named: Some(named.display().to_string()), path: Some(path), bytes })
        }
        Err(cause) => Err(LoadError::Unreadable { path: named.to_owned(), named_by, cause }),
    }
}

fn resolve(file: SettingsFile, world: &World, overrides: &Overrides) -> Result<Loaded, LoadError> {
    let text = String::from_utf8_lossy(&file.bytes);
    let (spoken, mut problems) = spoken::listen(world, overrides);
    problems.extend(foreign_bytes(&file.bytes, &text));
    let (rest, mut faults) = blank_slips(&text);
    let (tree, errors) = DeTable::parse_recoverable(&rest);
    faults.extend(errors.iter().map(Fault::of));
    let mut reader = Reader::new(&text, tree.get_ref(), &faults, &spoken);

    let mut settings = Settings::default_with(&world.hostname);
    sections::read(&mut reader, world, &mut settings);
    let drafts = routes::read(&mut reader);
    if let Some(drafts) = &drafts {
        route_set::compare(&mut reader, drafts);
    }
    let filters = match &drafts {
        Some(drafts) => drafts.iter().filter_map(Draft::filter).collect(),
        None => settings.routes.iter().map(|route| route.topic.as_str()).collect(),
    };
    let client_id = &settings.mqtt.client_id;
    let surroundings = alerts::Surroundings { cwd: &world.cwd, client_id, filters };
    settings.alerts = alerts::read(&mut reader, &surroundings);
    let (found, warnings) = reader.finish();
    problems.extend(found);
    if !problems.is_empty() {
        return Err(Problems::new(file.named, problems).into());
    }
    if let Some(drafts) = drafts {
        let whole = drafts.into_iter().map(Draft::finish).collect::<Option<_>>();
        settings.routes = whole.expect("what a route lacks has been refused");
    }
    Ok(Loaded { settings, source: file.path, warnings })
}

/// The first byte that is not UTF-8. The text goes on with `U+FFFD` in its place, and so do the checks.
fn foreign_bytes(bytes: &[u8], lossy: &str) -> Option<Problem> {
    let error = std::str::from_utf8(bytes).err()?;
    // Up to here the lossy text is the file's own.
    let (line, column) = Lines::of(lossy).position(error.valid_up_to());
    Some(Problem {
        place: Place::File { line, column },
        key: String::new(),
        value: None,
        why: "a byte here is not UTF-8".to_owned(),
        instead: "save the file as UTF-8".to_owned(),
    })
}
