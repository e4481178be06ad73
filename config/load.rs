//! Finds the file, joins the layers, and gives either settings or everything that is wrong.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::field::Declared;
use crate::read::layers;
use crate::read::problems::LineIndex;
use crate::read::problems::{Origin, Problems, SettingProblem};
use crate::read::reader::SettingsReader;
use crate::read::recovery::{SyntaxFault, blank_broken_lines};
use crate::read::section::Section;
use crate::read::world::{CONFIG_VARIABLE, Overrides, World};
use crate::secret::Secret;
use crate::settings::{Settings, sections};

/// Largest settings file, in bytes: a limit, so that `--config /dev/zero` ends.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Who named the settings file.
const BY_FLAG: &str = "named by --config";
const BY_VARIABLE: &str = "named by the environment variable BAROGRAPH_CONFIG";
const BY_SEARCH: &str = "found in its usual place";

/// The name looked for in the working directory.
const FILE_NAME: &str = "barograph.toml";

/// What a load gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The settings, checked.
    pub settings: Settings,
    /// The file that was read, joined to the working directory; `None`: there is none, and the default holds.
    pub source: Option<PathBuf>,
    /// `mqtt.client_id` is set, and not the default.
    pub client_id_is_set: bool,
    /// What is allowed but probably not intended: one sentence each, without secrets.
    pub warnings: Vec<String>,
}

/// Why there are no settings. A person must correct both: trying again changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is there, or was named, and cannot be read.
    #[error(
        "cannot read the settings file {}, {named_by}: {cause}\n  \
         correct the path or the permissions of the file, or name another with --config",
        path.display()
    )]
    Unreadable {
        /// The path as it was named.
        path: PathBuf,
        /// Who named it: `named by --config`.
        named_by: &'static str,
        /// What the operating system says.
        cause: io::Error,
    },
    /// Everything that is wrong in the file, the environment and the flags.
    #[error(transparent)]
    Problems(#[from] Problems),
}

/// The settings, from the built-in default, the file, the environment and the flags, each stronger than the one before.
///
/// The file is the first of: `overrides.config`, the variable `BAROGRAPH_CONFIG` (an empty one is none),
/// `barograph.toml` in the working directory, `world.etc_file`. Reads that file and those that it names for secrets
/// (`mqtt.password_file`, `url_file` of an alert and the like), nothing else.
///
/// A variable is named after section and key, `BAROGRAPH_MQTT__URL`, and holds a TOML scalar; where a text, path, word,
/// duration or size is expected, its quotes may be left out. A problem of a weaker layer is one even if a stronger layer
/// sets the same key: the file must be corrected.
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
    let variable =
        world.env.get(CONFIG_VARIABLE).map(Secret::expose).filter(|path| !path.is_empty());
    if let Some(path) = &overrides.config {
        return read_named(world, path, BY_FLAG);
    }
    if let Some(path) = variable {
        return read_named(world, Path::new(path), BY_VARIABLE);
    }
    for path in [Path::new(FILE_NAME), &world.etc_file] {
        match read_named(world, path, BY_SEARCH) {
            Err(LoadError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            }
            found => return found,
        }
    }
    Ok(SettingsFile::default())
}

fn read_named(
    world: &World,
    named: &Path,
    named_by: &'static str,
) -> Result<SettingsFile, LoadError> {
    let path = world.cwd.join(named);
    let mut bytes = Vec::new();
    let read = std::fs::File::open(&path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .and_then(|_| {
            let too_large = bytes.len() as u64 > FILE_BYTES_MAX;
            let limit = "it is larger than 16 MiB, and cannot be a settings file";
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
    let sections: Vec<_> = sections().collect();
    let layers = layers::collect(world, overrides, &sections);
    let mut problems = layers.problems;
    problems.extend(foreign_bytes(&file.bytes, &text));
    let (rest, mut faults) = blank_broken_lines(&text);
    let (tree, errors) = DeTable::parse_recoverable(&rest);
    faults.extend(errors.iter().map(SyntaxFault::of));
    let mut reader = SettingsReader::new(&text, &faults, &layers.values, sections, &world.cwd);
    let mut root = Section::root(&mut reader, tree.get_ref(), Settings::TABLE.keys());
    let mut settings = Settings::default_with(&world.hostname);
    settings.read(&mut root);
    settings.join(&mut root);
    let client_id_is_set = root.reader.good("mqtt.client_id").is_some();
    let (found, mut warnings) = reader.finish();
    problems.extend(found);
    if !problems.is_empty() {
        return Err(Problems::new(file.named, problems).into());
    }
    warnings.extend(layers.warnings);
    Ok(Loaded { settings, source: file.path, client_id_is_set, warnings })
}

/// The first byte that is not UTF-8. The text goes on with `U+FFFD` in its place, and so do the checks.
fn foreign_bytes(bytes: &[u8], lossy: &str) -> Option<SettingProblem> {
    let error = std::str::from_utf8(bytes).err()?;
    // Up to here the lossy text is the file's own.
    let (line, column) = LineIndex::of(lossy).position(error.valid_up_to());
    let text = "not UTF-8: a byte of another encoding; save the file as UTF-8".to_owned();
    Some(SettingProblem { place: Origin::File { line, column }, text })
}
