//! A connection through a proxy with a log: between reading and writing the bytes wait in a queue, as they do in a network.
//!
//! So what a process sent before it was killed still arrives, however long the network takes.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Pair, hang_up};
use crate::support::packet_log::{Dissector, PacketLog, Way};

/// Chunks in one direction that may be under way; then the sender has to wait.
const UNDER_WAY_MAX: usize = 1024;
const CHUNK: usize = 16_384;
/// How exactly times are kept.
const STEP: Duration = Duration::from_millis(1);
/// A slow network passes this many chunks a second, whatever their size.
const SLICES: usize = 50;

/// Bytes, and when they were read.
type Chunk = (Instant, Vec<u8>);

/// Forwards both directions of a connection, each by two threads that end with it.
pub(super) fn join(pair: &Arc<Pair>) {
    for (from, way) in [(0, Way::Up), (1, Way::Down)] {
        let (sender, receiver) = sync_channel(UNDER_WAY_MAX);
        let (reader, writer) = (Arc::clone(pair), Arc::clone(pair));
        thread::spawn(move || read(&reader, from, &sender));
        thread::spawn(move || write(&writer, from, way, &receiver));
    }
}

fn read(pair: &Pair, from: usize, queue: &SyncSender<Chunk>) {
    let mut chunk = [0; CHUNK];
    while let Ok(length @ 1..) = (&pair.ends[from]).read(&mut chunk) {
        if queue.send((Instant::now(), chunk[..length].to_vec())).is_err() {
            break;
        }
    }
}

fn write(pair: &Pair, from: usize, way: Way, queue: &Receiver<Chunk>) {
    let log = pair.state.log.as_deref().expect("only with a log");
    let mut dissector = Dissector::new(way, pair.number);
    let mut is_open = true;
    for (read_at, bytes) in queue {
        wait_until_due(pair, read_at);
        is_open &= pass(pair, from, &bytes, (log, &mut dissector), is_open);
        if !is_open && !is_black(pair, from) {
            end(pair); // the reader ends, and so does the queue
        }
    }
    if !is_black(pair, from) {
        end(pair);
    }
}

/// Writes a chunk, or swallows it; `false` when the other end is gone.
fn pass(
    pair: &Pair,
    from: usize,
    bytes: &[u8],
    (log, dissector): (&PacketLog, &mut Dissector),
    is_open: bool,
) -> bool {
    let mut rest = bytes;
    let mut is_open = is_open;
    while !rest.is_empty() {
        let rate = pair.state.rate.load(Ordering::Relaxed);
        let slice = if rate == 0 { rest.len() } else { rest.len().min(1 + rate / SLICES) };
        let (now, later) = rest.split_at(slice);
        is_open = is_open && !is_black(pair, from);
        let places = dissector.take(log, now, is_open);
        if is_open && (&pair.ends[1 - from]).write_all(now).is_err() {
            is_open = false;
            log.were_not_delivered(&places);
        }
        if is_open && rate > 0 {
            thread::sleep(Duration::from_secs_f64(slice as f64 / rate as f64)); // a slow network
        }
        pair.used.fetch_or(from == 1, Ordering::Relaxed);
        rest = later;
    }
    is_open
}

/// The delay of now counts: when it ends, what waits goes on at once and in order.
fn wait_until_due(pair: &Pair, read_at: Instant) {
    let state = &pair.state;
    let is_early = || {
        let delay = Duration::from_millis(state.delay_ms.load(Ordering::Relaxed));
        state.stalled.load(Ordering::Relaxed) || read_at.elapsed() < delay
    };
    while is_early() {
        thread::sleep(STEP); // a slow network
    }
}

fn is_black(pair: &Pair, from: usize) -> bool {
    pair.black[from].load(Ordering::Relaxed)
}

fn end(pair: &Pair) {
    pair.is_over.store(true, Ordering::Relaxed);
    pair.ends.iter().for_each(hang_up);
}
