//! A broker in memory, which a test commands: it keeps what is owed, as MQTT says, and notes every
//! acknowledgement that breaks a promise.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use barograph_config::Qos;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::journal::Disk;
use super::session::FakeConnection;
use crate::ports::{Down, DownKind, Publication};

/// Deliveries of QoS 1 and 2 that may be on their way to one client (mosquitto's
/// `max_inflight_messages`).
pub(super) const INFLIGHT_MAX: usize = 20;

/// What a restarted broker delivers again before anything new.
const REDELIVERED_AT_ONCE: usize = 3;

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(super) serial: u64,
    /// Its payload is `{"n":…}`: two neighbours say the same, as sensors do; below 0 at QoS 0.
    pub(super) n: i64,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    /// The client's own message comes back: topic and payload.
    pub(super) own: Option<(String, Bytes)>,
}

/// What the next try to connect meets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meets {
    Refusal(DownKind),
    Silence(Duration),
}

#[derive(Debug, Default)]
pub(crate) struct FakeBrokerState {
    /// Waits for a connection, or for room on it.
    pub(super) queue: VecDeque<Message>,
    /// Sent, and not known to be acknowledged: delivered again after a reconnect.
    pub(super) owed: VecDeque<(u16, Message)>,
    /// Sent before a restart, and queued anew by it: delivered again when there is room and nothing new.
    pub(super) requeued: VecDeque<(u16, Message)>,
    /// Those of `owed` that the client has answered with PUBREC: Mosquitto 2.0.11 goes on with PUBREL after
    /// a reconnect, but when that connection ends too, it has forgotten, and delivers again.
    pub(crate) half_answered: BTreeSet<u16>,
    /// It is slow with PUBREL: none comes.
    pub(crate) holds_releases: bool,
    pub(super) retained: Vec<Message>,
    /// What the client has published, in order.
    pub(crate) published: Vec<Publication>,
    pub(super) next_id: u16,
    /// The session is known here.
    pub(super) kept: bool,
    pub(crate) connection: Option<FakeConnection>,
    /// What the client sends no longer arrives: the line is half dead.
    pub(crate) deaf: bool,
    /// Nothing goes through in either direction, and nothing is lost.
    pub(crate) stalled: bool,
    /// Every request is answered, and no message is delivered.
    pub(crate) mute: bool,
    /// Topics of our own that the client listens to.
    pub(super) own_topics: BTreeSet<String>,
    /// Filters that the client has given up, in order.
    pub(crate) given_up: Vec<String>,
    /// How long the answer to a barrier takes, and what comes behind it.
    pub(crate) lag: Duration,
    pub(crate) meets: VecDeque<Meets>,
    /// When each barrier came.
    pub(crate) barriers: Vec<Instant>,
    pub(crate) connects: Vec<Instant>,
    pub(super) serials: u64,
    /// How often each number must be in the database when all is done.
    pub(super) due: BTreeMap<i64, usize>,
    /// Reached the living client, or was acknowledged: serial and number.
    pub(super) handed: BTreeMap<u64, i64>,
    /// Reached a client that died before it acknowledged.
    doubtful: BTreeSet<u64>,
    /// Lost by the broker and by a dead client both: how many of each number may be missing.
    excused: BTreeMap<i64, usize>,
    pub(super) handed_at_most_once: BTreeSet<i64>,
    pub(crate) acknowledged: BTreeMap<u64, i64>,
    /// Broken promises.
    pub(crate) wrong: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct FakeBroker {
    state: Arc<Mutex<FakeBrokerState>>,
    pub(super) changed: Arc<Notify>,
    pub(crate) disk: Disk,
}

impl FakeBroker {
    /// A broker that can look into the database, to see what was acknowledged too early.
    pub(crate) fn new(disk: Disk) -> Self {
        Self { disk, ..Self::default() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, FakeBrokerState> {
        self.state.lock()
    }

    /// So many new messages.
    pub(crate) fn publish(&self, count: usize, qos: Qos) {
        let mut state = self.state();
        for _ in 0..count {
            state.serials += 1;
            let serial = state.serials;
            let half = i64::try_from(serial / 2).unwrap_or(i64::MAX);
            let n = if qos == Qos::AtMostOnce {
                -i64::try_from(serial).unwrap_or(i64::MAX)
            } else {
                half
            };
            let message = Message { serial, n, qos, retain: false, own: None };
            if qos != Qos::AtMostOnce {
                *state.due.entry(n).or_default() += 1;
                state.queue.push_back(message);
            } else if state.connection.is_some() {
                state.queue.push_back(message);
            }
        }
        self.changed.notify_waiters();
    }

    /// So many topics keep their last message for whoever subscribes.
    pub(crate) fn retain(&self, count: i64, qos: Qos) {
        let mut state = self.state();
        let first = 1_000_000_000;
        let message = |n| Message { serial: 0, n, qos, retain: true, own: None };
        state.retained = (first..first + count).map(message).collect();
        state.due.extend((first..first + count).map(|n| (n, 1)));
    }

    /// Ends the connection, if there is one: what was under way on it is gone.
    pub(crate) fn cut(&self, kind: DownKind) {
        let mut state = self.state();
        state.deaf = false;
        if let Some(connection) = &mut state.connection {
            connection.ended = Some(Down { kind, message: format!("cut: {}", kind.word()) });
        }
        state.queue.retain(|message| message.qos != Qos::AtMostOnce);
        self.changed.notify_waiters();
    }

    /// It is restarted, and has saved everything. Like Mosquitto 2.0.11 it delivers a few again at once, and
    /// queues the rest behind whatever is new.
    pub(crate) fn restart(&self) {
        self.cut(DownKind::Closed);
        let mut state = self.state();
        let state = &mut *state;
        let at_once = REDELIVERED_AT_ONCE.min(state.owed.len());
        let rest = state.owed.split_off(at_once);
        state.requeued.extend(rest);
    }

    /// It was killed and had saved nothing: what had not reached the client is lost, and that is
    /// not the client's fault.
    pub(crate) fn forget(&self) {
        self.cut(DownKind::Closed);
        let mut state = self.state();
        state.kept = false;
        state.next_id = 0;
        state.own_topics.clear();
        state.half_answered.clear();
        let state = &mut *state;
        let sent = state.owed.drain(..).chain(state.requeued.drain(..));
        let sent: Vec<Message> = sent.map(|(_, message)| message).collect();
        let queue: Vec<Message> = state.queue.drain(..).collect();
        for message in sent.into_iter().chain(queue) {
            if state.doubtful.contains(&message.serial)
                && !state.handed.contains_key(&message.serial)
            {
                *state.excused.entry(message.n).or_default() += 1;
            } else if message.own.is_none() && !state.handed.contains_key(&message.serial) {
                *state.due.entry(message.n).or_default() -= 1;
            }
        }
    }

    /// The client is dead. What it held in memory only is known to the broker alone, unless that
    /// has forgotten it too.
    pub(crate) fn client_died(&self) {
        let mut guard = self.state();
        let state = &mut *guard;
        let (known, in_memory): (BTreeMap<_, _>, BTreeMap<_, _>) =
            state.handed.iter().partition(|(serial, _)| state.acknowledged.contains_key(serial));
        for (serial, n) in in_memory {
            let mut sent = state.owed.iter().chain(&state.requeued);
            if sent.any(|(_, message)| message.serial == serial) {
                state.doubtful.insert(serial);
            } else {
                *state.excused.entry(n).or_default() += 1;
            }
        }
        state.handed = known;
    }

    /// No delivery waits here, and none is owed. The client's own echoes do not count: where the broker is slower than
    /// they are frequent, one is always under way.
    pub(crate) fn is_settled(&self) -> bool {
        let state = self.state();
        let sent = state.owed.iter().chain(&state.requeued).map(|(_, message)| message);
        state.queue.iter().chain(sent).all(|message| message.own.is_some())
    }

    /// Every message is in the database exactly once, and none was acknowledged too early or out of
    /// order. Gives the number of messages of QoS 0 that reached the client and are not stored.
    pub(crate) fn assert_nothing_lost_and_nothing_twice(&self) -> usize {
        let state = self.state();
        assert_eq!(state.wrong, Vec::<String>::new());
        let mut stored = self.disk.counts();
        let at_most_once: BTreeMap<i64, usize> = stored.extract_if(..0, |_, _| true).collect();
        let of = |counts: &BTreeMap<i64, usize>, n| counts.get(&n).copied().unwrap_or(0);
        for n in stored.keys().chain(state.due.keys()) {
            let (is, due) = (of(&stored, *n), of(&state.due, *n));
            let least = due.saturating_sub(of(&state.excused, *n));
            assert!(
                (least..=due).contains(&is),
                "{n} is stored {is} times, and {due} times is due"
            );
        }
        for (n, count) in &at_most_once {
            assert!(
                *count == 1 && state.handed_at_most_once.contains(n),
                "{n} is stored {count} times"
            );
        }
        state.handed_at_most_once.len() - at_most_once.len()
    }
}
