//! TCP ports for brokers and proxies.
//!
//! Below the range from which the kernel takes the source ports of connections (32768 up): otherwise a connection of
//! another test could sit on a broker's port while that broker is being restarted.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 12_000;
/// A run of all tests takes more than 500.
const PORTS: u32 = 20_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port that nobody listens on, never given twice by this process: who has it may be away from it for a moment.
pub(crate) fn free_port() -> u16 {
    let own = process::id() % 40 * 500;
    loop {
        let place = (own + NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = u16::try_from(FIRST + place).expect("below 32,768");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
