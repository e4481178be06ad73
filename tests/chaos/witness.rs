//! A second subscriber, with a session of its own at the broker and no proxy between: it counts what the broker gave it.
//!
//! It tells the broker's own losses and repetitions from the recorder's. It subscribes at QoS 1, acknowledges at once, and
//! ignores a redelivery to itself: DUP is set, and on an earlier connection the same packet id brought the same payload. A
//! packet id that has been round since then means another message ([`IDS_TAKEN_MAX`]).

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::packet_log::{NO_NUMBER, number_in};
use crate::support::wait;
use crate::support::wire::{Mark, Packet, Wire};

/// Deliveries within which a packet id is not used again: there are 65,535.
const IDS_TAKEN_MAX: u64 = 50_000;
const PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(20);

/// What it has received so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Copies of each number.
    copies: HashMap<i64, u8>,
    /// Readings without a number.
    pub(super) repeated: i64,
    /// Redeliveries that it ignored.
    pub(super) ignored: u64,
    pub(super) connections: u32,
    fresh: u64,
    /// Of each packet id: the last payload's number, and the connection and the count of deliveries at which it came.
    ids: HashMap<u16, (i64, u32, u64)>,
    is_subscribed: bool,
    latest: Option<Instant>,
}

impl Heard {
    /// How often the broker gave it this number.
    pub(super) fn copies(&self, number: i64) -> u8 {
        self.copies.get(&number).copied().unwrap_or(0)
    }

    /// Whether nothing has come for this long.
    fn is_quiet_for(&self, time: Duration) -> bool {
        self.latest.is_none_or(|latest| latest.elapsed() >= time)
    }

    fn take(&mut self, payload: &[u8], mark: Mark) {
        self.latest = Some(Instant::now());
        let number = number_in(payload);
        if mark.qos > 0 {
            let earlier = self.ids.get(&mark.id);
            let is_redelivery = mark.dup
                && earlier.is_some_and(|(then, connection, fresh)| {
                    *then == number
                        && *connection < self.connections
                        && self.fresh - fresh < IDS_TAKEN_MAX
                });
            if is_redelivery {
                self.ignored += 1;
                return;
            }
            self.fresh += 1;
            self.ids.insert(mark.id, (number, self.connections, self.fresh));
        }
        if number == NO_NUMBER {
            self.repeated += 1;
        } else {
            let copies = self.copies.entry(number).or_default();
            *copies = copies.saturating_add(1);
        }
    }
}

/// The subscriber at work in a thread of its own.
pub(super) struct Witness {
    heard: Arc<Mutex<Heard>>,
    enough: Arc<AtomicBool>,
    work: JoinHandle<()>,
}

impl Witness {
    /// Connects, subscribes, and waits until the broker has granted that.
    pub(super) fn start(port: u16, filters: &'static [&'static str]) -> Self {
        let (heard, enough) = (Arc::<Mutex<Heard>>::default(), Arc::<AtomicBool>::default());
        let (shared, over) = (Arc::clone(&heard), Arc::clone(&enough));
        let work = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                if listen(port, filters, &shared, &over).is_err() {
                    thread::sleep(PAUSE); // the broker may be away
                }
            }
        });
        let witness = Self { heard, enough, work };
        wait::until_true("the witness has subscribed", PATIENCE, || witness.heard().is_subscribed);
        witness
    }

    /// Waits until nothing has come for a while; `false` when that is not so in time.
    pub(super) fn falls_quiet(&self, within: Duration) -> bool {
        wait::comes_true(within, || self.heard().is_quiet_for(Duration::from_secs(2)))
    }

    /// Ends it.
    pub(super) fn finish(self) -> Heard {
        self.enough.store(true, Ordering::Relaxed);
        self.work.join().expect("the witness does not panic");
        let heard = Arc::into_inner(self.heard).expect("its thread has ended");
        heard.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        lock(&self.heard)
    }
}

/// One connection, until it breaks or it is enough.
fn listen(
    port: u16,
    filters: &[&str],
    heard: &Mutex<Heard>,
    enough: &AtomicBool,
) -> io::Result<()> {
    let mut wire = Wire::connect_to_stay(port, "witness")?;
    lock(heard).connections += 1;
    // Also where the session is known: a broker that was killed may have forgotten a subscription.
    filters.iter().for_each(|filter| wire.put_subscribe(filter, 1));
    wire.send()?;
    while !enough.load(Ordering::Relaxed) {
        let mut next = wire.receive(PAUSE)?;
        while let Some(packet) = next {
            match packet {
                Packet::Publish { payload, mark, .. } => {
                    lock(heard).take(&payload, mark);
                    if mark.qos > 0 {
                        wire.put_puback(mark.id);
                    }
                }
                Packet::SubAck(_) => lock(heard).is_subscribed = true,
                odd @ (Packet::ConnAck { .. }
                | Packet::PubAck(_)
                | Packet::PubRec(_)
                | Packet::PubComp(_)
                | Packet::Other) => panic!("the witness was sent {odd:?}"),
            }
            next = wire.take_packet();
        }
        wire.send()?;
    }
    Ok(())
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn only_a_redelivery_of_what_came_before_is_ignored() {
    let mut heard = Heard { connections: 1, ..Heard::default() };
    let take = |heard: &mut Heard, n: i64, id, dup| {
        heard.take(format!(r#"{{"n":{n}}}"#).as_bytes(), Mark { dup, qos: 1, id });
    };
    take(&mut heard, 1, 10, false);
    heard.connections = 2;
    take(&mut heard, 1, 10, true); // its acknowledgement had not arrived
    take(&mut heard, 2, 11, true); // sent before, and not read
    take(&mut heard, 1, 12, false); // the broker gives it as a new one
    assert_eq!((heard.copies(1), heard.copies(2), heard.ignored), (2, 1, 1));
    heard.fresh += IDS_TAKEN_MAX;
    heard.connections = 3;
    take(&mut heard, 1, 10, true); // the packet id has been round
    assert_eq!((heard.copies(1), heard.ignored), (3, 1));
}
