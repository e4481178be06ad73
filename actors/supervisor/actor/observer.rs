//! The observer of the tree, and the lock that keeps a second instance out.

use crate::supervisor::exit::Exit;
use crate::supervisor::pulse::Pulse;

use super::TreeOutcome;

/// The lock that makes this the only instance, as the supervisor sees it: held as long as it lives.
pub trait InstanceLock {
    /// Why the lock no longer keeps others out, if so: its file was removed or replaced.
    fn lost(&self) -> Option<String>;
}

/// What the supervisor tells the world of: the port to the service manager and to published state.
pub trait Observer {
    /// Every child is ready for the first time.
    fn ready(&mut self);
    /// The ordered stop begins.
    fn stopping(&mut self, reason: &str);
    /// A child, or the supervisor itself, begins a life with this sign of life.
    fn born(&mut self, name: &'static str, pulse: &Pulse);
    /// A child was stopped in order and starts anew, for this reason.
    fn renewed(&mut self, name: &'static str, why: &str);
    /// A child is in a new state.
    fn child(&mut self, name: &'static str, state: &str, restarts: u32, last_exit: Option<&Exit>);
    /// The instance's lock does not keep other instances out any more.
    fn lock_lost(&mut self, trouble: &str);
    /// The tree has ended.
    fn ended(&mut self, outcome: &TreeOutcome);
    /// The supervisor itself died: the process must exit with this code, at once.
    fn abandoned(&mut self, code: i32);
}
