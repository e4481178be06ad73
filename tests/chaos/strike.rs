//! One thing that goes wrong in a run: what, when, and for how long. As text it is one line, which can be read back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The actors that faults are injected into.
pub(super) const ACTORS: [&str; 4] = ["db_writer", "mqtt", "health", "stats"];

/// Settings that a reload changes, each between two values that a run can bear.
pub(super) const RELOADED: [(&str, &str, [&str; 2]); 6] = [
    ("database", "commit_interval", ["\"0s\"", "\"30ms\""]),
    ("quarantine", "max_rows", ["100000", "90000"]),
    ("health", "probe_max", ["\"500ms\"", "\"400ms\""]),
    ("mqtt", "max_unacked", ["\"4 MiB\"", "\"2 MiB\""]),
    ("mqtt", "keep_alive", ["\"5s\"", "\"6s\""]),
    ("log", "stats_interval", ["\"5min\"", "\"1min\""]),
];

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// `kill -9`, and a new recorder at the end.
    KillRecorder,
    /// SIGTERM, and a new recorder at the end.
    StopRecorder,
    /// SIGSTOP, and SIGCONT at the end.
    FreezeRecorder,
    /// `barograph run --takeover`.
    TakeOver,
    /// Another client connects with the recorder's client id.
    Rival,
    /// SIGHUP; with a number also a changed setting: its place in [`RELOADED`].
    Reload(Option<usize>),
    /// An actor panics: its place in [`ACTORS`].
    Panic(usize),
    /// An actor hangs until the end.
    Hang(usize),
    /// Another process holds the database's write lock.
    Lock,
    /// SIGTERM, and a new broker at the end.
    StopBroker,
    /// SIGSTOP, and SIGCONT at the end.
    FreezeBroker,
    /// `kill -9`, and a new broker at the end.
    KillBroker,
    /// Every byte takes so many milliseconds.
    Delay(u32),
    /// So many bytes a second go through, on each connection and in each direction.
    Slow(u32),
    /// Every connection is cut.
    Cut,
    /// The connections of now swallow what the recorder says (`up`), or what it should hear (`down`), for good.
    HalfOpen { up: bool, down: bool },
    /// Every connection is cut, and new ones are until the end.
    Refuse,
    /// Nothing goes through until the end, and nothing is dropped.
    Stall,
    /// The database file is moved or removed.
    Take(Taking),
    /// The disk of the database has no room until the end.
    FullDisk,
    /// The disk of the spool has no room until the end.
    FullSpool,
}

/// How the database file is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taking {
    /// `rm`; otherwise `mv` to another name in its folder.
    pub(super) is_removed: bool,
    /// With its -wal and -shm.
    pub(super) with_wal: bool,
    /// The recorder is killed before, and started at the end.
    pub(super) while_dead: bool,
}

/// One strike of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strike {
    /// After the beginning of the schedule.
    pub(super) at: Duration,
    pub(super) lasts: Duration,
    pub(super) trouble: Trouble,
}

impl Strike {
    pub(super) fn new(at_ms: u64, lasts_ms: u64, trouble: Trouble) -> Self {
        let [at, lasts] = [at_ms, lasts_ms].map(Duration::from_millis);
        Self { at, lasts, trouble }
    }

    pub(super) fn end(&self) -> Duration {
        self.at + self.lasts
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, lasts, trouble } = self;
        write!(f, "{:>8.3} {:>6.3} {trouble}", at.as_secs_f64(), lasts.as_secs_f64())
    }
}

impl FromStr for Strike {
    type Err = String;

    /// Seconds from the beginning, seconds it lasts, what goes wrong.
    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let mut seconds = || -> Option<Duration> {
            Duration::try_from_secs_f64(words.next()?.parse().ok()?).ok()
        };
        let (at, lasts) = (seconds(), seconds());
        let rest: Vec<&str> = words.collect();
        match (at, lasts, trouble(&rest)) {
            (Some(at), Some(lasts), Some(trouble)) => Ok(Self { at, lasts, trouble }),
            (_, _, _) => Err(format!("{line:?}: expected `SECONDS SECONDS TROUBLE [ARGUMENT]`")),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillRecorder => f.write_str("kill-recorder"),
            Self::StopRecorder => f.write_str("stop-recorder"),
            Self::FreezeRecorder => f.write_str("freeze-recorder"),
            Self::TakeOver => f.write_str("take-over"),
            Self::Rival => f.write_str("rival"),
            Self::Reload(None) => f.write_str("reload"),
            Self::Reload(Some(place)) => {
                write!(f, "reload {}.{}", RELOADED[*place].0, RELOADED[*place].1)
            }
            Self::Panic(actor) => write!(f, "panic {}", ACTORS[*actor]),
            Self::Hang(actor) => write!(f, "hang {}", ACTORS[*actor]),
            Self::Lock => f.write_str("lock"),
            Self::StopBroker => f.write_str("stop-broker"),
            Self::FreezeBroker => f.write_str("freeze-broker"),
            Self::KillBroker => f.write_str("kill-broker"),
            Self::Delay(ms) => write!(f, "delay {ms}"),
            Self::Slow(bytes) => write!(f, "slow {bytes}"),
            Self::Cut => f.write_str("cut"),
            Self::HalfOpen { up, down } => {
                let way = if *up && *down {
                    "both"
                } else if *up {
                    "up"
                } else {
                    "down"
                };
                write!(f, "half-open {way}")
            }
            Self::Refuse => f.write_str("refuse"),
            Self::Stall => f.write_str("stall"),
            Self::Take(taking) => write!(f, "{taking}"),
            Self::FullDisk => f.write_str("full-disk"),
            Self::FullSpool => f.write_str("full-spool"),
        }
    }
}

impl fmt::Display for Taking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_removed, with_wal, while_dead } = self;
        f.write_str(if *while_dead { "kill-and-" } else { "" })?;
        f.write_str(if *is_removed { "remove" } else { "move" })?;
        f.write_str(if *with_wal { "-all" } else { "" })
    }
}

/// Reads what `Display` wrote.
fn trouble(words: &[&str]) -> Option<Trouble> {
    let actor = |name: &str| ACTORS.iter().position(|actor| *actor == name);
    let setting = |name: &str| {
        RELOADED.iter().position(|(section, key, _)| format!("{section}.{key}") == name)
    };
    Some(match words {
        ["kill-recorder"] => Trouble::KillRecorder,
        ["stop-recorder"] => Trouble::StopRecorder,
        ["freeze-recorder"] => Trouble::FreezeRecorder,
        ["take-over"] => Trouble::TakeOver,
        ["rival"] => Trouble::Rival,
        ["reload"] => Trouble::Reload(None),
        ["reload", name] => Trouble::Reload(Some(setting(name)?)),
        ["panic", name] => Trouble::Panic(actor(name)?),
        ["hang", name] => Trouble::Hang(actor(name)?),
        ["lock"] => Trouble::Lock,
        ["stop-broker"] => Trouble::StopBroker,
        ["freeze-broker"] => Trouble::FreezeBroker,
        ["kill-broker"] => Trouble::KillBroker,
        ["delay", ms] => Trouble::Delay(ms.parse().ok()?),
        ["slow", bytes] => Trouble::Slow(bytes.parse().ok()?),
        ["cut"] => Trouble::Cut,
        ["half-open", way] => Trouble::HalfOpen { up: *way != "down", down: *way != "up" },
        ["refuse"] => Trouble::Refuse,
        ["stall"] => Trouble::Stall,
        ["full-disk"] => Trouble::FullDisk,
        ["full-spool"] => Trouble::FullSpool,
        [word] => Trouble::Take(taking(word)?),
        _ => return None,
    })
}

fn taking(word: &str) -> Option<Taking> {
    let (while_dead, word) = match word.strip_prefix("kill-and-") {
        Some(word) => (true, word),
        None => (false, word),
    };
    let (with_wal, word) = match word.strip_suffix("-all") {
        Some(word) => (true, word),
        None => (false, word),
    };
    let is_removed = match word {
        "remove" => true,
        "move" => false,
        _ => return None,
    };
    Some(Taking { is_removed, with_wal, while_dead })
}
