//! The client of the fault-injection socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::wait;

const PATIENCE: Duration = Duration::from_secs(10);

/// Where `--fault-injection` opened its socket.
pub(crate) struct Faults(pub(crate) PathBuf);

impl Faults {
    /// Injects a fault (`panic stats`, `hang mqtt 5s`); an actor that is just being restarted is waited for.
    pub(crate) fn inject(&self, command: &str) {
        wait::until_true(&format!("`{command}` taken"), PATIENCE, || self.say(command) == "ok");
    }

    /// Sends one command, and waits for no reply: whoever should give it may be the one that hangs.
    pub(crate) fn say_without_waiting(&self, command: &str) {
        let mut socket = UnixStream::connect(&self.0).expect("its socket is open");
        socket.write_all(format!("{command}\n").as_bytes()).expect("it listens");
    }

    /// Sends one command, and gives the reply; empty when there is none.
    pub(crate) fn say(&self, command: &str) -> String {
        let Ok(mut socket) = UnixStream::connect(&self.0) else { return String::new() };
        socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let mut reply = String::new();
        if socket.write_all(format!("{command}\n").as_bytes()).is_ok() {
            let _ = BufReader::new(socket).read_line(&mut reply);
        }
        reply.trim_end().to_owned()
    }
}
