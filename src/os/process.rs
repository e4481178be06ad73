//! Other processes, as `/proc` shows them.

mod port;

use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use port::port_holder;

/// Clock ticks a second in `/proc/PID/stat`: fixed to 100 in the kernel's interface on Linux.
pub(crate) const TICKS_PER_SECOND: u32 = 100;

/// A process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holder {
    /// Its process id.
    pub pid: Option<u32>,
    /// When it began, in seconds since 1970 UTC.
    pub since: Option<i64>,
    /// When it began, in clock ticks since the boot: unlike `since`, the same whatever is done to the
    /// clock.
    pub ticks: Option<i64>,
    /// Its command line.
    pub command: Option<String>,
}

impl Holder {
    /// What `/proc` knows of a process; `None` where there is none.
    pub fn of_pid(pid: u32) -> Option<Self> {
        let raw = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words: Vec<_> = raw
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| without_credentials(&String::from_utf8_lossy(word)))
            .collect();
        let ticks = began(pid);
        let since = ticks.and_then(|ticks| Some(boot()? + ticks / i64::from(TICKS_PER_SECOND)));
        Some(Self { pid: Some(pid), since, ticks, command: Some(words.join(" ")) })
    }

    /// Ourselves.
    pub fn this_process() -> Self {
        let pid = std::process::id();
        Self::of_pid(pid).unwrap_or(Self { pid: Some(pid), ..Self::default() })
    }

    /// For the lock file.
    pub fn file_text(&self) -> String {
        let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        format!(
            "pid {}\nsince {}\nticks {}\ncommand {}\n",
            or_unknown(self.pid.map(|pid| pid.to_string())),
            or_unknown(self.since.map(|since| since.to_string())),
            or_unknown(self.ticks.map(|ticks| ticks.to_string())),
            or_unknown(self.command.clone()),
        )
    }

    /// Reads back [`Holder::file_text`].
    pub fn from_file_text(text: &str) -> Self {
        let of =
            |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        Self {
            pid: of("pid ").and_then(|pid| pid.parse().ok()),
            since: of("since ").and_then(|since| since.parse().ok()),
            ticks: of("ticks ").and_then(|ticks| ticks.parse().ok()),
            command: of("command "),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "pid {pid}")?,
            None => f.write_str("pid unknown")?,
        }
        if let Some(since) = self.since {
            write!(f, ", since {}", local(since))?;
        }
        match &self.command {
            Some(command) => write!(f, ", {command}"),
            None => Ok(()),
        }
    }
}

/// A word of a command line may be a URL with a password in it (`--mqtt
/// mqtt://user:password@host`).
pub(crate) fn without_credentials(word: &str) -> String {
    match (word.find("://"), word.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}***{}", &word[..scheme + 3], &word[at..])
        }
        _ => word.to_owned(),
    }
}

/// Local time of day; with the date when it is not today's.
fn local(seconds: i64) -> String {
    let zone = TimeZone::system();
    let Ok(then) = Timestamp::from_second(seconds) else { return "unknown".to_owned() };
    let (then, today) = (zone.to_datetime(then), zone.to_datetime(Timestamp::now()));
    let form = if then.date() == today.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    then.strftime(form).to_string()
}

/// Field 22 of `/proc/PID/stat` is the start in ticks since the boot; the command's name before it
/// may hold spaces and parentheses.
fn began(pid: u32) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// When the machine was booted, in seconds since 1970, by the clock of now.
fn boot() -> Option<i64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// A lock on a file, as a line of `/proc/locks` tells of it (`1: POSIX  ADVISORY  WRITE 4711
/// fe:00:1234 0 EOF`).
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileLock {
    kind: String,
    writes: bool,
    pid: u32,
    first: u64,
    /// `u64::MAX` to the end of the file.
    last: u64,
}

/// The kernel hands out its list of locks a page at a time: while others come and go, one that is there
/// may be passed over. So what is not found is looked for again.
const LOOKS: usize = 5;

/// The process that holds a flock on a file.
pub fn flock_holder(device: u64, inode: u64) -> Option<u32> {
    let look = |_| {
        let locks = fs::read_to_string("/proc/locks").ok()?;
        locks_in(&locks, device, inode).into_iter().find(|lock| lock.kind == "FLOCK").map(|l| l.pid)
    };
    (0..LOOKS).find_map(look)
}

/// The byte of a database's -shm file that a writer holds: WAL_WRITE_LOCK in SQLite's "WAL-mode
/// File Format".
const WAL_WRITE_LOCK: u64 = 120;

/// Another process that keeps us from writing an SQLite database: one that holds its write lock, else
/// one that holds any write lock on its file, else one that has it open. Best effort: other users'
/// processes may be hidden from us.
pub fn sqlite_locker(database: &Path) -> Option<Holder> {
    let us = std::process::id();
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let on = |path: &Path| -> Vec<FileLock> {
        let Ok(meta) = fs::metadata(path) else { return Vec::new() };
        let mut found = locks_in(&locks, meta.dev(), meta.ino());
        found.retain(|lock| lock.writes && lock.kind != "FLOCK" && lock.pid != us);
        found
    };
    let covers = |lock: &&FileLock| (lock.first..=lock.last).contains(&WAL_WRITE_LOCK);
    let shm = on(&beside(database, "-shm"));
    let pid = shm.iter().find(covers).map(|lock| lock.pid);
    let pid = pid.or_else(|| on(database).first().map(|lock| lock.pid));
    pid.or_else(|| user_of(database, us)).and_then(Holder::of_pid)
}

/// The bytes of a database's -shm file that readers hold while they read: WAL_READ_LOCK(0) to (4).
const WAL_READ_LOCKS: RangeInclusive<u64> = 123..=127;

/// Other processes that read an SQLite database in a transaction, and so keep its -wal from being used
/// again. Best effort, as above.
pub fn sqlite_readers(database: &Path) -> Vec<Holder> {
    let Ok(meta) = fs::metadata(beside(database, "-shm")) else { return Vec::new() };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let us = std::process::id();
    let reads = |lock: &FileLock| {
        let overlaps = lock.first <= *WAL_READ_LOCKS.end() && lock.last >= *WAL_READ_LOCKS.start();
        overlaps && lock.kind != "FLOCK" && lock.pid != us
    };
    let locks = locks_in(&locks, meta.dev(), meta.ino());
    let mut pids: Vec<u32> = locks.iter().filter(|lock| reads(lock)).map(|lock| lock.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    pids.into_iter().filter_map(Holder::of_pid).collect()
}

/// A path with something behind its name: SQLite's -wal and -shm.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A process other than ours that has the file open.
fn user_of(path: &Path, us: u32) -> Option<u32> {
    process_with(&fs::canonicalize(path).ok()?, Some(us))
}

/// A process that has this open: a file, or a socket by its number (`socket:[4711]`).
fn process_with(path: &Path, but: Option<u32>) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_it_open = |pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.into_iter().any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == path))
    };
    pids.filter(|pid| Some(*pid) != but).find(has_it_open)
}

fn locks_in(locks: &str, device: u64, inode: u64) -> Vec<FileLock> {
    // The kernel's encoding of a device number in `st_dev`, as glibc's major() and minor() undo it.
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    let parse = |line: &str| {
        let mut words = line.split_whitespace().skip(1).skip_while(|word| *word == "->");
        let kind = words.next()?.to_owned();
        let writes = words.nth(1)? == "WRITE";
        let pid = words.next()?.parse().ok()?;
        if words.next()? != file {
            return None;
        }
        let first = words.next()?.parse().ok()?;
        let last = words.next().and_then(|last| last.parse().ok()).unwrap_or(u64::MAX);
        Some(FileLock { kind, writes, pid, first, last })
    };
    locks.lines().filter(|line| !line.contains("->")).filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_by_device_and_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fe:00:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 4711 \
            fe:00:77 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 12 fe:00:78 0 EOF\n";
        let pids = |device, inode| -> Vec<u32> {
            let found = locks_in(locks, device, inode).into_iter();
            found.filter(|lock| lock.kind == "FLOCK").map(|lock| lock.pid).collect()
        };
        assert_eq!(pids(0xfe00, 77), [4711]);
        assert_eq!(pids(0xfe00, 78), [0; 0], "it waits, and holds nothing");
        assert_eq!(pids(0xfe01, 77), [0; 0]);
        let shm = locks_in("3: POSIX  ADVISORY  WRITE 9 fe:00:5 120 120", 0xfe00, 5);
        assert_eq!((shm[0].writes, shm[0].first, shm[0].last), (true, 120, 120));
    }

    #[test]
    fn a_password_in_a_url_is_left_out() {
        let table = [
            ("mqtt://station:hunter2@host:1883", "mqtt://***@host:1883"),
            ("--mqtt=mqtt://a:b@c", "--mqtt=mqtt://***@c"),
            ("mqtt://host", "mqtt://host"),
            ("a@b", "a@b"),
        ];
        for (word, shown) in table {
            assert_eq!(without_credentials(word), shown);
        }
    }

    #[test]
    fn a_process_knows_itself_and_its_text_comes_back() {
        let us = Holder::this_process();
        assert_eq!(us.pid, Some(std::process::id()));
        assert!(us.since.is_some_and(|since| since > 1_600_000_000));
        assert_eq!(Holder::from_file_text(&us.file_text()), us);
        assert!(us.to_string().starts_with(&format!("pid {}, since ", std::process::id())));
        assert_eq!(Holder::from_file_text("nonsense").to_string(), "pid unknown");
    }
}
