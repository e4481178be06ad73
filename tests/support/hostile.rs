//! Clients that mean harm: each goes on until it is told that it is enough, and begins anew whenever it is thrown out.
//!
//! They are elsewhere in truth, and would not take this machine's processors: so their threads give way to all others.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;

use super::web;

/// How much less than others they get.
const NICE: i32 = 19;
/// Between two steps of those who do nothing in haste.
const PAUSE: Duration = Duration::from_millis(20);
/// How long anybody waits for the server at one step.
const STEP: Duration = Duration::from_millis(300);

/// The siege: how many attempts each kind of client made.
#[derive(Default)]
pub(crate) struct Siege {
    enough: AtomicBool,
    attempts: AtomicU64,
}

impl Siege {
    /// It ends, and its threads with it.
    pub(crate) fn ends(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// How often anything was begun.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    fn goes_on(&self) -> bool {
        !self.enough.load(Ordering::Relaxed)
    }

    /// Everyone at once.
    pub(crate) fn begin<'s>(&'s self, scope: &'s Scope<'s, '_>, port: u16) {
        let all: [fn(&Siege, u16); 12] = [
            slowloris,
            header_flood,
            huge_head,
            connection_flood,
            endless_body,
            pipelines,
            reader_that_never_reads,
            frame_of_2_to_62,
            endless_fragments,
            ping_flood,
            compression_bomb,
            watcher_that_never_reads,
        ];
        for client in all {
            scope.spawn(move || {
                setpriority_process(None, NICE).expect("anybody may be nicer");
                while self.goes_on() {
                    self.attempts.fetch_add(1, Ordering::Relaxed);
                    client(self, port);
                    thread::sleep(PAUSE); // an attempt each so often
                }
            });
        }
    }
}

/// A connection on which nobody waits for long.
fn connect(port: u16) -> Option<TcpStream> {
    let socket = web::connect(port).ok()?;
    socket.set_read_timeout(Some(STEP)).expect("not zero");
    socket.set_write_timeout(Some(STEP)).expect("not zero");
    Some(socket)
}

/// Whether a write went through, at least in part.
fn is_taken(socket: &mut TcpStream, bytes: &[u8]) -> bool {
    match socket.write(bytes) {
        Ok(written) => written > 0,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// Repeats these bytes until the connection ends or it is enough.
fn pour(siege: &Siege, socket: &mut TcpStream, bytes: &[u8]) {
    let mut at = 0;
    while siege.goes_on() {
        match socket.write(&bytes[at..]) {
            Ok(written) => at = (at + written) % bytes.len(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}

/// Two hundred heads that never end, a byte at a time.
fn slowloris(siege: &Siege, port: u16) {
    let begin = || {
        let mut socket = connect(port)?;
        socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ").ok()?;
        Some(socket)
    };
    let mut sockets: Vec<_> = (0..200).map(|_| begin()).collect();
    let until = Instant::now() + Duration::from_secs(15);
    while siege.goes_on() && Instant::now() < until {
        for slot in &mut sockets {
            let lives = slot.as_mut().is_some_and(|socket| is_taken(socket, b"x"));
            if !lives {
                *slot = begin();
            }
        }
        thread::sleep(STEP); // slowness is the attack
    }
}

fn header_flood(siege: &Siege, port: u16) {
    let Some(mut socket) = connect(port) else { return };
    let begun = socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").is_ok();
    if begun {
        pour(siege, &mut socket, b"X-Header-Of-No-Meaning: 0123456789\r\n");
    }
}

fn huge_head(_: &Siege, port: u16) {
    let Some(mut socket) = connect(port) else { return };
    let head = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(2 << 20));
    let _thrown_out = socket.write_all(head.as_bytes());
    let _thrown_out = socket.read(&mut [0; 512]);
}

/// More connections than there may be, held as long as they last.
fn connection_flood(siege: &Siege, port: u16) {
    let held: Vec<_> = (0..400).map_while(|_| siege.goes_on().then(|| connect(port))).collect();
    let until = Instant::now() + Duration::from_secs(3);
    while siege.goes_on() && Instant::now() < until {
        thread::sleep(PAUSE); // they only stand there
    }
    drop(held);
}

fn endless_body(siege: &Siege, port: u16) {
    let Some(mut socket) = connect(port) else { return };
    let head =
        b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    if socket.write_all(head).is_ok() {
        pour(siege, &mut socket, b"10\r\n{\"token\":\"\r\n\r\n\"}\r\n");
    }
}

/// Requests one behind the other, whose answers nobody reads.
fn pipelines(siege: &Siege, port: u16) {
    let Some(mut socket) = connect(port) else { return };
    let requests = "GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50);
    let until = Instant::now() + Duration::from_secs(2);
    while siege.goes_on() && Instant::now() < until && is_taken(&mut socket, requests.as_bytes()) {}
}

/// Large answers that are asked for, and not taken.
fn reader_that_never_reads(siege: &Siege, port: u16) {
    let asks = [
        "/vendor/uPlot.iife.min.js",
        "/api/v1/events?limit=10000",
        "/api/v1/rows?route=load&from=0&to=9999999999999&format=csv",
    ];
    let begin = |path: &&str| {
        let mut socket = connect(port)?;
        socket
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
            .ok()?;
        Some(socket)
    };
    let held: Vec<_> = asks.iter().cycle().take(60).map(begin).collect();
    let until = Instant::now() + Duration::from_secs(5);
    while siege.goes_on() && Instant::now() < until {
        thread::sleep(PAUSE); // not reading is the attack
    }
    drop(held);
}

/// A WebSocket, accepted; frames may follow its answer.
pub(crate) fn websocket(port: u16, path: &str, headers: &[&str]) -> Option<(TcpStream, String)> {
    let mut socket = connect(port)?;
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    );
    socket.write_all(head.as_bytes()).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("not zero");
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|count| count == 1) {
        answer.push(byte[0]);
    }
    socket.set_read_timeout(Some(STEP)).expect("not zero");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.starts_with("HTTP/1.1 101").then_some((socket, answer))
}

fn frame_of_2_to_62(siege: &Siege, port: u16) {
    let Some((mut socket, _)) = websocket(port, "/ws/live", &[]) else { return };
    let mut head = vec![0x82, 0x80 | 127];
    head.extend((1_u64 << 62).to_be_bytes());
    head.extend([0; 4]);
    if socket.write_all(&head).is_ok() {
        pour(siege, &mut socket, &[b'x'; 4_096]);
    }
}

fn endless_fragments(siege: &Siege, port: u16) {
    let Some((mut socket, _)) = websocket(port, "/ws/live", &[]) else { return };
    let mut first = vec![0x01, 0x80 | 100, 0, 0, 0, 0];
    first.extend([b'x'; 100]);
    let mut more = first.clone();
    more[0] = 0x00;
    if socket.write_all(&first).is_ok() {
        pour(siege, &mut socket, &more);
    }
}

fn ping_flood(siege: &Siege, port: u16) {
    let Some((mut socket, _)) = websocket(port, "/ws/live", &[]) else { return };
    let mut ping = vec![0x89, 0x80 | 125, 0, 0, 0, 0];
    ping.extend([b'x'; 125]);
    pour(siege, &mut socket, &ping.repeat(20));
}

/// A compressed nothing, as a body and as a frame of an extension that nobody agreed to.
fn compression_bomb(siege: &Siege, port: u16) {
    let Some(mut socket) = connect(port) else { return };
    let head =
        b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
    if socket.write_all(head).is_ok() {
        pour(siege, &mut socket, b"8\r\n\x1f\x8b\x08\0\0\0\0\0\r\n");
    }
    let offer = ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"];
    let Some((mut socket, answer)) = websocket(port, "/ws/live", &offer) else { return };
    assert!(!answer.to_lowercase().contains("permessage-deflate"), "{answer}");
    let mut frame = vec![0xc1, 0x80 | 100, 0, 0, 0, 0];
    frame.extend([0; 100]);
    let _closed = socket.write_all(&frame);
    let _closed = socket.read(&mut [0; 64]);
}

/// Live views that nobody looks at.
fn watcher_that_never_reads(siege: &Siege, port: u16) {
    let held: Vec<_> = (0..20).map(|_| websocket(port, "/ws/live", &[])).collect();
    let until = Instant::now() + Duration::from_secs(5);
    while siege.goes_on() && Instant::now() < until {
        thread::sleep(PAUSE); // not reading is the attack
    }
    drop(held);
}
