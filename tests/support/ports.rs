//! TCP ports for brokers and proxies.
//!
//! Below the range from which the kernel takes the source ports of connections (32768 up): otherwise a connection of
//! another test could sit on a broker's port while that broker is being restarted.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on, never given twice by this process.
pub(crate) fn free_port() -> u16 {
    let first = 12_000 + u16::try_from(process::id() % 40).expect("below 40") * 500;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 500;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
