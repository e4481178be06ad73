//! The MQTT packets that went through a proxy, in order, each in 24 bytes: what explains afterwards why a message is stored
//! twice or not at all.
//!
//! Reads MQTT 3.1.1 and 5. Written by hand, as `wire` is: the tests share no codec with the program they judge.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::wait;

/// A number that stands for every message without one of its own: a reading that repeats itself.
pub(crate) const NO_NUMBER: i64 = -1;

/// Which way a packet went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the broker.
    Up,
    /// To the client.
    Down,
}

/// The kinds of packets, by the high four bits of their first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    Ping,
    Pong,
    Disconnect,
    Other,
}

/// A packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The number in the payload of a PUBLISH on a topic of the load; [`NO_NUMBER`] where there is none.
    pub(crate) number: i64,
    /// Milliseconds since the log began.
    at: u32,
    /// Counted from 1 in the order of their opening.
    pub(crate) connection: u32,
    /// 0 where the packet has none.
    pub(crate) id: u16,
    pub(crate) kind: Kind,
    flags: u8,
}

const DOWN: u8 = 1;
const DUP: u8 = 2;
const DELIVERED: u8 = 4;
/// A PUBLISH on a topic that `watch` names, or a CONNACK that accepts.
const WANTED: u8 = 8;
const QOS_SHIFT: u8 = 4;

impl Entry {
    pub(crate) fn way(self) -> Way {
        if self.flags & DOWN == 0 { Way::Up } else { Way::Down }
    }

    pub(crate) fn is_dup(self) -> bool {
        self.flags & DUP != 0
    }

    /// Whether the proxy wrote all of it to the socket of the other side. A process that was just killed may not have read it.
    pub(crate) fn is_delivered(self) -> bool {
        self.flags & DELIVERED != 0
    }

    pub(crate) fn qos(self) -> u8 {
        self.flags >> QOS_SHIFT & 3
    }

    /// A message of the load on its way to the client.
    pub(crate) fn is_message(self) -> bool {
        self.kind == Kind::Publish && self.way() == Way::Down && self.flags & WANTED != 0
    }

    /// The broker accepted the client.
    pub(crate) fn is_acceptance(self) -> bool {
        self.kind == Kind::ConnAck && self.flags & WANTED != 0
    }

    /// The client's word that it has the message with this packet id: PUBACK at QoS 1, PUBREC at QoS 2.
    pub(crate) fn is_acknowledgement(self) -> bool {
        self.way() == Way::Up && matches!(self.kind, Kind::PubAck | Kind::PubRec)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.way() == Way::Up { "->" } else { "<-" };
        write!(f, "connection {:>3} {arrow} {:?}", self.connection, self.kind)?;
        if self.kind == Kind::Publish {
            write!(f, " QoS {}{}", self.qos(), if self.is_dup() { " DUP" } else { "" })?;
        }
        if self.id != 0 {
            write!(f, " id {}", self.id)?;
        }
        if self.number != NO_NUMBER {
            write!(f, " n {}", self.number)?;
        }
        f.write_str(if self.is_delivered() { "" } else { " (not delivered)" })
    }
}

/// All packets of a proxy.
pub(crate) struct PacketLog {
    /// Milliseconds since 1970.
    pub(crate) began: i64,
    /// The beginnings of the topics whose messages are looked into.
    topics: &'static [&'static str],
    /// The clients speak MQTT 5: a PUBLISH has properties.
    is_five: bool,
    entries: Mutex<Vec<Entry>>,
}

impl PacketLog {
    pub(crate) fn new(topics: &'static [&'static str], is_five: bool) -> Self {
        Self { began: wait::now_ms(), topics, is_five, entries: Mutex::default() }
    }

    /// When a packet went through, in milliseconds since 1970.
    pub(crate) fn time(&self, entry: &Entry) -> i64 {
        self.began + i64::from(entry.at)
    }

    /// All entries so far. The proxy waits as long as this is held.
    pub(crate) fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, entry: Entry) -> usize {
        let at = u32::try_from(wait::now_ms() - self.began).unwrap_or(u32::MAX);
        let mut entries = self.entries();
        entries.push(Entry { at, ..entry });
        entries.len() - 1
    }

    /// Takes it back that these were delivered.
    pub(crate) fn were_not_delivered(&self, places: &[usize]) {
        let mut entries = self.entries();
        places.iter().for_each(|place| entries[*place].flags &= !DELIVERED);
    }
}

/// One direction of one connection: bytes in, packets to the log.
pub(crate) struct Dissector {
    way: Way,
    connection: u32,
    /// Of the packet under way: what has come of it, and whether all of that was delivered.
    bytes: Vec<u8>,
    is_delivered: bool,
}

impl Dissector {
    pub(crate) fn new(way: Way, connection: u32) -> Self {
        Self { way, connection, bytes: Vec::new(), is_delivered: true }
    }

    /// Takes the next bytes, before they are written: so that an answer never stands before its question. Gives the places of
    /// the packets that they complete.
    pub(crate) fn take(&mut self, log: &PacketLog, bytes: &[u8], delivered: bool) -> Vec<usize> {
        let mut places = Vec::new();
        self.bytes.extend(bytes);
        self.is_delivered &= delivered;
        let mut from = 0;
        while let Some((head, length)) = frame(&self.bytes[from..]) {
            let packet = &self.bytes[from..from + head + length];
            places.push(log.add(self.understand(log, packet[0], &packet[head..])));
            from += head + length;
            self.is_delivered = delivered;
        }
        self.bytes.drain(..from);
        places
    }

    fn understand(&self, log: &PacketLog, first: u8, body: &[u8]) -> Entry {
        let kind = kind(first);
        let mut entry =
            Entry { number: NO_NUMBER, at: 0, connection: self.connection, id: 0, kind, flags: 0 };
        if self.way == Way::Down {
            entry.flags |= DOWN;
        }
        if self.is_delivered {
            entry.flags |= DELIVERED;
        }
        match kind {
            Kind::Publish => understand_publish(&mut entry, log, first, body),
            Kind::ConnAck if body.get(1) == Some(&0) => entry.flags |= WANTED,
            Kind::PubAck
            | Kind::PubRec
            | Kind::PubRel
            | Kind::PubComp
            | Kind::Subscribe
            | Kind::SubAck
            | Kind::Unsubscribe
            | Kind::UnsubAck => entry.id = number(body),
            Kind::Connect
            | Kind::ConnAck
            | Kind::Ping
            | Kind::Pong
            | Kind::Disconnect
            | Kind::Other => {}
        }
        entry
    }
}

fn understand_publish(entry: &mut Entry, log: &PacketLog, first: u8, body: &[u8]) {
    let qos = first >> 1 & 3;
    entry.flags |= qos << QOS_SHIFT | if first & 8 == 0 { 0 } else { DUP };
    let topic_end = 2 + usize::from(number(body));
    let (Some(topic), Some(mut rest)) = (body.get(2..topic_end), body.get(topic_end..)) else {
        return;
    };
    if qos > 0 {
        entry.id = number(rest);
        rest = rest.get(2..).unwrap_or_default();
    }
    if log.is_five
        && let Some((length, digits)) = variable(rest)
    {
        rest = rest.get(digits + length..).unwrap_or_default();
    }
    if log.topics.iter().any(|beginning| topic.starts_with(beginning.as_bytes())) {
        entry.flags |= WANTED;
        entry.number = number_in(rest);
    }
}

/// N of `{"n":N}`.
pub(crate) fn number_in(payload: &[u8]) -> i64 {
    let digits = payload.strip_prefix(br#"{"n":"#).unwrap_or_default();
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    str::from_utf8(&digits[..end]).ok().and_then(|text| text.parse().ok()).unwrap_or(NO_NUMBER)
}

/// The length of the head of a packet and of what follows; none until all of it is there.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (length, digits) = variable(bytes.get(1..)?)?;
    (bytes.len() > digits + length).then_some((1 + digits, length))
}

/// A number in one to four digits of seven bits, and how many those are.
fn variable(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

fn number(bytes: &[u8]) -> u16 {
    match bytes {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

fn kind(first: u8) -> Kind {
    match first >> 4 {
        1 => Kind::Connect,
        2 => Kind::ConnAck,
        3 => Kind::Publish,
        4 => Kind::PubAck,
        5 => Kind::PubRec,
        6 => Kind::PubRel,
        7 => Kind::PubComp,
        8 => Kind::Subscribe,
        9 => Kind::SubAck,
        10 => Kind::Unsubscribe,
        11 => Kind::UnsubAck,
        12 => Kind::Ping,
        13 => Kind::Pong,
        14 => Kind::Disconnect,
        _ => Kind::Other,
    }
}

#[test]
fn packets_are_told_apart_however_their_bytes_arrive() {
    let four = b"\x32\x12\0\x06load/n\x12\x34{\"n\":17}".to_vec();
    let five = b"\x3a\x15\0\x06load/n\x12\x34\x02\x01\x01{\"n\":17}".to_vec();
    for (is_five, publish) in [(false, four), (true, five)] {
        let bytes = [b"\x20\x02\0\0".to_vec(), publish, b"\xd0\0".to_vec()].concat();
        for size in 1..bytes.len() {
            let log = PacketLog::new(&["load/"], is_five);
            let mut dissector = Dissector::new(Way::Down, 3);
            bytes.chunks(size).for_each(|chunk| drop(dissector.take(&log, chunk, true)));
            let entries = log.entries().clone();
            let kinds: Vec<Kind> = entries.iter().map(|entry| entry.kind).collect();
            assert_eq!(kinds, [Kind::ConnAck, Kind::Publish, Kind::Pong], "{size} bytes at a time");
            assert!(entries[0].is_acceptance() && entries[1].is_message(), "{entries:?}");
            assert_eq!((entries[1].number, entries[1].id, entries[1].qos()), (17, 0x1234, 1));
            assert_eq!(entries[1].is_dup(), is_five);
        }
    }
}
