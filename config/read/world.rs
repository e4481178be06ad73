//! What a load depends on besides the file, passed as arguments: a test makes its own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::read::redact::redact_url;

/// Prefix of every environment variable of ours.
pub(crate) const PREFIX: &str = "BAROGRAPH_";

/// The variable that names the settings file.
pub(crate) const CONFIG_VARIABLE: &str = "BAROGRAPH_CONFIG";

/// The surroundings of the process at its start.
#[derive(Clone, PartialEq, Eq)]
pub struct World {
    /// Environment variables; only those that begin with `BAROGRAPH_` are looked at.
    pub env: BTreeMap<String, String>,
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
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
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

/// Names the variables but not their values: one of them may be a password.
impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("cwd", &self.cwd)
            .field("hostname", &self.hostname)
            .field("etc_file", &self.etc_file)
            .finish()
    }
}

/// What the command line sets; stronger than the environment and the file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--config`: the settings file.
    pub config: Option<PathBuf>,
    /// `--mqtt`: the broker, as `mqtt.url`.
    pub mqtt_url: Option<String>,
    /// `--db`: the database, as `database.path`.
    pub db: Option<PathBuf>,
    /// `--log-level`: as `log.level`.
    pub log_level: Option<String>,
}

/// The credentials of the URL are `***`.
impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overrides")
            .field("config", &self.config)
            .field("mqtt_url", &self.mqtt_url.as_deref().map(redact_url))
            .field("db", &self.db)
            .field("log_level", &self.log_level)
            .finish()
    }
}
