//! The supervision tree's mechanism. It knows nothing of MQTT, SQLite or weather: it starts
//! children in order, tells how each of them ended, starts them again within limits, and stops them
//! in reverse.
//!
//! `actix::Supervisor` is not used: it does not restart after a panic, and on `ctx.stop()` it
//! "restarts" the same struct with its old state. `SyncArbiter` is not used: its queue is unbounded
//! and it loses a worker for good at a panic.
//!
//! The way of a death: every child holds a [`Lifeline`]. However the child ends, the lifeline is
//! dropped with it, also while a panic unwinds, and that drop is the report: an [`Exit`]. The
//! [`Supervisor`] asks [`Restarts`] (a pure function of the past) what to do and either starts the
//! child again or stops the whole tree.

pub mod actor;
pub mod child;
pub mod exit;
pub mod lifeline;
pub mod link;
pub mod pulse;
pub mod restart;

pub use actor::{Adjust, Inject, Renew, Shutdown, Supervisor, TreeOutcome};
pub use child::{ChildSpec, Fault, RunningChild, Stop, Thread};
pub use exit::{Cause, Exit};
pub use lifeline::Lifeline;
pub use link::{Link, LinkRecipient};
pub use pulse::Pulse;
pub use restart::{Policy, Restarts, Verdict};
