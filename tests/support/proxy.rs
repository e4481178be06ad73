//! A network that breaks on demand: a TCP proxy between the recorder and the broker.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::ports::free_port;
use super::wait;

const PATIENCE: Duration = Duration::from_secs(20);

/// One connection: both of its ends.
struct Pair {
    state: Arc<State>,
    ends: [TcpStream; 2],
    /// Bytes are swallowed instead of forwarded.
    black: AtomicBool,
    /// Something went through from the broker to the client.
    used: AtomicBool,
}

#[derive(Default)]
struct State {
    pairs: Mutex<Vec<Arc<Pair>>>,
    refusing: AtomicBool,
    /// Messages to the client are taken out of what goes through; every answer arrives.
    deaf: AtomicBool,
    attempts: AtomicUsize,
}

/// The proxy; its threads end with their connections.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// Forwards connections to this port of the broker.
    pub(crate) fn start(broker: u16) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.attempts.fetch_add(1, Ordering::Relaxed);
                if shared.refusing.load(Ordering::Relaxed) {
                    continue; // dropped: closed
                }
                if let Ok(server) = TcpStream::connect(("127.0.0.1", broker)) {
                    join(&shared, client, server);
                }
            }
        });
        Self { port, state }
    }

    /// Where to connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        for pair in self.pairs().drain(..) {
            pair.ends.iter().for_each(hang_up);
        }
    }

    /// Swallows what comes on every connection of now; they stay open. New ones are forwarded.
    pub(crate) fn blackhole(&self) {
        self.pairs().drain(..).for_each(|pair| pair.black.store(true, Ordering::Relaxed));
    }

    /// Closes new connections at once, or no longer.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.state.refusing.store(refusing, Ordering::Relaxed);
    }

    /// Keeps every message (PUBLISH) from the client, on all connections, or no longer. Pings and
    /// acknowledgements are answered: a connection that lives, and hears nothing.
    pub(crate) fn deafen(&self, deaf: bool) {
        self.state.deaf.store(deaf, Ordering::Relaxed);
    }

    /// How often someone tried to connect.
    pub(crate) fn attempts(&self) -> usize {
        self.state.attempts.load(Ordering::Relaxed)
    }

    /// Waits until a connection was made on which the broker has spoken.
    pub(crate) fn is_used(&self) {
        wait::until_true("a connection through the proxy", PATIENCE, || {
            self.pairs().iter().any(|pair| pair.used.load(Ordering::Relaxed))
        });
    }

    fn pairs(&self) -> MutexGuard<'_, Vec<Arc<Pair>>> {
        self.state.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn join(state: &Arc<State>, client: TcpStream, server: TcpStream) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let pair = Arc::new(Pair {
        state: Arc::clone(state),
        ends: [client, server],
        black: AtomicBool::new(false),
        used: AtomicBool::new(false),
    });
    let mut pairs = state.pairs.lock().unwrap_or_else(PoisonError::into_inner);
    pairs.retain(|pair| pair.ends[0].peer_addr().is_ok());
    pairs.push(Arc::clone(&pair));
    drop(pairs);
    let (up, down) = (Arc::clone(&pair), pair);
    thread::spawn(move || forward(&up, 0));
    thread::spawn(move || forward(&down, 1));
}

/// Copies from one end to the other until either closes.
fn forward(pair: &Pair, from: usize) {
    let mut chunk = [0; 16_384];
    let mut sieve = Sieve::default();
    let (mut reader, mut writer) = (&pair.ends[from], &pair.ends[1 - from]);
    while let Ok(length @ 1..) = reader.read(&mut chunk) {
        if pair.black.load(Ordering::Relaxed) {
            continue;
        }
        let deaf = from == 1 && pair.state.deaf.load(Ordering::Relaxed);
        let whole = sieve.pass(&chunk[..length], from == 1, deaf);
        if writer.write_all(&whole).is_err() {
            break;
        }
        pair.used.fetch_or(from == 1, Ordering::Relaxed);
    }
    if !pair.black.load(Ordering::Relaxed) {
        pair.ends.iter().for_each(hang_up);
    }
}

/// Tells packets apart, so that some can be taken out.
#[derive(Default)]
struct Sieve {
    /// Bytes that are still to come of the packet under way, and whether they are kept from the client.
    rest: usize,
    dropping: bool,
    /// The beginning of a packet whose length has not wholly come.
    head: Vec<u8>,
}

impl Sieve {
    /// What goes through. TLS cannot be told apart, and must not be made deaf.
    fn pass(&mut self, mut bytes: &[u8], is_downward: bool, deaf: bool) -> Vec<u8> {
        const PUBLISH: u8 = 3;
        if !is_downward {
            return bytes.to_vec();
        }
        let mut through = Vec::with_capacity(bytes.len());
        while let Some(byte) = bytes.first() {
            if self.rest > 0 {
                let length = self.rest.min(bytes.len());
                if !self.dropping {
                    through.extend(&bytes[..length]);
                }
                self.rest -= length;
                bytes = &bytes[length..];
                continue;
            }
            self.head.push(*byte);
            bytes = &bytes[1..];
            let is_last = self.head.len() > 1 && self.head[self.head.len() - 1] < 0x80;
            if is_last || self.head.len() == 5 {
                let digits = self.head[1..].iter().enumerate();
                self.rest =
                    digits.map(|(n, digit)| usize::from(digit & 0x7f) << (7 * n)).sum::<usize>();
                self.dropping = deaf && self.head[0] >> 4 == PUBLISH;
                if !self.dropping {
                    through.extend(&self.head);
                }
                self.head.clear();
            }
        }
        through
    }
}

fn hang_up(end: &TcpStream) {
    let _ = end.shutdown(Shutdown::Both);
}
