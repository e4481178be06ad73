//! A program of the operator's, never a shell. It gets the alert as JSON on standard input and in its
//! environment, and nothing else of ours: no socket, no lock, no password.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use barograph_actors::health::notify::notification::Notification;
use barograph_actors::health::notify::notifier::Failure;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::failure;

/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(20);
/// For the last words of a program that has ended; a child that it left behind may hold the pipe.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(300);
/// Longest line that is kept of what it says, in bytes.
const LINE_LEN_MAX: u64 = 200;
/// Longest text in the environment, in characters.
const TEXT_MAX: usize = 8_000;
/// What the service manager means for us, and for us alone.
const OURS: [&str; 7] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "CREDENTIALS_DIRECTORY",
];

pub(super) fn deliver(
    argv: &[String],
    timeout: Duration,
    told: &Notification,
) -> Result<String, Failure> {
    let hint = "look at the alert's argv, and at what the program says";
    let (program, arguments) =
        argv.split_first().ok_or_else(|| failure("argv is empty".into(), hint))?;
    let mut child = command(program, arguments, told)
        .spawn()
        .map_err(|error| failure(format!("{program} cannot be started: {error}"), hint))?;
    feed(&mut child, told);
    let words = child.stderr.take().map(last_words);
    let ended = wait(&mut child, timeout)
        .map_err(|error| failure(format!("{program} cannot be waited for: {error}"), hint))?;
    let words = words.and_then(|words| words.recv_timeout(LAST_WORDS_WITHIN).ok());
    let words = words.filter(|words| !words.is_empty());
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    match ended {
        Some(status) if status.success() => Ok(format!("exit code 0{words}")),
        Some(status) => Err(failure(format!("{program} ended with {status}{words}"), hint)),
        None => {
            let timeout = humantime::format_duration(timeout);
            Err(failure(
                format!("{program} did not end within {timeout}, and was killed{words}"),
                hint,
            ))
        }
    }
}

fn command(program: &str, arguments: &[String], told: &Notification) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, _) in env::vars_os() {
        let is_ours = name
            .to_str()
            .is_some_and(|name| name.starts_with("BAROGRAPH_") || OURS.contains(&name));
        if is_ours {
            command.env_remove(name);
        }
    }
    let severity = told.severity().map_or("ok", |severity| severity.word());
    command
        .env("BAROGRAPH_ALERT_ID", &told.id)
        .env("BAROGRAPH_ALERT_KIND", if told.test { "test" } else { "alert" })
        .env("BAROGRAPH_ALERT_RECORDER", &told.recorder)
        .env("BAROGRAPH_ALERT_SEVERITY", severity)
        .env("BAROGRAPH_ALERT_HEALTH", told.health.word())
        .env("BAROGRAPH_ALERT_SUBJECT", told.subject())
        // No environment can hold a NUL.
        .env("BAROGRAPH_ALERT_TEXT", told.text(TEXT_MAX).replace('\0', " "))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Of its own: a signal at the terminal is not meant for it, and it is killed with its children.
        .process_group(0);
    command
}

/// Beside us: it may never read.
fn feed(child: &mut Child, told: &Notification) {
    let Some(mut stdin) = child.stdin.take() else { return };
    let json = told.json().to_string() + "\n";
    let feeding = thread::Builder::new().name("alert-stdin".into()).spawn(move || {
        if let Err(error) = stdin.write_all(json.as_bytes()) {
            tracing::debug!("the program did not read its alert: {error}");
        }
    });
    if let Err(error) = feeding {
        tracing::debug!("no thread for the program's standard input: {error}");
    }
}

/// Reads to the end, and keeps the last line that is not empty.
fn last_words(stderr: ChildStderr) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let reading = thread::Builder::new().name("alert-stderr".into()).spawn(move || {
        let mut reader = BufReader::new(stderr);
        let mut last = String::new();
        loop {
            let mut line = Vec::new();
            match reader.by_ref().take(LINE_LEN_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            let is_whole = line.last() == Some(&b'\n');
            let line = String::from_utf8_lossy(&line);
            let line = line.trim().replace(|c: char| c.is_control(), " ");
            if !line.is_empty() {
                last = line;
            }
            if !is_whole && reader.skip_until(b'\n').is_err() {
                break;
            }
        }
        let _gone = sender.send(last);
    });
    if let Err(error) = reading {
        tracing::debug!("no thread for the program's standard error: {error}");
    }
    receiver
}

/// Its end; `None`: it was killed, with all of its group.
fn wait(child: &mut Child, timeout: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + timeout;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(PAUSE);
    }
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    if let Ok(group) = group
        && let Err(error) = killpg(group, Signal::SIGKILL)
    {
        tracing::debug!("the program's group was not killed: {error}");
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}
