//! The recorder's TOML file, as an operator would write it, piece by piece.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::folder::Folder;

/// Numbered messages on `load/…` become the rows of `load`.
pub(crate) const LOAD: &str = r#"
[[route]]
topic = "load/#"
table = "load"
qos = 2
[route.columns]
n = { field = "n", type = "integer", required = true }
"#;

/// The same with a text, for rows that are large: see [`Load::wide`](super::publisher::Load::wide).
pub(crate) fn wide() -> String {
    format!("{LOAD}pad = {{ field = \"pad\", type = \"text\" }}\n")
}

/// A route whose bounds are wrong: everything above 9 goes to quarantine.
pub(crate) const NARROW: &str = r#"
[[route]]
topic = "load/#"
table = "load"
qos = 1
[route.columns]
n = { field = "n", type = "integer", required = true, max = 9 }
"#;

/// The field readings of the station, as by default.
pub(crate) const MAGNETIC: &str = r#"
[[route]]
topic = "+/+/weatherstation/magneticfluxsensor/#"
table = "magnetic_flux_data"
qos = 2
[route.columns]
x = { field = "x", type = "real", required = true }
y = { field = "y", type = "real", required = true }
z = { field = "z", type = "real", required = true }
"#;

/// A file in the making.
#[derive(Clone)]
pub(crate) struct Settings {
    file: PathBuf,
    sections: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
    routes: String,
}

impl Settings {
    /// A recorder of `load/#` for the broker on this port, with everything in this folder and a JSON log.
    pub(crate) fn new(folder: &Folder, broker: u16) -> Self {
        let settings = Self {
            file: folder.path("barograph.toml"),
            sections: BTreeMap::new(),
            routes: LOAD.to_owned(),
        };
        settings
            .text("mqtt", "url", &format!("mqtt://127.0.0.1:{broker}"))
            .text("mqtt", "client_id", "recorder")
            .text("mqtt", "reconnect_min", "50ms")
            .text("mqtt", "reconnect_max", "1s")
            .path("database", "path", &folder.path("data.db"))
            .text("supervisor", "backoff_min", "20ms")
            .text("supervisor", "backoff_max", "1s")
            .text("log", "format", "json")
            // many recorders run at a time, and the page has one port by default
            .text("watchtower", "listen", "off")
            // in a container nothing keeps the clock right
            .set("health", "clock_sync", "false")
    }

    /// Sets a key to a TOML value (`5`, `true`).
    pub(crate) fn set(mut self, section: &'static str, key: &'static str, value: &str) -> Self {
        self.sections.entry(section).or_default().insert(key, value.to_owned());
        self
    }

    /// Leaves a key to its default.
    pub(crate) fn unset(mut self, section: &'static str, key: &'static str) -> Self {
        self.sections.entry(section).or_default().remove(key);
        self
    }

    /// Sets a key to a string.
    pub(crate) fn text(self, section: &'static str, key: &'static str, value: &str) -> Self {
        self.set(section, key, &format!("{value:?}"))
    }

    /// Sets a key to a path.
    pub(crate) fn path(self, section: &'static str, key: &'static str, value: &Path) -> Self {
        self.text(section, key, value.to_str().expect("our paths are UTF-8"))
    }

    /// Trouble is noticed and got over within moments: for tests whose point is not how long that takes.
    pub(crate) fn quick_to_heal(self) -> Self {
        self.text("database", "busy_timeout", "100ms").text("health", "probe_min", "50ms").text(
            "health",
            "probe_max",
            "500ms",
        )
    }

    /// Everything is checked all the time: for tests whose point is not how often that is.
    pub(crate) fn watchful(self) -> Self {
        self.text("health", "check_interval", "1s")
    }

    /// A spool that is full at once: what cannot go to the database has no place.
    pub(crate) fn without_a_spool_to_speak_of(self) -> Self {
        self.text("spool", "max_size", "64 KiB")
    }

    /// Replaces the routes; an empty text leaves the built-in ones.
    pub(crate) fn routes(self, routes: &str) -> Self {
        Self { routes: routes.to_owned(), ..self }
    }

    /// The topic filter of the first route; of the first built-in one without any.
    pub(crate) fn first_filter(&self) -> &str {
        let line = self.routes.lines().find_map(|line| line.strip_prefix("topic = "));
        line.map_or("+/+/weatherstation/weathermeters/#", |filter| filter.trim_matches('"'))
    }

    /// Another file.
    pub(crate) fn file(self, file: PathBuf) -> Self {
        Self { file, ..self }
    }

    /// Writes the file, in one go: a program that reads it meanwhile reads the old one or the new one, never half of it.
    pub(crate) fn write(&self) -> &Path {
        static WRITTEN: AtomicU32 = AtomicU32::new(0);
        let mut text = String::new();
        for (section, keys) in &self.sections {
            text += &format!("[{section}]\n");
            keys.iter().for_each(|(key, value)| text += &format!("{key} = {value}\n"));
        }
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let new = self.file.with_extension(format!("new-{number}"));
        fs::write(&new, text + &self.routes).expect("our own folder");
        fs::rename(&new, &self.file).expect("our own folder");
        &self.file
    }
}
