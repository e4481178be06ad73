//! The operator's socket, spoken by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// For one answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection.
pub(crate) struct Operator(BufReader<UnixStream>);

impl Operator {
    /// Connects.
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("a recorder listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        Self(BufReader::new(stream))
    }

    /// Sends bytes; whether they were taken.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.get_mut().write_all(bytes).is_ok()
    }

    /// The next line; none at the end.
    pub(crate) fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).expect("an answer in time");
        (read > 0).then(|| serde_json::from_str(&line).expect("a JSON object a line"))
    }

    /// All that comes until the other side closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _reset = self.0.read_to_end(&mut bytes);
        bytes
    }

    /// Asks, and gives the answer.
    pub(crate) fn ask(&mut self, command: &str) -> Value {
        let request = json!({ "barograph": 1, "command": command });
        assert!(self.send(format!("{request}\n").as_bytes()), "it takes a request");
        let answer = self.line().expect("an answer");
        assert_eq!(answer["barograph"], 1, "{answer}");
        answer
    }
}
