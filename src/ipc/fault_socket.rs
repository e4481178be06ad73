//! Faults from outside, for tests of the built program: `--fault-injection SOCKET` opens a Unix
//! socket that takes `panic ACTOR`, `stop ACTOR`, `hang ACTOR 5s`, one a line. Without the flag
//! there is none.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use actix::Addr;
use barograph_actors::supervisor::{Fault, Inject, Supervisor};

/// Makes the socket. One that a killed process left behind is replaced; one that a process listens
/// on is not.
///
/// # Errors
/// It cannot be made there.
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    let abandoned =
        UnixStream::connect(path).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused);
    if abandoned {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

/// Passes faults on, on a thread of its own, for as long as the process lives.
///
/// # Errors
/// No thread can be started.
pub fn serve(listener: UnixListener, supervisor: Addr<Supervisor>) -> std::io::Result<()> {
    thread::Builder::new().name("faults".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = answer(stream, &supervisor) {
                tracing::debug!("fault socket: {error}");
            }
        }
    })?;
    Ok(())
}

fn answer(stream: UnixStream, supervisor: &Addr<Supervisor>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut answers = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let answer = match parse(&line?) {
            Ok(inject) => match runtime.block_on(supervisor.send(inject)) {
                Ok(true) => "ok".to_owned(),
                Ok(false) => "error: no such actor is running".to_owned(),
                Err(error) => format!("error: {error}"),
            },
            Err(problem) => format!("error: {problem}"),
        };
        writeln!(answers, "{answer}")?;
    }
    Ok(())
}

fn parse(line: &str) -> Result<Inject, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (child, fault) = match words[..] {
        ["panic", child] => (child, Fault::Panic),
        ["stop", child] => (child, Fault::Stop),
        ["hang", child, time] => {
            let time = humantime::parse_duration(time).map_err(|error| error.to_string())?;
            (child, Fault::Hang(time))
        }
        _ => return Err("write: panic ACTOR | stop ACTOR | hang ACTOR 5s".to_owned()),
    };
    Ok(Inject { child: child.to_owned(), fault })
}
