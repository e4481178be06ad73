//! The client's side.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::protocol::{self, Content, ReceivedLine, Request, VERSION};
use super::socket;
use crate::wire::refusal::Refusal;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// No process listens on the socket, or there is none.
    #[error("operator socket unavailable: {}", .0.display())]
    Nobody(PathBuf),
    /// The socket, or its folder, is another user's: whether a process listens is not known.
    #[error("permission denied: this user may not use the operator socket {}", .0.display())]
    Denied(PathBuf),
    /// A process listens, and does not answer.
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
    /// No process listens.
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
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, NoAnswer> {
        let sent = self.stream.get_mut().write_all(protocol::line(request).as_bytes());
        // One that was not admitted was told why, before the connection was closed.
        match (self.read_line()?, sent) {
            (Some(Some(Content::Ok(answer))), _) => Ok(answer),
            (Some(_), _) => Err(self.broken("it is no answer to what was asked")),
            (None, Err(error)) => Err(failed(&self.path, self.within, &error)),
            (None, Ok(())) => Err(self.broken("it ended without an answer")),
        }
    }

    /// The next line of a stream; `None`: the other side has closed. A line of which nothing is known is passed over.
    ///
    /// # Errors
    /// Nothing came in time, or not what is known, or a refusal.
    pub(crate) fn next_line(&mut self) -> Result<Option<Content<IgnoredAny>>, NoAnswer> {
        loop {
            match self.read_line()? {
                None => return Ok(None),
                Some(None) => {}
                Some(known) => return Ok(known),
            }
        }
    }

    fn read_line<T: DeserializeOwned>(&mut self) -> Result<Option<Option<Content<T>>>, NoAnswer> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(failed(&self.path, self.within, &error)),
        }
        let line: ReceivedLine<T> =
            serde_json::from_slice(&line).map_err(|error| self.broken(&error.to_string()))?;
        if line.barograph.as_u64() != Some(VERSION) {
            return Err(self.broken(&format!("it is in version {}", line.barograph)));
        }
        match line.content {
            Some(Content::Error(refusal)) => Err(NoAnswer::Refused(refusal)),
            content => Ok(Some(content)),
        }
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
