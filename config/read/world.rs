//! What a load depends on besides the file, passed as arguments: a test makes its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::secret::Secret;

/// Prefix of every environment variable of ours.
pub(crate) const PREFIX: &str = "BAROGRAPH_";

/// The variable that names the settings file.
pub(crate) const CONFIG_VARIABLE: &str = "BAROGRAPH_CONFIG";

/// The surroundings of the process at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Environment variables; only those that begin with `BAROGRAPH_` are looked at. One may be a password.
    pub env: BTreeMap<String, Secret>,
    /// The working directory: `barograph.toml` is looked for here, and relative paths begin here.
    pub cwd: PathBuf,
    /// The host's name, for the default client id.
    pub hostname: String,
    /// The system-wide file that is read when no other is found.
    pub etc_file: PathBuf,
}

impl World {
    /// The world of the running process. Texts that are not UTF-8 have their other bytes replaced by `U+FFFD`; an
    /// unreadable working directory becomes `.`, an unreadable host name `localhost`.
    pub fn of_this_process() -> Self {
        let env = std::env::vars_os()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), Secret::new(value.to_string_lossy()))
            })
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map(|text| text.trim().to_owned())
            .ok()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "localhost".to_owned());
        Self {
            env,
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            hostname,
            etc_file: PathBuf::from("/etc/barograph/barograph.toml"),
        }
    }
}

/// What the command line sets; stronger than the environment and the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--config`: the settings file.
    pub config: Option<PathBuf>,
    /// `--mqtt`: the broker, as `mqtt.url`, perhaps with a password.
    pub mqtt_url: Option<Secret>,
    /// `--db`: the database, as `database.path`.
    pub db: Option<PathBuf>,
    /// `--log-level`: as `log.level`.
    pub log_level: Option<String>,
}
