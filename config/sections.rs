//! The small sections of the file: what they hold, and what in them contradicts something.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::declare::key::{
    Complaint, DAY, FLAG, HOUR, KIB, Key, MIB, MINUTE, PATH, SECOND, TEXT, TIB, YEAR, count,
    millis, size, time, word,
};
use crate::declare::settings;
use crate::declare::text::quote;
use crate::part::Part;
use crate::read::section::Section;
use crate::word::{Word, words};

settings! {
    /// `[instance]`
    pub struct Instance in "instance" concerns Part::Instance;

    /// One database has one recorder, the one that holds this lock file; a second one names the first and exits. Keep the
    /// file where nothing cleans up (not in /tmp), and do not delete it while Barograph runs.
    lock_file: PathBuf = PathBuf::new(), PATH
        .example(r#""/var/lib/barograph/barograph.lock""#)
        .absent("barograph.lock in the directory of the database");
}

settings! {
    /// `[database]`
    pub struct Database in "database" concerns Part::Database, checked Database::warn;

    /// The SQLite file. It is created if there is none; an existing one is opened as it is, and never rewritten. While
    /// Barograph runs, two more files with -wal and -shm after its name are part of the database: copy all three or none.
    /// With an absolute path every command finds the recorder, wherever it is given.
    path: PathBuf = PathBuf::from("./weather_data.db"),
        PATH.shipped(r#""/var/lib/barograph/weather_data.db""#)
            .checked(database_path)
            .affects(Part::DatabasePath);

    /// How long one attempt to write waits when another program holds the database. The attempt is then repeated, without
    /// end, and nothing is lost: this decides only how soon the lock is noticed.
    busy_timeout: Duration = millis(SECOND), time(0, 10 * MINUTE);

    /// Write to disk at most this often; "0s" is as soon as the disk is free. "10s" spares a flash card: messages of QoS
    /// 1 and 2 stay at the broker until then, as safe as before.
    commit_interval: Duration = Duration::ZERO, time(0, HOUR);

    /// "full": what has been acknowledged to the broker survives a power cut. "normal" is faster, and does not: in 45 of
    /// 76 power cuts acknowledged rows were lost, with "full" in 0 of 86.
    synchronous: Synchronous = Synchronous::Full, word(Synchronous::WORDS);
}

settings! {
    /// `[spool]`
    pub struct SpoolSettings in "spool" concerns Part::Spool;

    /// The directory of the spool, a SQLite file as safe as the database, in which messages wait while the database is
    /// locked, full, damaged or read-only. They move to the database, in order, as soon as it can be written. On another
    /// disk than the database it also helps against a full one (with systemd, add it to ReadWritePaths= of the unit).
    dir: PathBuf = PathBuf::new(), PATH
        .example(r#""/var/lib/barograph/spool""#)
        .absent("spool in the directory of the database")
        .affects(Part::SpoolDir);

    /// Most bytes that the spool may take on the disk. When it is full, messages wait at the broker; messages of QoS 0
    /// that do not fit into memory are dropped and counted.
    max_size: u64 = 256 * MIB, size(64 * KIB, 16 * TIB);

    /// Bytes of its disk that the spool leaves free.
    min_free: u64 = 64 * MIB, size(0, 16 * TIB);
}

settings! {
    /// `[health]`
    pub struct Health in "health" concerns Part::Health, checked Health::keep_order;

    /// Consecutive failed writes, of causes that often pass (a disk error, a busy file), before messages go to the spool.
    /// For other causes (locked, full, read-only, damaged) they go there at once.
    max_write_failures: u32 = 10, count(1, 1_000_000);

    /// Messages arrive and none becomes durable for this long: an issue is raised, and messages go to the spool.
    no_write_issue_after: Duration = millis(MINUTE), time(100, DAY);

    /// First pause before an unusable database is tried again. It doubles, with jitter, up to `probe_max`.
    probe_min: Duration = millis(SECOND), time(10, DAY);

    /// Longest pause before an unusable database is tried again.
    probe_max: Duration = millis(MINUTE), time(10, DAY);

    /// How often everything (broker, database, disks, clock and more) is checked without a cause to do so at once.
    check_interval: Duration = millis(MINUTE), time(SECOND, HOUR);

    /// Raise an issue when the kernel reports its clock as unsynchronised: recorded times may then be wrong. `false` for
    /// a machine without a time server.
    clock_sync: bool = true, FLAG;
}

settings! {
    /// `[quarantine]`
    pub struct Quarantine in "quarantine" concerns Part::Quarantine;

    /// Most messages kept of each route that could not become rows, with their bytes and the reason. Beyond it the oldest of
    /// the same route are dropped and counted.
    max_rows: u64 = 100_000, count(1, 1 << 40).of("messages");

    /// Messages older than this are dropped from quarantine and counted.
    max_age: Duration = millis(365 * DAY), time(SECOND, 100 * YEAR);
}

settings! {
    /// `[supervisor]`
    pub struct Supervision in "supervisor" concerns Part::Supervisor, checked Supervision::keep_order;

    /// Pause before the first restart of an actor that died. It doubles, with jitter, up to `backoff_max`.
    backoff_min: Duration = millis(100), time(1, DAY);

    /// Longest pause before a restart.
    backoff_max: Duration = millis(30 * SECOND), time(1, DAY);

    /// Restarts, over all actors, within `intensity_period`. One more ends the process in order with exit code 70, and
    /// systemd starts a new one.
    intensity: u32 = 10, count(1, 1_000_000).of("restarts");

    /// The sliding window of `intensity`.
    intensity_period: Duration = millis(MINUTE), time(100, 30 * DAY);

    /// An actor that has run this long starts again at `backoff_min` when it next dies.
    stable_after: Duration = millis(MINUTE), time(1, 30 * DAY);

    /// An actor without progress for this long is stuck, and only a new process helps. A slow disk can hold a commit for
    /// seconds: do not go near that.
    stuck_after: Duration = millis(30 * SECOND), time(100, DAY);
}

settings! {
    /// `[log]`
    pub struct Log in "log" concerns Part::Log, checked Log::warn;

    /// "error": data was lost, or a person is needed. "warn": unexpected, nothing lost, it recovers. "info": what changed.
    /// "debug" and "trace": for developers.
    level: LogLevel = LogLevel::Info, word(LogLevel::WORDS);

    /// "text" for people, "json" for machines (one object a line).
    format: Format = Format::Text, word(Format::WORDS);

    /// The log file, appended to. SIGUSR1 opens it again, for logrotate (sample: config/logrotate).
    file: Option<PathBuf> = None, PATH
        .example(r#""/var/log/barograph/barograph.log""#)
        .absent("standard error, which systemd keeps in its journal");

    /// Without logrotate: at this size `file` is renamed to `file`.1, the older ones move up, and a new one begins.
    rotate_size: Option<u64> = None, size(64 * KIB, TIB).example(r#""10 MiB""#).absent("never");

    /// How many old files are kept.
    rotate_keep: u32 = 5, count(1, 1000).of("files");

    /// How often one line reports how much was received, stored, repeated, quarantined and dropped.
    stats_interval: Duration = millis(5 * MINUTE), time(SECOND, DAY);
}

settings! {
    /// `[metrics]`
    pub struct Metrics in "metrics" concerns Part::Metrics;

    /// The address and port of the Prometheus endpoint: http://ADDRESS:PORT/metrics. It shows no readings and no secrets,
    /// and anyone who can reach the port can read it. Port 0 is any free one.
    listen: Option<SocketAddr> = None, TEXT.example(r#""127.0.0.1:9464""#).absent("no endpoint");
}

words! {
    /// SQLite's `synchronous` pragma.
    pub enum Synchronous, as_str {
        /// Every commit survives a power cut.
        Full = "full",
        /// A power cut may take the last commits, acknowledged ones too.
        Normal = "normal",
    }
}

words! {
    /// Severity of a log line.
    pub enum LogLevel, as_str {
        /// Data was lost, or a person is needed.
        Error = "error",
        /// Unexpected, nothing lost, it recovers.
        Warn = "warn",
        /// What changed.
        Info = "info",
        /// For developers.
        Debug = "debug",
        /// For developers, more.
        Trace = "trace",
    }
}

words! {
    /// Form of the log.
    pub enum Format, as_str {
        /// For a person.
        Text = "text",
        /// For a machine: one JSON object a line.
        Json = "json",
    }
}

fn database_path(text: &str, key: &Key) -> Result<String, Complaint> {
    if text == ":memory:" || text.starts_with("file:") {
        let plain = text.trim_start_matches("file:").split('?').next().unwrap_or_default();
        let usable = !plain.is_empty() && plain != ":memory:";
        let example = if usable { quote(plain) } else { key.example() };
        return Err(Complaint::write("expected a file with a plain path", example));
    }
    Ok(text.to_owned())
}

impl Database {
    /// Where the lock file is by default.
    pub(crate) fn lock_beside(&self) -> PathBuf {
        self.path.with_file_name("barograph.lock")
    }

    /// Where the spool is by default.
    pub(crate) fn spool_beside(&self) -> PathBuf {
        self.path.with_file_name("spool")
    }

    fn warn(&mut self, section: &mut Section<'_, '_>) {
        if self.synchronous == Synchronous::Normal {
            let text = "a power cut may take the last messages, also acknowledged ones";
            section.warn("synchronous", text);
        }
    }
}

impl Health {
    fn keep_order(&mut self, section: &mut Section<'_, '_>) {
        section.keep_order(("probe_min", self.probe_min), ("probe_max", self.probe_max));
    }
}

impl Supervision {
    fn keep_order(&mut self, section: &mut Section<'_, '_>) {
        section.keep_order(("backoff_min", self.backoff_min), ("backoff_max", self.backoff_max));
    }
}

impl Log {
    fn warn(&mut self, section: &mut Section<'_, '_>) {
        if self.file.is_none() && !section.is_bad("file") {
            section.warn("rotate_size", "has no effect without log.file");
        }
    }
}
