//! The connections of a server, and the limits that hyper does not have. hyper limits the size of a head, the
//! number of its lines, and the time from one answer to the next head. It has no limit for a client that does not
//! read, none for the time of a head alone, and does not know of other connections. So each connection records
//! its progress ([`Course`]), and a check of all of them, twice a second, closes those that are overdue. When all
//! places are taken, the connection that has been idle longest is closed, so that idle clients cannot keep others
//! out.

mod course;
mod stream;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use parking_lot::Mutex;

use course::Course;
pub(super) use stream::MeteredStream;

/// Period of [`Connections::look`].
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Most connections whose client does not read: each may hold an answer in memory.
const STALLED_MAX: usize = 32;
/// A connection counts as stalled only after this time: any network may pause briefly.
const STALLED_AFTER: Duration = Duration::from_secs(2);

/// Most bytes of unfinished heads, of all connections together.
const HEADS_BYTES_MAX: usize = 4 << 20;
/// Bytes of a head that are accepted even above that limit.
const HEAD_BYTES_FREE: usize = 1 << 10;

/// How many connections a server takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// In total.
    pub(super) all: usize,
    /// From one address that is not this machine's.
    pub(super) per_address: usize,
}

/// The state of one connection.
#[derive(Debug)]
struct PageConnection {
    number: u64,
    /// `None`: a Unix socket.
    address: Option<IpAddr>,
    state: Mutex<PageConnectionState>,
}

#[derive(Debug)]
struct PageConnectionState {
    course: Course,
    is_closed: bool,
    waker: Option<Waker>,
}

impl PageConnection {
    fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn idle_since(&self) -> Option<Instant> {
        self.state.lock().course.idle_since()
    }
}

/// All connections of a server.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Limits,
    /// Bytes of unfinished heads.
    heads_bytes: AtomicUsize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_number: HashMap<u64, Arc<PageConnection>>,
}

impl Connections {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, heads_bytes: AtomicUsize::new(0), open: Mutex::default() })
    }

    /// Admits a connection; closes the longest idle one if all places are taken. `None`: no place, and none is idle.
    pub(super) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Arc<Admitted>> {
        let address = address.map(|address| address.to_canonical());
        let mut open = self.open.lock();
        if let Some(from) = address.filter(|address| !address.is_loopback()) {
            open.make_room(self.limits.per_address, |other| other.address == Some(from))?;
        }
        open.make_room(self.limits.all, |_| true)?;
        let number = open.next;
        open.next += 1;
        let course = Course::new(Instant::now());
        let state = Mutex::new(PageConnectionState { course, is_closed: false, waker: None });
        let connection = Arc::new(PageConnection { number, address, state });
        open.by_number.insert(number, Arc::clone(&connection));
        Some(Arc::new(Admitted { connection, all: Arc::clone(self) }))
    }

    /// Closes connections that are overdue, and the longest stalled of more than [`STALLED_MAX`].
    pub(super) fn look(&self, now: Instant) {
        let mut open = self.open.lock();
        let (mut closing, mut stalled) = (Vec::new(), Vec::new());
        for connection in open.by_number.values() {
            let course = &connection.state.lock().course;
            if course.is_overdue(now) {
                closing.push(Arc::clone(connection));
            } else if let Some(since) = course.stalled_since()
                && now.saturating_duration_since(since) > STALLED_AFTER
            {
                stalled.push((since, Arc::clone(connection)));
            }
        }
        stalled.sort_by_key(|(since, _)| *since);
        let too_many = stalled.len().saturating_sub(STALLED_MAX);
        closing.extend(stalled.into_iter().take(too_many).map(|(_, connection)| connection));
        closing.iter().for_each(|connection| open.close(connection));
    }

    /// Whether more than half of the places are taken: new clients get less time for their handshake.
    pub(super) fn is_crowded(&self) -> bool {
        self.open.lock().by_number.len() > self.limits.all / 2
    }
}

impl Open {
    fn make_room(&mut self, most: usize, of: impl Fn(&PageConnection) -> bool) -> Option<()> {
        let those = || self.by_number.values().filter(|it| of(it));
        if those().count() < most {
            return Some(());
        }
        let idle = those().filter_map(|it| Some((it.idle_since()?, it)));
        let (_, longest) = idle.min_by_key(|(since, _)| *since)?;
        let longest = Arc::clone(longest);
        self.close(&longest);
        Some(())
    }

    fn close(&mut self, connection: &PageConnection) {
        self.by_number.remove(&connection.number);
        connection.close();
    }
}

/// An admitted connection; its place is free when this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    connection: Arc<PageConnection>,
    all: Arc<Connections>,
}

impl Admitted {
    /// A head is complete, and its request is being answered.
    pub(super) fn requested(&self) {
        self.change(Course::requested);
    }

    /// The connection is a WebSocket from now on.
    pub(super) fn upgraded(&self) {
        self.change(Course::upgraded);
    }

    /// Registers the task to be woken when the connection is closed; an error when it already is.
    fn wake_when_closed(&self, cx: &Context<'_>) -> io::Result<()> {
        let mut state = self.connection.state.lock();
        if state.is_closed {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => state.waker = Some(cx.waker().clone()),
        }
        Ok(())
    }

    /// Counts bytes that were read; an error when unfinished heads exceed [`HEADS_BYTES_MAX`] together.
    fn read(&self, bytes: usize, now: Instant) -> io::Result<()> {
        let head = self.change(|course| {
            course.read(bytes, now);
            course.head_bytes()
        });
        let all = self.all.heads_bytes.load(Ordering::Relaxed);
        if all > HEADS_BYTES_MAX && head > HEAD_BYTES_FREE {
            return Err(io::Error::other("too many unfinished requests"));
        }
        Ok(())
    }

    fn wrote(&self, now: Instant) {
        self.change(|course| course.wrote(now));
    }

    fn stalls(&self, now: Instant) {
        self.change(|course| course.stalls(now));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Course) -> T) -> T {
        let course = &mut self.connection.state.lock().course;
        let before = course.head_bytes();
        let changed = change(course);
        self.all.heads_bytes.fetch_add(course.head_bytes(), Ordering::Relaxed);
        self.all.heads_bytes.fetch_sub(before, Ordering::Relaxed);
        changed
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.requested();
        self.all.open.lock().by_number.remove(&self.connection.number);
    }
}

/// The client of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct HttpPeer {
    /// `None`: a Unix socket.
    pub(super) address: Option<IpAddr>,
    /// TLS ends in this process.
    pub(super) secure: bool,
}

impl HttpPeer {
    pub(super) fn of(request: &Parts) -> Self {
        let unknown = Self { address: None, secure: false };
        request.extensions.get().copied().unwrap_or(unknown)
    }
}

impl fmt::Display for HttpPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("a Unix socket"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(all: usize, per_address: usize) -> Arc<Connections> {
        Connections::new(Limits { all, per_address })
    }

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn is_closed(admitted: &Admitted) -> bool {
        admitted.connection.state.lock().is_closed
    }

    #[test]
    fn who_has_been_idle_for_the_longest_gives_way() {
        let all = connections(3, 2);
        let first = all.admit(from("127.0.0.1")).unwrap();
        let busy = all.admit(from("::ffff:127.0.0.1")).unwrap();
        busy.upgraded();
        let third = all.admit(from("127.0.0.1")).unwrap();
        first.wrote(Instant::now() + Duration::from_secs(1));
        let fourth = all.admit(None).unwrap();
        assert!(is_closed(&third) && !is_closed(&first) && !is_closed(&busy));
        [&first, &fourth].into_iter().for_each(|it| it.upgraded());
        assert!(all.admit(None).is_none(), "none is idle");
    }

    #[test]
    fn an_address_has_its_own_limit_and_this_machine_none() {
        let all = connections(100, 2);
        let them: Vec<_> = (0..3).filter_map(|_| all.admit(from("10.0.0.1"))).collect();
        assert!(is_closed(&them[0]) && !is_closed(&them[1]) && !is_closed(&them[2]));
        them.iter().for_each(|it| it.upgraded());
        assert!(all.admit(from("10.0.0.1")).is_none());
        assert!(all.admit(from("10.0.0.2")).is_some());
        (0..50).for_each(|_| assert!(all.admit(from("127.0.0.1")).is_some()));
    }

    #[test]
    fn heads_are_bounded_together_too() {
        let (all, now) = (connections(10_000, 10), Instant::now());
        let admitted: Vec<_> = (0..400).filter_map(|_| all.admit(None)).collect();
        let read: Vec<_> = admitted.iter().map(|it| it.read(15 << 10, now)).collect();
        assert!(read[0].is_ok() && read[399].is_err());
        let late = all.admit(None).unwrap();
        assert!(late.read(16, now).is_ok(), "a small one always fits");
        admitted.iter().for_each(|it| it.wrote(now));
        assert_eq!(all.heads_bytes.load(Ordering::Relaxed), 16);
        drop((admitted, late));
        assert_eq!(all.heads_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn of_those_whose_answers_nobody_takes_only_some_are_kept() {
        let (all, start) = (connections(1_000, 10), Instant::now());
        let admitted: Vec<_> = (0..100).filter_map(|_| all.admit(None)).collect();
        for (n, it) in admitted.iter().enumerate() {
            it.stalls(start + Duration::from_millis(n as u64));
        }
        all.look(start + Duration::from_secs(1));
        assert!(admitted.iter().all(|it| !is_closed(it)), "they may only hesitate");
        all.look(start + Duration::from_secs(3));
        let closed: Vec<_> = admitted.iter().map(|it| is_closed(it)).collect();
        assert_eq!(closed.iter().filter(|closed| **closed).count(), 100 - STALLED_MAX);
        assert!(closed[0] && !closed[99], "the oldest go");
    }
}
