//! Waiting for a condition, with a deadline: the only sleep of the tests that is not itself the thing tested.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks; after a look that took long it is ten times as long as that, to leave the machine to the tested.
const PAUSE: Duration = Duration::from_millis(10);

/// The first answer of `probe`; or a panic with what `complaint` says at the deadline.
pub(crate) fn until_or<T>(
    within: Duration,
    mut probe: impl FnMut() -> Option<T>,
    complaint: impl FnOnce() -> String,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        let begun = Instant::now();
        if let Some(answer) = probe() {
            return answer;
        }
        if Instant::now() > deadline {
            panic!("waited {within:?} in vain: {}", complaint());
        }
        thread::sleep(PAUSE.max(begun.elapsed() * 10)); // the pause is the point
    }
}

/// Waits for `condition`, or panics and says for what.
pub(crate) fn until_true(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    until_or(within, || condition().then_some(()), || what.to_owned());
}

/// Waits for `condition`; whether it came true in time.
pub(crate) fn comes_true(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        thread::sleep(PAUSE); // the pause is the point
    }
    condition()
}

/// Watches that `condition` holds all the time `during`; panics at the first moment it does not.
pub(crate) fn while_true(what: &str, during: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + during;
    while Instant::now() < end {
        assert!(condition(), "no longer true: {what}");
        thread::sleep(PAUSE); // the pause is the point
    }
}

/// The wall clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292,000,000")
}

/// Says "enough" to the threads of a scope when it is dropped: also when a panic does that, for a scope waits for its
/// threads even then.
pub(crate) struct Enough<'a>(pub(crate) &'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
