//! A service manager that listens: a datagram socket, as systemd's.

use std::cell::RefCell;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use super::scene::Scene;
use super::wait;

/// What systemd would have been told.
pub(crate) struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
    heard: RefCell<Vec<String>>,
}

impl Manager {
    /// Listens at `notify.sock` of the scene's folder.
    pub(crate) fn new(scene: &Scene) -> Self {
        let path = scene.folder.path("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("a new name");
        socket.set_nonblocking(true).expect("a socket");
        Self { path, socket, heard: RefCell::default() }
    }

    /// For `NOTIFY_SOCKET`.
    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Waits until a line that begins like this has been heard.
    pub(crate) fn hears(&self, wanted: &str) {
        wait::until_true(&format!("{wanted} for systemd"), Duration::from_secs(20), || {
            self.heard().iter().any(|line| line.starts_with(wanted))
        });
    }

    /// Every line so far, in order.
    pub(crate) fn heard(&self) -> Vec<String> {
        let mut message = [0; 4096];
        let mut heard = self.heard.borrow_mut();
        while let Ok(length) = self.socket.recv(&mut message) {
            let told = String::from_utf8(message[..length].to_vec()).expect("text");
            heard.extend(told.lines().map(str::to_owned));
        }
        heard.clone()
    }

    /// Begins to listen anew.
    pub(crate) fn forgets(&self) {
        self.heard();
        self.heard.borrow_mut().clear();
    }
}
