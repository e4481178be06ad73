//! Each check is made true by its real cause, and false again by its end. What only hours could show (a disk that will be
//! full in a week, a restart that is ten minutes old) is in the tables of `actors/issues`.

/// The broker, frozen, cut off, half open.
mod broker;
/// The database, its disk, its readers, its spool.
mod storage;
/// Actors, the clock, the lock, the sensors.
mod upkeep;
