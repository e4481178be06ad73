//! MQTT 3.1.1 as bytes: as much of it as a publisher, a spy and a rival need.
//!
//! Written by hand, so that the tests do not share a codec (and its mistakes) with the program they judge.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// What the broker says to us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    ConnAck { code: u8 },
    Publish { topic: String, payload: Vec<u8>, mark: Mark },
    PubAck(u16),
    PubRec(u16),
    PubComp(u16),
    SubAck(Vec<u8>),
    Other,
}

/// The fixed header of a PUBLISH, and its packet id (0 at QoS 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) dup: bool,
    pub(crate) qos: u8,
    pub(crate) id: u16,
}

/// One connection to a broker.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
    unsent: Vec<u8>,
}

impl Wire {
    /// Connects and waits for the CONNACK.
    pub(crate) fn connect(port: u16, client_id: &str) -> io::Result<Self> {
        Self::connect_with(port, client_id, 0b0000_0010)
    }

    /// The same; the broker keeps the session, its subscriptions and what comes for it.
    pub(crate) fn connect_to_stay(port: u16, client_id: &str) -> io::Result<Self> {
        Self::connect_with(port, client_id, 0)
    }

    fn connect_with(port: u16, client_id: &str, flags: u8) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let mut wire = Self { stream, unread: Vec::new(), unsent: Vec::new() };
        let mut body = Vec::new();
        put_text(&mut body, "MQTT");
        body.extend([4, flags, 0, 0]); // level 4, the flag of a clean session or none, no keep-alive
        put_text(&mut body, client_id);
        wire.put(0x10, &body);
        wire.send()?;
        match wire.receive(PATIENCE)? {
            Some(Packet::ConnAck { code: 0, .. }) => Ok(wire),
            other => Err(io::Error::other(format!("not let in: {other:?}"))),
        }
    }

    /// Appends a PUBLISH to what `send` writes.
    pub(crate) fn put_publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: u8,
        retain: bool,
        packet_id: u16,
    ) {
        let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
        put_text(&mut body, topic);
        if qos > 0 {
            body.extend(packet_id.to_be_bytes());
        }
        body.extend(payload);
        self.put(0x30 | qos << 1 | u8::from(retain), &body);
    }

    /// Appends a PUBACK.
    pub(crate) fn put_puback(&mut self, packet_id: u16) {
        self.put(0x40, &packet_id.to_be_bytes());
    }

    /// Appends a PUBREL.
    pub(crate) fn put_pubrel(&mut self, packet_id: u16) {
        self.put(0x62, &packet_id.to_be_bytes());
    }

    /// Appends a SUBSCRIBE.
    pub(crate) fn put_subscribe(&mut self, filter: &str, qos: u8) {
        let mut body = vec![0, 1];
        put_text(&mut body, filter);
        body.push(qos);
        self.put(0x82, &body);
    }

    /// Writes everything put so far.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.unsent)?;
        self.unsent.clear();
        Ok(())
    }

    /// The next packet, or nothing within this time.
    pub(crate) fn receive(&mut self, within: Duration) -> io::Result<Option<Packet>> {
        loop {
            if let Some(packet) = self.take_packet() {
                return Ok(Some(packet));
            }
            self.stream.set_read_timeout(Some(within))?;
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.unread.extend(&chunk[..length]),
                Err(error) if is_timeout(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next packet among the bytes already read.
    pub(crate) fn take_packet(&mut self) -> Option<Packet> {
        let first = *self.unread.first()?;
        let (mut length, mut at, mut shift) = (0_usize, 1, 0);
        loop {
            let byte = *self.unread.get(at)?;
            length |= usize::from(byte & 0x7f) << shift;
            (at, shift) = (at + 1, shift + 7);
            if byte < 0x80 {
                break;
            }
        }
        if self.unread.len() < at + length {
            return None;
        }
        let packet = understand(first, &self.unread[at..at + length]);
        self.unread.drain(..at + length);
        Some(packet)
    }

    fn put(&mut self, first: u8, body: &[u8]) {
        self.unsent.push(first);
        let mut length = body.len();
        while length >= 0x80 {
            self.unsent.push(u8::try_from(length & 0x7f | 0x80).expect("seven bits and a flag"));
            length >>= 7;
        }
        self.unsent.push(u8::try_from(length).expect("less than 128"));
        self.unsent.extend(body);
    }
}

fn understand(first: u8, body: &[u8]) -> Packet {
    match first >> 4 {
        2 => Packet::ConnAck { code: body[1] },
        3 => understand_publish(first, body),
        4 => Packet::PubAck(number(body)),
        5 => Packet::PubRec(number(body)),
        7 => Packet::PubComp(number(body)),
        9 => Packet::SubAck(body[2..].to_vec()),
        _ => Packet::Other,
    }
}

fn understand_publish(first: u8, body: &[u8]) -> Packet {
    let (topic, rest) = body[2..].split_at(usize::from(number(body)));
    let qos = first >> 1 & 3;
    let (id, payload) = if qos > 0 { (number(rest), &rest[2..]) } else { (0, rest) };
    Packet::Publish {
        topic: String::from_utf8_lossy(topic).into_owned(),
        payload: payload.to_vec(),
        mark: Mark { dup: first & 8 != 0, qos, id },
    }
}

fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).expect("a short text").to_be_bytes());
    body.extend(text.as_bytes());
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
