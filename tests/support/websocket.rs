//! A browser's WebSocket, and worse ones.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::Value;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message, WebSocket, client};

use super::wait;

/// For what should come soon, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What comes.
#[derive(Debug)]
pub(crate) enum Came {
    /// A frame.
    Frame(Value),
    /// The end, with its code and reason.
    Closed(u16, String),
    /// The end, without a word.
    Broken,
    /// Nothing in time.
    Nothing,
}

/// A connection. Each frame's number must be the one that is due.
pub(crate) struct Socket<S = TcpStream> {
    socket: WebSocket<S>,
    due: Option<u64>,
}

impl Socket {
    /// Connects, as soon as somebody listens.
    pub(crate) fn connect(port: u16, path: &str) -> Self {
        Self::connect_with(port, path, &[])
    }

    /// The same with these headers.
    pub(crate) fn connect_with(port: u16, path: &str, headers: &[(&'static str, String)]) -> Self {
        let connected = || TcpStream::connect(("127.0.0.1", port)).ok();
        let stream = wait::until_or(PATIENCE, connected, || format!("nobody listens on {port}"));
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        Self::over(stream, &format!("ws://127.0.0.1:{port}{path}"), headers)
    }

    /// Sends bytes of our own.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).expect("it is open");
    }

    /// Reads bytes that nobody understands, and so answers no ping; how many, 0 at the end.
    pub(crate) fn read_raw(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.socket.get_mut().read(into)
    }

    /// Sends a pong that nobody asked for; whether the other side is gone. Nothing is read.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.socket.get_mut().write_all(&frame(0x8a, b"")).is_err()
    }

    /// The system keeps little of what is not read.
    pub(crate) fn with_a_small_buffer(self) -> Self {
        let buffer = set_socket_recv_buffer_size(self.socket.get_ref(), 16 * 1024);
        buffer.expect("a socket option");
        self
    }

    /// From now on nothing is waited for.
    pub(crate) fn wait_for_nothing(&self) {
        self.socket.get_ref().set_nonblocking(true).expect("a socket option");
    }
}

impl<S: Read + Write> Socket<S> {
    /// Over a stream that is connected.
    pub(crate) fn over(stream: S, url: &str, headers: &[(&'static str, String)]) -> Self {
        let mut request = url.into_client_request().expect("an address");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let (socket, _response) = match client(request, stream) {
            Ok(connected) => connected,
            Err(error) => panic!("a handshake with {url}: {error}"),
        };
        Self { socket, due: None }
    }

    /// What comes next.
    pub(crate) fn next(&mut self) -> Came {
        loop {
            let frame = match self.socket.read() {
                Ok(Message::Text(text)) => serde_json::from_str(&text).expect("JSON"),
                Ok(Message::Close(Some(why))) => {
                    let _answered = self.socket.flush();
                    return Came::Closed(why.code.into(), why.reason.to_string());
                }
                Ok(Message::Close(None)) => return Came::Closed(1005, String::new()),
                Ok(_ping_pong_or_bytes) => continue,
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return Came::Nothing;
                }
                Err(_) => return Came::Broken,
            };
            return Came::Frame(self.counted(frame));
        }
    }

    fn counted(&mut self, frame: Value) -> Value {
        if let Some(seq) = frame["seq"].as_u64() {
            assert_eq!(self.due.unwrap_or(seq), seq, "a number is missing: {frame}");
            self.due = Some(seq + 1);
        }
        frame
    }

    /// The next frame.
    pub(crate) fn frame(&mut self) -> Value {
        match self.next() {
            Came::Frame(frame) => frame,
            other @ (Came::Closed(..) | Came::Broken | Came::Nothing) => {
                panic!("{other:?} where a frame was due")
            }
        }
    }

    /// The next frame for which this holds; others go by.
    pub(crate) fn frame_that(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let frame = self.frame();
            if holds(&frame) {
                return frame;
            }
            assert!(Instant::now() < deadline, "{what} does not come");
        }
    }

    /// How it ends; frames go by.
    pub(crate) fn end(&mut self) -> (u16, String) {
        let deadline = Instant::now() + 3 * PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "it does not end");
            match self.next() {
                Came::Closed(code, reason) => return (code, reason),
                Came::Frame(_) => {}
                other @ (Came::Broken | Came::Nothing) => {
                    panic!("{other:?} where the end was due")
                }
            }
        }
    }

    /// Says something.
    pub(crate) fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("it is open");
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self) {
        self.socket.close(None).expect("it is open");
        let _answered = self.socket.flush();
    }
}

/// A client's frame: kind and flags, and a payload.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ ..126 => bytes.push(0x80 | len as u8),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 4];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
