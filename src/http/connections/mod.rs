//! The connections of the page, and their limits. actix-http bounds the head of a connection's first request in
//! time, and all else hardly: heads of 128 KiB, later ones for ever, readers that never read. So each
//! connection keeps account of what it did when ([`Course`]), and one look at all of them, twice a second, ends
//! those that take too long: there is no timer for each. Where there is no room left, who has been idle for the
//! longest gives way to who comes, so that a crowd that only stands there locks nobody out.

mod course;
mod line;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;

use course::{Course, Heard};
pub(super) use line::HttpConnection;

/// Period of the look at all.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Most connections whose answers nobody takes: each may hold an answer in memory.
const STALLED_MAX: usize = 32;
/// The same counts only after so long: everybody's network hesitates.
const STALLED_AFTER: Duration = Duration::from_secs(2);

/// Most bytes of unfinished heads, of all connections together.
const PARTS_BYTES_MAX: usize = 4 << 20;
/// So much of a head may be there even when all together are too much.
const PART_BYTES_FREE: usize = 1 << 10;

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Altogether.
    pub(super) all: usize,
    /// From one address that is not this machine's.
    pub(super) per_address: usize,
}

/// One connection, as its limits see it.
#[derive(Debug)]
pub(super) struct Connection {
    number: u64,
    /// `None`: a Unix socket.
    address: Option<IpAddr>,
    course: RefCell<Course>,
    /// It is to end.
    cut: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Connection {
    fn cut(&self) {
        self.cut.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// All connections of a worker.
#[derive(Debug)]
pub(super) struct Lines {
    limits: Limits,
    next: Cell<u64>,
    /// Bytes of unfinished heads.
    parts_bytes: Cell<usize>,
    open: RefCell<HashMap<u64, Rc<Connection>>>,
}

impl Lines {
    pub(super) fn new(limits: Limits) -> Rc<Self> {
        let (next, parts_bytes) = (Cell::new(0), Cell::new(0));
        Rc::new(Self { limits, next, parts_bytes, open: RefCell::default() })
    }

    /// Lets one in, if need be in the place of one that is idle; `None`: there is no room.
    pub(super) fn admit(self: &Rc<Self>, address: Option<IpAddr>) -> Option<Admitted> {
        let address = address.map(|address| address.to_canonical());
        if let Some(from) = address.filter(|address| !address.is_loopback()) {
            let is_theirs = |line: &Connection| line.address == Some(from);
            self.make_room(self.limits.per_address, is_theirs)?;
        }
        self.make_room(self.limits.all, |_| true)?;
        let number = self.next.replace(self.next.get() + 1);
        let course = RefCell::new(Course::new(Instant::now()));
        let (cut, waker) = (Cell::new(false), RefCell::default());
        let connection = Rc::new(Connection { number, address, course, cut, waker });
        self.open.borrow_mut().insert(number, Rc::clone(&connection));
        Some(Admitted { connection, lines: Rc::clone(self) })
    }

    fn make_room(&self, most: usize, of: impl Fn(&Connection) -> bool) -> Option<()> {
        let open = self.open.borrow();
        let those = || open.values().filter(|line| of(line));
        if those().count() < most {
            return Some(());
        }
        let idle = those().filter_map(|line| Some((line.course.borrow().idle_since()?, line)));
        let (_, longest) = idle.min_by_key(|(since, _)| *since)?;
        let longest = Rc::clone(longest);
        drop(open);
        self.end(&longest);
        Some(())
    }

    /// Ends those that take too long.
    pub(super) fn look(&self, now: Instant) {
        let open: Vec<_> = self.open.borrow().values().cloned().collect();
        open.iter()
            .filter(|line| line.course.borrow().is_overdue(now))
            .for_each(|line| self.end(line));
        let stalled =
            open.iter().filter_map(|line| Some((line.course.borrow().stalled_since()?, line)));
        let stalled =
            stalled.filter(|(since, _)| now.saturating_duration_since(*since) > STALLED_AFTER);
        let mut stalled: Vec<_> = stalled.collect();
        stalled.sort_by_key(|(since, _)| *since);
        let too_many = stalled.len().saturating_sub(STALLED_MAX);
        stalled.iter().take(too_many).for_each(|(_, line)| self.end(line));
    }

    /// Whether they are so many that patience with those who have said nothing yet is short.
    pub(super) fn is_crowded(&self) -> bool {
        self.open.borrow().len() > self.limits.all / 2
    }

    fn end(&self, line: &Connection) {
        self.forget(line);
        line.cut();
    }

    fn forget(&self, line: &Connection) {
        self.open.borrow_mut().remove(&line.number);
    }
}

/// A connection's place among all; free when this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    connection: Rc<Connection>,
    lines: Rc<Lines>,
}

impl Admitted {
    /// These bytes came.
    fn heard(&self, bytes: &[u8], now: Instant) -> Heard {
        let heard = self.change(|course| course.heard(bytes, now));
        let part = self.course.borrow().part_bytes();
        let too_much = self.lines.parts_bytes.get() > PARTS_BYTES_MAX && part > PART_BYTES_FREE;
        if heard == Heard::Fine && too_much { Heard::Head } else { heard }
    }

    /// Something was said.
    fn said(&self, now: Instant) {
        self.change(|course| course.said(now));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Course) -> T) -> T {
        let mut course = self.course.borrow_mut();
        let before = course.part_bytes();
        let changed = change(&mut course);
        let all = self.lines.parts_bytes.get() + course.part_bytes();
        self.lines.parts_bytes.set(all.saturating_sub(before));
        changed
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let part = self.course.borrow().part_bytes();
        self.lines.parts_bytes.set(self.lines.parts_bytes.get().saturating_sub(part));
        self.lines.forget(&self.connection);
    }
}

impl Deref for Admitted {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// Who is at the other end of a request's connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// `None`: it came through a Unix socket.
    pub(super) address: Option<IpAddr>,
    /// Nobody between reads along: TLS, ended here.
    pub(super) secure: bool,
    connection: Option<Rc<Connection>>,
}

impl Peer {
    fn new(connection: Rc<Connection>, secure: bool) -> Self {
        Self { address: connection.address, secure, connection: Some(connection) }
    }

    pub(super) fn of(request: &HttpRequest) -> Self {
        let nobody = || Self { address: None, secure: false, connection: None };
        request.conn_data::<Self>().cloned().unwrap_or_else(nobody)
    }

    /// Ends the connection, whatever is under way.
    pub(super) fn cut(&self) {
        if let Some(connection) = &self.connection {
            connection.cut();
        }
    }

    /// From now on it is a WebSocket: what comes is frames, whose limits are others'.
    pub(super) fn is_upgraded(&self) {
        if let Some(connection) = &self.connection {
            connection.course.borrow_mut().upgraded();
        }
    }
}

impl fmt::Display for Peer {
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

    fn lines(all: usize, per_address: usize) -> Rc<Lines> {
        Lines::new(Limits { all, per_address })
    }

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn who_has_been_idle_for_the_longest_gives_way() {
        let lines = lines(3, 2);
        let first = lines.admit(from("127.0.0.1")).unwrap();
        let busy = lines.admit(from("::ffff:127.0.0.1")).unwrap();
        busy.course.borrow_mut().upgraded();
        let third = lines.admit(from("127.0.0.1")).unwrap();
        first.course.borrow_mut().said(Instant::now() + Duration::from_secs(1));
        let _fourth = lines.admit(None).unwrap();
        assert!(third.cut.get() && !first.cut.get() && !busy.cut.get());
        lines.open.borrow().values().for_each(|line| line.course.borrow_mut().upgraded());
        assert!(lines.admit(None).is_none(), "nobody is idle");
    }

    #[test]
    fn an_address_has_its_own_limit_and_this_machine_none() {
        let lines = lines(100, 2);
        let them: Vec<_> = (0..3).filter_map(|_| lines.admit(from("10.0.0.1"))).collect();
        assert!(them[0].cut.get() && !them[1].cut.get() && !them[2].cut.get());
        them.iter().for_each(|line| line.course.borrow_mut().upgraded());
        assert!(lines.admit(from("10.0.0.1")).is_none());
        assert!(lines.admit(from("10.0.0.2")).is_some());
        (0..50).for_each(|_| assert!(lines.admit(from("127.0.0.1")).is_some()));
    }

    #[test]
    fn heads_are_bounded_together_too() {
        let (lines, now) = (lines(10_000, 10), Instant::now());
        let large = vec![b'x'; 15 << 10];
        let all: Vec<_> = (0..400).filter_map(|_| lines.admit(None)).collect();
        let heard: Vec<_> = all.iter().map(|line| line.heard(&large, now)).collect();
        assert_eq!((heard[0], heard[399]), (Heard::Fine, Heard::Head));
        let late = lines.admit(None).unwrap();
        assert_eq!(late.heard(b"GET / HTTP/1.1\r\n", now), Heard::Fine, "a small one always fits");
        all.iter().for_each(|line| line.said(now));
        assert_eq!(lines.parts_bytes.get(), 16);
        drop((all, late));
        assert_eq!(lines.parts_bytes.get(), 0);
    }

    #[test]
    fn of_those_whose_answers_nobody_takes_only_some_are_kept() {
        let (lines, start) = (lines(1_000, 10), Instant::now());
        let all: Vec<_> = (0..100).filter_map(|_| lines.admit(None)).collect();
        for (n, line) in all.iter().enumerate() {
            line.course.borrow_mut().stalls(start + Duration::from_millis(n as u64));
        }
        lines.look(start + Duration::from_secs(1));
        assert!(all.iter().all(|line| !line.cut.get()), "they may only hesitate");
        lines.look(start + Duration::from_secs(3));
        let cut: Vec<_> = all.iter().map(|line| line.cut.get()).collect();
        assert_eq!(cut.iter().filter(|cut| **cut).count(), 100 - STALLED_MAX);
        assert!(cut[0] && !cut[99], "the oldest go");
    }
}
