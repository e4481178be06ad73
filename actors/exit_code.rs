//! Exit codes of the program: those of `sysexits.h`, so that scripts and service managers can tell
//! what to do.

use crate::message::write::WriteCause;

/// It was asked to stop, and did.
pub const OK: i32 = 0;
/// `account` or `verify` found something wrong, and printed what; a channel did not accept the message of
/// `alert test`; `quarantine` found no such message, or was told not to drop any. `status`: the recorder is
/// degraded. Other commands to a running recorder: it refused, or has not stopped in time.
pub const FOUND_WRONG: i32 = 1;
/// `status`: the recorder is in a critical state.
pub const CRITICAL: i32 = 2;
/// No recorder is running, or it does not answer.
pub const NOT_RUNNING: i32 = 3;
/// `EX_USAGE`: the command line cannot be understood.
pub const USAGE: i32 = 64;
/// `EX_DATAERR`: the database is not one, or its tables clash with the routes. A person must
/// choose.
pub const DATABASE_UNUSABLE: i32 = 65;
/// `EX_DATAERR` again: a file that was to be imported is none that is understood.
pub const FILE_UNUSABLE: i32 = 65;
/// `EX_UNAVAILABLE`: the broker does not answer or does not accept us (only `check` gives up on
/// that).
pub const BROKER_UNAVAILABLE: i32 = 69;
/// `EX_SOFTWARE`: too many restarts, or an actor is stuck. A fresh process may help.
pub const ESCALATED: i32 = 70;
/// `EX_CANTCREAT`: the lock or the database cannot be created where it should be.
pub const CANNOT_CREATE: i32 = 73;
/// `EX_TEMPFAIL`: another instance holds the lock, or another program locks the database.
pub const LOCKED: i32 = 75;
/// `EX_NOPERM`: this user may not reach the recorder's lock, socket or database, so that nothing is known of it.
pub const PERMISSION_DENIED: i32 = 77;
/// `EX_CONFIG`: the settings have problems. Starting again without a change is useless.
pub const CONFIG: i32 = 78;
/// A second signal ended the stop, or a signal ended `verify` (128 + SIGINT).
pub const INTERRUPTED: i32 = 130;

/// That of a process which cannot open its database, and whose waiting would not help.
pub fn of_open_error(cause: WriteCause) -> i32 {
    match cause {
        WriteCause::NotADatabase | WriteCause::Corrupt | WriteCause::SchemaClash => {
            DATABASE_UNUSABLE
        }
        WriteCause::Missing
        | WriteCause::Permission
        | WriteCause::ReadOnly
        | WriteCause::Locked
        | WriteCause::Busy
        | WriteCause::Full
        | WriteCause::Io
        | WriteCause::Replaced
        | WriteCause::Other => CANNOT_CREATE,
    }
}
