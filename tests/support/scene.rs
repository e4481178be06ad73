//! Where most tests happen: a folder, a broker, a database, and a recorder of numbered messages.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::database::{Account, Database};
use super::faults::Faults;
use super::folder::Folder;
use super::mosquitto::Mosquitto;
use super::publisher::Published;
use super::recorder::Recorder;
use super::settings::Settings;
use super::wait;

/// How long a backlog may take, on a busy machine.
const DRAIN_MAX: Duration = Duration::from_secs(90);

/// A test's own little world.
pub(crate) struct Scene {
    pub(crate) broker: Mosquitto,
    pub(crate) database: Database,
    pub(crate) faults: Faults,
    // last: removed after the processes that use it have ended
    pub(crate) folder: Folder,
}

impl Scene {
    /// A stock broker and an empty folder.
    pub(crate) fn new() -> Self {
        Self::with_broker(|_| "allow_anonymous true".to_owned())
    }

    /// A broker with further lines in its mosquitto.conf; the files they name can be made in the folder.
    pub(crate) fn with_broker(lines: impl FnOnce(&Folder) -> String) -> Self {
        Self::around(|folder| Mosquitto::start(folder, &lines(folder)))
    }

    /// A broker without TCP_NODELAY, as Debian ships it, with further lines in its mosquitto.conf.
    pub(crate) fn with_delaying_broker(lines: &str) -> Self {
        Self::around(|folder| Mosquitto::start_delaying(folder, lines))
    }

    fn around(start: impl FnOnce(&Folder) -> Mosquitto) -> Self {
        let folder = Folder::new();
        let broker = start(&folder);
        let database = Database::at(folder.path("data.db"));
        let faults = Faults(folder.path("faults.sock"));
        Self { broker, database, faults, folder }
    }

    /// Settings for the broker, without a detour.
    pub(crate) fn settings(&self) -> Settings {
        Settings::new(&self.folder, self.broker.port())
    }

    /// Where the broker listens.
    pub(crate) fn broker_url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.broker.port())
    }

    /// Starts a recorder that can be injected with faults, and waits until the broker keeps a session for it.
    pub(crate) fn recorder(&self, settings: &Settings) -> Recorder {
        let recorder = Recorder::start_faulty(settings, &self.faults);
        recorder.event("ready");
        recorder.event("broker_connected");
        self.broker.has_subscriber(settings.first_filter());
        recorder
    }

    /// Where messages wait while the database cannot take them, by default.
    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.path("spool/data.db.spool")
    }

    /// Files of the folder, or of one in it, whose name begins so.
    pub(crate) fn files(&self, folder: &str, beginning: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path(folder)).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning))
            .map(|entry| entry.path())
            .collect();
        found.sort();
        found
    }

    /// Waits until every published number is in the database, stops the recorder, and holds it to its promise.
    pub(crate) fn settle(&self, recorder: Recorder, published: &Published) -> Account {
        self.drain(&recorder, published);
        self.stop_and_check(recorder, published)
    }

    /// Waits until every published number is in the database.
    pub(crate) fn drain(&self, recorder: &Recorder, published: &Published) {
        let all_there = || {
            if self.database.count("load") < published.certain() {
                return None;
            }
            let comparison = self.database.compare("load", published);
            assert!(comparison.twice.is_empty(), "{comparison}"); // waiting does not heal that
            comparison.is_exact().then_some(())
        };
        wait::until_or(DRAIN_MAX, all_there, || {
            let comparison = self.database.compare("load", published);
            format!("{comparison}; the log:\n{}", recorder.process.tail())
        });
    }

    /// Waits until a table has this many rows.
    pub(crate) fn fills_to(&self, recorder: &Recorder, table: &str, rows: i64) {
        wait::until_or(
            DRAIN_MAX,
            || (self.database.count(table) >= rows).then_some(()),
            || {
                let there = self.database.count(table);
                let log = recorder.process.tail();
                format!("{there} of {rows} rows of {table}; the log:\n{log}")
            },
        );
    }

    /// Stops the recorder, and holds it to its promise: 0 lost, 0 twice, and an account that says so.
    pub(crate) fn stop_and_check(&self, mut recorder: Recorder, published: &Published) -> Account {
        recorder.stop();
        let comparison = self.database.compare("load", published);
        assert!(comparison.is_exact(), "{comparison}");
        let account = self.database.assert_account_equals(&["load"]);
        println!(
            "{} published, {} doubtful: {account:?}",
            published.next,
            published.doubtful.len()
        );
        account
    }
}
