//! A network that breaks on demand: a TCP proxy between the recorder and the broker, or between a browser and the page.

mod shaped;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::packet_log::PacketLog;
use super::ports::free_port;
use super::wait;

const PATIENCE: Duration = Duration::from_secs(20);

/// One connection: both of its ends.
struct Pair {
    state: Arc<State>,
    /// Counted from 1.
    number: u32,
    ends: [TcpStream; 2],
    /// Bytes from this end are swallowed instead of forwarded.
    black: [AtomicBool; 2],
    /// The client asked for a WebSocket.
    is_websocket: AtomicBool,
    /// Something went through from the broker to the client.
    used: AtomicBool,
    /// The proxy has hung up on both ends.
    is_over: AtomicBool,
}

#[derive(Default)]
struct State {
    pairs: Mutex<Vec<Arc<Pair>>>,
    refusing: AtomicBool,
    /// What goes through is MQTT.
    is_mqtt: bool,
    /// Messages to the client are taken out of it; every answer arrives.
    deaf: AtomicBool,
    /// Nothing goes through in either direction until it does again.
    stalled: AtomicBool,
    /// Bytes to the client in a second, on each connection; 0: as they come.
    rate: AtomicUsize,
    attempts: AtomicUsize,
    connections: AtomicU32,
    /// With a log, bytes can be delayed, and `rate` holds for both directions.
    log: Option<Arc<PacketLog>>,
    /// How long each byte takes to go through, in milliseconds.
    delay_ms: AtomicU64,
}

/// The proxy; its threads end with their connections.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// Forwards connections to this port of the broker.
    pub(crate) fn start(broker: u16) -> Self {
        Self::forward(broker, State { is_mqtt: true, ..State::default() })
    }

    /// Forwards connections to this port of the broker, logs their packets, and can delay and stall them.
    pub(crate) fn logging(broker: u16, log: Arc<PacketLog>) -> Self {
        Self::forward(broker, State { is_mqtt: true, log: Some(log), ..State::default() })
    }

    /// Forwards connections to this port of the page.
    pub(crate) fn before_the_page(page: u16) -> Self {
        Self::forward(page, State::default())
    }

    fn forward(to: u16, state: State) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.attempts.fetch_add(1, Ordering::Relaxed);
                if shared.refusing.load(Ordering::Relaxed) {
                    continue; // dropped: closed
                }
                if let Ok(server) = TcpStream::connect(("127.0.0.1", to)) {
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
        let black = |pair: Arc<Pair>| pair.black.iter().for_each(swallow);
        self.pairs().drain(..).for_each(black);
    }

    /// Swallows what the clients of now say on their WebSockets; they hear everything.
    pub(crate) fn muffle(&self) {
        self.websockets().iter().for_each(|pair| swallow(&pair.black[0]));
    }

    /// Says these bytes on every WebSocket as if its client had.
    pub(crate) fn say(&self, bytes: &[u8]) {
        for pair in self.websockets() {
            (&pair.ends[1]).write_all(bytes).expect("it is open");
        }
    }

    /// Lets this many bytes through to each client in a second; 0: all.
    pub(crate) fn slow_down(&self, bytes_per_second: usize) {
        self.state.rate.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Delays every byte, in both directions, by this long; zero: no longer. Only with a log.
    pub(crate) fn delay(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).expect("a short time");
        self.state.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// Swallows for good what comes from the clients (`up`) or from the broker (`down`) on every connection of now; gives
    /// the numbers of those connections.
    pub(crate) fn half_open(&self, up: bool, down: bool) -> Vec<u32> {
        let mut affected = Vec::new();
        for pair in self.pairs().iter().filter(|pair| !pair.is_over.load(Ordering::Relaxed)) {
            for (black, wanted) in pair.black.iter().zip([up, down]) {
                black.fetch_or(wanted, Ordering::Relaxed);
            }
            affected.push(pair.number);
        }
        affected
    }

    /// How many connections there were so far; the number of the newest.
    pub(crate) fn connections(&self) -> u32 {
        self.state.connections.load(Ordering::Relaxed)
    }

    fn websockets(&self) -> Vec<Arc<Pair>> {
        let mut pairs = self.pairs().clone();
        pairs.retain(|pair| pair.is_websocket.load(Ordering::Relaxed) && pair.is_open());
        pairs
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

    /// Lets nothing through on any connection, or goes on with what has waited: a network that stands still.
    pub(crate) fn stall(&self, stalled: bool) {
        self.state.stalled.store(stalled, Ordering::Relaxed);
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

impl Pair {
    fn is_open(&self) -> bool {
        self.ends[0].peer_addr().is_ok()
    }
}

fn swallow(end: &AtomicBool) {
    end.store(true, Ordering::Relaxed);
}

fn join(state: &Arc<State>, client: TcpStream, server: TcpStream) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    if !state.is_mqtt {
        // What is not let through waits where it comes from, and not here.
        set_socket_recv_buffer_size(&server, 16 * 1024).expect("a socket option");
    }
    let pair = Arc::new(Pair {
        state: Arc::clone(state),
        number: state.connections.fetch_add(1, Ordering::Relaxed) + 1,
        ends: [client, server],
        black: [false, false].map(AtomicBool::new),
        is_websocket: AtomicBool::new(false),
        used: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    });
    let mut pairs = state.pairs.lock().unwrap_or_else(PoisonError::into_inner);
    pairs.retain(|pair| pair.is_open());
    pairs.push(Arc::clone(&pair));
    drop(pairs);
    if state.log.is_some() {
        return shaped::join(&pair);
    }
    let (up, down) = (Arc::clone(&pair), pair);
    thread::spawn(move || forward(&up, 0));
    thread::spawn(move || forward(&down, 1));
}

/// Copies from one end to the other until either closes.
fn forward(pair: &Pair, from: usize) {
    let mut chunk = [0; 16_384];
    let is_downward = from == 1;
    let mut sieve = (pair.state.is_mqtt && is_downward).then(Sieve::default);
    let (mut reader, mut writer) = (&pair.ends[from], &pair.ends[1 - from]);
    while let Ok(length @ 1..) = reader.read(&mut chunk) {
        let bytes = &chunk[..length];
        if !is_downward && bytes.starts_with(b"GET /ws/") {
            pair.is_websocket.store(true, Ordering::Relaxed);
        }
        if pair.black[from].load(Ordering::Relaxed) {
            continue;
        }
        while pair.state.stalled.load(Ordering::Relaxed) && pair.is_open() {
            thread::sleep(Duration::from_millis(5)); // until it goes on
        }
        let deaf = pair.state.deaf.load(Ordering::Relaxed);
        let through = sieve.as_mut().map(|sieve| sieve.pass(bytes, deaf));
        if writer.write_all(through.as_deref().unwrap_or(bytes)).is_err() {
            break;
        }
        pair.used.fetch_or(is_downward, Ordering::Relaxed);
        let rate = pair.state.rate.load(Ordering::Relaxed);
        if is_downward && rate > 0 {
            thread::sleep(Duration::from_secs_f64(length as f64 / rate as f64)); // a slow network
        }
    }
    if !pair.black[from].load(Ordering::Relaxed) {
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
    fn pass(&mut self, mut bytes: &[u8], deaf: bool) -> Vec<u8> {
        const PUBLISH: u8 = 3;
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
