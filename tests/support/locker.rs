//! Another process (this one) that locks the database: no one else can write to it, everyone can read.

use rusqlite::Connection;

use super::database::Database;

/// A write transaction that is not ended.
pub(crate) struct Locker(Connection);

impl Locker {
    /// Locks. (The recorder writes in short transactions: there is room between two.)
    pub(crate) fn hold(database: &Database) -> Self {
        Self::try_hold(database).expect("free between two commits")
    }

    /// Locks, if it can be had.
    pub(crate) fn try_hold(database: &Database) -> rusqlite::Result<Self> {
        let connection = database.writer();
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(Self(connection))
    }

    /// Unlocks.
    pub(crate) fn release(self) {
        self.0.execute_batch("COMMIT").expect("our own transaction");
    }
}
