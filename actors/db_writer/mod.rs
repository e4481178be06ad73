//! The only writer to database and spool: the actor, its writer thread, and the ledger that tells a redelivery from a repetition.

pub mod actor;
pub mod ledger;
pub mod plan;
mod probe;
mod reporter;
pub mod setup;
pub mod writer;
