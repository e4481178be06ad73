//! A fast publisher: numbered messages, many in flight, and an exact account of what the broker took.
//!
//! When its connection breaks it does not send the unanswered messages again (the broker may have taken them, and would
//! rightly deliver both): it remembers their numbers as doubtful, and goes on with the next. So every other number must
//! be in the database once, and a doubtful one at most once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU16, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, mem};

use super::wait;
use super::wire::{Packet, Wire};

/// Most QoS 1 messages without an answer.
const WINDOW: usize = 500;
/// Most QoS 2 messages without an answer: Mosquitto hangs up on a client with more than `max_inflight_messages` (20).
const WINDOW_EXACTLY_ONCE: usize = 20;
/// How long a broker may be away, or may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is published.
pub(crate) struct Load {
    pub(crate) topic: &'static str,
    pub(crate) qos: u8,
    /// Messages a second; without: as fast as the broker answers.
    pub(crate) rate: Option<u32>,
    /// The first number.
    pub(crate) first: i64,
    /// How many; without: until `finish`.
    pub(crate) count: Option<i64>,
    /// Number to payload.
    pub(crate) payload: fn(i64) -> Vec<u8>,
}

impl Load {
    /// `{"n":0}`, `{"n":1}`, … on `load/n`, without a pause, until `finish`.
    pub(crate) fn numbered(qos: u8) -> Self {
        let payload = |n| format!(r#"{{"n":{n}}}"#).into_bytes();
        Self { topic: "load/n", qos, rate: None, first: 0, count: None, payload }
    }

    /// The same with 16 kB of text in each, for the route of [`wide`](super::settings::wide).
    pub(crate) fn wide(qos: u8) -> Self {
        let payload = |n| format!(r#"{{"n":{n},"pad":"{}"}}"#, "x".repeat(16_000)).into_bytes();
        Self { payload, ..Self::numbered(qos) }
    }

    /// Three parts in each, numbered from 0 by `k`.
    pub(crate) fn in_parts(qos: u8) -> Self {
        let payload =
            |n| format!(r#"{{"n":{n},"parts":[{{"k":0}},{{"k":1}},{{"k":2}}]}}"#).into_bytes();
        Self { payload, ..Self::numbered(qos) }
    }

    /// The same reading of the magnetic sensor for ever.
    pub(crate) fn identical(qos: u8) -> Self {
        let payload = |_| br#"{"x":1115,"y":-558,"z":-305}"#.to_vec();
        let topic = "backacres/house/weatherstation/magneticfluxsensor/";
        Self { topic, payload, ..Self::numbered(qos) }
    }

    /// At most this many messages a second.
    pub(crate) fn rate(self, rate: u32) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// Exactly this many messages.
    pub(crate) fn count(self, count: i64) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Numbers from here on.
    pub(crate) fn first(self, first: i64) -> Self {
        Self { first, ..self }
    }
}

/// What the broker was given: the numbers `first..next`.
#[derive(Default)]
pub(crate) struct Published {
    pub(crate) first: i64,
    pub(crate) next: i64,
    /// Sent, but never answered: the broker may or may not have them.
    pub(crate) doubtful: BTreeSet<i64>,
    /// When each number was sent, in milliseconds since 1970: `sent_at[n - first]`.
    pub(crate) sent_at: Vec<i64>,
}

impl Published {
    /// How many the broker certainly took.
    pub(crate) fn certain(&self) -> i64 {
        self.next - self.first - self.doubtful.len() as i64
    }
}

/// A publisher at work in a thread of its own.
pub(crate) struct Publisher {
    enough: Arc<AtomicBool>,
    sent: Arc<AtomicI64>,
    work: JoinHandle<Published>,
}

impl Publisher {
    /// Begins to publish.
    pub(crate) fn start(port: u16, load: Load) -> Self {
        let (enough, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicI64>::default());
        let course = Course {
            port,
            published: Published { first: load.first, next: load.first, ..Default::default() },
            unanswered: HashMap::new(),
            last_id: 0,
            enough: Arc::clone(&enough),
            sent: Arc::clone(&sent),
            load,
        };
        Self { enough, sent, work: thread::spawn(|| course.run()) }
    }

    /// How many were sent so far.
    pub(crate) fn sent(&self) -> i64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until at least this many were sent.
    pub(crate) fn has_sent(&self, count: i64) {
        wait::until_true("messages sent", PATIENCE, || self.sent() >= count);
    }

    /// Ends the load (or waits for its end, if it has one): every message answered or doubtful.
    pub(crate) fn finish(self) -> Published {
        self.enough.store(true, Ordering::Relaxed);
        self.work.join().expect("the publisher does not panic")
    }
}

/// Publishes a counted load, to the end.
pub(crate) fn publish(port: u16, load: Load) -> Published {
    assert!(load.count.is_some(), "without a count it would never end");
    Publisher::start(port, load).finish()
}

/// Publishes one message, and waits until the broker has it.
pub(crate) fn publish_one(port: u16, topic: &str, payload: &[u8], retain: bool) {
    let mut wire = connect(port);
    wire.put_publish(topic, payload, 1, retain, 1);
    wire.send().expect("the broker listens");
    assert_eq!(wire.receive(PATIENCE).expect("the broker answers"), Some(Packet::PubAck(1)));
}

/// The state of a load under way.
struct Course {
    port: u16,
    load: Load,
    published: Published,
    /// Packet id to number.
    unanswered: HashMap<u16, i64>,
    last_id: u16,
    enough: Arc<AtomicBool>,
    sent: Arc<AtomicI64>,
}

impl Course {
    fn run(mut self) -> Published {
        while !self.is_over() {
            let mut wire = connect(self.port);
            if self.publish_on(&mut wire).is_err() {
                let lost = mem::take(&mut self.unanswered);
                self.published.doubtful.extend(lost.into_values());
            }
        }
        self.published
    }

    /// Publishes until the load is over and answered, or the connection breaks.
    fn publish_on(&mut self, wire: &mut Wire) -> io::Result<()> {
        let mut pace = Pace::new(self.load.rate);
        let mut heard = Instant::now();
        let window = if self.load.qos == 2 { WINDOW_EXACTLY_ONCE } else { WINDOW };
        while !(self.is_over() && self.unanswered.is_empty()) {
            let room = pace.due().min(window - self.unanswered.len());
            for _ in 0..room {
                if self.is_over() {
                    break;
                }
                self.put_next(wire);
                pace.spend();
            }
            wire.send()?;
            let patience = if self.load.rate.is_some() { 2 } else { 20 };
            if self.load.qos > 0 && wire_answers(self, wire, Duration::from_millis(patience))? {
                heard = Instant::now();
            } else if self.load.qos == 0 && pace.due() == 0 {
                thread::sleep(Duration::from_millis(2)); // the pace of the load
            }
            assert!(self.unanswered.is_empty() || heard.elapsed() < PATIENCE, "no answer");
        }
        self.fence(wire)
    }

    fn put_next(&mut self, wire: &mut Wire) {
        let number = self.published.next;
        let mut id = self.last_id;
        if self.load.qos > 0 {
            id = next_id(id, &self.unanswered);
            self.unanswered.insert(id, number);
        }
        wire.put_publish(self.load.topic, &(self.load.payload)(number), self.load.qos, false, id);
        self.last_id = id;
        self.published.next += 1;
        self.published.sent_at.push(wait::now_ms());
        self.sent.store(self.published.next - self.published.first, Ordering::Relaxed);
    }

    /// QoS 0 has no answers; but a QoS 1 message behind it on the same connection has one.
    fn fence(&self, wire: &mut Wire) -> io::Result<()> {
        if self.load.qos == 0 {
            wire.put_publish("fence", b"", 1, false, 1);
            wire.send()?;
            assert_eq!(wire.receive(PATIENCE)?, Some(Packet::PubAck(1)));
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let sent = self.published.next - self.published.first;
        match self.load.count {
            Some(count) => sent >= count,
            None => self.enough.load(Ordering::Relaxed),
        }
    }
}

/// Takes the answers that are there, or come in time; tells whether there was one.
fn wire_answers(course: &mut Course, wire: &mut Wire, within: Duration) -> io::Result<bool> {
    let mut packet = wire.receive(within)?;
    let answered = packet.is_some();
    while let Some(answer) = packet {
        match answer {
            Packet::PubAck(id) | Packet::PubComp(id) => {
                course.unanswered.remove(&id).expect("an answer to what was sent");
            }
            Packet::PubRec(id) => wire.put_pubrel(id),
            odd @ (Packet::ConnAck { .. }
            | Packet::Publish { .. }
            | Packet::SubAck(_)
            | Packet::Other) => panic!("an odd answer: {odd:?}"),
        }
        packet = wire.take_packet();
    }
    Ok(answered)
}

fn next_id(last: u16, taken: &HashMap<u16, i64>) -> u16 {
    let mut id = last;
    loop {
        id = id.checked_add(1).unwrap_or(1);
        if !taken.contains_key(&id) {
            return id;
        }
    }
}

fn connect(port: u16) -> Wire {
    static NAMES: AtomicU16 = AtomicU16::new(0);
    let name = format!("publisher-{}", NAMES.fetch_add(1, Ordering::Relaxed));
    let complaint = || "a broker to publish to".to_owned();
    wait::until_or(PATIENCE, || Wire::connect(port, &name).ok(), complaint)
}

/// How many messages may leave now; a pause is not made up for by more than a twentieth of a second of messages.
struct Pace {
    rate: Option<f64>,
    credit: f64,
    filled: Instant,
}

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        Self { rate: rate.map(f64::from), credit: 1.0, filled: Instant::now() }
    }

    fn due(&mut self) -> usize {
        let Some(rate) = self.rate else { return WINDOW };
        let now = Instant::now();
        let earned = now.duration_since(self.filled).as_secs_f64() * rate;
        self.credit = (self.credit + earned).min(rate / 20.0 + 1.0);
        self.filled = now;
        self.credit as usize
    }

    fn spend(&mut self) {
        if self.rate.is_some() {
            self.credit -= 1.0;
        }
    }
}
