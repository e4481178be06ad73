//! Tests that can keep a core busy take turns, so that the light ones beside them keep their deadlines.

use std::sync::{Condvar, Mutex, PoisonError};

/// Each drives a publisher, a broker and a recorder.
static LOADS: Lane = Lane::of(2);
/// Hundreds of recorders, one after the other, each of which waits for strace and the disk.
static SWEEPS: Lane = Lane::of(2);
/// A browser keeps a core busy while it starts.
static BROWSERS: Lane = Lane::of(1);

/// Tests of one kind, of which only some run at once.
struct Lane {
    places: usize,
    taken: Mutex<usize>,
    freed: Condvar,
}

/// The right to keep the machine busy, given back when dropped.
pub(crate) struct Turn(&'static Lane);

/// Waits for a turn with a load.
pub(crate) fn turn() -> Turn {
    LOADS.turn()
}

/// Waits for a turn with a sweep.
pub(crate) fn sweep() -> Turn {
    SWEEPS.turn()
}

/// Waits for a turn with a browser.
pub(crate) fn browser() -> Turn {
    BROWSERS.turn()
}

impl Lane {
    const fn of(places: usize) -> Self {
        Self { places, taken: Mutex::new(0), freed: Condvar::new() }
    }

    fn turn(&'static self) -> Turn {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |taken: &mut usize| *taken >= self.places;
        let taken = self.freed.wait_while(taken, is_full);
        *taken.unwrap_or_else(PoisonError::into_inner) += 1;
        Turn(self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}
