//! The desktop's browser, if there is a desktop.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long the page may take to be there.
const THERE_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Opens the page there as soon as it is served, and does not wait for that; without a desktop, or without a
/// browser, nothing happens.
pub(super) fn open(page: SocketAddr) {
    let is_desktop = |name: &&str| std::env::var_os(name).is_some();
    if !["DISPLAY", "WAYLAND_DISPLAY"].iter().any(is_desktop) {
        return;
    }
    thread::spawn(move || {
        let began = Instant::now();
        while TcpStream::connect(page).is_err() && began.elapsed() < THERE_WITHIN {
            thread::sleep(LOOK_EVERY);
        }
        let nowhere = Stdio::null;
        let opener = Command::new("xdg-open")
            .arg(format!("http://{page}/"))
            .stdin(nowhere())
            .stdout(nowhere())
            .stderr(nowhere())
            .spawn();
        // It hands over to the browser, and ends.
        opener.and_then(|mut opener| opener.wait())
    });
}
