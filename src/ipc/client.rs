//! The side of whoever asks.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::protocol::{Refusal, VERSION};
use super::socket;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody listens on the socket, or there is none.
    #[error("nobody answers on {}", .0.display())]
    Nobody(PathBuf),
    /// The socket is another user's.
    #[error("the socket {} is not for this user: ask as the user that the recorder runs as", .0.display())]
    Denied(PathBuf),
    /// Somebody is there, and says nothing.
    #[error("no answer on {} within {} s", .0.display(), .1.as_secs())]
    Silent(PathBuf, Duration),
    /// The connection broke, or what came is not ours.
    #[error("the answer on {} cannot be used: {cause}", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The recorder answers, and refuses.
    #[error("{}; {}", .0.message, .0.hint)]
    Refused(Refusal),
}

/// A connection to a recorder.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
    within: Duration,
}

impl Client {
    /// Connects to the recorder that holds this lock. `within` is how long each answer may take.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn open(lock_file: &Path, within: Duration) -> Result<Self, NoAnswer> {
        let path = socket::path_beside(lock_file);
        let connected = socket::connect(&path, within).and_then(|stream| {
            stream.set_read_timeout(Some(within))?;
            stream.set_write_timeout(Some(within))?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => Ok(Self { path, stream: BufReader::new(stream), within }),
            Err(error) => Err(failed(&path, within, &error)),
        }
    }

    /// Asks, and gives the answer.
    ///
    /// # Errors
    /// There is none, or it is a refusal.
    pub fn ask(&mut self, command: &str, more: &[(&str, &str)]) -> Result<Json, NoAnswer> {
        let mut request = json!({ "barograph": VERSION, "command": command });
        for (key, value) in more {
            request[*key] = Json::from(*value);
        }
        let sent = self.stream.get_mut().write_all(format!("{request}\n").as_bytes());
        // One that was not admitted was told why, before the connection was closed.
        let answer = match (self.next_line(), sent) {
            (Ok(Some(answer)), _) => answer,
            (Err(error), _) => return Err(error),
            (Ok(None), Err(error)) => return Err(failed(&self.path, self.within, &error)),
            (Ok(None), Ok(())) => return Err(self.broken("it ended without an answer")),
        };
        match answer.get("ok") {
            Some(answer) => Ok(answer.clone()),
            None => Err(self.broken("it is no answer to what was asked")),
        }
    }

    /// The next line; `None`: the other side has closed.
    ///
    /// # Errors
    /// Nothing came in time, or not what is known, or a refusal.
    pub fn next_line(&mut self) -> Result<Option<Json>, NoAnswer> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(failed(&self.path, self.within, &error)),
        }
        let json: Json =
            serde_json::from_slice(&line).map_err(|error| self.broken(&error.to_string()))?;
        if json["barograph"].as_u64() != Some(VERSION) {
            return Err(self.broken(&format!("it is in version {}", json["barograph"])));
        }
        if let Some(error) = json.get("error") {
            let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
            return Err(NoAnswer::Refused(Refusal::new(text("message"), text("hint"))));
        }
        Ok(Some(json))
    }

    fn broken(&self, cause: &str) -> NoAnswer {
        NoAnswer::Broken { path: self.path.clone(), cause: cause.to_owned() }
    }
}

fn failed(path: &Path, within: Duration, error: &io::Error) -> NoAnswer {
    let path = path.to_owned();
    let is = |kinds: &[ErrorKind]| kinds.contains(&error.kind());
    if is(&[ErrorKind::NotFound, ErrorKind::ConnectionRefused]) {
        NoAnswer::Nobody(path)
    } else if is(&[ErrorKind::PermissionDenied]) {
        NoAnswer::Denied(path)
    } else if is(&[ErrorKind::WouldBlock, ErrorKind::TimedOut]) {
        NoAnswer::Silent(path, within)
    } else {
        NoAnswer::Broken { path, cause: error.to_string() }
    }
}
